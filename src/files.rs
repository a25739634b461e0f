//! Reads small files that the user names, such as secrets and certificates: only regular files, and
//! only up to a limit.

use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind, Read as _};
use std::path::Path;

use rustix::fs::{Mode, OFlags, open};
use thiserror::Error;

/// Largest file with a token or password, in bytes.
pub const LARGEST_SECRET: u64 = 64 << 10;
/// Largest file with certificates or a key, in bytes: all authorities of a system take a quarter
/// of it.
pub const LARGEST_PEM: u64 = 1 << 20;

/// Why a file was not read. The messages follow the file's name.
#[derive(Debug, Error)]
pub enum FileError {
    /// A folder.
    #[error("is a folder (Docker makes one when the file to mount does not exist)")]
    Folder,
    /// Reading it could block or never end.
    #[error("is not a regular file (a pipe, a socket or a device)")]
    NotRegular,
    /// Larger than the limit, in bytes.
    #[error("is larger than {0} bytes")]
    TooLarge(u64),
    /// It is not there, or not for this user.
    #[error("cannot be read: {0}")]
    Unreadable(io::Error),
}

/// The content of a regular file, or of the one that a link leads to, up to `largest` bytes.
pub fn read(path: &Path, largest: u64) -> Result<Vec<u8>, FileError> {
    // Merely opening a pipe can block, and opening a device can have effects.
    check(&fs::metadata(path).map_err(FileError::Unreadable)?, largest)?;
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = open(path, flags, Mode::empty());
    let file = File::from(file.map_err(|error| FileError::Unreadable(error.into()))?);
    // It may have been replaced meanwhile.
    check(&file.metadata().map_err(FileError::Unreadable)?, largest)?;
    let mut content = Vec::new();
    let read = file.take(largest + 1).read_to_end(&mut content);
    read.map_err(FileError::Unreadable)?;
    // Some files of the kernel report no size.
    if u64::try_from(content.len()).is_ok_and(|length| length > largest) {
        return Err(FileError::TooLarge(largest));
    }
    Ok(content)
}

fn check(metadata: &Metadata, largest: u64) -> Result<(), FileError> {
    if metadata.is_dir() {
        Err(FileError::Folder)
    } else if !metadata.is_file() {
        Err(FileError::NotRegular)
    } else if metadata.len() > largest {
        Err(FileError::TooLarge(largest))
    } else {
        Ok(())
    }
}

impl FileError {
    /// Whether there is no such file.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Unreadable(error) if error.kind() == ErrorKind::NotFound)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;
    use std::process::Command;

    use super::*;

    #[test]
    fn only_small_regular_files_and_links_to_them_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let inside = |name: &str| folder.path().join(name);
        fs::write(inside("full"), [b'x'; 100]).unwrap();
        fs::write(inside("over"), [b'x'; 101]).unwrap();
        // As Kubernetes lays out a secret: a link to a file behind a link to a folder.
        symlink(".", inside("..data")).unwrap();
        symlink("..data/full", inside("link")).unwrap();
        symlink("/dev/zero", inside("endless")).unwrap();
        let _socket = UnixListener::bind(inside("socket")).unwrap();
        assert!(Command::new("mkfifo").arg(inside("pipe")).status().unwrap().success());
        for name in ["full", "link"] {
            assert_eq!(read(&inside(name), 100).unwrap(), [b'x'; 100], "{name}");
        }
        for (name, expected) in [
            ("over", "is larger than 100 bytes"),
            ("endless", "is not a regular file"),
            ("socket", "is not a regular file"),
            ("pipe", "is not a regular file"),
            (".", "is a folder"),
            ("missing", "cannot be read: No such file"),
        ] {
            let error = read(&inside(name), 100).unwrap_err();
            assert!(error.to_string().starts_with(expected), "{name}: {error}");
            assert_eq!(error.is_missing(), name == "missing");
        }
        // It reports size 0 but has content.
        assert!(matches!(read(Path::new("/proc/self/maps"), 100), Err(FileError::TooLarge(100))));
    }
}
