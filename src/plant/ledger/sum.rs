//! The energy of several ports together, as a counter of its own: of an inverter, a DTU, the plant.
//!
//! Home Assistant books each rise of a total as production and each fall as a reset. So the sum is
//! offset + the totals of its ports, and the offset takes up what a port brings along when it joins,
//! and what it takes away when it leaves. The sum grows by the growth of its ports and by nothing else.
//!
//! It follows from the ports' ledgers, so that both agree after a crash, and its record changes only
//! when a port joins or leaves, and with the day.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::counter::{NEW, published};
use super::day::{self, DayChange};
use crate::clock;
use crate::plant::serial::InverterSerial;
use crate::plant::units::WattHours;

/// One PV input of one inverter.
pub type PortKey = (InverterSerial, u8);

/// What a sum is the sum of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SumKey {
    /// All ports of the plant.
    Plant,
    /// The ports that this DTU reads, by its name in the configuration.
    Dtu(Arc<str>),
    /// The ports of this inverter.
    Inverter(InverterSerial),
}

impl fmt::Display for SumKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plant => f.write_str("plant"),
            Self::Dtu(name) => write!(f, "dtu/{name}"),
            Self::Inverter(serial) => write!(f, "inverter/{serial}"),
        }
    }
}

impl SumKey {
    /// What was displayed.
    pub fn parse(text: &str) -> Option<Self> {
        match text.split_once('/') {
            Some(("dtu", name)) => Some(Self::Dtu(name.into())),
            Some(("inverter", serial)) => serial.parse().ok().map(Self::Inverter),
            _ => (text == "plant").then_some(Self::Plant),
        }
    }
}

/// What one port adds to a sum, in Wh.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PortEnergy {
    /// `None` of a port that has not counted anything yet.
    pub(super) total: Option<i64>,
    pub(super) today: i64,
}

/// The sum of some ports' energies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SumLedger {
    /// Whether it is published: not before enough of its ports are known.
    is_started: bool,
    ports: BTreeMap<PortKey, PortEnergy>,
    /// What is published less the ports' totals.
    offset: i64,
    /// What is published for the present day less what the ports have produced on it.
    today_offset: i64,
    date: Option<Date>,
}

/// All that a sum must keep over a restart. Energies in Wh.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SumRecord {
    /// Whether it is published.
    pub is_started: bool,
    /// What is published less the ports' totals.
    pub offset: i64,
    /// What is published for `day` less what the ports have produced on it.
    pub today_offset: i64,
    /// The local day, as `2026-06-30`.
    pub day: Option<String>,
    /// Its ports.
    pub ports: Vec<PortKey>,
}

impl SumLedger {
    /// Takes over what a port has produced; a port that joins adds no past. Whether the record has
    /// changed.
    pub fn count(&mut self, port: PortKey, energy: PortEnergy) -> bool {
        let before = self.ports.insert(port, energy);
        let growth = energy.wh().saturating_sub(before.map_or(0, PortEnergy::wh));
        let is_new = match before {
            None => true,
            // From a port without energy to a used one: its counter was not read before.
            Some(PortEnergy { total: None, .. }) => growth > NEW,
            Some(_) => false,
        };
        if is_new && self.is_started {
            let today = before.map_or(0, |before| before.today);
            self.today_offset += today.saturating_sub(energy.today);
        }
        if (is_new || growth < 0) && self.is_started {
            self.offset = self.offset.saturating_sub(growth);
        }
        is_new || growth < 0
    }

    /// A port leaves; what it has produced stays. Whether the record has changed.
    pub fn leave(&mut self, port: PortKey) -> bool {
        let Some(energy) = self.ports.remove(&port) else { return false };
        if self.is_started {
            self.offset = self.offset.saturating_add(energy.wh());
            self.today_offset = self.today_offset.saturating_add(energy.today);
        }
        true
    }

    /// Is published from now on, if any of its ports has produced anything. Whether that is new.
    pub fn start(&mut self) -> bool {
        let can_start = !self.is_started && self.ports.values().any(|port| port.total.is_some());
        self.is_started |= can_start;
        can_start
    }

    /// Whether it is published.
    pub const fn is_started(&self) -> bool {
        self.is_started
    }

    /// Its ports.
    pub fn ports(&self) -> impl Iterator<Item = PortKey> {
        self.ports.keys().copied()
    }

    /// Lets midnight pass, as the ports' ledgers do.
    pub fn roll_over(&mut self, now: Timestamp, zone: &TimeZone) {
        if !clock::is_set(now) {
            return;
        }
        match day::change(self.date, |_| None, now, zone) {
            DayChange::Same | DayChange::Resumed(_) => {}
            DayChange::Renamed(date) => self.date = Some(date),
            DayChange::New(date) => {
                self.date = Some(date);
                self.today_offset = 0;
            }
        }
    }

    /// Produced in the lifetime of the ports; never falls. `None` until it has started.
    pub fn total(&self) -> Option<WattHours> {
        let sum = self.ports.values().copied().map(PortEnergy::wh).fold(0, i64::saturating_add);
        self.is_started.then(|| published(self.offset.saturating_add(sum)))
    }

    /// Produced since local midnight. `None` until it has started.
    pub fn today(&self) -> Option<WattHours> {
        let sum = self.ports.values().map(|port| port.today).fold(0, i64::saturating_add);
        self.is_started.then(|| published(self.today_offset.saturating_add(sum)))
    }

    /// The local midnight since which [`today`](Self::today) counts.
    pub fn today_since(&self, zone: &TimeZone) -> Option<Timestamp> {
        self.date.filter(|_| self.is_started).and_then(|date| day::begin(date, zone))
    }

    /// The sum as it is stored.
    pub fn to_record(&self) -> SumRecord {
        SumRecord {
            is_started: self.is_started,
            offset: self.offset,
            today_offset: self.today_offset,
            day: self.date.map(|date| date.to_string()),
            ports: self.ports().collect(),
        }
    }

    /// The sum that was stored, of ports with these energies.
    pub fn from_record(record: SumRecord, energy: impl Fn(PortKey) -> PortEnergy) -> Self {
        Self {
            is_started: record.is_started,
            ports: record.ports.into_iter().map(|port| (port, energy(port))).collect(),
            offset: record.offset,
            today_offset: record.today_offset,
            date: record.day.and_then(|day| day.parse().ok()),
        }
    }
}

impl PortEnergy {
    fn wh(self) -> i64 {
        self.total.unwrap_or(0)
    }
}
