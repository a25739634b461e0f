//! What is wrong with a configuration, each fault with its place: all of them, not the first only.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

/// Why a configuration cannot be used: one line a fault, `file: key path: what is wrong, what was
/// expected`. Never a secret's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError(Vec<String>);

impl ConfigError {
    /// One fault that stands for all, such as a file that cannot be read.
    pub(super) fn new(fault: String) -> Self {
        Self(vec![fault])
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [_, _, ..] = self.0.as_slice() {
            writeln!(f, "the configuration has {} faults:", self.0.len())?;
        }
        f.write_str(&self.0.join("\n"))
    }
}

impl std::error::Error for ConfigError {}

/// Where each key came from.
#[derive(Debug, Default)]
pub(super) struct Origins {
    /// The file, as the user named it.
    pub(super) file: PathBuf,
    /// Each key path of the file, with its line where lines mean something.
    pub(super) lines: BTreeMap<String, Option<usize>>,
    /// The variable of each key path that the environment sets.
    pub(super) variables: BTreeMap<String, String>,
}

impl Origins {
    /// Whether the file has that key.
    pub(super) fn has(&self, path: &str) -> bool {
        self.lines.contains_key(path)
    }

    /// The line of a key, or of the section that lacks it.
    pub(super) fn line(&self, path: &str) -> Option<usize> {
        let parent = path.rsplit_once('.').map(|(parent, _)| parent);
        [Some(path), Some(of_list(path)), parent]
            .into_iter()
            .flatten()
            .find_map(|path| *self.lines.get(path)?)
    }

    /// The variable that has set a key, or the list that an item is of.
    pub(super) fn variable(&self, path: &str) -> Option<&str> {
        self.variables.get(of_list(path)).map(String::as_str)
    }
}

/// `allow` of `allow[1]`; whatever is no item of a list as it is.
fn of_list(path: &str) -> &str {
    path.strip_suffix(']').and_then(|path| path.rsplit_once('[')).map_or(path, |(list, _)| list)
}

/// The faults found so far.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<Fault>);

#[derive(Debug)]
struct Fault {
    place: Place,
    text: String,
}

#[derive(Debug)]
enum Place {
    Key(String),
    Variable(String),
}

impl Faults {
    /// Something is wrong at a key path such as `dtu[1].port`.
    pub(super) fn add(&mut self, path: &str, text: impl Into<String>) {
        self.0.push(Fault { place: Place::Key(path.to_owned()), text: text.into() });
    }

    /// Something is wrong with a variable of the environment.
    pub(super) fn add_variable(&mut self, name: &str, text: impl Into<String>) {
        self.0.push(Fault { place: Place::Variable(name.to_owned()), text: text.into() });
    }

    /// Whether something is known to be wrong at a key path.
    pub(super) fn has(&self, path: &str) -> bool {
        self.0.iter().any(|fault| matches!(&fault.place, Place::Key(key) if key == path))
    }

    /// All faults in the order of their lines; `None` if there are none.
    pub(super) fn into_error(self, origins: &Origins) -> Option<ConfigError> {
        let mut lines: Vec<(usize, String)> =
            self.0.into_iter().map(|fault| fault.render(origins)).collect();
        lines.sort_by_key(|(line, _)| *line);
        (!lines.is_empty()).then(|| ConfigError(lines.into_iter().map(|(_, text)| text).collect()))
    }
}

impl Fault {
    /// The line number to sort by, and the text.
    fn render(self, origins: &Origins) -> (usize, String) {
        let Self { place, text } = self;
        let path = match place {
            Place::Variable(name) => return (usize::MAX, format!("environment: {name}: {text}")),
            Place::Key(path) => path,
        };
        if let Some(variable) = origins.variable(&path) {
            return (usize::MAX, format!("environment: {variable}: {path}: {text}"));
        }
        let file = origins.file.display();
        match origins.line(&path) {
            Some(line) => (line, format!("{file}: {path}: {text} (line {line})")),
            None => (usize::MAX, format!("{file}: {path}: {text}")),
        }
    }
}
