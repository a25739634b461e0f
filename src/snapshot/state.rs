//! What the snapshot holds of each inverter, port and DTU.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::config::Protocol;
use crate::plant::meter::MeterReading;
use crate::plant::reading::AcReading;
use crate::plant::serial::{DtuSerial, InverterSerial};
use crate::plant::units::{Amperes, Celsius, Hertz, Volts, WattHours, Watts};

/// One inverter: its last good values, and when they were read.
#[derive(Clone, Debug, PartialEq)]
pub struct InverterState {
    /// Which inverter.
    pub serial: InverterSerial,
    /// The DTU that reads it, as the configuration names it.
    pub dtu_name: Arc<str>,
    /// When the bridge first read it.
    pub first_seen: Timestamp,
    /// When its DTU last listed it.
    pub last_seen: Timestamp,
    /// When the values below were read.
    pub timestamp: Timestamp,
    /// Whether the DTU reaches the inverter: 1 reached, 0 not.
    pub link_status: Option<u16>,
    /// 3 while producing, 0 without data.
    pub operating_status: Option<u16>,
    /// The present alarm; 0 is none.
    pub alarm_code: Option<u32>,
    /// A running count of the inverter's events, alarms or not.
    pub alarm_count: Option<u32>,
    /// Mains side.
    pub grid_voltage: Option<Volts>,
    /// Mains side.
    pub grid_frequency: Option<Hertz>,
    /// Inside the housing.
    pub temperature: Option<Celsius>,
    /// Mains side, if the protocol gives it.
    pub ac: AcReading,
    /// By port number.
    pub ports: BTreeMap<u8, PortState>,
}

impl InverterState {
    /// PV side, the sum over the ports whose power is known.
    pub fn pv_power(&self) -> Option<Watts> {
        self.sum(|port| port.pv_power, Watts::saturating_add)
    }

    /// Since local midnight, the sum over the ports whose production is known.
    pub fn today(&self) -> Option<WattHours> {
        self.sum(|port| port.today, WattHours::saturating_add)
    }

    /// Since the first reading, the sum over the ports whose production is known; never falls.
    pub fn total(&self) -> Option<WattHours> {
        self.sum(|port| port.total, WattHours::saturating_add)
    }

    /// The local midnight since which `today` counts.
    pub fn today_since(&self) -> Option<Timestamp> {
        self.ports.values().filter_map(|port| port.today_since).max()
    }

    fn sum<T>(
        &self,
        value: impl Fn(&PortState) -> Option<T>,
        add: impl Fn(T, T) -> T,
    ) -> Option<T> {
        self.ports.values().filter_map(value).reduce(add)
    }
}

/// One PV input: its last good values, and when they were read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortState {
    /// When the values below were read.
    pub timestamp: Timestamp,
    /// PV side.
    pub pv_voltage: Option<Volts>,
    /// PV side.
    pub pv_current: Option<Amperes>,
    /// PV side.
    pub pv_power: Option<Watts>,
    /// Since local midnight, from the ledger.
    pub today: Option<WattHours>,
    /// The local midnight since which `today` counts.
    pub today_since: Option<Timestamp>,
    /// Lifetime, from the ledger; never falls.
    pub total: Option<WattHours>,
    /// The device's own daily counter, as it came.
    pub device_today: Option<WattHours>,
    /// The device's own lifetime counter, as it came.
    pub device_total: Option<WattHours>,
}

impl PortState {
    /// A port of which nothing is known yet.
    pub const fn unknown(timestamp: Timestamp) -> Self {
        Self {
            timestamp,
            pv_voltage: None,
            pv_current: None,
            pv_power: None,
            today: None,
            today_since: None,
            total: None,
            device_today: None,
            device_total: None,
        }
    }
}

/// One energy meter: its last values, and when they were read.
#[derive(Clone, Debug, PartialEq)]
pub struct MeterState {
    /// The DTU that reads it, as the configuration names it.
    pub dtu_name: Arc<str>,
    /// When the values were read.
    pub timestamp: Timestamp,
    /// The values.
    pub reading: MeterReading,
}

/// One DTU: how asking it went so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DtuState {
    /// As the configuration names it.
    pub name: Arc<str>,
    /// Which language it speaks, on which depends what it can tell.
    pub protocol: Protocol,
    /// Its serial number, once it has told it.
    pub serial: Option<DtuSerial>,
    /// Version of its program, once it has told it.
    pub firmware: Option<String>,
    /// How it is.
    pub status: DtuStatus,
    /// Without an answer for longer than this, the DTU does not count as healthy.
    pub silence_limit: Duration,
    /// The end of the last successful poll; kept over restarts.
    pub last_success: Option<Timestamp>,
    /// Polls since the bridge started.
    pub query_count: u64,
    /// Failed polls since the bridge started.
    pub error_count: u64,
    /// Why the last failed poll failed.
    pub last_error: Option<String>,
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
    /// Whether it has listed no inverter for that long, although it is day.
    pub lists_none: bool,
}

impl DtuState {
    /// A DTU that was not asked yet.
    pub fn unknown(name: &str, protocol: Protocol, silence_limit: Duration) -> Self {
        Self {
            name: Arc::from(name),
            protocol,
            serial: None,
            firmware: None,
            status: DtuStatus::Unknown,
            silence_limit,
            last_success: None,
            query_count: 0,
            error_count: 0,
            last_error: None,
            last_error_time: None,
            failing: None,
            stale_since: None,
            listed: None,
            missing: Vec::new(),
            lists_none: false,
        }
    }

    /// Whether that is so long ago that values of then are not known any more.
    pub fn is_long_ago(&self, then: Timestamp, now: Timestamp) -> bool {
        let age = now.duration_since(then);
        age.is_positive() && age.unsigned_abs() > self.silence_limit
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
    /// Not asked yet.
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
