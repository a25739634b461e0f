//! Figures of each inverter and of each of its ports. Sums are left to whoever asks Prometheus.

use std::fmt;

use super::page::{Figure, Labels, Page, Value, seconds};
use crate::entities::Subject::{Inverter, Port};
use crate::entities::about;
use crate::plant::model;
use crate::plant::units::{
    Amperes, Celsius, Hertz, Percent, PowerFactor, Vars, Volts, WattHours, Watts,
};
use crate::snapshot::Snapshot;
use crate::snapshot::state::{InverterState, PortState};

const INFO: [Figure<InverterState>; 1] = [Figure {
    name: "inverter_info",
    help: "What the inverter is and which DTU reads it, always 1.",
    value: Value::Gauge(|_| Some(1.0)),
}];

const MAINS: [Figure<InverterState>; 6] = [
    Figure {
        name: "inverter_grid_voltage_volts",
        help: about(Inverter, "grid_voltage"),
        value: Value::Gauge(|inverter| inverter.values.grid_voltage.map(Volts::as_f64)),
    },
    Figure {
        name: "inverter_grid_frequency_hertz",
        help: about(Inverter, "grid_frequency"),
        value: Value::Gauge(|inverter| inverter.values.grid_frequency.map(Hertz::as_f64)),
    },
    Figure {
        name: "inverter_grid_current_amperes",
        help: about(Inverter, "current"),
        value: Value::Gauge(|inverter| inverter.values.ac.current.map(Amperes::as_f64)),
    },
    Figure {
        name: "inverter_active_power_watts",
        help: about(Inverter, "active_power"),
        value: Value::Gauge(|inverter| inverter.values.ac.active_power.map(Watts::as_f64)),
    },
    Figure {
        name: "inverter_reactive_power_vars",
        help: about(Inverter, "reactive_power"),
        value: Value::Gauge(|inverter| inverter.values.ac.reactive_power.map(Vars::as_f64)),
    },
    Figure {
        name: "inverter_power_factor_ratio",
        help: about(Inverter, "power_factor"),
        value: Value::Gauge(|inverter| inverter.values.ac.power_factor.map(PowerFactor::as_f64)),
    },
];

const CONDITION: [Figure<InverterState>; 9] = [
    Figure {
        name: "inverter_temperature_celsius",
        help: about(Inverter, "temperature"),
        value: Value::Gauge(|inverter| inverter.values.temperature.map(Celsius::as_f64)),
    },
    Figure {
        name: "inverter_power_limit_ratio",
        help: about(Inverter, "power_limit"),
        value: Value::Gauge(|inverter| {
            inverter.values.ac.power_limit.map(|it| Percent::as_f64(it) / 100.0)
        }),
    },
    Figure {
        name: "inverter_signal_ratio",
        help: about(Inverter, "signal"),
        value: Value::Gauge(|inverter| inverter.values.ac.signal.map(|it| f64::from(it) / 100.0)),
    },
    Figure {
        name: "inverter_link_status",
        help: about(Inverter, "link_status"),
        value: Value::Gauge(|inverter| inverter.values.link_status.map(f64::from)),
    },
    Figure {
        name: "inverter_operating_status",
        help: about(Inverter, "operating_status"),
        value: Value::Gauge(|inverter| inverter.values.operating_status.map(f64::from)),
    },
    Figure {
        name: "inverter_alarm_code",
        help: about(Inverter, "alarm_code"),
        value: Value::Gauge(|inverter| inverter.values.alarm_code.map(f64::from)),
    },
    Figure {
        name: "inverter_alarms",
        help: about(Inverter, "alarm_count"),
        value: Value::Gauge(|inverter| inverter.values.alarm_count.map(f64::from)),
    },
    Figure {
        name: "inverter_reading_timestamp_seconds",
        help: about(Inverter, "timestamp"),
        value: Value::Gauge(|inverter| Some(seconds(inverter.timestamp))),
    },
    Figure {
        name: "inverter_last_seen_timestamp_seconds",
        help: about(Inverter, "last_seen"),
        value: Value::Gauge(|inverter| Some(seconds(inverter.last_seen))),
    },
];

const PORT: [Figure<PortState>; 6] = [
    Figure {
        name: "port_pv_voltage_volts",
        help: about(Port, "pv_voltage"),
        value: Value::Gauge(|port| port.reading.pv_voltage.map(Volts::as_f64)),
    },
    Figure {
        name: "port_pv_current_amperes",
        help: about(Port, "pv_current"),
        value: Value::Gauge(|port| port.reading.pv_current.map(Amperes::as_f64)),
    },
    Figure {
        name: "port_pv_power_watts",
        help: about(Port, "pv_power"),
        value: Value::Gauge(|port| port.reading.pv_power.map(Watts::as_f64)),
    },
    Figure {
        name: "port_today_energy_watt_hours",
        help: about(Port, "today_production"),
        value: Value::Gauge(|port| {
            port.energy.today.and_then(|today| u32::try_from(today.get()).ok()).map(f64::from)
        }),
    },
    Figure {
        name: "port_energy_watt_hours",
        help: about(Port, "total_production"),
        value: Value::Counter(|port| port.energy.total.map(WattHours::get)),
    },
    Figure {
        name: "port_reading_timestamp_seconds",
        help: about(Port, "timestamp"),
        value: Value::Gauge(|port| Some(seconds(port.timestamp))),
    },
];

/// Writes the inverters.
pub(super) fn write(page: &mut Page<'_>, snapshot: &Snapshot) -> fmt::Result {
    let info: Vec<_> = snapshot.inverters().map(|inverter| (info(inverter), inverter)).collect();
    page.write(&INFO, &info)?;
    let inverters: Vec<_> =
        snapshot.inverters().map(|inverter| (vec![serial(inverter)], inverter)).collect();
    page.write(&MAINS, &inverters)?;
    page.write(&CONDITION, &inverters)
}

/// Writes their ports.
pub(super) fn write_ports(page: &mut Page<'_>, snapshot: &Snapshot) -> fmt::Result {
    let ports = snapshot.inverters().flat_map(|inverter| {
        let labels = |number: u8| vec![serial(inverter), ("port", number.to_string())];
        inverter.ports.iter().map(move |(&number, port)| (labels(number), port))
    });
    page.write(&PORT, &ports.collect::<Vec<_>>())
}

fn serial(inverter: &InverterState) -> (&'static str, String) {
    ("serial", inverter.serial.to_string())
}

fn info(inverter: &InverterState) -> Labels {
    let model = model::name(inverter.serial, inverter.ports.len());
    let firmware = inverter.values.ac.firmware_version.clone();
    let known = [Some(serial(inverter)), Some(("dtu", inverter.dtu_name.to_string()))];
    let told = [model.map(|model| ("model", model)), firmware.map(|it| ("firmware", it))];
    known.into_iter().chain(told).flatten().collect()
}
