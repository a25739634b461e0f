//! The state of a plant at one instant: the ground truth of a test, and the source of every reply.

use jiff::Timestamp;

use crate::plant::serial::{DtuSerial, InverterSerial};
use crate::plant::units::{Amperes, Celsius, Hertz, Volts, WattHours, Watts};

/// One DTU and its inverters at one instant.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct PlantMoment {
    pub time: Timestamp,
    pub dtu_serial: DtuSerial,
    pub inverters: Vec<InverterMoment>,
}

/// One inverter at one instant.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct InverterMoment {
    pub serial: InverterSerial,
    pub awake: bool,
    pub alarm_code: u16,
    pub alarm_count: u16,
    pub grid_voltage: Volts,
    pub grid_frequency: Hertz,
    pub temperature: Celsius,
    pub ports: Vec<PortMoment>,
}

/// One PV input at one instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortMoment {
    /// Counted from 1, as on the housing.
    pub number: u8,
    /// PV side.
    pub pv_voltage: Volts,
    /// PV side: the power over the voltage, to the nearest step.
    pub pv_current: Amperes,
    /// PV side.
    pub pv_power: Watts,
    /// Since local midnight.
    pub today: WattHours,
    /// Since installation.
    pub total: WattHours,
}

impl PlantMoment {
    /// Every port with its inverter, in the DTU's order.
    pub fn ports(&self) -> impl Iterator<Item = (&InverterMoment, &PortMoment)> {
        self.inverters
            .iter()
            .flat_map(|inverter| inverter.ports.iter().map(move |port| (inverter, port)))
    }

    /// PV side, all ports together.
    pub fn pv_power(&self) -> Watts {
        self.ports().fold(Watts::default(), |sum, (_, port)| sum.saturating_add(port.pv_power))
    }

    /// Since local midnight, all ports together.
    pub fn today(&self) -> WattHours {
        self.ports().fold(WattHours::default(), |sum, (_, port)| sum.saturating_add(port.today))
    }

    /// Since installation, all ports together.
    pub fn total(&self) -> WattHours {
        self.ports().fold(WattHours::default(), |sum, (_, port)| sum.saturating_add(port.total))
    }
}

impl InverterMoment {
    /// Goes to sleep: no measurement, no alarm. The counters stay.
    pub fn fall_asleep(&mut self) {
        self.awake = false;
        self.alarm_code = 0;
        self.grid_voltage = Volts::default();
        self.grid_frequency = Hertz::default();
        self.temperature = Celsius::default();
        for port in &mut self.ports {
            port.pv_voltage = Volts::default();
            port.pv_current = Amperes::default();
            port.pv_power = Watts::default();
        }
    }

    /// Goes to sleep, and its counters read zero.
    pub fn go_blank(&mut self) {
        self.fall_asleep();
        self.alarm_count = 0;
        for port in &mut self.ports {
            port.today = WattHours::default();
            port.total = WattHours::default();
        }
    }
}
