//! What a DTU says about its inverters at one instant. A value that it did not give is `None`,
//! never 0.

use super::meter::MeterReading;
use super::serial::{DtuSerial, InverterSerial};
use super::units::{Amperes, Celsius, Hertz, Percent, PowerFactor, Vars, Volts, WattHours, Watts};
use crate::problem::Problem;

/// One poll's worth of readings from one DTU.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DtuReading {
    /// The DTU's own serial number, if it reported it.
    pub dtu_serial: Option<DtuSerial>,
    /// In the DTU's order; each inverter once.
    pub inverters: Vec<InverterReading>,
    /// Whether the DTU listed any more, which its owner leaves out.
    pub has_excluded: bool,
    /// Inverters that the DTU says are its own, whether or not it has values of them, if the protocol
    /// gives that. A DTU may leave out some.
    pub own: Vec<InverterSerial>,
    /// Energy meters that the DTU reads; each once. Modbus has none.
    pub meters: Vec<MeterReading>,
    /// Version of the DTU's program, as `V00.02.08`, if the protocol gives it.
    pub dtu_firmware: Option<String>,
    /// When the DTU says it took these values, in Unix seconds of its own clock, which may be wrong
    /// or stand at 0 after a restart.
    pub dtu_time: Option<i64>,
    /// The DTU gave the same values as before once more: nothing here is new. Such a reading is an
    /// answer, but not a measurement.
    pub stale: bool,
    /// What the DTU lists and this poll could not read; the rest of the reading is good.
    pub unread: Unread,
}

/// The part of a DTU's list that one poll did not read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unread {
    /// By their numbers in the list, counted from 1; ascending.
    pub records: Vec<u16>,
    /// `record 2 (0x1028) is not answered; 5 of 6 ports read`; empty if all was read.
    pub cause: String,
}

impl Unread {
    /// Whether all was read.
    pub const fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The problem as users see it; `None` if all was read.
    pub fn problem(&self) -> Option<Problem> {
        const REMEDY: &str = "check in the S-Miles app whether the DTU reaches the inverter; if other \
                              records are missing each time, set `request_gap = \"500ms\"`";
        (!self.is_empty()).then(|| Problem::new("records_unread", self.cause.clone(), REMEDY))
    }
}

impl DtuReading {
    /// Whether the DTU has live values of any inverter.
    pub fn is_live(&self) -> bool {
        self.inverters.iter().any(InverterReading::is_live)
    }

    /// How much was read, in words.
    pub fn extent(&self) -> String {
        extent(self.port_count(), self.inverters.len())
    }

    /// How many ports all inverters have together.
    pub fn port_count(&self) -> usize {
        self.inverters.iter().map(|inverter| inverter.ports.len()).sum()
    }
}

/// How much was read, in words: `37 ports of 19 inverters`.
pub fn extent(ports: usize, inverters: usize) -> String {
    let plural = |count: usize| if count == 1 { "" } else { "s" };
    format!("{ports} port{} of {inverters} inverter{}", plural(ports), plural(inverters))
}

/// One inverter at one instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InverterReading {
    /// Which inverter.
    pub serial: InverterSerial,
    /// What it measured and reported.
    pub values: InverterValues,
    /// By port number, ascending.
    pub ports: Vec<PortReading>,
}

/// The values of an inverter, apart from those of its ports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InverterValues {
    /// Whether the DTU reaches the inverter: 1 reached, 0 not.
    pub link_status: Option<u16>,
    /// 3 while producing, 0 without data; the others are unknown.
    pub operating_status: Option<u16>,
    /// The present alarm; 0 means no alarm.
    pub alarm_code: Option<u32>,
    /// A running count of the inverter's events, alarms or not, past ones too.
    pub alarm_count: Option<u32>,
    /// Mains side. Of a three-phase inverter: the first phase.
    pub grid_voltage: Option<Volts>,
    /// Mains side.
    pub grid_frequency: Option<Hertz>,
    /// Inside the housing.
    pub temperature: Option<Celsius>,
    /// Mains side, if the protocol gives it: Modbus does not.
    pub ac: AcReading,
}

impl InverterReading {
    /// An inverter of which only the serial number is known.
    pub fn unknown(serial: InverterSerial) -> Self {
        Self { serial, values: InverterValues::default(), ports: Vec::new() }
    }

    /// Whether the DTU has live values of this inverter, rather than only its name and counters.
    pub fn is_live(&self) -> bool {
        self.values.link_status.is_some_and(|status| status != 0)
            || self.ports.iter().any(|port| port.pv_power.is_some())
    }
}

/// The mains side of an inverter, as far as the protocol gives it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AcReading {
    /// Delivered to the mains.
    pub active_power: Option<Watts>,
    /// Signed.
    pub reactive_power: Option<Vars>,
    /// Signed; 1 is purely active.
    pub power_factor: Option<PowerFactor>,
    /// Of a single-phase inverter.
    pub current: Option<Amperes>,
    /// Phase to neutral, phases A, B and C of a three-phase inverter; empty for a single phase.
    pub phase_voltages: Vec<Volts>,
    /// Phases A, B and C of a three-phase inverter; empty for a single phase.
    pub phase_currents: Vec<Amperes>,
    /// The limit that the inverter obeys now.
    pub power_limit: Option<Percent>,
    /// Version of the inverter's program, as `V01.00.12`.
    pub firmware_version: Option<String>,
    /// Radio signal between DTU and inverter in percent.
    pub signal: Option<u8>,
}

/// One PV input of an inverter at one instant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PortReading {
    /// Counted from 1, as on the housing.
    pub number: u8,
    /// PV side.
    pub pv_voltage: Option<Volts>,
    /// PV side.
    pub pv_current: Option<Amperes>,
    /// PV side. `Some` only if the DTU has live values of this port.
    pub pv_power: Option<Watts>,
    /// The device's own daily counter: it resets in the evening, at night or in the morning.
    pub today: Option<WattHours>,
    /// The device's lifetime counter. A zero of a sleeping device is `None`; one of a device that
    /// delivers is no counter's value either; the ledger refuses it.
    pub total: Option<WattHours>,
}

impl PortReading {
    /// A port of which nothing is known but its number.
    pub fn unknown(number: u8) -> Self {
        Self { number, ..Self::default() }
    }
}
