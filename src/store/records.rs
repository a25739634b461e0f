//! The records in the database, as the rest of the bridge writes and reads them.
//!
//! Each kind of record is stored as JSON under a key; adding one takes a struct that implements
//! [`Record`]. A field that is added must be an `Option` or have a default.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::Timestamp;
use jiff::fmt::serde::timestamp::second;
use secrecy::{ExposeSecret as _, SecretString};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize, Serializer};

use crate::plant::ledger::{LedgerRecord, PortKey, SumKey, SumRecord};
use crate::plant::serial::{InverterSerial, MeterSerial};

pub(super) trait Record: Serialize + DeserializeOwned {
    const KIND: &'static str;
}

impl Record for StoredTarget {
    const KIND: &'static str = "target";
}
impl Record for StoredLedger {
    const KIND: &'static str = "ledger";
}
impl Record for StoredSum {
    const KIND: &'static str = "sum";
}
impl Record for StoredInverter {
    const KIND: &'static str = "inverter";
}
impl Record for StoredMeter {
    const KIND: &'static str = "meter";
}
impl Record for StoredDeparture {
    const KIND: &'static str = "departed";
}
impl Record for StoredDtu {
    const KIND: &'static str = "dtu";
}
impl Record for StoredDayCurve {
    const KIND: &'static str = "day_curve";
}
impl Record for StoredInstance {
    const KIND: &'static str = "instance";
}
impl Record for AnnouncedDevice {
    const KIND: &'static str = "announced";
}

/// All that is stored.
#[derive(Clone, Debug, Default)]
pub struct Stored {
    /// By the time of their last registration.
    pub targets: Vec<StoredTarget>,
    /// Energies and last readings.
    pub plant: StoredPlant,
    /// What was announced over MQTT.
    pub announced: AnnouncedDevices,
}

/// Which bridge the database belongs to.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredInstance {
    pub(super) id: String,
}

/// A target that registered itself.
#[derive(Clone, Serialize, Deserialize)]
pub struct StoredTarget {
    /// Its URL without the query: one target, whatever its token.
    #[serde(skip)]
    pub key: String,
    /// Its URL with the token.
    #[serde(serialize_with = "exposed")]
    pub url: SecretString,
    /// Its name in the log and in the API.
    pub name: String,
    /// Whether the configuration has this target too, so that only its token comes from here.
    #[serde(default)]
    pub is_configured: bool,
    /// When it last registered.
    #[serde(with = "second::required")]
    pub registered_at: Timestamp,
    /// Since when no connection succeeded; `None` while it works.
    #[serde(default, with = "second::optional")]
    pub failing_since: Option<Timestamp>,
}

fn exposed<S: Serializer>(url: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(url.expose_secret())
}

impl fmt::Debug for StoredTarget {
    /// Without the URL, not even the key: a URL may hold a password before its host.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredTarget")
            .field("name", &self.name)
            .field("registered_at", &self.registered_at)
            .field("failing_since", &self.failing_since)
            .finish_non_exhaustive()
    }
}

/// Energies and last readings, written in one transaction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredPlant {
    /// The energy ledger of each port. Those of ports that are gone stay.
    pub ledgers: BTreeMap<PortKey, LedgerRecord>,
    /// The sums of ports: of inverters, DTUs and the plant. Those of what is gone stay.
    pub sums: BTreeMap<SumKey, SumRecord>,
    /// The last reading of each inverter.
    pub inverters: BTreeMap<InverterSerial, StoredInverter>,
    /// The last reading of each meter.
    pub meters: BTreeMap<MeterSerial, StoredMeter>,
    /// By the DTU's name in the configuration. Those of DTUs that are gone stay.
    pub dtus: BTreeMap<String, StoredDtu>,
    /// When inverters were first seen that the configuration has left out since.
    pub departed: BTreeMap<InverterSerial, Timestamp>,
    /// The plant's power of the present day.
    pub day_curve: Option<StoredDayCurve>,
}

/// The plant's power of one day; powers in tenths of a watt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredDayCurve {
    /// Local midnight.
    #[serde(with = "second::required")]
    pub begin: Timestamp,
    /// The mean of each five minutes since then.
    pub means: Vec<Option<i32>>,
    /// The highest reading.
    pub peak: Option<i32>,
    /// When that was.
    #[serde(default, with = "second::optional")]
    pub peak_time: Option<Timestamp>,
}

/// What is remembered of a DTU.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredDtu {
    /// The end of its last successful poll.
    #[serde(with = "second::required")]
    pub last_success: Timestamp,
    /// What its ports had produced then, by the inverter's serial number: port, `total`, `today`.
    #[serde(default)]
    pub energies: BTreeMap<String, Vec<(u8, u64, u64)>>,
    /// Its serial number.
    pub serial: Option<String>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct StoredDeparture {
    #[serde(with = "second::required")]
    pub(super) first_seen: Timestamp,
}

