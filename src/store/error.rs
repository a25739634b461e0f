//! Why the database cannot be opened or written, and what the owner can do about it.

use std::io;
use std::path::Path;

use rusqlite::ErrorCode;
use thiserror::Error;

use crate::problem::Problem;

/// Why the database cannot be used. The texts follow the name of the file.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum StoreError {
    #[error("cannot be written: no space is left")]
    Full,
    #[error("cannot be written: the file system is read-only")]
    ReadOnly,
    #[error("cannot be written: permission denied")]
    Denied,
    #[error("is in use by another process")]
    InUse,
    #[error("was written by a newer bridge (version {0} of its tables)")]
    Newer(i64),
    #[error("is damaged ({0})")]
    Damaged(String),
    #[error("cannot be used: {0}")]
    Other(String),
    #[error("is closed")]
    Closed,
}

impl StoreError {
    /// The failure of this file as users see it.
    pub fn problem(&self, file: &Path) -> Problem {
        let (label, remedy) = match self {
            Self::Full => ("disk_full", "free some space on that disk"),
            Self::ReadOnly => (
                "disk_read_only",
                "mount it for writing (in a container: what is mounted at /data, without `:ro`); \
                 if it became read-only by itself, check the disk or SD card",
            ),
            Self::Denied => (
                "permission_denied",
                "give the user that runs the bridge write permission on that folder and the files \
                 in it (in a container: on what is mounted at /data)",
            ),
            Self::InUse => (
                "database_in_use",
                "stop the other bridge, or give this one a state_dir of its own",
            ),
            Self::Newer(_) => (
                "database_newer",
                "run that version again, or move the file away to start without it",
            ),
            Self::Damaged(_) => ("database_damaged", "check the disk or SD card"),
            Self::Other(_) => (
                "database_failed",
                "check the disk or SD card, and that the user that runs the bridge may write in \
                 that folder (in a container: in what is mounted at /data)",
            ),
            Self::Closed => ("database_closed", "restart the bridge"),
        };
        Problem::new(label, format!("{} {self}", file.display()), remedy)
    }
}

/// One example of each kind, for the manual.
pub fn table() -> Vec<Problem> {
    let detail = || "...".to_owned();
    [
        StoreError::Full,
        StoreError::ReadOnly,
        StoreError::Denied,
        StoreError::InUse,
        StoreError::Newer(9),
        StoreError::Damaged(detail()),
        StoreError::Other(detail()),
        StoreError::Closed,
    ]
    .iter()
    .map(|error| error.problem(Path::new("data/hoymiles-bridge.db")))
    .collect()
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        // Without the text of the statement.
        let text = if let rusqlite::Error::SqlInputError { msg, .. } = &error {
            msg.clone()
        } else {
            error.to_string()
        };
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(ErrorCode::ReadOnly) => Self::ReadOnly,
            Some(ErrorCode::PermissionDenied) => Self::Denied,
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::InUse,
            // `Unknown` is what SQLite answers when a table or a column is missing.
            None
            | Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::Unknown) => {
                Self::Damaged(text)
            }
            Some(_) => Self::Other(text),
        }
    }
}

impl From<io::Error> for StoreError {
    #[expect(clippy::wildcard_enum_match_arm, reason = "std may add kinds at any time")]
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full,
            io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly,
            io::ErrorKind::PermissionDenied => Self::Denied,
            _ => Self::Other(error.to_string()),
        }
    }
}
