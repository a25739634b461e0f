//! Compares the file with the schema: tells all that does not fit, and keeps all that does.

use std::path::Path;

use config::{Map, Value, ValueKind};
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::fault::{ConfigError, Faults, Origins};
use super::kind::Given;
use super::nearest::nearest;
use super::schema::{Key, Kind, ROOT, Shape};
use super::syntax::syntax_error;

type Entry<'a, 'i> = (&'a Spanned<DeString<'i>>, &'a Spanned<DeValue<'i>>);

/// The values of the file that fit. In place of a required one that is missing or does not fit
/// stands something harmless, so that the rest can be checked for faults of other kinds.
pub(super) fn walk(
    file: &Path,
    text: &str,
    origins: &mut Origins,
    faults: &mut Faults,
) -> Result<Map<String, Value>, ConfigError> {
    // Editors of some systems put a byte order mark first.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let table = DeTable::parse(text).map_err(|error| syntax_error(file, text, &error))?;
    let mut walk = Walk { text, origins, faults };
    Ok(walk.section(ROOT, table.get_ref(), ""))
}

struct Walk<'a> {
    text: &'a str,
    origins: &'a mut Origins,
    faults: &'a mut Faults,
}

impl Walk<'_> {
    fn section(&mut self, keys: &[Key], table: &DeTable<'_>, prefix: &str) -> Map<String, Value> {
        let mut found = Map::new();
        for (name, value) in table {
            let path = format!("{prefix}{}", name.get_ref());
            self.note_line(&path, name.span().start);
            match keys.iter().find(|key| *key.name == **name.get_ref()) {
                Some(key) => {
                    if let Some(kind) = self.value(key.shape, value.get_ref(), &path) {
                        found.insert(key.name.to_owned(), Value::new(None, kind));
                    }
                }
                None => self.unknown(keys, (name, value), &path),
            }
        }
        for key in keys {
            if let Shape::Required(kind) = key.shape
                && !found.contains_key(key.name)
            {
                let path = format!("{prefix}{}", key.name);
                if !table.contains_key(key.name) {
                    self.faults.add(&path, format!("is missing; expected {}", kind.expected()));
                }
                let stand_in = Value::new(None, stand_in(kind, &path));
                found.insert(key.name.to_owned(), stand_in);
            }
        }
        found
    }

    fn value(&mut self, shape: Shape, value: &DeValue<'_>, path: &str) -> Option<ValueKind> {
        match (shape, value) {
            (Shape::Value(kind) | Shape::Required(kind), _) => {
                match kind.accept(Given::from_toml(value)) {
                    Ok(value) => Some(value),
                    Err(wrong) => {
                        self.faults.add(path, wrong);
                        None
                    }
                }
            }
            (Shape::Section(keys), DeValue::Table(table)) => {
                Some(self.section(keys, table, &format!("{path}.")).into())
            }
            (Shape::Section(_), _) => {
                self.faults.add(path, format!("is a value; expected a section [{path}]"));
                None
            }
            (Shape::List(keys), DeValue::Array(items)) => {
                let mut sections = Vec::new();
                for (index, item) in items.iter().enumerate() {
                    let path = format!("{path}[{index}]");
                    self.note_line(&path, item.span().start);
                    match item.get_ref() {
                        DeValue::Table(table) => sections
                            .push(Value::new(None, self.section(keys, table, &format!("{path}.")))),
                        DeValue::String(_)
                        | DeValue::Integer(_)
                        | DeValue::Float(_)
                        | DeValue::Boolean(_)
                        | DeValue::Datetime(_)
                        | DeValue::Array(_) => {
                            self.faults.add(&path, "is a value; expected a section of keys");
                        }
                    }
                }
                Some(ValueKind::Array(sections))
            }
            (Shape::List(keys), DeValue::Table(table)) => {
                let wrong = format!("is a single section; expected [[{path}]] in double brackets");
                self.faults.add(path, wrong);
                let path = format!("{path}[0]");
                let section = self.section(keys, table, &format!("{path}."));
                Some(ValueKind::Array(vec![Value::new(None, section)]))
            }
            (Shape::List(_), _) => {
                self.faults.add(path, format!("is a value; expected sections [[{path}]]"));
                None
            }
        }
    }

    fn unknown(&mut self, keys: &[Key], (name, value): Entry<'_, '_>, path: &str) {
        let names = || keys.iter().map(|key| key.name);
        let what = match value.get_ref() {
            DeValue::Table(_) => "section",
            DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_) => "key",
        };
        let text = if let Some(meant) = nearest(name.get_ref(), names()) {
            format!("no such {what}; did you mean `{meant}`?")
        } else {
            let all: Vec<&str> = names().collect();
            format!("no such {what}; expected one of {}", all.join(", "))
        };
        self.faults.add(path, text);
    }

    fn note_line(&mut self, path: &str, offset: usize) {
        let before = self.text.as_bytes().iter().take(offset);
        let line = before.filter(|&&byte| byte == b'\n').count() + 1;
        self.origins.lines.insert(path.to_owned(), line);
    }
}

/// Something harmless and unique in place of a required value.
fn stand_in(kind: Kind, path: &str) -> ValueKind {
    match kind {
        Kind::Word(words) => words.last().copied().unwrap_or_default().into(),
        Kind::Secret => format!("ws://{}/", path.replace(['[', ']', '.'], "-")).into(),
        Kind::Text
        | Kind::Bool
        | Kind::Integer(..)
        | Kind::Duration(..)
        | Kind::Address
        | Kind::Texts => path.into(),
    }
}
