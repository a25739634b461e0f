//! What the snapshot holds of each inverter, port and DTU.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use crate::config::Protocol;
use crate::plant::identity::OtherDtu;
use crate::plant::meter::MeterReading;
use crate::plant::reading::{InverterValues, PortReading, Unread};
use crate::plant::serial::{DtuSerial, InverterSerial};
use crate::plant::units::{WattHours, Watts};
use crate::problem::Problem;

/// One inverter: its last good values, and when they were read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InverterState {
    /// Which inverter.
    pub serial: InverterSerial,
    /// The DTU that reads it, as the configuration names it.
    pub dtu_name: Arc<str>,
    /// When the bridge first read it.
    pub first_seen: Timestamp,
    /// When its DTU last listed it.
    pub last_seen: Timestamp,
    /// When the values were read.
    pub timestamp: Timestamp,
    /// The last good values.
    pub values: InverterValues,
    /// By port number.
    pub ports: BTreeMap<u8, PortState>,
    /// Of all ports together, from the inverter's own ledger: not always their plain sum.
    pub energy: Energy,
}

impl InverterState {
    /// An inverter first seen `at` that moment, of which nothing else is known.
    pub fn new(serial: InverterSerial, dtu_name: Arc<str>, at: Timestamp) -> Self {
        Self {
            serial,
            dtu_name,
            first_seen: at,
            last_seen: at,
            timestamp: at,
            values: InverterValues::default(),
            ports: BTreeMap::new(),
            energy: Energy::default(),
        }
    }

    /// PV side, the sum over the ports whose power is known.
    pub fn pv_power(&self) -> Option<Watts> {
        let powers = self.ports.values().filter_map(|port| port.reading.pv_power);
        powers.reduce(Watts::saturating_add)
    }

    /// The plain sum of the ports' energies, as far as they are known.
    pub fn sum_of_ports(&self) -> Energy {
        Energy::sum(self.ports.values().map(|port| port.energy))
    }

    /// The same inverter whose energy is the plain sum of its ports.
    #[must_use]
    pub fn with_sum_of_ports(self) -> Self {
        Self { energy: self.sum_of_ports(), ..self }
    }
}

/// One PV input: its last good values, and when they were read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortState {
    /// When the values were read.
    pub timestamp: Timestamp,
    /// The last good values; energies are the device's own counters, as they came.
    pub reading: PortReading,
    /// From the ledger.
    pub energy: Energy,
}

impl PortState {
    /// A port of which only the number is known.
    pub fn unknown(number: u8, timestamp: Timestamp) -> Self {
        Self { timestamp, reading: PortReading::unknown(number), energy: Energy::default() }
    }
}

/// Energy of a port, an inverter or the plant, as published.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Energy {
    /// Since local midnight.
    pub today: Option<WattHours>,
    /// The local midnight since which `today` counts.
    pub today_since: Option<Timestamp>,
    /// Lifetime; never falls.
    pub total: Option<WattHours>,
}

impl Energy {
    /// The sums of what is known, and the latest midnight.
    pub fn sum(parts: impl Iterator<Item = Self>) -> Self {
        fn add(one: Option<WattHours>, other: Option<WattHours>) -> Option<WattHours> {
            [one, other].into_iter().flatten().reduce(WattHours::saturating_add)
        }
        parts.fold(Self::default(), |sum, part| Self {
            today: add(sum.today, part.today),
            today_since: sum.today_since.max(part.today_since),
            total: add(sum.total, part.total),
        })
    }
}

/// The plant as a whole, from the last good values of all inverters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PlantTotals {
    /// PV side.
    pub pv_power: Option<Watts>,
    /// Mains side; unknown where no protocol gives it.
    pub active_power: Option<Watts>,
    /// From the plant's own ledger: it never falls, and nothing that joins adds its past.
    pub energy: Energy,
    /// The plain sum of the ports' totals.
    pub lifetime_sum: Option<WattHours>,
}

impl PlantTotals {
    /// These inverters together, which have produced this energy.
    pub fn of<'a>(
        inverters: impl Iterator<Item = &'a InverterState> + Clone,
        energy: Energy,
    ) -> Self {
        let sum = |powers: &mut dyn Iterator<Item = Watts>| powers.reduce(Watts::saturating_add);
        Self {
            pv_power: sum(&mut inverters.clone().filter_map(InverterState::pv_power)),
            active_power: sum(&mut inverters.clone().filter_map(|one| one.values.ac.active_power)),
            energy,
            lifetime_sum: Energy::sum(inverters.map(InverterState::sum_of_ports)).total,
        }
    }
}

/// One energy meter: its last values, and when they were read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeterState {
    /// The DTU that reads it, as the configuration names it.
    pub dtu_name: Arc<str>,
    /// When the values were read.
    pub timestamp: Timestamp,
    /// The values.
    pub reading: MeterReading,
}

