//! The mains side of a simulated inverter, which follows from its PV side.

use crate::sim::moment::InverterMoment;

/// What an inverter gives to the mains, in the steps of the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Alternating {
    /// 0.1 W.
    pub(super) power: i64,
    /// 0.1 var.
    pub(super) reactive: i64,
    /// 0.01 A, all phases together.
    pub(super) current: i64,
    /// 1/1000.
    pub(super) power_factor: i64,
}

/// In parts of 1000: the rest is heat.
const EFFICIENCY: i64 = 955;

/// In parts of 1000 of the active power; with it goes a power factor of 0.995.
const REACTIVE: i64 = 100;
const POWER_FACTOR: i64 = 995;

/// What `inverter` gives; all zero while it sleeps.
pub(super) fn of(inverter: &InverterMoment) -> Alternating {
    let pv_power: i64 = inverter.ports.iter().map(|port| i64::from(port.pv_power.steps())).sum();
    let power = pv_power * EFFICIENCY / 1000;
    let voltage = i64::from(inverter.grid_voltage.steps()).max(1);
    // Tenths of a watt over tenths of a volt are amperes.
    let current = power * 1000 / POWER_FACTOR * 100 / voltage;
    let power_factor = if power > 0 { POWER_FACTOR } else { 0 };
    Alternating { power, reactive: power * REACTIVE / 1000, current, power_factor }
}
