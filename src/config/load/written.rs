//! A configuration as it was written, whatever the language, before anyone knows whether it fits.

/// A key and what stands behind it.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) name: String,
    /// Of the file, where lines mean something to its reader.
    pub(super) line: Option<usize>,
    pub(super) value: Written,
}

/// One item of a list.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) line: Option<usize>,
    pub(super) value: Written,
}

/// What stands behind a key.
#[derive(Clone, Debug)]
pub(super) enum Written {
    Text(String),
    Integer(i64),
    Bool(bool),
    List(Vec<Item>),
    Section(Vec<Entry>),
    /// Something that no key takes, by what it is.
    Other(&'static str),
}
