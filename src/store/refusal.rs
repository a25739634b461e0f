//! Why the system does not let a file be written, and what to do: SQLite says `disk I/O error` of all.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::Path;

/// A reason that the owner can do something about, and the cure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// As a Raspberry Pi's card after a power cut, or a folder mounted so.
    #[error(
        "the file system is read-only; mount it for writing (in a container: what is mounted at \
         /data, without `:ro`), and if it became so by itself, check the disk or SD card"
    )]
    ReadOnly,
    /// Not this user's.
    #[error(
        "permission denied; give the user that runs the bridge write permission on that folder and \
         the files in it (in a container: on what is mounted at /data)"
    )]
    Denied,
    /// Full, or over what the user may have.
    #[error("no space is left; free some")]
    Full,
}

impl Refusal {
    /// Tries to write `file`, changing nothing, and to make one beside it.
    pub(super) fn of(file: &Path) -> Option<Self> {
        let known = OpenOptions::new().append(true).open(file).map(drop);
        let refused = known.err().and_then(|error| Self::from_kind(error.kind()));
        refused.or_else(|| Self::from_kind(beside(file).err()?.kind()))
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the list is another's, and open")]
    const fn from_kind(kind: ErrorKind) -> Option<Self> {
        match kind {
            ErrorKind::ReadOnlyFilesystem => Some(Self::ReadOnly),
            ErrorKind::PermissionDenied => Some(Self::Denied),
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Some(Self::Full),
            _ => None,
        }
    }
}

/// As SQLite makes its log there.
fn beside(file: &Path) -> io::Result<()> {
    let probe = super::open::beside(file, &format!("-try-{}", std::process::id()));
    let made = fs::write(&probe, [0; 4_096]);
    let removed = fs::remove_file(&probe);
    made.and(removed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_names_its_cure() {
        for (kind, parts) in [
            (ErrorKind::ReadOnlyFilesystem, ["read-only", "mount it for writing"]),
            (ErrorKind::PermissionDenied, ["permission denied", "write permission"]),
            (ErrorKind::StorageFull, ["no space", "free some"]),
        ] {
            let said = Refusal::from_kind(kind).unwrap().to_string();
            assert!(parts.iter().all(|part| said.contains(part)), "{said}");
        }
        assert_eq!(Refusal::from_kind(ErrorKind::NotADirectory), None);
    }

    #[test]
    fn what_can_be_written_is_left_as_it_was() {
        let folder = tempfile::TempDir::new().unwrap();
        let file = folder.path().join("some.db");
        fs::write(&file, "content").unwrap();
        assert_eq!(Refusal::of(&file), None);
        assert_eq!(fs::read(&file).unwrap(), b"content");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
