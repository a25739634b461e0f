//! The entities of each subject.

use super::Read::{Bridge, Dtu, Inverter, Meter, Port};
use super::{Choice, Entity, Given, Kind, Number, On, Read, Subject};
use crate::plant::codes;
use crate::plant::meter::MeterPhase;
use crate::snapshot::health::is_healthy;
use crate::snapshot::state::MeterState;

/// The entities of one subject.
pub const fn of(subject: Subject) -> &'static [Entity] {
    match subject {
        Subject::Bridge => BRIDGE,
        Subject::Dtu => DTU,
        Subject::Inverter => INVERTER,
        Subject::Port => PORT,
        Subject::Meter => METER,
    }
}

/// The bridge and the plant as a whole.
const BRIDGE: &[Entity] = &[
    number(
        Bridge(|it| it.totals().pv_power.map(Into::into)),
        "pv_power",
        "Plant PV power",
        Number::POWER,
        "Power of all panels of the plant (DC).",
    )
    .from("/plant/pv_power"),
    number(
        Bridge(|it| it.totals().energy.today.map(Into::into)),
        "today_production",
        "Plant energy today",
        Number::TODAY,
        "Energy of the plant since local midnight.",
    )
    .from("/plant/today_production"),
    number(
        Bridge(|it| it.totals().energy.total.map(Into::into)),
        "total_production",
        "Plant energy total",
        Number::ENERGY,
        "Energy of the plant in its lifetime; never falls, and an inverter that is added adds no past.",
    )
    .from("/plant/total_production")
    .metric("plant_energy_watt_hours_total"),
    number(
        Bridge(|it| it.totals().active_power.map(Into::into)),
        "active_power",
        "Plant AC power",
        Number::POWER,
        "Active power of the plant.",
    )
    .from("/plant/active_power")
    .given(Given::OnceSeen),
    Entity::new(
        Bridge(|it| Some(is_healthy(it.dtus(), it.at()).into())),
        "healthy",
        "Healthy",
        Kind::Flag { device_class: "connectivity", on: On::True },
        "Whether some DTU answered within its limit or is known to be asleep, as /ready says.",
    )
    .from("/health/healthy")
    .diagnostic(),
    time(
        Bridge(|it| Some(it.start().last_reported().into())),
        "start_time",
        "Started",
        "When the bridge started.",
    )
    .from("/health/start_time")
    .metric("start_time_seconds")
    .disabled(),
    number(
        Bridge(|it| Some(it.stats().inverters_count.into())),
        "inverters_count",
        "Inverters",
        Number::CODE,
        "Inverters that were read so far.",
    )
    .from("/stats/inverters_count")
    .metric("inverters")
    .diagnostic()
    .disabled(),
    number(
        Bridge(|it| Some(it.stats().database_size_bytes.into())),
        "database_size_bytes",
        "Database size",
        Number::BYTES,
        "Size of the database file.",
    )
    .from("/stats/database_size_bytes")
    .metric("database_size_bytes")
    .diagnostic()
    .disabled(),
];

/// A DTU: how polling it goes.
const DTU: &[Entity] = &[
    Entity::new(
        STATUS,
        "status",
        "Status",
        Kind::Choice(Choice {
            words: &[
                ("online", "online"),
                ("asleep", "asleep"),
                ("error", "error"),
                ("unknown", "unknown"),
            ],
            other: None,
        }),
        "How the DTU is: online, asleep, error or unknown.",
    )
    .diagnostic(),
    Entity::new(
        STATUS,
        "reachable",
        "Reachable",
        Kind::Flag { device_class: "connectivity", on: On::Word("online") },
        "Whether the last poll of the DTU succeeded.",
    )
    .from("/status")
    .diagnostic(),
    Entity::new(
        STATUS,
        "problem",
        "Problem",
        Kind::Flag { device_class: "problem", on: On::Word("error") },
        "Whether the last poll of the DTU failed; a DTU that sleeps is no problem.",
    )
    .from("/status")
    .diagnostic(),
    time(
        Dtu(|it| it.last_success.map(Into::into)),
        "last_successful_query",
        "Last successful query",
        "When the last successful poll of the DTU ended.",
    )
    .metric("dtu_last_success_timestamp_seconds"),
    number(
        Dtu(|it| Some(it.query_count.into())),
        "query_count",
        "Queries",
        Number::QUERIES,
        "Polls of the DTU since the bridge started.",
    )
    .diagnostic()
    .disabled(),
    number(
        Dtu(|it| Some(it.error_count.into())),
        "error_count",
        "Failed queries",
        Number::ERRORS,
        "Failed polls of the DTU since the bridge started.",
    )
    .diagnostic()
    .disabled(),
    Entity::new(
        Dtu(|it| it.last_error.as_ref().map(|error| error.cause.clone().into())),
        "last_error",
        "Last error",
        Kind::Text,
        "Why the last failed poll of the DTU failed.",
    )
    .diagnostic()
    .disabled(),
    time(
        Dtu(|it| it.last_error_time.map(Into::into)),
        "last_error_time",
        "Last error time",
        "When the last failed poll of the DTU failed.",
    )
    .disabled(),
];

