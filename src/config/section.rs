//! How a section of the configuration is written down: once, as a struct whose fields are its keys.
//!
//! The [`section!`] macro makes three things of one line: the field with its default, the check of
//! what the user wrote, and the row of the documentation.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// One key, as the documentation shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
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
}

/// What can be read as a key or a section.
pub(crate) trait Setting {
    /// What the program gets.
    type Value;

    /// Reads and checks it.
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self::Value, D::Error>;

    /// Adds the rows of the documentation; `key` has path, description and default already.
    fn list(key: Key, keys: &mut Vec<Key>);

    /// The value as it would be written in the file, if it can be.
    fn show(value: &Self::Value) -> Option<String>;
}

/// A single value that checks itself.
pub(crate) trait Kind {
    /// What the program gets.
    type Value;
    /// Whether it must be in the file.
    const IS_REQUIRED: bool = false;
    /// Whether no message may show it.
    const IS_SECRET: bool = false;

    /// What it must be, in words that follow "expected".
    fn expected() -> Cow<'static, str>;

    /// Reads a text, which is never blank. The error is `what is wrong; expected ...`.
    fn parse(text: &str) -> Result<Self::Value, String>;

    /// Reads a whole number.
    fn parse_number(number: i64) -> Result<Self::Value, String> {
        Err(Self::refuse(&format!("{number} is a number"), "not a text"))
    }

    /// Reads `true` or `false`.
    fn parse_bool(value: bool) -> Result<Self::Value, String> {
        Err(Self::refuse(&format!("{value} is a boolean"), "not a text"))
    }

    /// The value as it would be written in the file.
    fn show(value: &Self::Value) -> String;

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
        deserializer.deserialize_any(OneValue::<K>(PhantomData))
    }

    fn list(key: Key, keys: &mut Vec<Key>) {
        let (is_required, is_secret) = (K::IS_REQUIRED, K::IS_SECRET);
        let default = key.default.filter(|_| !is_required);
        keys.push(Key { expected: K::expected(), default, is_required, is_secret, ..key });
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

    fn show(_: &Self::Value) -> Option<String> {
        None
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

struct OneValue<K>(PhantomData<K>);

impl<'de, K: Kind> Visitor<'de> for OneValue<K> {
    type Value = K::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&K::expected())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<K::Value, E> {
        let value = if text.trim().is_empty() { Err(K::not("is empty")) } else { K::parse(text) };
        value.map_err(E::custom)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<K::Value, E> {
        K::parse_number(number).map_err(E::custom)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<K::Value, E> {
        self.visit_i64(i64::try_from(number).unwrap_or(i64::MAX))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<K::Value, E> {
        K::parse_bool(value).map_err(E::custom)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<K::Value, E> {
        Err(E::custom(K::not("is a number with a fraction")))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<K::Value, A::Error> {
        Err(A::Error::custom(K::not("is a list")))
    }

    fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<K::Value, A::Error> {
        Err(A::Error::custom(K::not("is a section")))
    }
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
            fn deserialize<D>(deserializer: D) -> Result<Self, D::Error>
            where
                D: serde::Deserializer<'de>,
            {
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
        }

        impl $crate::config::section::Setting for $section {
            type Value = Self;

            fn read<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                <Self as serde::Deserialize>::deserialize(deserializer)
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

            fn show(_: &Self) -> Option<String> {
                None
            }
        }
    };
}
pub(crate) use section;
