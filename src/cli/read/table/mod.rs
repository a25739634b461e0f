//! What `read` prints for people: a table per DTU, a line per alarm, and the plant's totals.

use std::fmt::Write as _;

use super::Answer;
use crate::plant::meter::{MeterPhase, MeterReading};
use crate::plant::reading::extent;
use crate::plant::units::{
    Amperes, Celsius, Hertz, MeterVolts, Percent, PowerFactor, Volts, WattHours, Watts,
};
use crate::plant::{codes, model};
use crate::poller::plant::PlantState;
use crate::sanitize::escaped;
use crate::snapshot::state::{DtuState, Energy, InverterState, MeterState, PlantTotals, PortState};

/// The tables of all DTUs, at most `max_width` characters wide, and the totals of the plant.
pub(super) fn render(answers: &[Answer], plant: &PlantState, max_width: usize) -> String {
    let mut text = String::new();
    let all: Vec<&InverterState> = plant.inverters().map(|one| &***one).collect();
    let all_meters: Vec<&MeterState> = plant.meters().map(|one| &***one).collect();
    for answer in answers {
        let name = answer.dtu.name.as_str();
        let inverters: Vec<_> = all.iter().copied().filter(|one| &*one.dtu_name == name).collect();
        let meters: Vec<_> =
            all_meters.iter().copied().filter(|one| &*one.dtu_name == name).collect();
        push_title(&mut text, answer, plant, &inverters);
        push_table(&mut text, inverter_columns(), &inverter_rows(&inverters), max_width);
        push_table(&mut text, meter_columns(), &meter_rows(&meters), max_width);
        push_alarms(&mut text, &inverters);
    }
    push_totals(&mut text, &all, &all_meters);
    text
}

/// Which DTU, and how much it reported.
fn push_title(
    text: &mut String,
    answer: &Answer,
    plant: &PlantState,
    inverters: &[&InverterState],
) {
    let name = answer.dtu.name.as_str();
    let identity = plant.dtu(name).map(|dtu| identity(dtu)).unwrap_or_default();
    let ports: usize = inverters.iter().map(|state| state.ports.len()).sum();
    let taken = answer.taken.as_secs_f64();
    let outcome = match (&answer.outcome, inverters.is_empty()) {
        (Ok(reading), _) if reading.stale => {
            ", OLD VALUES: the DTU has not read its inverters lately"
        }
        (Ok(reading), _) if !reading.unread.is_empty() => ", INCOMPLETE",
        (Ok(_), _) => "",
        (Err(_), false) => ", INCOMPLETE",
        (Err(_), true) => {
            push_line(text, format_args!("{name}: not read"));
            return;
        }
    };
    let extent = extent(ports, inverters.len());
    push_line(text, format_args!("{name}{identity}: {extent} in {taken:.1} s{outcome}"));
}

/// Serial number, model and firmware of the DTU, as far as they are known.
fn identity(dtu: &DtuState) -> String {
    let serial = dtu.serial.map(|serial| serial.to_string());
    let model = dtu.serial.and_then(model::dtu_name).map(str::to_owned);
    let parts: Vec<String> = [serial, model, dtu.firmware.clone()].into_iter().flatten().collect();
    if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) }
}

/// Alarms have long names, so they have their own lines.
fn push_alarms(text: &mut String, inverters: &[&InverterState]) {
    for inverter in inverters {
        if let Some(code) = inverter.values.alarm_code.filter(|&code| code != 0) {
            let (serial, name) = (inverter.serial, codes::alarm(code));
            push_line(text, format_args!("  ALARM {code} of {serial}: {name}"));
        }
    }
}

