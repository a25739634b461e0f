//! Entities of an inverter.

use super::Subject::Inverter;
use super::entity::{Choice, Entity, Given, Kind, Number, On};

pub(super) const ENTITIES: &[Entity] = &[
    number("pv_power", "PV power", Number::POWER, "Power of all panels (DC)."),
    number(
        "today_production",
        "Energy today",
        Number::TODAY,
        "Energy of all panels since local midnight.",
    ),
    number(
        "total_production",
        "Energy total",
        Number::ENERGY,
        "Energy of all panels in their lifetime; never falls.",
    ),
    number("active_power", "AC power", Number::POWER, "Active power into the mains.")
        .given(Given::OverProtobuf),
    number(
        "grid_voltage",
        "Grid voltage",
        Number::VOLTAGE,
        "Voltage of the mains; of three phases the first.",
    ),
    number("grid_frequency", "Grid frequency", Number::FREQUENCY, "Frequency of the mains."),
    number(
        "current",
        "Grid current",
        Number::CURRENT,
        "Current into the mains, of a single-phase inverter.",
    )
    .given(Given::OverProtobuf)
    .disabled(),
    number(
        "reactive_power",
        "Reactive power",
        Number::REACTIVE_POWER,
        "Reactive power into the mains, signed.",
    )
    .given(Given::OverProtobuf)
    .disabled(),
    number(
        "power_factor",
        "Power factor",
        Number::POWER_FACTOR,
        "Power factor on the mains side, -1 to 1.",
    )
    .given(Given::OverProtobuf)
    .disabled(),
    phase("phase_a_voltage", "Voltage phase A", Number::VOLTAGE, "Phase A to neutral.")
        .from("/phase_voltages/0"),
    phase("phase_b_voltage", "Voltage phase B", Number::VOLTAGE, "Phase B to neutral.")
        .from("/phase_voltages/1"),
    phase("phase_c_voltage", "Voltage phase C", Number::VOLTAGE, "Phase C to neutral.")
        .from("/phase_voltages/2"),
    phase("phase_a_current", "Current phase A", Number::CURRENT, "Current into phase A.")
        .from("/phase_currents/0"),
    phase("phase_b_current", "Current phase B", Number::CURRENT, "Current into phase B.")
        .from("/phase_currents/1"),
    phase("phase_c_current", "Current phase C", Number::CURRENT, "Current into phase C.")
        .from("/phase_currents/2"),
    number("temperature", "Temperature", Number::TEMPERATURE, "Temperature inside the inverter.")
        .diagnostic(),
    Entity::new(
        Inverter,
        "reachable",
        "Reachable",
        Kind::Flag { device_class: "connectivity", on: On::Is(1) },
        "Whether the DTU reaches the inverter.",
    )
    .from("/link_status")
    .diagnostic(),
    Entity::new(
        Inverter,
        "problem",
        "Problem",
        Kind::Flag { device_class: "problem", on: On::NotZero },
        "Whether the inverter reports an alarm.",
    )
    .from("/alarm_code")
    .given(Given::OverModbus)
    .diagnostic(),
    Entity::new(Inverter, "alarm", "Alarm", Kind::Text, "The present alarm in words.")
        .from("/alarm_text")
        .given(Given::OverModbus)
        .diagnostic(),
    number("alarm_code", "Alarm code", Number::CODE, "Code of the present alarm; 0 is none.")
        .given(Given::OverModbus)
        .diagnostic()
        .disabled(),
    number(
        "alarm_count",
        "Events",
        Number::COUNT,
        "Running count of the inverter's events, past ones too; it may start over.",
    )
    .diagnostic()
    .disabled(),
    Entity::new(
        Inverter,
        "operating_status",
        "Operating status",
        Kind::Choice(Choice {
            words: &[("0", "no_data"), ("3", "producing")],
            other: Some("other"),
        }),
        "Operating status in the device's own numbers, 3 while producing.",
    )
    .diagnostic(),
    Entity::new(
        Inverter,
        "link_status",
        "Link status",
        Kind::Choice(Choice {
            words: &[("0", "not_reached"), ("1", "reached")],
            other: Some("other"),
        }),
        "Whether the DTU reaches the inverter: 1 reached, 0 not.",
    )
    .diagnostic()
    .disabled(),
    number(
        "power_limit",
        "Power limit",
        Number::PERCENT,
        "Share of its rated power to which the inverter is limited.",
    )
    .given(Given::OverProtobuf)
    .diagnostic(),
    number("signal", "Signal", Number::PERCENT, "Radio signal between DTU and inverter.")
        .given(Given::OverProtobuf)
        .diagnostic()
        .disabled(),
    Entity::new(
        Inverter,
        "timestamp",
        "Last reading",
        Kind::Time,
        "When the values of the inverter were read.",
    )
    .diagnostic()
    .disabled(),
    Entity::new(
        Inverter,
        "last_seen",
        "Last seen",
        Kind::Time,
        "When the DTU last listed the inverter.",
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
    Entity::new(Inverter, key, name, Kind::Number(number), about)
}

/// Three-phase inverters only.
const fn phase(
    key: &'static str,
    name: &'static str,
    number: Number,
    about: &'static str,
) -> Entity {
    Entity::new(Inverter, key, name, Kind::Number(number), about).given(Given::OnceSeen).disabled()
}