/// One DTU: how its polls went so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DtuState {
    /// As the configuration names it.
    pub name: Arc<str>,
    /// Which protocol it speaks; it decides what the DTU can report.
    pub protocol: Protocol,
    /// Its serial number, once known; kept over restarts.
    pub serial: Option<DtuSerial>,
    /// Its serial number by the configuration.
    pub configured_serial: Option<DtuSerial>,
    /// What answered last, if that was another DTU.
    pub other: Option<OtherDtu>,
    /// Version of its firmware, once known.
    pub firmware: Option<String>,
    /// How it is.
    pub status: DtuStatus,
    /// Without an answer for longer than this, the DTU does not count as healthy.
    pub silence_limit: Duration,
    /// From the start of one poll to the start of the next, as configured.
    pub interval: Option<Duration>,
    /// The end of the last successful poll; kept over restarts.
    pub last_success: Option<Timestamp>,
    /// The last good reply to a request, also during a poll that takes long.
    pub last_reply: Option<Timestamp>,
    /// How long the last successful poll took, if that was longer than the interval.
    pub slow_poll: Option<SlowPoll>,
    /// Polls since the bridge started.
    pub query_count: u64,
    /// Failed polls since the bridge started.
    pub error_count: u64,
    /// Why the last failed poll failed.
    pub last_error: Option<Problem>,
    /// When the last failed poll failed.
    pub last_error_time: Option<Timestamp>,
    /// The failures in a row up to now; `None` if the last poll did not fail.
    pub failing: Option<Failing>,
    /// When the values that it repeats were new; `None` while they are, and in the dark.
    pub stale_since: Option<Timestamp>,
    /// What the last good poll listed.
    pub listed: Option<Listed>,
    /// Its inverters that it has not listed for longer than [`silence_limit`](Self::silence_limit),
    /// although they should have light.
    pub missing: Vec<InverterSerial>,
    /// What its last good poll could not read of its list.
    pub unread: Unread,
    /// Whether it has listed no inverter for that long, although it is day.
    pub lists_none: bool,
    /// Its inverters that another DTU reads as well, and owns.
    pub shared: Option<SharedInverters>,
    /// Of all ports that it reads, from its own ledger.
    pub energy: Energy,
}

impl DtuState {
    /// A DTU that was not polled yet.
    pub fn unknown(name: &str, protocol: Protocol, silence_limit: Duration) -> Self {
        Self {
            name: Arc::from(name),
            protocol,
            serial: None,
            configured_serial: None,
            other: None,
            firmware: None,
            status: DtuStatus::Unknown,
            silence_limit,
            interval: None,
            last_success: None,
            last_reply: None,
            slow_poll: None,
            query_count: 0,
            error_count: 0,
            last_error: None,
            last_error_time: None,
            failing: None,
            stale_since: None,
            listed: None,
            missing: Vec::new(),
            unread: Unread::default(),
            lists_none: false,
            shared: None,
            energy: Energy::default(),
        }
    }

    /// Whether that is so long ago that values of then are not known any more.
    pub fn is_long_ago(&self, then: Timestamp, now: Timestamp) -> bool {
        let age = now.duration_since(then);
        age.is_positive() && age.unsigned_abs() > self.silence_limit
    }
}

/// Inverters that two DTUs read, such as both protocols of one box.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SharedInverters {
    /// The DTUs whose values of them are used.
    pub owners: BTreeSet<Arc<str>>,
    /// Which inverters.
    pub inverters: Vec<InverterSerial>,
}

impl SharedInverters {
    /// Adds an inverter that `owner` owns.
    pub fn add(&mut self, owner: Arc<str>, inverter: InverterSerial) {
        self.owners.insert(owner);
        self.inverters.push(inverter);
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.inverters.is_empty()
    }
}

/// How much a poll listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed {
    /// How many inverters.
    pub inverters: usize,
    /// How many ports they have together.
    pub ports: usize,
    /// Whether it listed some, and each of them is left out by its owner or read by another DTU.
    pub is_all_elsewhere: bool,
}

/// A poll that took longer than the interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlowPoll {
    /// How long it took, with all pauses.
    pub took: Duration,
    /// From the start of one poll to the start of the next, if polls took no time.
    pub interval: Duration,
}

/// Failures in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failing {
    /// The first of them.
    pub since: Timestamp,
    /// How many polls.
    pub polls: u64,
}

/// How a DTU is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DtuStatus {
    /// Not polled yet.
    Unknown,
    /// The last poll succeeded.
    Online,
    /// Without power, as every night: not an error.
    Asleep,
    /// The last poll failed.
    Error,
}

impl DtuStatus {
    /// As the API writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Online => "online",
            Self::Asleep => "asleep",
            Self::Error => "error",
        }
    }
}

/// The body of `GET /stats`, and a part of each update. No value is ever null.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// Size of the database file.
    pub database_size_bytes: u64,
    /// Records in the database.
    pub total_records: u64,
    /// Known inverters.
    pub inverters_count: u64,
    /// Inverters with values.
    pub inverter_data_entries: u64,
    /// Ports with values.
    pub port_data_entries: u64,
    /// Ports with an energy ledger.
    pub production_cache_entries: u64,
    /// `sqlite`, or `memory` where nothing survives a restart.
    pub database_type: &'static str,
}