/// The last reading of one inverter, without its energies, which are in the ledgers. Quantities are
/// the steps of [`units`](crate::plant::units).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are those of the inverter's state")]
pub struct StoredInverter {
    pub dtu_name: String,
    #[serde(with = "second::required")]
    pub first_seen: Timestamp,
    #[serde(with = "second::required")]
    pub last_seen: Timestamp,
    #[serde(with = "second::required")]
    pub timestamp: Timestamp,
    pub link_status: Option<u16>,
    pub operating_status: Option<u16>,
    pub alarm_code: Option<u32>,
    pub alarm_count: Option<u32>,
    pub grid_voltage: Option<i32>,
    pub grid_frequency: Option<i32>,
    pub temperature: Option<i32>,
    pub active_power: Option<i32>,
    pub reactive_power: Option<i32>,
    pub power_factor: Option<i32>,
    pub current: Option<i32>,
    #[serde(default)]
    pub phase_voltages: Vec<i32>,
    #[serde(default)]
    pub phase_currents: Vec<i32>,
    pub power_limit: Option<i32>,
    pub firmware_version: Option<String>,
    pub signal: Option<u8>,
    #[serde(default)]
    pub ports: BTreeMap<u8, StoredPort>,
}

/// The last reading of one PV input.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are those of the port's state")]
pub struct StoredPort {
    #[serde(with = "second::required")]
    pub timestamp: Timestamp,
    pub pv_voltage: Option<i32>,
    pub pv_current: Option<i32>,
    pub pv_power: Option<i32>,
    #[serde(default, with = "second::optional")]
    pub today_since: Option<Timestamp>,
    pub device_today: Option<u64>,
    pub device_total: Option<u64>,
}

/// The last reading of one energy meter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are those of the meter's reading")]
pub struct StoredMeter {
    pub dtu_name: String,
    #[serde(with = "second::required")]
    pub timestamp: Timestamp,
    pub kind: Option<u16>,
    pub power: Option<i32>,
    pub power_factor: Option<i32>,
    pub exported: Option<u64>,
    pub imported: Option<u64>,
    #[serde(default)]
    pub phases: Vec<StoredPhase>,
}

/// One phase of an energy meter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are those of the phase's reading")]
pub struct StoredPhase {
    pub power: Option<i32>,
    pub voltage: Option<i32>,
    pub current: Option<i32>,
    pub power_factor: Option<i32>,
    pub exported: u64,
    pub imported: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct StoredLedger(#[serde(with = "LedgerFields")] pub(super) LedgerRecord);

/// The fields of [`LedgerRecord`], which knows nothing of JSON.
#[derive(Serialize, Deserialize)]
#[serde(remote = "LedgerRecord")]
struct LedgerFields {
    total: Option<i64>,
    offset: Option<i64>,
    counter: Option<i64>,
    counter_since: Option<i64>,
    old_offset: Option<i64>,
    old_counter: Option<i64>,
    before_step: Option<i64>,
    candidate_base: Option<i64>,
    candidate_counter: Option<i64>,
    candidate_since: Option<i64>,
    candidate_count: Option<i64>,
    day: Option<String>,
    at_midnight: Option<i64>,
    left_days: Option<String>,
}

/// [`SumRecord`] in JSON.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredSum {
    is_started: bool,
    #[serde(default)]
    offset: i64,
    #[serde(default)]
    today_offset: i64,
    day: Option<String>,
    /// Port numbers by the inverter's serial number.
    #[serde(default)]
    ports: BTreeMap<String, Vec<u8>>,
}

impl From<&SumRecord> for StoredSum {
    fn from(record: &SumRecord) -> Self {
        let SumRecord { is_started, offset, today_offset, day, ports } = record.clone();
        let mut by_serial: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        for (serial, port) in ports {
            by_serial.entry(serial.to_string()).or_default().push(port);
        }
        Self { is_started, offset, today_offset, day, ports: by_serial }
    }
}

impl From<StoredSum> for SumRecord {
    fn from(stored: StoredSum) -> Self {
        let StoredSum { is_started, offset, today_offset, day, ports } = stored;
        let ports = ports.into_iter().filter_map(|(serial, ports)| {
            let serial: InverterSerial = serial.parse().ok()?;
            Some(ports.into_iter().map(move |port| (serial, port)))
        });
        Self { is_started, offset, today_offset, day, ports: ports.flatten().collect() }
    }
}

/// The devices that were announced over MQTT.
pub type AnnouncedDevices = BTreeMap<DeviceTopics, AnnouncedDevice>;

/// The topics of a device that was announced over MQTT.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DeviceTopics {
    /// The topic of its discovery document.
    pub document: String,
    /// What its other topics begin with.
    pub base: String,
}

impl DeviceTopics {
    /// The topic of its values.
    pub fn state(&self) -> String {
        format!("{}/state", self.base)
    }

    /// The topic that says whether anything is known of it.
    pub fn availability(&self) -> String {
        format!("{}/availability", self.base)
    }

    /// All its topics.
    pub fn all(&self) -> [String; 3] {
        [self.document.clone(), self.state(), self.availability()]
    }
}

/// What has to be announced again of a device after a restart, even if nothing is known of it yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are those of Home Assistant's device")]
pub struct AnnouncedDevice {
    pub id: String,
    pub model: Option<String>,
    pub serial_number: Option<String>,
    pub sw_version: Option<String>,
    /// Keys of the entities that appeared with their first value.
    #[serde(default)]
    pub appeared: BTreeSet<String>,
}

/// How big the database is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// On disk, including what is not merged into the main file yet; in memory, of the records.
    pub size_bytes: u64,
    /// Records of all kinds.
    pub records: u64,
    /// `sqlite`, or `memory` where nothing survives a restart.
    pub kind: &'static str,
}
