//! Why something was not written, in words for who asked for it.

use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;
use thiserror::Error;

use super::refusal::Refusal;

/// Why something was not written. The texts are part of an answer to a client.
#[derive(Debug, Error)]
pub enum StoreError {
    /// Worth another try once there is room.
    #[error("no space is left for {}; free some and try again", .0.display())]
    Full(PathBuf),
    /// Worth another try once the owner has changed the rights.
    #[error(
        "{} cannot be written; give the user that runs the bridge write permission on its folder",
        .0.display()
    )]
    ReadOnly(PathBuf),
    /// The file is broken; the next start sets it aside.
    #[error("{} is damaged; restart the bridge, it then begins a new one", .0.display())]
    Damaged(PathBuf),
    /// The system does not let it be written.
    #[error("{} cannot be written: {refusal}", path.display())]
    Refused {
        /// The database.
        path: PathBuf,
        /// Why.
        refusal: Refusal,
    },
    /// Anything else that the database says.
    #[error("{} was not written: {source}", path.display())]
    Other {
        /// The database.
        path: PathBuf,
        /// What it says.
        source: rusqlite::Error,
    },
    /// The thread that writes is gone.
    #[error("the bridge's database is closed; restart the bridge")]
    Ended,
}

impl StoreError {
    /// Sorts what the database says by what the user can do about it.
    pub(super) fn new(path: &Path, source: rusqlite::Error) -> Self {
        let path = path.to_path_buf();
        match source.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full(path),
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => Self::ReadOnly(path),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged(path),
            _ => match Refusal::of(&path) {
                Some(refusal) => Self::Refused { path, refusal },
                None => Self::Other { path, source },
            },
        }
    }
}
