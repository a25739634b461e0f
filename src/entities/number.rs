//! The numbers that entities are: unit, classes and precision belong together.

use super::entity::{Number, StateClass};

impl Number {
    pub(super) const POWER: Self = measured("W", "power", 1);
    pub(super) const VOLTAGE: Self = measured("V", "voltage", 1);
    pub(super) const CURRENT: Self = measured("A", "current", 2);
    pub(super) const FREQUENCY: Self = measured("Hz", "frequency", 2);
    pub(super) const TEMPERATURE: Self = measured("°C", "temperature", 1);
    pub(super) const REACTIVE_POWER: Self = measured("var", "reactive_power", 1);
    pub(super) const POWER_FACTOR: Self = Self { unit: None, ..measured("", "power_factor", 3) };
    /// A share: no device class of Home Assistant fits.
    pub(super) const PERCENT: Self = Self { device_class: None, ..measured("%", "", 0) };
    pub(super) const BYTES: Self = measured("B", "data_size", 0);
    /// Energy in kWh of a source in Wh. The unit of an entity never changes: statistics would
    /// break.
    pub(super) const ENERGY: Self = Self {
        state_class: Some(StateClass::TotalIncreasing),
        is_kilo: true,
        ..measured("kWh", "energy", 3)
    };
    pub(super) const TODAY: Self =
        Self { state_class: Some(StateClass::TotalSinceMidnight), ..measured("Wh", "energy", 0) };
    /// Questions to a DTU. Home Assistant's component before ours gave this unit, and an entity keeps
    /// its unit.
    pub(super) const QUERIES: Self = Self { unit: Some("queries"), ..Self::COUNT };
    /// Failed ones, likewise.
    pub(super) const ERRORS: Self = Self { unit: Some("errors"), ..Self::COUNT };
    /// Events since some start.
    pub(super) const COUNT: Self =
        Self { state_class: Some(StateClass::TotalIncreasing), ..Self::CODE };
    /// A number of which statistics make no sense.
    pub(super) const CODE: Self =
        Self { unit: None, device_class: None, state_class: None, precision: 0, is_kilo: false };
}

const fn measured(unit: &'static str, device_class: &'static str, precision: u8) -> Number {
    Number {
        unit: Some(unit),
        device_class: Some(device_class),
        state_class: Some(StateClass::Measurement),
        precision,
        is_kilo: false,
    }
}
