//! Whether a value is of its kind, and what was expected if not. Pure.

use std::net::SocketAddr;
use std::time::Duration;

use config::ValueKind;

use super::nearest::nearest;
use super::schema::Kind;
use super::written::Written;
use crate::config::duration;

/// A value as it was written, before anyone knows whether it fits.
#[derive(Clone, Debug)]
pub(super) enum Given {
    Text(String),
    Integer(i64),
    Bool(bool),
    Texts(Vec<String>),
    /// Something that no key takes, by what it is.
    Other(&'static str),
}

impl Given {
    /// A value of the file.
    pub(super) fn from_written(value: &Written) -> Self {
        match value {
            Written::Text(text) => Self::Text(text.clone()),
            Written::Integer(number) => Self::Integer(*number),
            Written::Bool(yes) => Self::Bool(*yes),
            Written::List(items) => items
                .iter()
                .map(|item| match &item.value {
                    Written::Text(text) => Some(text.clone()),
                    Written::Integer(_)
                    | Written::Bool(_)
                    | Written::List(_)
                    | Written::Section(_)
                    | Written::Other(_) => None,
                })
                .collect::<Option<_>>()
                .map_or(Self::Other("a list, but not of texts"), Self::Texts),
            Written::Section(_) => Self::Other("a section"),
            Written::Other(what) => Self::Other(what),
        }
    }

    /// A value of the environment, which knows only text.
    pub(super) fn from_variable(text: &str, kind: Kind) -> Self {
        let given = match kind {
            Kind::Bool => match text.to_ascii_lowercase().as_str() {
                "true" => Some(Self::Bool(true)),
                "false" => Some(Self::Bool(false)),
                _ => None,
            },
            Kind::Integer(..) => text.parse().ok().map(Self::Integer),
            Kind::Texts => {
                Some(Self::Texts(text.split(',').map(|part| part.trim().to_owned()).collect()))
            }
            Kind::Text | Kind::Secret | Kind::Duration(..) | Kind::Word(_) | Kind::Address => None,
        };
        given.unwrap_or_else(|| Self::Text(text.to_owned()))
    }
}

impl Kind {
    /// The value if it fits, or what is wrong with it and what was expected.
    pub(super) fn accept(self, given: Given) -> Result<ValueKind, String> {
        let wrong = match (self, given) {
            (_, Given::Text(text)) if text.trim().is_empty() => "is empty".to_owned(),
            (Self::Text | Self::Secret, Given::Text(text)) => return Ok(text.into()),
            (Self::Bool, Given::Bool(yes)) => return Ok(yes.into()),
            (Self::Texts, Given::Texts(texts)) => return Ok(texts.into()),
            (Self::Integer(least, most), Given::Integer(number)) => {
                if (least..=most).contains(&number) {
                    return Ok(number.into());
                }
                format!("{number} is out of range")
            }
            (Self::Duration(least, most), Given::Text(text)) => match duration::parse(&text) {
                Some(spent) if (least..=most).contains(&spent) => return Ok(text.into()),
                Some(_) => format!("{} is out of range", shown(&text)),
                None => format!("{} is not a duration", shown(&text)),
            },
            (Self::Word(words), Given::Text(text)) => {
                if words.contains(&text.as_str()) {
                    return Ok(text.into());
                }
                match nearest(&text, words.iter().copied()) {
                    Some(meant) => format!("{} is unknown, did you mean {meant:?}", shown(&text)),
                    None => format!("{} is unknown", shown(&text)),
                }
            }
            (Self::Address, Given::Text(text)) => {
                if text.parse::<SocketAddr>().is_ok() {
                    return Ok(text.into());
                }
                format!("{} is not an IP address with a port", shown(&text))
            }
            (Self::Secret, _) => "is not a text".to_owned(),
            (_, Given::Text(text)) => format!("{} is a text", shown(&text)),
            (_, Given::Integer(number)) => format!("{number} is a number"),
            (_, Given::Bool(yes)) => format!("{yes} is a truth value"),
            (_, Given::Texts(_)) => "is a list".to_owned(),
            (_, Given::Other(what)) => format!("is {what}"),
        };
        Err(format!("{wrong}; expected {}", self.expected()))
    }

    /// What the value must be, in words.
    pub(super) fn expected(self) -> String {
        match self {
            Self::Text | Self::Secret => "a text in quotes".to_owned(),
            Self::Bool => "true or false".to_owned(),
            Self::Integer(least, most) => format!("a whole number from {least} to {most}"),
            Self::Duration(least, most) => {
                let least =
                    if least == Duration::ZERO { "0s".to_owned() } else { duration::text(least) };
                format!("{} from {least} to {}", duration::EXPECTED, duration::text(most))
            }
            Self::Word(words) => {
                let words: Vec<String> = words.iter().map(|word| format!("{word:?}")).collect();
                words.join(" or ")
            }
            Self::Address => {
                "an IP address and a port like \"0.0.0.0:8080\" or \"[::]:8080\"".to_owned()
            }
            Self::Texts => "a list of texts like [\"one\", \"two\"]".to_owned(),
        }
    }
}

/// A text in quotes, short and without control characters.
pub(super) fn shown(text: &str) -> String {
    let mut short: String = text.chars().take(60).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    format!("{short:?}")
}
