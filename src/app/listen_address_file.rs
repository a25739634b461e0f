//! The file in the state directory that tells `healthcheck` and `doctor` where the running bridge
//! listens: its configuration may have been changed since it was started.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use tracing::debug;

const FILE: &str = "hoymiles-bridge.listen";

/// The file, which is deleted when this is dropped.
#[derive(Debug)]
pub(super) struct ListenAddressFile {
    file: PathBuf,
    address: SocketAddr,
}

impl ListenAddressFile {
    /// Writes the file; `None` where that is not possible.
    pub(super) fn create(state_dir: &Path, address: SocketAddr) -> Option<Self> {
        let file = state_dir.join(FILE);
        match write(&file, address) {
            Ok(()) => Some(Self { file, address }),
            Err(error) => {
                debug!("healthcheck has to use the configuration: {}: {error}", file.display());
                None
            }
        }
    }
}

impl Drop for ListenAddressFile {
    fn drop(&mut self) {
        // Another bridge may have replaced it since.
        if parse(&self.file) == Some(self.address) {
            drop(fs::remove_file(&self.file));
        }
    }
}

/// Where the bridge of that state directory listens. A bridge that was killed leaves its address
/// behind.
pub fn read(state_dir: &Path) -> Option<SocketAddr> {
    parse(&state_dir.join(FILE))
}

fn parse(file: &Path) -> Option<SocketAddr> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

/// By renaming, so that nobody reads half of it.
fn write(file: &Path, address: SocketAddr) -> io::Result<()> {
    let new = file.with_extension("new");
    fs::write(&new, format!("{address}\n"))?;
    fs::rename(&new, file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_exists_as_long_as_the_bridge_runs() {
        let folder = tempfile::tempdir().unwrap();
        let create = |address: &str| {
            ListenAddressFile::create(folder.path(), address.parse().unwrap()).unwrap()
        };
        assert_eq!(read(folder.path()), None);
        let first = create("127.0.0.1:1");
        assert_eq!(read(folder.path()), Some(first.address));
        let second = create("[::]:2");
        drop(first);
        assert_eq!(read(folder.path()), Some(second.address), "that of another bridge stays");
        drop(second);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_not_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let in_the_way = folder.path().join("data");
        fs::write(&in_the_way, "").unwrap();
        let address = "127.0.0.1:1".parse().unwrap();
        assert!(ListenAddressFile::create(&in_the_way, address).is_none());
    }
}
