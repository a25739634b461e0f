//! Compares what was written with the schema: tells all that does not fit, and keeps all that does.

use config::{Map, Value, ValueKind};

use super::fault::{Faults, Origins};
use super::kind::Given;
use super::nearest::nearest;
use super::schema::{Key, Kind, ROOT, Shape};
use super::written::{Entry, Written};

/// The values of the file that fit. In place of a required one that is missing or does not fit
/// stands something harmless, so that the rest can be checked for faults of other kinds.
///
/// `is_offered` says of a key of the schema, by its path without indices, whether this file may
/// have it.
pub(super) fn walk(
    entries: &[Entry],
    is_offered: fn(&str) -> bool,
    origins: &mut Origins,
    faults: &mut Faults,
) -> Map<String, Value> {
    Walk { is_offered, origins, faults }.section(ROOT, entries, "")
}

struct Walk<'a> {
    is_offered: fn(&str) -> bool,
    origins: &'a mut Origins,
    faults: &'a mut Faults,
}

impl Walk<'_> {
    fn section(&mut self, keys: &[Key], entries: &[Entry], prefix: &str) -> Map<String, Value> {
        let is_offered = |key: &&Key| (self.is_offered)(&without_indices(prefix, key.name));
        let keys: Vec<&Key> = keys.iter().filter(is_offered).collect();
        let mut found = Map::new();
        for entry in entries {
            let path = format!("{prefix}{}", entry.name);
            self.note_line(&path, entry.line);
            match keys.iter().find(|key| *key.name == *entry.name) {
                Some(key) => {
                    if let Some(kind) = self.value(key.shape, &entry.value, &path) {
                        found.insert(key.name.to_owned(), Value::new(None, kind));
                    }
                }
                None => self.unknown(&keys, entry, &path),
            }
        }
        for key in keys {
            if let Shape::Required(kind) = key.shape
                && !found.contains_key(key.name)
            {
                let path = format!("{prefix}{}", key.name);
                if !entries.iter().any(|entry| *entry.name == *key.name) {
                    self.faults.add(&path, format!("is missing; expected {}", kind.expected()));
                }
                let stand_in = Value::new(None, stand_in(kind, &path));
                found.insert(key.name.to_owned(), stand_in);
            }
        }
        found
    }

    fn value(&mut self, shape: Shape, value: &Written, path: &str) -> Option<ValueKind> {
        match (shape, value) {
            (Shape::Value(kind) | Shape::Required(kind), _) => {
                match kind.accept(Given::from_written(value)) {
                    Ok(value) => Some(value),
                    Err(wrong) => {
                        self.faults.add(path, wrong);
                        None
                    }
                }
            }
            (Shape::Section(keys), Written::Section(entries)) => {
                Some(self.section(keys, entries, &format!("{path}.")).into())
            }
            (Shape::Section(_), _) => {
                self.faults.add(path, format!("is a value; expected a section [{path}]"));
                None
            }
            (Shape::List(keys), Written::List(items)) => {
                let mut sections = Vec::new();
                for (index, item) in items.iter().enumerate() {
                    let path = format!("{path}[{index}]");
                    self.note_line(&path, item.line);
                    if let Written::Section(entries) = &item.value {
                        let section = self.section(keys, entries, &format!("{path}."));
                        sections.push(Value::new(None, section));
                    } else {
                        self.faults.add(&path, "is a value; expected a section of keys");
                    }
                }
                Some(ValueKind::Array(sections))
            }
            (Shape::List(keys), Written::Section(entries)) => {
                let wrong = format!("is a single section; expected [[{path}]] in double brackets");
                self.faults.add(path, wrong);
                let path = format!("{path}[0]");
                let section = self.section(keys, entries, &format!("{path}."));
                Some(ValueKind::Array(vec![Value::new(None, section)]))
            }
            (Shape::List(_), _) => {
                self.faults.add(path, format!("is a value; expected sections [[{path}]]"));
                None
            }
        }
    }

    fn unknown(&mut self, keys: &[&Key], entry: &Entry, path: &str) {
        let names = || keys.iter().map(|key| key.name);
        let what = if matches!(entry.value, Written::Section(_)) { "section" } else { "key" };
        let text = if let Some(meant) = nearest(&entry.name, names()) {
            format!("no such {what}; did you mean `{meant}`?")
        } else {
            let all: Vec<&str> = names().collect();
            format!("no such {what}; expected one of {}", all.join(", "))
        };
        self.faults.add(path, text);
    }

    fn note_line(&mut self, path: &str, line: Option<usize>) {
        self.origins.lines.insert(path.to_owned(), line);
    }
}

/// `dtu.port` of `dtu[1].` and `port`.
fn without_indices(prefix: &str, name: &str) -> String {
    let parts = prefix.split('[').map(|part| part.split_once(']').map_or(part, |(_, rest)| rest));
    parts.chain([name]).collect()
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
