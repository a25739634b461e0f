//! Entities of a PV input. Home Assistant shows them at their inverter.

use super::Subject::Port;
use super::entity::{Entity, Kind, Number};

pub(super) const ENTITIES: &[Entity] = &[
    number("pv_power", "Port {port} power", Number::POWER, "Power of the port's panel (DC)."),
    number(
        "today_production",
        "Port {port} energy today",
        Number::TODAY,
        "Energy of the port since local midnight.",
    ),
    number(
        "total_production",
        "Port {port} energy total",
        Number::ENERGY,
        "Energy of the port in its lifetime; never falls.",
    ),
    number("pv_voltage", "Port {port} voltage", Number::VOLTAGE, "Voltage of the port's panel."),
    number("pv_current", "Port {port} current", Number::CURRENT, "Current of the port's panel."),
    Entity::new(
        Port,
        "timestamp",
        "Port {port} last reading",
        Kind::Time,
        "When the values of the port were read.",
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
    Entity::new(Port, key, name, Kind::Number(number), about)
}