const STATUS: Read = Dtu(|it| Some(it.status.as_str().into()));

const INVERTER: &[Entity] = &[
    number(
        Inverter(|it| it.pv_power().map(Into::into)),
        "pv_power",
        "PV power",
        Number::POWER,
        "Power of all panels (DC).",
    ),
    number(
        Inverter(|it| it.energy.today.map(Into::into)),
        "today_production",
        "Energy today",
        Number::TODAY,
        "Energy of all panels since local midnight.",
    ),
    number(
        Inverter(|it| it.energy.total.map(Into::into)),
        "total_production",
        "Energy total",
        Number::ENERGY,
        "Energy of all panels in their lifetime; never falls, and a port that is added adds no past.",
    )
    .metric("inverter_energy_watt_hours_total"),
    number(
        Inverter(|it| it.values.ac.active_power.map(Into::into)),
        "active_power",
        "AC power",
        Number::POWER,
        "Active power into the mains.",
    )
    .metric("inverter_active_power_watts")
    .given(Given::OverProtobuf),
    number(
        Inverter(|it| it.values.grid_voltage.map(Into::into)),
        "grid_voltage",
        "Grid voltage",
        Number::VOLTAGE,
        "Voltage of the mains; of three phases the first.",
    )
    .metric("inverter_grid_voltage_volts"),
    number(
        Inverter(|it| it.values.grid_frequency.map(Into::into)),
        "grid_frequency",
        "Grid frequency",
        Number::FREQUENCY,
        "Frequency of the mains.",
    )
    .metric("inverter_grid_frequency_hertz"),
    number(
        Inverter(|it| it.values.ac.current.map(Into::into)),
        "current",
        "Grid current",
        Number::CURRENT,
        "Current into the mains, of a single-phase inverter.",
    )
    .metric("inverter_grid_current_amperes")
    .given(Given::OverProtobuf)
    .disabled(),
    number(
        Inverter(|it| it.values.ac.reactive_power.map(Into::into)),
        "reactive_power",
        "Reactive power",
        Number::REACTIVE_POWER,
        "Reactive power into the mains, signed.",
    )
    .metric("inverter_reactive_power_vars")
    .given(Given::OverProtobuf)
    .disabled(),
    number(
        Inverter(|it| it.values.ac.power_factor.map(Into::into)),
        "power_factor",
        "Power factor",
        Number::POWER_FACTOR,
        "Power factor on the mains side, -1 to 1.",
    )
    .metric("inverter_power_factor_ratio")
    .given(Given::OverProtobuf)
    .disabled(),
    phase(
        Inverter(|it| it.values.ac.phase_voltages.first().copied().map(Into::into)),
        "phase_a_voltage",
        "Voltage phase A",
        Number::VOLTAGE,
        "Phase A to neutral.",
    )
    .from("/phase_voltages/0"),
    phase(
        Inverter(|it| it.values.ac.phase_voltages.get(1).copied().map(Into::into)),
        "phase_b_voltage",
        "Voltage phase B",
        Number::VOLTAGE,
        "Phase B to neutral.",
    )
    .from("/phase_voltages/1"),
    phase(
        Inverter(|it| it.values.ac.phase_voltages.get(2).copied().map(Into::into)),
        "phase_c_voltage",
        "Voltage phase C",
        Number::VOLTAGE,
        "Phase C to neutral.",
    )
    .from("/phase_voltages/2"),
    phase(
        Inverter(|it| it.values.ac.phase_currents.first().copied().map(Into::into)),
        "phase_a_current",
        "Current phase A",
        Number::CURRENT,
        "Current into phase A.",
    )
    .from("/phase_currents/0"),
    phase(
        Inverter(|it| it.values.ac.phase_currents.get(1).copied().map(Into::into)),
        "phase_b_current",
        "Current phase B",
        Number::CURRENT,
        "Current into phase B.",
    )
    .from("/phase_currents/1"),
    phase(
        Inverter(|it| it.values.ac.phase_currents.get(2).copied().map(Into::into)),
        "phase_c_current",
        "Current phase C",
        Number::CURRENT,
        "Current into phase C.",
    )
    .from("/phase_currents/2"),
    number(
        Inverter(|it| it.values.temperature.map(Into::into)),
        "temperature",
        "Temperature",
        Number::TEMPERATURE,
        "Temperature inside the inverter.",
    )
    .metric("inverter_temperature_celsius")
    .diagnostic(),
    Entity::new(
        LINK_STATUS,
        "reachable",
        "Reachable",
        Kind::Flag { device_class: "connectivity", on: On::Is(1) },
        "Whether the DTU reaches the inverter.",
    )
    .from("/link_status")
    .diagnostic(),
    Entity::new(
        ALARM_CODE,
        "problem",
        "Problem",
        Kind::Flag { device_class: "problem", on: On::NotZero },
        "Whether the inverter reports an alarm.",
    )
    .from("/alarm_code")
    .given(Given::OverModbus)
    .diagnostic(),
    Entity::new(
        Inverter(|it| it.values.alarm_code.map(|code| codes::alarm(code).into())),
        "alarm",
        "Alarm",
        Kind::Text,
        "The present alarm in words.",
    )
    .from("/alarm_text")
    .given(Given::OverModbus)
    .diagnostic(),
    number(
        ALARM_CODE,
        "alarm_code",
        "Alarm code",
        Number::CODE,
        "Code of the present alarm; 0 means no alarm.",
    )
    .metric("inverter_alarm_code")
    .given(Given::OverModbus)
    .diagnostic()
    .disabled(),
    number(
        Inverter(|it| it.values.alarm_count.map(Into::into)),
        "alarm_count",
        "Events",
        Number::COUNT,
        "Running count of the inverter's events, past ones too; it may start over.",
    )
    .metric("inverter_alarms")
    .diagnostic()
    .disabled(),
    Entity::new(
        Inverter(|it| it.values.operating_status.map(Into::into)),
        "operating_status",
        "Operating status",
        Kind::Choice(Choice {
            words: &[("0", "no_data"), ("3", "producing")],
            other: Some("other"),
        }),
        "Operating status in the device's own numbers, 3 while producing.",
    )
    .metric("inverter_operating_status")
    .diagnostic(),
    Entity::new(
        LINK_STATUS,
        "link_status",
        "Link status",
        Kind::Choice(Choice {
            words: &[("0", "not_reached"), ("1", "reached")],
            other: Some("other"),
        }),
        "Whether the DTU reaches the inverter: 1 reached, 0 not.",
    )
    .metric("inverter_link_status")
    .diagnostic()
    .disabled(),
    number(
        Inverter(|it| it.values.ac.power_limit.map(Into::into)),
        "power_limit",
        "Power limit",
        Number::PERCENT,
        "Share of its rated power to which the inverter is limited.",
    )
    .metric("inverter_power_limit_ratio")
    .given(Given::OverProtobuf)
    .diagnostic(),
    number(
        Inverter(|it| it.values.ac.signal.map(Into::into)),
        "signal",
        "Signal",
        Number::PERCENT,
        "Radio signal between DTU and inverter.",
    )
    .metric("inverter_signal_ratio")
    .given(Given::OverProtobuf)
    .diagnostic()
    .disabled(),
    time(
        Inverter(|it| Some(it.timestamp.into())),
        "timestamp",
        "Last reading",
        "When the values of the inverter were read.",
    )
    .metric("inverter_reading_timestamp_seconds")
    .disabled(),
    time(
        Inverter(|it| Some(it.last_seen.into())),
        "last_seen",
        "Last seen",
        "When the DTU last listed the inverter.",
    )
    .metric("inverter_last_seen_timestamp_seconds")
    .disabled(),
];