fn push_totals(text: &mut String, inverters: &[&InverterState], meters: &[&MeterState]) {
    // A command that polls once shows what is known by then.
    let energy = Energy::sum(inverters.iter().map(|inverter| inverter.sum_of_ports()));
    let PlantTotals { pv_power, active_power, energy, lifetime_sum: _ } =
        PlantTotals::of(inverters.iter().copied(), energy);
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

fn push_line(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{}", escaped(&line.to_string()));
}

struct Column<Row> {
    title: &'static str,
    /// Text is aligned to the left, numbers to the right.
    is_text: bool,
    /// Whether it is left out if no row has a value.
    is_optional: bool,
    /// Where the table is too wide, columns of the highest rank are left out first; of rank 0 none.
    rank: u8,
    cell: fn(&Row) -> String,
}

impl<Row> Column<Row> {
    const fn text(rank: u8, title: &'static str, cell: fn(&Row) -> String) -> Self {
        Self { title, is_text: true, is_optional: false, rank, cell }
    }

    const fn number(rank: u8, title: &'static str, cell: fn(&Row) -> String) -> Self {
        Self { title, is_text: false, is_optional: false, rank, cell }
    }

    const fn optional(self) -> Self {
        Self { is_optional: true, ..self }
    }
}

/// Adds a table with aligned columns, indented by two blanks; nothing if there are no rows.
fn push_table<Row, const N: usize>(
    text: &mut String,
    columns: [Column<Row>; N],
    rows: &[Row],
    max_width: usize,
) {
    if rows.is_empty() {
        return;
    }
    let mut columns: Vec<(Column<Row>, Vec<String>, usize)> = columns
        .into_iter()
        .map(|column| {
            let cells: Vec<String> = rows.iter().map(column.cell).collect();
            let titled = std::iter::once(column.title).chain(cells.iter().map(String::as_str));
            let width = titled.map(|cell| cell.chars().count()).max().unwrap_or_default();
            (column, cells, width)
        })
        .filter(|(column, cells, _)| {
            !column.is_optional || cells.iter().any(|cell| !cell.is_empty() && cell != "-")
        })
        .collect();
    let mut left_out = Vec::new();
    while columns.iter().map(|(_, _, width)| width + 2).sum::<usize>() > max_width {
        let ranked = columns.iter().enumerate().filter(|(_, (column, ..))| column.rank > 0);
        let Some((index, _)) = ranked.max_by_key(|(_, (column, ..))| column.rank) else { break };
        left_out.push(columns.remove(index).0.title);
    }
    let mut lines = vec![String::from(" "); rows.len() + 1];
    for (column, cells, width) in &columns {
        let titled = std::iter::once(column.title).chain(cells.iter().map(String::as_str));
        for (line, cell) in lines.iter_mut().zip(titled) {
            let padding = " ".repeat(width - cell.chars().count());
            let (before, after) =
                if column.is_text { ("", padding.as_str()) } else { (padding.as_str(), "") };
            line.extend([" ", before, cell, after, " "]);
        }
    }
    text.extend(lines.iter().flat_map(|line| [line.trim_end(), "\n"]));
    if !left_out.is_empty() {
        push_line(text, format_args!("  (not enough space for: {})", left_out.join(", ")));
    }
}

/// A line of the table: an inverter, one of its ports, or an inverter with its only port.
struct InverterRow<'a> {
    inverter: Option<&'a InverterState>,
    port: Option<(u8, &'a PortState)>,
}

impl InverterRow<'_> {
    fn of_inverter(&self, cell: impl Fn(&InverterState) -> String) -> String {
        self.inverter.map(cell).unwrap_or_default()
    }

    fn of_port(&self, cell: impl Fn(&PortState) -> String) -> String {
        self.port.map(|(_, port)| cell(port)).unwrap_or_default()
    }

    /// The value of the port, or the sum of all ports.
    fn of_either(
        &self,
        of_port: impl Fn(&PortState) -> String,
        of_inverter: impl Fn(&InverterState) -> String,
    ) -> String {
        if self.port.is_some() { self.of_port(of_port) } else { self.of_inverter(of_inverter) }
    }
}

fn inverter_rows<'a>(inverters: &[&'a InverterState]) -> Vec<InverterRow<'a>> {
    let mut rows = Vec::new();
    for &inverter in inverters {
        let mut ports = inverter.ports.iter().map(|(&number, port)| (number, port));
        let inverter = Some(inverter);
        if ports.len() == 1 {
            rows.push(InverterRow { inverter, port: ports.next() });
        } else {
            rows.push(InverterRow { inverter, port: None });
            rows.extend(ports.map(|port| InverterRow { inverter: None, port: Some(port) }));
        }
    }
    rows
}

fn inverter_columns<'a>() -> [Column<InverterRow<'a>>; 17] {
    [
        Column::text(0, "Inverter", |row| row.of_inverter(|one| one.serial.to_string())),
        Column::text(2, "Model", |row| {
            row.of_inverter(|one| model::name(one.serial, one.ports.len()).unwrap_or_default())
        }),
        Column::number(0, "Port", |row| {
            row.port.map(|(number, _)| number.to_string()).unwrap_or_default()
        }),
        Column::number(5, "PV V", |row| row.of_port(|one| volts(one.reading.pv_voltage))),
        Column::number(6, "PV A", |row| {
            row.of_port(|one| decimal(one.reading.pv_current.map(Amperes::as_f64), 2))
        }),
        Column::number(0, "PV W", |row| {
            row.of_either(|one| watts(one.reading.pv_power), |one| watts(one.pv_power()))
        }),
        Column::number(0, "Today kWh", |row| {
            row.of_either(|one| energy(one.energy.today), |one| energy(one.sum_of_ports().today))
        }),
        Column::number(0, "Total kWh", |row| {
            row.of_either(|one| energy(one.energy.total), |one| energy(one.sum_of_ports().total))
        }),
        Column::number(1, "AC W", |row: &InverterRow<'_>| {
            row.of_inverter(|one| watts(one.values.ac.active_power))
        })
        .optional(),
        Column::number(4, "Grid V", |row| row.of_inverter(grid_volts)),
        Column::number(7, "Hz", |row| {
            row.of_inverter(|one| decimal(one.values.grid_frequency.map(Hertz::as_f64), 2))
        }),
        Column::number(3, "°C", |row| {
            row.of_inverter(|one| decimal(one.values.temperature.map(Celsius::as_f64), 1))
        }),
        Column::number(9, "Limit %", |row: &InverterRow<'_>| {
            row.of_inverter(|one| decimal(one.values.ac.power_limit.map(Percent::as_f64), 1))
        })
        .optional(),
        Column::number(10, "Signal %", |row: &InverterRow<'_>| {
            row.of_inverter(|one| optional(one.values.ac.signal))
        })
        .optional(),
        Column::text(11, "Firmware", |row: &InverterRow<'_>| {
            row.of_inverter(|one| one.values.ac.firmware_version.clone().unwrap_or_default())
        })
        .optional(),
        Column::number(8, "Events", |row: &InverterRow<'_>| {
            row.of_inverter(|one| optional(one.values.alarm_count))
        })
        .optional(),
        Column::text(0, "Status", |row| row.of_inverter(status)),
    ]
}

