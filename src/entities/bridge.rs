//! Entities of the bridge and of the plant as a whole.

use super::Subject::Bridge;
use super::entity::{Entity, Given, Kind, Number, On};

pub(super) const ENTITIES: &[Entity] = &[
    number("pv_power", "Plant PV power", Number::POWER, "Power of all panels of the plant (DC).")
        .from("/plant/pv_power"),
    number(
        "today_production",
        "Plant energy today",
        Number::TODAY,
        "Energy of the plant since local midnight.",
    )
    .from("/plant/today_production"),
    number(
        "total_production",
        "Plant energy total",
        Number::ENERGY,
        "Energy of the plant in its lifetime: each port's last good value; never falls.",
    )
    .from("/plant/total_production"),
    number("active_power", "Plant AC power", Number::POWER, "Active power of the plant.")
        .from("/plant/active_power")
        .given(Given::OnceSeen),
    Entity::new(
        Bridge,
        "healthy",
        "Healthy",
        Kind::Flag { device_class: "connectivity", on: On::True },
        "Whether some DTU answered within its limit or is known to be asleep, as /ready says.",
    )
    .from("/health/healthy")
    .diagnostic(),
    Entity::new(Bridge, "start_time", "Started", Kind::Time, "When the bridge started.")
        .from("/health/start_time")
        .diagnostic()
        .disabled(),
    number("inverters_count", "Inverters", Number::CODE, "Inverters that were read so far.")
        .from("/stats/inverters_count")
        .diagnostic()
        .disabled(),
    number("database_size_bytes", "Database size", Number::BYTES, "Size of the database file.")
        .from("/stats/database_size_bytes")
        .diagnostic()
        .disabled(),
];

const fn number(
    key: &'static str,
    name: &'static str,
    number: Number,
    about: &'static str,
) -> Entity {
    Entity::new(Bridge, key, name, Kind::Number(number), about)
}
