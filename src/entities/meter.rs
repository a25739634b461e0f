//! Entities of an energy meter.

use super::Subject::Meter;
use super::entity::{Entity, Given, Kind, Number};

pub(super) const ENTITIES: &[Entity] = &[
    number(
        "power",
        "Power",
        Number::POWER,
        "Power of all phases; which sign is feed-in depends on the installation.",
    ),
    number(
        "energy_exported",
        "Energy exported",
        Number::ENERGY,
        "Energy in the direction that the meter calls exported.",
    ),
    number(
        "energy_imported",
        "Energy imported",
        Number::ENERGY,
        "Energy in the direction that the meter calls imported.",
    ),
    number(
        "power_factor",
        "Power factor",
        Number::POWER_FACTOR,
        "Power factor of all phases, -1 to 1.",
    )
    .disabled(),
    phase("phase_a_power", "Power phase A", Number::POWER, "Power of phase A, signed.")
        .from("/phases/0/power"),
    phase("phase_b_power", "Power phase B", Number::POWER, "Power of phase B, signed.")
        .from("/phases/1/power"),
    phase("phase_c_power", "Power phase C", Number::POWER, "Power of phase C, signed.")
        .from("/phases/2/power"),
    phase("phase_a_voltage", "Voltage phase A", Number::VOLTAGE, "Phase A to neutral.")
        .from("/phases/0/voltage"),
    phase("phase_b_voltage", "Voltage phase B", Number::VOLTAGE, "Phase B to neutral.")
        .from("/phases/1/voltage"),
    phase("phase_c_voltage", "Voltage phase C", Number::VOLTAGE, "Phase C to neutral.")
        .from("/phases/2/voltage"),
    phase("phase_a_current", "Current phase A", Number::CURRENT, "Current of phase A.")
        .from("/phases/0/current"),
    phase("phase_b_current", "Current phase B", Number::CURRENT, "Current of phase B.")
        .from("/phases/1/current"),
    phase("phase_c_current", "Current phase C", Number::CURRENT, "Current of phase C.")
        .from("/phases/2/current"),
    Entity::new(
        Meter,
        "timestamp",
        "Last reading",
        Kind::Time,
        "When the values of the meter were read.",
    )
    .diagnostic()
    .disabled(),
];

const fn number(
    key: &'static str,
    name: &'static str,
    number: Number,
    about: &'static str,
) -> Entity {
    Entity::new(Meter, key, name, Kind::Number(number), about)
}

/// As many as the meter has.
const fn phase(key: &'static str, name: &'static str, kind: Number, about: &'static str) -> Entity {
    number(key, name, kind, about).given(Given::OnceSeen).disabled()
}
