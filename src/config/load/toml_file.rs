//! What a TOML file says, key by key, with the line of each.

use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::fault::ConfigError;
use super::syntax::syntax_error;
use super::written::{Entry, Item, Written};

/// The keys of the file.
pub(super) fn read(file: &Path, text: &str) -> Result<Vec<Entry>, ConfigError> {
    let text = without_mark(text);
    let table = DeTable::parse(text).map_err(|error| syntax_error(file, text, &error))?;
    Ok(Reader { text }.section(table.get_ref()))
}

/// The keys that can be read of a file that is no TOML.
pub(super) fn salvage(text: &str) -> Vec<Entry> {
    let text = without_mark(text);
    let (table, _faults) = DeTable::parse_recoverable(text);
    Reader { text }.section(table.get_ref())
}

/// Editors of some systems put a byte order mark first.
fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

struct Reader<'a> {
    text: &'a str,
}

impl Reader<'_> {
    fn section(&self, table: &DeTable<'_>) -> Vec<Entry> {
        let entries = table.iter().map(|(name, value)| Entry {
            name: name.get_ref().clone().into_owned(),
            line: Some(self.line(name)),
            value: self.value(value.get_ref()),
        });
        entries.collect()
    }

    fn value(&self, value: &DeValue<'_>) -> Written {
        match value {
            DeValue::String(text) => Written::Text(text.clone().into_owned()),
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
                .map_or(Written::Other("a number that is too large"), Written::Integer),
            DeValue::Float(_) => Written::Other("a number with a fraction"),
            DeValue::Boolean(yes) => Written::Bool(*yes),
            DeValue::Datetime(_) => Written::Other("a date or time"),
            DeValue::Array(items) => {
                let items = items.iter().map(|item| Item {
                    line: Some(self.line(item)),
                    value: self.value(item.get_ref()),
                });
                Written::List(items.collect())
            }
            DeValue::Table(table) => Written::Section(self.section(table)),
        }
    }

    fn line<T>(&self, spanned: &Spanned<T>) -> usize {
        let before = self.text.as_bytes().iter().take(spanned.span().start);
        before.filter(|&&byte| byte == b'\n').count() + 1
    }
}
