//! The table that `read` prints: a line per port, the inverter's own values on its first one.

use std::fmt::Write as _;

use super::Answer;
use crate::entities::Subject::{Inverter, Port};
use crate::entities::unit;
use crate::plant::units::{WattHours, Watts};
use crate::plant::{codes, model};
use crate::poller::book::Book;
use crate::snapshot::state::{InverterState, PortState};

/// Columns of a port's line: a word, and the unit of what stands below.
const COLUMNS: [(&str, &str); 12] = [
    ("Inverter", ""),
    ("Model", ""),
    ("Port", ""),
    ("PV", unit(Port, "pv_voltage")),
    ("PV", unit(Port, "pv_current")),
    ("PV", unit(Port, "pv_power")),
    ("Today", unit(Port, "today_production")),
    ("Total", unit(Port, "total_production")),
    ("Grid", unit(Inverter, "grid_voltage")),
    ("", unit(Inverter, "grid_frequency")),
    ("", unit(Inverter, "temperature")),
    ("Status", ""),
];

/// The tables of all DTUs and the totals of the plant.
pub(super) fn render(answers: &[Answer], book: &Book) -> String {
    let mut text = String::new();
    for answer in answers {
        let name = answer.dtu.name.as_str();
        let inverters: Vec<InverterState> =
            book.inverters().into_iter().filter(|state| &*state.dtu_name == name).collect();
        let ports: usize = inverters.iter().map(|state| state.ports.len()).sum();
        let serial = book
            .dtus()
            .iter()
            .find(|dtu| &*dtu.name == name)
            .and_then(|dtu| dtu.serial)
            .map(|serial| match model::dtu_name(serial) {
                Some(model) => format!(" ({serial}, {model})"),
                None => format!(" ({serial})"),
            })
            .unwrap_or_default();
        let incomplete = if answer.outcome.is_ok() { "" } else { ", INCOMPLETE" };
        push_line(
            &mut text,
            format_args!(
                "{name}{serial}: {ports} ports of {} inverters in {:.1} s{incomplete}",
                inverters.len(),
                answer.spent.as_secs_f64()
            ),
        );
        if !inverters.is_empty() {
            push_table(&mut text, &inverters);
        }
    }
    push_totals(&mut text, &book.inverters());
    text
}

fn push_table(text: &mut String, inverters: &[InverterState]) {
    let mut rows = vec![COLUMNS.map(|(word, unit)| format!("{word} {unit}").trim().to_owned())];
    for inverter in inverters {
        let mut first = true;
        for (number, port) in &inverter.ports {
            rows.push(row(inverter, *number, port, first));
            first = false;
        }
    }
    let mut widths = [0; COLUMNS.len()];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    for row in &rows {
        let mut line = String::from(" ");
        for (index, (cell, width)) in row.iter().zip(widths).enumerate() {
            let padding = width.saturating_sub(cell.chars().count());
            let (before, after) = if is_text(index) { (0, padding) } else { (padding, 0) };
            line.extend([" ", &" ".repeat(before), cell, &" ".repeat(after)]);
        }
        push_line(text, format_args!("{}", line.trim_end()));
    }
}

/// Words are set to the left, numbers to the right.
const fn is_text(column: usize) -> bool {
    matches!(column, 0 | 1 | 11)
}

fn row(inverter: &InverterState, number: u8, port: &PortState, first: bool) -> [String; 12] {
    let of_inverter = |value: Option<String>| value.filter(|_| first).unwrap_or_default();
    [
        of_inverter(Some(inverter.serial.to_string())),
        of_inverter(model::name(inverter.serial, inverter.ports.len())),
        number.to_string(),
        decimal(port.pv_voltage.map(crate::plant::units::Volts::as_f64), 1),
        decimal(port.pv_current.map(crate::plant::units::Amperes::as_f64), 2),
        decimal(port.pv_power.map(crate::plant::units::Watts::as_f64), 1),
        whole(port.today),
        whole(port.total),
        of_inverter(Some(decimal(
            inverter.grid_voltage.map(crate::plant::units::Volts::as_f64),
            1,
        ))),
        of_inverter(Some(decimal(
            inverter.grid_frequency.map(crate::plant::units::Hertz::as_f64),
            2,
        ))),
        of_inverter(Some(decimal(
            inverter.temperature.map(crate::plant::units::Celsius::as_f64),
            1,
        ))),
        of_inverter(Some(status(inverter))),
    ]
}

/// The alarm if there is one, else the operating status, in words.
fn status(inverter: &InverterState) -> String {
    match (inverter.alarm_code, inverter.link_status) {
        (Some(code), _) if code != 0 => format!("alarm {code}: {}", codes::alarm(code)),
        (_, Some(0)) => codes::link_status(0),
        _ => inverter.operating_status.map(codes::operating_status).unwrap_or_default(),
    }
}

fn decimal(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
}

fn whole(value: Option<WattHours>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.get().to_string())
}

fn push_totals(text: &mut String, inverters: &[InverterState]) {
    let power = inverters.iter().filter_map(InverterState::pv_power).reduce(Watts::saturating_add);
    let today = inverters.iter().filter_map(InverterState::today).reduce(WattHours::saturating_add);
    let total = inverters.iter().filter_map(InverterState::total).reduce(WattHours::saturating_add);
    push_line(
        text,
        format_args!(
            "Plant: {} W now, {} Wh today, {} Wh in total",
            decimal(power.map(crate::plant::units::Watts::as_f64), 1),
            whole(today),
            whole(total)
        ),
    );
}

fn push_line(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{line}");
}
