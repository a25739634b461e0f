//! What each DTU's ports had produced at its last good poll, in a file that is overwritten in place.
//!
//! A killed process loses nothing that it has written, on disk or not. So this file is not flushed: the
//! system writes one page of it every half a minute at most, however often DTUs are polled, where a
//! transaction at each poll would wear out SD cards. After a power cut it may be older or damaged; what
//! it says can only raise totals.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::records::StoredDtu;

pub(super) const FILE: &str = "last-polls";
/// Room for one DTU; the file is sparse. It holds 200 inverters, which is more than a DTU can have.
const SLOT: usize = 64 * 1024;
/// What is written is filled up to a multiple of this, so that nothing of longer text stays behind it.
const PAGE: usize = 4_096;

/// The file's slots: the name of the DTU in each, and how long its text is.
#[derive(Debug, Default)]
pub(super) struct LastPolls {
    slots: Vec<(String, usize)>,
}

#[derive(Serialize, Deserialize)]
struct Slot {
    name: String,
    dtu: StoredDtu,
}

impl LastPolls {
    /// What the file in this folder holds, as far as it is whole.
    pub(super) fn read(directory: &Path) -> (Self, Vec<(String, StoredDtu)>) {
        let bytes = fs::read(directory.join(FILE)).unwrap_or_default();
        let (mut slots, mut polls) = (Vec::new(), Vec::new());
        for slot in bytes.chunks(SLOT) {
            let text = slot.split(|&byte| byte == 0).next().unwrap_or_default();
            match serde_json::from_slice(text) {
                Ok(Slot { name, dtu }) => {
                    slots.push((name.clone(), text.len()));
                    polls.push((name, dtu));
                }
                Err(_) => slots.push((String::new(), SLOT)),
            }
        }
        (Self { slots }, polls)
    }

    /// Overwrites what is written of that DTU.
    pub(super) fn write(&mut self, directory: &Path, name: &str, dtu: StoredDtu) -> io::Result<()> {
        let slot_of = |name: &str| self.slots.iter().position(|(known, _)| known == name);
        let place = slot_of(name).or_else(|| slot_of("")).unwrap_or(self.slots.len());
        let mut text = serde_json::to_vec(&Slot { name: name.to_owned(), dtu })?;
        let length = text.len();
        let before = self.slots.get(place).map_or(0, |slot| slot.1);
        let filled = length.max(before).next_multiple_of(PAGE);
        if filled > SLOT {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        text.resize(filled, 0);
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(false).mode(0o600);
        let offset = u64::try_from(place.saturating_mul(SLOT)).unwrap_or(u64::MAX);
        file.open(directory.join(FILE))?.write_all_at(&text, offset)?;
        let slot = (name.to_owned(), length);
        match self.slots.get_mut(place) {
            Some(known) => *known = slot,
            None => self.slots.push(slot),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn poll(second: i64, ports: u8) -> StoredDtu {
        let ports = (1..=ports).map(|port| (port, 456_172, 936)).collect();
        StoredDtu {
            last_success: jiff::Timestamp::from_second(second).unwrap(),
            energies: [("1161a0000001".to_owned(), ports)].into(),
            serial: Some("10F8A0000001".to_owned()),
        }
    }

    #[test]
    fn each_dtu_keeps_its_last_poll() {
        let directory = TempDir::new().unwrap();
        let (mut file, polls) = LastPolls::read(directory.path());
        assert_eq!(polls, []);
        file.write(directory.path(), "Roof", poll(1, 200)).unwrap();
        file.write(directory.path(), "Barn", poll(2, 1)).unwrap();
        file.write(directory.path(), "Roof", poll(3, 2)).unwrap();
        let expected = [("Roof".to_owned(), poll(3, 2)), ("Barn".to_owned(), poll(2, 1))];
        let (mut file, polls) = LastPolls::read(directory.path());
        assert_eq!(polls, expected);
        file.write(directory.path(), "Barn", poll(4, 1)).unwrap();
        assert_eq!(LastPolls::read(directory.path()).1[1].1, poll(4, 1));
    }

    #[test]
    fn a_damaged_slot_is_used_again_and_costs_no_other() {
        let directory = TempDir::new().unwrap();
        let mut file = LastPolls::default();
        file.write(directory.path(), "Roof", poll(1, 2)).unwrap();
        file.write(directory.path(), "Barn", poll(2, 2)).unwrap();
        let path = directory.path().join(FILE);
        let mut bytes = fs::read(&path).unwrap();
        bytes[0] = 0xff;
        fs::write(&path, bytes).unwrap();
        let (mut file, polls) = LastPolls::read(directory.path());
        assert_eq!(polls, [("Barn".to_owned(), poll(2, 2))]);
        file.write(directory.path(), "Roof", poll(3, 2)).unwrap();
        assert_eq!(LastPolls::read(directory.path()).1.len(), 2);
    }

    #[test]
    fn a_poll_of_37_ports_overwrites_one_page() {
        let directory = TempDir::new().unwrap();
        let energies = (0..19).map(|nth| {
            let ports = if nth == 0 { vec![(1, 456_172, 936)] } else { vec![(1, 456_172, 936); 2] };
            (format!("1161a00000{nth:02}"), ports)
        });
        let dtu = StoredDtu { energies: energies.collect(), ..poll(1_782_000_000, 0) };
        let mut file = LastPolls::default();
        for _ in 0..10 {
            file.write(directory.path(), "Roof", dtu.clone()).unwrap();
        }
        assert_eq!(directory.path().join(FILE).metadata().unwrap().len(), 4_096);
    }
}
