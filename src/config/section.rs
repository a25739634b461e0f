//! How a section of the configuration is written down: once, as a struct whose fields are its keys.
//!
//! The [`section!`] macro makes three things of one line: the field with its default, the check of
//! what the user wrote, and the row of the documentation.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use config::ValueKind;
use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

/// One key, as the documentation shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Key {
    /// Where it stands, such as `http.listen` or `dtu.port`.
    pub path: String,
    /// What it must be, in words.
    pub expected: Cow<'static, str>,
    /// As it would be written in the file; `None` if it has no fixed default.
    pub default: Option<String>,
    /// What it means.
    pub description: &'static str,
    /// Whether it must be there.
    pub is_required: bool,
    /// Whether its value is never shown.
    pub is_secret: bool,
    /// Whether its section can be there several times, in double brackets.
    pub is_in_list: bool,
    /// How its value is written.
    pub(crate) form: Form,
}

/// How a value is written in TOML.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Form {
    #[default]
    Text,
    Number,
    Boolean,
}

/// What can be read as a key or a section.
pub(crate) trait Setting {
    type Value;

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self::Value, D::Error>;

    /// Adds the rows of the documentation; `key` has path, description and default already.
    fn list(key: Key, keys: &mut Vec<Key>);

    /// The value as it would be written in the file, if it can be written in one line.
    fn show(_: &Self::Value) -> Option<String> {
        None
    }

    /// Writes it down as TOML, without secrets.
    fn write(value: &Self::Value, path: &str, toml: &mut String) {
        if let Some(value) = Self::show(value).filter(|value| value != "\"\"") {
            let name = path.rsplit('.').next().unwrap_or(path);
            *toml += &[name, " = ", &value, "\n"].concat();
        }
    }
}

/// A single value that checks itself.
pub(crate) trait Kind {
    type Value: fmt::Debug;
    const IS_REQUIRED: bool = false;
    /// Whether no message may show it.
    const IS_SECRET: bool = false;
    /// How it is written.
    const FORM: Form = Form::Text;

    /// What it must be, in words that follow "expected".
    fn expected() -> Cow<'static, str>;

    /// Reads a text, which is never blank. The error is `what is wrong; expected ...`.
    fn parse(text: &str) -> Result<Self::Value, String>;

    fn parse_number(number: i64) -> Result<Self::Value, String> {
        Err(Self::refuse(&format!("{number} is a number"), "not a text"))
    }

    fn parse_bool(value: bool) -> Result<Self::Value, String> {
        Err(Self::refuse(&format!("{value} is a boolean"), "not a text"))
    }

    /// The value as it would be written in the file, without secrets.
    fn show(value: &Self::Value) -> String {
        format!("{value:?}")
    }

    /// A whole error: what is wrong, and what was expected.
    fn not(wrong: &str) -> String {
        format!("{wrong}; expected {}", Self::expected())
    }

    /// As [`not`](Self::not), with other words for a secret.
    fn refuse(wrong: &str, of_secret: &str) -> String {
        if Self::IS_SECRET { Self::not(&format!("is {of_secret}")) } else { Self::not(wrong) }
    }
}

/// Reads a [`Setting`] wherever serde wants a type.
pub(crate) struct Read<S: Setting>(pub(crate) S::Value);

impl<'de, S: Setting> Deserialize<'de> for Read<S> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        S::read(deserializer).map(Self)
    }
}

impl<K: Kind> Setting for K {
    type Value = K::Value;

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self::Value, D::Error> {
        let value = match config::Value::deserialize(deserializer)?.kind {
            ValueKind::String(text) if text.trim().is_empty() => Err(K::not("is empty")),
            ValueKind::String(text) => K::parse(&text),
            ValueKind::I64(number) => K::parse_number(number),
            ValueKind::I128(_) | ValueKind::U64(_) | ValueKind::U128(_) => {
                K::parse_number(i64::MAX)
            }
            ValueKind::Boolean(value) => K::parse_bool(value),
            ValueKind::Float(_) => Err(K::not("is a number with a fraction")),
            ValueKind::Array(_) => Err(K::not("is a list")),
            ValueKind::Table(_) => Err(K::not("is a section")),
            ValueKind::Nil => Err(K::not("is empty")),
        };
        value.map_err(D::Error::custom)
    }

    fn list(key: Key, keys: &mut Vec<Key>) {
        let (is_required, is_secret) = (K::IS_REQUIRED, K::IS_SECRET);
        let default = key.default.filter(|_| !is_required);
        keys.push(Key {
            expected: K::expected(),
            default,
            is_required,
            is_secret,
            form: K::FORM,
            ..key
        });
    }

    fn show(value: &Self::Value) -> Option<String> {
        Some(K::show(value))
    }
}

/// A key that may be left out and then has no value.
impl<S: Setting> Setting for Option<S> {
    type Value = Option<S::Value>;

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self::Value, D::Error> {
        S::read(deserializer).map(Some)
    }

