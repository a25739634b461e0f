//! Where a running bridge listens, left in its state directory for `healthcheck`: the configuration
//! may have been changed since the bridge was started.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use tracing::debug;

use super::Memory;

/// The file in the state directory.
const FILE: &str = "hoymiles-bridge.listen";

/// The address in the state directory, which is there as long as this is.
#[derive(Debug)]
pub(super) struct Doorplate {
    file: PathBuf,
    address: SocketAddr,
}

impl Doorplate {
    /// Leaves the address; `None` where nothing can or shall be left.
    pub(super) fn put_up(memory: Memory, state_dir: &Path, address: SocketAddr) -> Option<Self> {
        if memory == Memory::Forgotten {
            return None;
        }
        let file = state_dir.join(FILE);
        match write(&file, address) {
            Ok(()) => Some(Self { file, address }),
            Err(error) => {
                debug!("healthcheck has to look up the configuration: {}: {error}", file.display());
                None
            }
        }
    }
}

impl Drop for Doorplate {
    fn drop(&mut self) {
        // Another bridge may have put up its own since.
        if read(&self.file) == Some(self.address) {
            drop(fs::remove_file(&self.file));
        }
    }
}

/// Where the bridge of that state directory listens, if it runs and could say so. A bridge that was
/// killed leaves its address behind.
pub fn address(state_dir: &Path) -> Option<SocketAddr> {
    read(&state_dir.join(FILE))
}

fn read(file: &Path) -> Option<SocketAddr> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

/// Whole or not at all: it may be read at the same moment.
fn write(file: &Path, address: SocketAddr) -> io::Result<()> {
    let new = file.with_extension("new");
    fs::write(&new, format!("{address}\n"))?;
    fs::rename(&new, file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_there_as_long_as_the_bridge_runs() {
        let folder = tempfile::tempdir().unwrap();
        let put_up = |memory, address: &str| {
            Doorplate::put_up(memory, folder.path(), address.parse().unwrap())
        };
        assert!(put_up(Memory::Forgotten, "127.0.0.1:1").is_none());
        assert_eq!(address(folder.path()), None);
        let first = put_up(Memory::Kept, "127.0.0.1:1").unwrap();
        assert_eq!(address(folder.path()), Some(first.address));
        let second = put_up(Memory::Kept, "[::]:2").unwrap();
        drop(first);
        assert_eq!(address(folder.path()), Some(second.address), "that of another bridge stays");
        drop(second);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_no_fault() {
        let folder = tempfile::tempdir().unwrap();
        let in_the_way = folder.path().join("data");
        fs::write(&in_the_way, "").unwrap();
        let address = "127.0.0.1:1".parse().unwrap();
        assert!(Doorplate::put_up(Memory::Kept, &in_the_way, address).is_none());
    }
}
