//! What `read` prints for people: a table per DTU, a line per meter and alarm, the plant's totals.

mod grid;

mod inverters;

mod meters;

use std::fmt::Write as _;

use super::Answer;
use crate::plant::reading::extent;
use crate::plant::units::WattHours;
use crate::plant::{codes, model};
use crate::poller::plant::PlantState;
use crate::sanitize::escaped;
use crate::snapshot::state::{DtuState, InverterState, MeterState, PlantTotals};

/// The tables of all DTUs and the totals of the plant.
pub(super) fn render(answers: &[Answer], plant: &PlantState) -> String {
    let mut text = String::new();
    let all: Vec<&InverterState> = plant.inverters().map(|one| &***one).collect();
    let all_meters: Vec<&MeterState> = plant.meters().map(|one| &***one).collect();
    for answer in answers {
        let name = answer.dtu.name.as_str();
        let inverters: Vec<_> = all.iter().copied().filter(|one| &*one.dtu_name == name).collect();
        let meters: Vec<_> =
            all_meters.iter().copied().filter(|one| &*one.dtu_name == name).collect();
        push_title(&mut text, answer, plant, &inverters);
        text.push_str(&inverters::render(&inverters));
        text.push_str(&meters::render(&meters));
        push_alarms(&mut text, &inverters);
    }
    push_totals(&mut text, &all, &all_meters);
    text
}

/// Which DTU, and how much it said.
fn push_title(
    text: &mut String,
    answer: &Answer,
    plant: &PlantState,
    inverters: &[&InverterState],
) {
    let name = answer.dtu.name.as_str();
    let known = plant.dtu(name).map(|dtu| known(dtu)).unwrap_or_default();
    let ports: usize = inverters.iter().map(|state| state.ports.len()).sum();
    let taken = answer.taken.as_secs_f64();
    let outcome = match (&answer.outcome, inverters.is_empty()) {
        (Ok(reading), _) if reading.stale => {
            ", OLD VALUES: the DTU has not read its inverters lately"
        }
        (Ok(_), _) => "",
        (Err(_), false) => ", INCOMPLETE",
        (Err(_), true) => {
            push_line(text, format_args!("{name}: not read"));
            return;
        }
    };
    let extent = extent(ports, inverters.len());
    push_line(text, format_args!("{name}{known}: {extent} in {taken:.1} s{outcome}"));
}

/// Serial number, model and program of the DTU, as far as it told them.
fn known(dtu: &DtuState) -> String {
    let serial = dtu.serial.map(|serial| serial.to_string());
    let model = dtu.serial.and_then(model::dtu_name).map(str::to_owned);
    let parts: Vec<String> = [serial, model, dtu.firmware.clone()].into_iter().flatten().collect();
    if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) }
}

/// Alarms have long names: a line each, below the table.
fn push_alarms(text: &mut String, inverters: &[&InverterState]) {
    for inverter in inverters {
        if let Some(code) = inverter.values.alarm_code.filter(|&code| code != 0) {
            let (serial, words) = (inverter.serial, codes::alarm(code));
            push_line(text, format_args!("  ALARM {code} of {serial}: {words}"));
        }
    }
}

fn push_totals(text: &mut String, inverters: &[&InverterState], meters: &[&MeterState]) {
    let PlantTotals { pv_power, active_power, energy } = PlantTotals::of(inverters.iter().copied());
    let parts: Vec<String> = [
        pv_power.map(|power| format!("{:.1} W from the panels", power.as_f64())),
        active_power.map(|power| format!("{:.1} W to the mains", power.as_f64())),
        energy.today.map(|today| format!("{} kWh today", kilowatt_hours(today))),
        energy.total.map(|total| format!("{} kWh in total", kilowatt_hours(total))),
    ]
    .into_iter()
    .flatten()
    .collect();
    if !parts.is_empty() {
        push_line(text, format_args!("Plant: {}", parts.join(", ")));
    } else if inverters.is_empty() && meters.is_empty() {
        push_line(text, format_args!("Plant: nothing was read"));
    }
}

/// To the watt hour, as the devices count.
fn kilowatt_hours(energy: WattHours) -> String {
    format!("{}.{:03}", energy.get() / 1000, energy.get() % 1000)
}

fn push_line(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{}", escaped(&line.to_string()));
}

#[cfg(test)]
mod tests;