const LINK_STATUS: Read = Inverter(|it| it.values.link_status.map(Into::into));

const ALARM_CODE: Read = Inverter(|it| it.values.alarm_code.map(Into::into));

/// A PV input. Home Assistant shows it at its inverter.
const PORT: &[Entity] = &[
    number(
        Port(|it| it.reading.pv_power.map(Into::into)),
        "pv_power",
        "Port {port} power",
        Number::POWER,
        "Power of the port's panel (DC).",
    )
    .metric("port_pv_power_watts"),
    number(
        Port(|it| it.energy.today.map(Into::into)),
        "today_production",
        "Port {port} energy today",
        Number::TODAY,
        "Energy of the port since local midnight.",
    )
    .metric("port_today_energy_watt_hours"),
    number(
        Port(|it| it.energy.total.map(Into::into)),
        "total_production",
        "Port {port} energy total",
        Number::ENERGY,
        "Energy of the port in its lifetime; never falls.",
    )
    .metric("port_energy_watt_hours_total"),
    number(
        Port(|it| it.reading.pv_voltage.map(Into::into)),
        "pv_voltage",
        "Port {port} voltage",
        Number::VOLTAGE,
        "Voltage of the port's panel.",
    )
    .metric("port_pv_voltage_volts"),
    number(
        Port(|it| it.reading.pv_current.map(Into::into)),
        "pv_current",
        "Port {port} current",
        Number::CURRENT,
        "Current of the port's panel.",
    )
    .metric("port_pv_current_amperes"),
    time(
        Port(|it| Some(it.timestamp.into())),
        "timestamp",
        "Port {port} last reading",
        "When the values of the port were read.",
    )
    .metric("port_reading_timestamp_seconds")
    .disabled(),
];

