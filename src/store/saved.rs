//! What is kept, as the rest of the bridge sees it.

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use jiff::Timestamp;
use secrecy::SecretString;

use crate::plant::ledger::LedgerRecord;
use crate::plant::serial::InverterSerial;

/// One PV input of one inverter.
pub(super) type PortKey = (InverterSerial, u8);

/// A target that registered itself.
#[derive(Clone)]
pub struct SavedTarget {
    /// Its URL without the query: one target, whatever its token.
    pub key: String,
    /// Its URL with the token.
    pub url: SecretString,
    /// Names it in the log and in the API.
    pub name: String,
    /// When it first registered.
    pub registered_at: Timestamp,
    /// Since when no connection succeeded; `None` while it works.
    pub failing_since: Option<Timestamp>,
}

impl fmt::Debug for SavedTarget {
    /// Without the URL, not even the key: a URL may hold a password before its host.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SavedTarget")
            .field("name", &self.name)
            .field("registered_at", &self.registered_at)
            .field("failing_since", &self.failing_since)
            .finish_non_exhaustive()
    }
}

/// What is kept of the plant; written together, so that energy and snapshot always agree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SavedPlant {
    /// The ledger of each port.
    pub ledgers: Vec<(PortKey, LedgerRecord)>,
    /// Inverters and meters as JSON, which the store does not look into.
    pub snapshot_json: Bytes,
    /// The end of each DTU's last successful poll, by the DTU's name in the configuration.
    pub last_success: BTreeMap<String, Timestamp>,
}

/// Where an MQTT broker was told of one device.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Topic of its document.
    pub document: String,
    /// Topic of its values.
    pub state: String,
}

/// What an MQTT broker was told of the plant's devices.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Announced {
    /// Our name in what we publish, made at random with the database; empty if there is none.
    pub bridge: String,
    /// The document of each device, which the store does not look into.
    pub documents: BTreeMap<Place, Bytes>,
}

impl Announced {
    /// More documents are not kept: several plants' worth.
    pub const MOST: usize = 1_000;
}

/// All that was kept.
#[derive(Clone, Debug, Default)]
pub struct Saved {
    /// In the order in which they first registered.
    pub targets: Vec<SavedTarget>,
    /// The ledger of each port, sorted by serial number and port.
    pub ledgers: Vec<(PortKey, LedgerRecord)>,
    /// Inverters and meters as JSON; `None` before the first poll ever.
    pub snapshot_json: Option<Bytes>,
    /// The end of each DTU's last successful poll, by the DTU's name in the configuration.
    pub last_success: BTreeMap<String, Timestamp>,
    /// What an MQTT broker was told.
    pub announced: Announced,
}

impl Usage {
    /// The kind of a database in a file.
    pub(super) const KEPT: &'static str = "sqlite";
    /// The kind of one in memory, which ends with the process.
    pub(super) const FORGOTTEN: &'static str = "memory";

    /// The kind of a database.
    pub(super) const fn kind(is_kept: bool) -> &'static str {
        if is_kept { Self::KEPT } else { Self::FORGOTTEN }
    }
}

/// How big the database is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// On disk, including what is not yet merged into the main file; in memory, of its pages.
    pub size_bytes: u64,
    /// Rows of all tables.
    pub records: u64,
    /// `sqlite`, or `memory` where nothing survives a restart.
    pub kind: &'static str,
}