    fn list(key: Key, keys: &mut Vec<Key>) {
        S::list(key, keys);
    }

    fn show(value: &Self::Value) -> Option<String> {
        value.as_ref().and_then(S::show)
    }

    fn write(value: &Self::Value, path: &str, toml: &mut String) {
        if let Some(value) = value {
            S::write(value, path, toml);
        }
    }
}

/// A section in double brackets.
impl<S: Setting> Setting for Vec<S> {
    type Value = Vec<S::Value>;

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self::Value, D::Error> {
        let items = Vec::<Read<S>>::deserialize(deserializer)?;
        Ok(items.into_iter().map(|item| item.0).collect())
    }

    fn list(key: Key, keys: &mut Vec<Key>) {
        S::list(Key { is_in_list: true, ..key }, keys);
    }

    fn write(items: &Self::Value, path: &str, toml: &mut String) {
        for item in items {
            S::write(item, &format!("[{path}]"), toml);
        }
    }
}

/// A list of values in the file, or one text with commas in the environment.
pub(crate) struct List<K>(PhantomData<K>);

impl<K: Kind> Setting for List<K> {
    type Value = Vec<K::Value>;

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(ManyValues::<K>(PhantomData))
    }

    fn list(key: Key, keys: &mut Vec<Key>) {
        keys.push(Key { expected: format!("a list, each {}", K::expected()).into(), ..key });
    }

    fn show(values: &Self::Value) -> Option<String> {
        Some(format!("[{}]", values.iter().map(K::show).collect::<Vec<_>>().join(", ")))
    }
}

/// A text in quotes, short and without control characters.
pub(crate) fn quoted(text: &str) -> String {
    let mut short: String = text.chars().take(60).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    format!("{short:?}")
}

struct ManyValues<K>(PhantomData<K>);

impl<'de, K: Kind> Visitor<'de> for ManyValues<K> {
    type Value = Vec<K::Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of texts like [\"one\", \"two\"]")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Vec<K::Value>, E> {
        text.split(',').map(|item| K::parse(item.trim()).map_err(E::custom)).collect()
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<K::Value>, A::Error> {
        let mut values = Vec::new();
        while let Some(Read(value)) = items.next_element::<Read<K>>()? {
            values.push(value);
        }
        Ok(values)
    }
}

/// Declares a section: `name: type as kind = default`, where the kind reads and checks what the
/// user wrote, and the comment above is the documentation. `name("key")` is a field whose key has
/// another name.
macro_rules! section {
    (@key $field:ident) => { stringify!($field) };
    (@key $field:ident $name:literal) => { $name };
    (
        $(#[$about:meta])*
        pub struct $section:ident {
            $(
                $(#[doc = $description:literal])*
                $field:ident $(($name:literal))?: $value:ty as $kind:ty = $default:expr,
            )*
        }
    ) => {
        $(#[$about])*
        #[derive(Clone, Debug)]
        pub struct $section {
            $( $(#[doc = $description])* pub $field: $value, )*
        }

        impl Default for $section {
            fn default() -> Self {
                Self { $( $field: $default, )* }
            }
        }

        impl<'de> serde::Deserialize<'de> for $section {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                <Self as $crate::config::section::Setting>::read(deserializer)
            }
        }

        impl $crate::config::section::Setting for $section {
            type Value = Self;

            fn read<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                #[derive(Default, serde::Deserialize)]
                #[serde(default)]
                struct Written {
                    $(
                        $( #[serde(rename = $name)] )?
                        $field: Option<$crate::config::section::Read<$kind>>,
                    )*
                }
                let written = <Written as serde::Deserialize>::deserialize(deserializer)?;
                Ok(Self { $( $field: written.$field.map_or_else(|| $default, |read| read.0), )* })
            }

            fn list(
                section: $crate::config::section::Key,
                keys: &mut Vec<$crate::config::section::Key>,
            ) {
                use $crate::config::section::{Key, Setting, section};
                let dot = if section.path.is_empty() { "" } else { "." };
                $(
                    let name = section!(@key $field $($name)?);
                    let key = Key {
                        path: format!("{}{dot}{name}", section.path),
                        description: concat!($($description),*).trim_ascii_start(),
                        default: <$kind as Setting>::show(&$default),
                        ..section.clone()
                    };
                    <$kind as Setting>::list(key, keys);
                )*
            }

            fn write(section: &Self, path: &str, toml: &mut String) {
                use $crate::config::section::{Setting, section};
                let dot = if path.is_empty() { "" } else { "." };
                if !path.is_empty() {
                    *toml += &["\n[", path, "]\n"].concat();
                }
                $(
                    let key = format!("{path}{dot}{}", section!(@key $field $($name)?));
                    <$kind as Setting>::write(&section.$field, &key, toml);
                )*
            }
        }
    };
}
pub(crate) use section;