const METER: &[Entity] = &[
    number(
        Meter(|it| it.reading.power.map(Into::into)),
        "power",
        "Power",
        Number::POWER,
        "Power of all phases; which sign is feed-in depends on the installation.",
    )
    .metric("meter_power_watts"),
    number(
        Meter(|it| it.reading.exported.map(Into::into)),
        "energy_exported",
        "Energy exported",
        Number::ENERGY,
        "Energy in the direction that the meter calls exported.",
    )
    .metric("meter_exported_energy_watt_hours_total"),
    number(
        Meter(|it| it.reading.imported.map(Into::into)),
        "energy_imported",
        "Energy imported",
        Number::ENERGY,
        "Energy in the direction that the meter calls imported.",
    )
    .metric("meter_imported_energy_watt_hours_total"),
    number(
        Meter(|it| it.reading.power_factor.map(Into::into)),
        "power_factor",
        "Power factor",
        Number::POWER_FACTOR,
        "Power factor of all phases, -1 to 1.",
    )
    .metric("meter_power_factor_ratio")
    .disabled(),
    phase(
        Meter(|it| phase_of(it, 0)?.power.map(Into::into)),
        "phase_a_power",
        "Power phase A",
        Number::POWER,
        "Power of phase A, signed.",
    )
    .from("/phases/0/power"),
    phase(
        Meter(|it| phase_of(it, 1)?.power.map(Into::into)),
        "phase_b_power",
        "Power phase B",
        Number::POWER,
        "Power of phase B, signed.",
    )
    .from("/phases/1/power"),
    phase(
        Meter(|it| phase_of(it, 2)?.power.map(Into::into)),
        "phase_c_power",
        "Power phase C",
        Number::POWER,
        "Power of phase C, signed.",
    )
    .from("/phases/2/power"),
    phase(
        Meter(|it| phase_of(it, 0)?.voltage.map(Into::into)),
        "phase_a_voltage",
        "Voltage phase A",
        Number::VOLTAGE,
        "Phase A to neutral.",
    )
    .from("/phases/0/voltage"),
    phase(
        Meter(|it| phase_of(it, 1)?.voltage.map(Into::into)),
        "phase_b_voltage",
        "Voltage phase B",
        Number::VOLTAGE,
        "Phase B to neutral.",
    )
    .from("/phases/1/voltage"),
    phase(
        Meter(|it| phase_of(it, 2)?.voltage.map(Into::into)),
        "phase_c_voltage",
        "Voltage phase C",
        Number::VOLTAGE,
        "Phase C to neutral.",
    )
    .from("/phases/2/voltage"),
    phase(
        Meter(|it| phase_of(it, 0)?.current.map(Into::into)),
        "phase_a_current",
        "Current phase A",
        Number::CURRENT,
        "Current of phase A.",
    )
    .from("/phases/0/current"),
    phase(
        Meter(|it| phase_of(it, 1)?.current.map(Into::into)),
        "phase_b_current",
        "Current phase B",
        Number::CURRENT,
        "Current of phase B.",
    )
    .from("/phases/1/current"),
    phase(
        Meter(|it| phase_of(it, 2)?.current.map(Into::into)),
        "phase_c_current",
        "Current phase C",
        Number::CURRENT,
        "Current of phase C.",
    )
    .from("/phases/2/current"),
    time(
        Meter(|it| Some(it.timestamp.into())),
        "timestamp",
        "Last reading",
        "When the values of the meter were read.",
    )
    .metric("meter_reading_timestamp_seconds")
    .disabled(),
];

fn phase_of(meter: &MeterState, index: usize) -> Option<&MeterPhase> {
    meter.reading.phases.get(index)
}

const fn number(
    read: Read,
    key: &'static str,
    name: &'static str,
    number: Number,
    about: &'static str,
) -> Entity {
    Entity::new(read, key, name, Kind::Number(number), about)
}

/// A value that only devices with so many phases have.
const fn phase(
    read: Read,
    key: &'static str,
    name: &'static str,
    number: Number,
    about: &'static str,
) -> Entity {
    Entity::new(read, key, name, Kind::Number(number), about).given(Given::OnceSeen).disabled()
}

/// A time serves to find faults.
const fn time(read: Read, key: &'static str, name: &'static str, about: &'static str) -> Entity {
    Entity::new(read, key, name, Kind::Time, about).diagnostic()
}