/// The phases of a three-phase inverter, or the only voltage.
fn grid_volts(inverter: &InverterState) -> String {
    let phases = &inverter.values.ac.phase_voltages;
    if phases.is_empty() {
        return volts(inverter.values.grid_voltage);
    }
    phases.iter().map(|phase| volts(Some(*phase))).collect::<Vec<_>>().join("/")
}

fn status(inverter: &InverterState) -> String {
    match (inverter.values.alarm_code, inverter.values.link_status) {
        (Some(code), _) if code != 0 => format!("ALARM {code}"),
        (_, Some(0)) => codes::link_status(0),
        _ => inverter.values.operating_status.map(codes::operating_status).unwrap_or_default(),
    }
}

/// A line of the table: a meter, or one of its phases.
enum MeterRow<'a> {
    Meter(&'a MeterReading),
    Phase(&'static str, &'a MeterPhase),
}

impl MeterRow<'_> {
    fn of_either<T>(
        &self,
        of_meter: impl Fn(&MeterReading) -> Option<T>,
        of_phase: impl Fn(&MeterPhase) -> Option<T>,
        write: impl Fn(T) -> String,
    ) -> String {
        let value = match self {
            Self::Meter(meter) => of_meter(meter),
            Self::Phase(_, phase) => of_phase(phase),
        };
        value.map_or_else(missing, write)
    }

    fn of_phase(&self, cell: impl Fn(&MeterPhase) -> String) -> String {
        match self {
            Self::Meter(_) => String::new(),
            Self::Phase(_, phase) => cell(phase),
        }
    }
}

fn meter_rows<'a>(meters: &[&'a MeterState]) -> Vec<MeterRow<'a>> {
    let mut rows = Vec::new();
    for &meter in meters {
        rows.push(MeterRow::Meter(&meter.reading));
        let phases = ["A", "B", "C"].into_iter().zip(&meter.reading.phases);
        rows.extend(phases.map(|(name, phase)| MeterRow::Phase(name, phase)));
    }
    rows
}

fn meter_columns<'a>() -> [Column<MeterRow<'a>>; 8] {
    [
        Column::text(0, "Meter", |row| match row {
            MeterRow::Meter(meter) => meter.serial.to_string(),
            MeterRow::Phase(..) => String::new(),
        }),
        Column::text(0, "Phase", |row| match row {
            MeterRow::Meter(_) => String::new(),
            MeterRow::Phase(name, _) => (*name).to_owned(),
        }),
        Column::number(0, "W", |row| {
            row.of_either(
                |meter| meter.power,
                |phase| phase.power,
                |watts: Watts| format!("{:.0}", watts.as_f64()),
            )
        }),
        Column::number(2, "V", |row| {
            row.of_phase(|phase| decimal(phase.voltage.map(MeterVolts::as_f64), 2))
        }),
        Column::number(3, "A", |row| {
            row.of_phase(|phase| decimal(phase.current.map(Amperes::as_f64), 2))
        }),
        Column::number(4, "Power factor", |row| {
            row.of_either(
                |meter| meter.power_factor,
                |phase| phase.power_factor,
                |factor: PowerFactor| format!("{:.3}", factor.as_f64()),
            )
        }),
        Column::number(0, "Exported kWh", |row| {
            row.of_either(|meter| meter.exported, |phase| Some(phase.exported), kilowatt_hours)
        }),
        Column::number(0, "Imported kWh", |row| {
            row.of_either(|meter| meter.imported, |phase| Some(phase.imported), kilowatt_hours)
        }),
    ]
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

/// To the watt hour, as the devices count.
fn kilowatt_hours(energy: WattHours) -> String {
    format!("{}.{:03}", energy.get() / 1000, energy.get() % 1000)
}

fn decimal(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(missing, |value| format!("{value:.digits$}"))
}

fn optional(value: Option<impl ToString>) -> String {
    value.map_or_else(missing, |value| value.to_string())
}

fn missing() -> String {
    "-".to_owned()
}

#[cfg(test)]
mod tests;
