//! The inverters of one DTU: a line each, and below it a line for each of its ports.

use super::grid::{self, Column};
use super::kilowatt_hours;
use crate::plant::units::{Amperes, Celsius, Hertz, Percent, Volts, WattHours, Watts};
use crate::plant::{codes, model};
use crate::snapshot::state::{InverterState, PortState};

/// A line: an inverter, a port, or an inverter with its only port.
struct Row<'a> {
    inverter: Option<&'a InverterState>,
    port: Option<(u8, &'a PortState)>,
}

impl Row<'_> {
    fn of_inverter(&self, cell: impl Fn(&InverterState) -> String) -> String {
        self.inverter.map(cell).unwrap_or_default()
    }

    fn of_port(&self, cell: impl Fn(&PortState) -> String) -> String {
        self.port.map(|(_, port)| cell(port)).unwrap_or_default()
    }

    /// The value of the port, or the sum of all.
    fn of_either(
        &self,
        of_port: impl Fn(&PortState) -> String,
        of_inverter: impl Fn(&InverterState) -> String,
    ) -> String {
        match (self.port, self.inverter) {
            (Some((_, port)), _) => of_port(port),
            (None, Some(inverter)) => of_inverter(inverter),
            (None, None) => String::new(),
        }
    }
}

/// The table.
pub(super) fn render(inverters: &[&InverterState]) -> String {
    let mut rows = Vec::new();
    for inverter in inverters {
        let mut ports = inverter.ports.iter().map(|(&number, port)| (number, port)).peekable();
        let inverter = Some(*inverter);
        if ports.len() == 1 {
            rows.push(Row { inverter, port: ports.next() });
        } else {
            rows.push(Row { inverter, port: None });
            rows.extend(ports.map(|port| Row { inverter: None, port: Some(port) }));
        }
    }
    grid::render(&columns(), &rows)
}

fn columns<'a>() -> [Column<Row<'a>>; 17] {
    [
        Column::text("Inverter", |row| row.of_inverter(|one| one.serial.to_string())),
        Column::text("Model", |row| {
            row.of_inverter(|one| model::name(one.serial, one.ports.len()).unwrap_or_default())
        }),
        Column::number("Port", |row| {
            row.port.map(|(number, _)| number.to_string()).unwrap_or_default()
        }),
        Column::number("PV V", |row| row.of_port(|one| volts(one.reading.pv_voltage))),
        Column::number("PV A", |row| {
            row.of_port(|one| decimal(one.reading.pv_current.map(Amperes::as_f64), 2))
        }),
        Column::number("PV W", |row| {
            row.of_either(|one| watts(one.reading.pv_power), |one| watts(one.pv_power()))
        }),
        Column::number("Today kWh", |row| {
            row.of_either(|one| energy(one.energy.today), |one| energy(one.energy().today))
        }),
        Column::number("Total kWh", |row| {
            row.of_either(|one| energy(one.energy.total), |one| energy(one.energy().total))
        }),
        Column::number("AC W", |row: &Row<'_>| {
            row.of_inverter(|one| watts(one.values.ac.active_power))
        })
        .if_known(),
        Column::number("Grid V", |row| row.of_inverter(grid_volts)),
        Column::number("Hz", |row| {
            row.of_inverter(|one| decimal(one.values.grid_frequency.map(Hertz::as_f64), 2))
        }),
        Column::number("°C", |row| {
            row.of_inverter(|one| decimal(one.values.temperature.map(Celsius::as_f64), 1))
        }),
        Column::number("Limit %", |row: &Row<'_>| {
            row.of_inverter(|one| decimal(one.values.ac.power_limit.map(Percent::as_f64), 1))
        })
        .if_known(),
        Column::number("Signal %", |row: &Row<'_>| {
            row.of_inverter(|one| {
                one.values.ac.signal.map_or_else(missing, |signal| signal.to_string())
            })
        })
        .if_known(),
        Column::text("Program", |row: &Row<'_>| {
            row.of_inverter(|one| one.values.ac.firmware_version.clone().unwrap_or_default())
        })
        .if_known(),
        Column::number("Events", |row: &Row<'_>| {
            row.of_inverter(|one| {
                one.values.alarm_count.map_or_else(missing, |count| count.to_string())
            })
        })
        .if_known(),
        Column::text("Status", |row| row.of_inverter(status)),
    ]
}

/// The phases of a three-phase inverter, or the one voltage that there is.
fn grid_volts(inverter: &InverterState) -> String {
    if inverter.values.ac.phase_voltages.is_empty() {
        return volts(inverter.values.grid_voltage);
    }
    let phases = inverter.values.ac.phase_voltages.iter();
    phases.map(|phase| volts(Some(*phase))).collect::<Vec<_>>().join("/")
}

fn status(inverter: &InverterState) -> String {
    match (inverter.values.alarm_code, inverter.values.link_status) {
        (Some(code), _) if code != 0 => format!("ALARM {code}"),
        (_, Some(0)) => codes::link_status(0),
        _ => inverter.values.operating_status.map(codes::operating_status).unwrap_or_default(),
    }
}

fn volts(value: Option<Volts>) -> String {
    decimal(value.map(Volts::as_f64), 1)
}

fn watts(value: Option<Watts>) -> String {
    decimal(value.map(Watts::as_f64), 1)
}

fn energy(value: Option<WattHours>) -> String {
    value.map_or_else(missing, kilowatt_hours)
}

fn decimal(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(missing, |value| format!("{value:.digits$}"))
}

fn missing() -> String {
    "-".to_owned()
}
