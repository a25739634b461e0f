//! What an energy meter says at one instant. A value that it did not give is `None`, never 0.

use super::serial::MeterSerial;
use super::units::{Amperes, MeterVolts, PowerFactor, WattHours, Watts};

/// No meter that a DTU reads sees more, in either direction: 99 inverters, the most that one DTU has,
/// deliver some 200 kW, and a house's fuses of 63 A let 43 kW through.
pub const MOST_POWER: Watts = Watts::from_tenths(2_500_000);

/// One energy meter at the house's connection to the mains, as a DTU reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeterReading {
    /// Which meter.
    pub serial: MeterSerial,
    /// The kind of meter in the DTU's own numbers: 1 and 3 were seen.
    pub kind: Option<u16>,
    /// All phases together. Signed; which sign is feed-in depends on how the current transformers
    /// are mounted.
    pub power: Option<Watts>,
    /// All phases together. Signed.
    pub power_factor: Option<PowerFactor>,
    /// Lifetime counter of all phases together, in the direction that the meter calls exported.
    pub exported: Option<WattHours>,
    /// Lifetime counter of all phases together, in the direction that the meter calls imported.
    pub imported: Option<WattHours>,
    /// Phases A, B and C; one only for a single-phase meter; empty when the meter gives nothing.
    pub phases: Vec<MeterPhase>,
}

impl MeterReading {
    /// Whether the DTU has live values of this meter, rather than only its name.
    pub fn is_live(&self) -> bool {
        self.power.is_some() || self.exported.is_some() || !self.phases.is_empty()
    }
}

/// One phase of an energy meter. The signs are those of the whole meter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MeterPhase {
    /// Signed.
    pub power: Option<Watts>,
    /// Phase to neutral.
    pub voltage: Option<MeterVolts>,
    /// Never negative: the power carries the direction.
    pub current: Option<Amperes>,
    /// Signed.
    pub power_factor: Option<PowerFactor>,
    /// Lifetime counter.
    pub exported: WattHours,
    /// Lifetime counter.
    pub imported: WattHours,
}
