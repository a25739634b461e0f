//! What `read` prints for people: a table per DTU, a line per alarm, and the plant's totals.

use super::values::{Inverter, Meter, Phase, Plant, Port, Values};
use crate::plant::reading::extent;
use crate::sanitize::escaped;

/// By how much the further lines of a text that is too long are indented.
const INDENT: usize = 4;

/// What stands above the tables of a DTU.
#[derive(Debug)]
pub(super) struct Heading {
    /// The name of the DTU.
    pub(super) name: String,
    /// As [`identity`] writes it.
    pub(super) identity: String,
    /// What follows the number of ports and inverters; `None` if nothing was read.
    pub(super) outcome: Option<String>,
}

/// The tables of all DTUs and the totals of the plant, at most `max_width` characters wide.
pub(super) fn render(values: &Values, headings: &[Heading], max_width: usize) -> String {
    let mut page = Page { text: String::new(), max_width };
    for heading in headings {
        let inverters: Vec<_> =
            values.inverters.iter().filter(|one| one.dtu_name == heading.name).collect();
        let meters: Vec<_> =
            values.meters.iter().filter(|one| one.dtu_name == heading.name).collect();
        page.push_heading(heading, &inverters);
        page.push_table(inverter_columns(), &inverter_rows(&inverters));
        page.push_table(meter_columns(), &meter_rows(&meters));
        page.push_alarms(&inverters);
    }
    page.push_totals(values);
    page.text
}

/// Serial number, model and firmware of a DTU, as far as they are known.
pub(super) fn identity(
    serial: Option<String>,
    model: Option<&str>,
    firmware: Option<String>,
) -> String {
    let parts: Vec<String> =
        [serial, model.map(str::to_owned), firmware].into_iter().flatten().collect();
    if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) }
}

/// The text so far.
struct Page {
    text: String,
    max_width: usize,
}

impl Page {
    /// Which DTU, and how much it reported.
    fn push_heading(&mut self, heading: &Heading, inverters: &[&Inverter]) {
        let Heading { name, identity, outcome } = heading;
        let ports: usize = inverters.iter().map(|inverter| inverter.ports.len()).sum();
        let extent = extent(ports, inverters.len());
        self.push_line(&match outcome {
            Some(outcome) => format!("{name}{identity}: {extent}{outcome}"),
            None => format!("{name}: not read"),
        });
    }

    /// Alarms have long names, so they have their own lines.
    fn push_alarms(&mut self, inverters: &[&Inverter]) {
        for inverter in inverters {
            if let Some(code) = present_alarm(inverter) {
                let text = inverter.alarm_text.as_deref().unwrap_or_default();
                self.push_line(&format!("  ALARM {code} of {}: {text}", inverter.serial_number));
            }
        }
    }

    fn push_totals(&mut self, values: &Values) {
        let Plant { pv_power, active_power, today_production, total_production } = values.plant;
        let parts: Vec<String> = [
            pv_power.map(|power| format!("{power:.1} W from the panels")),
            active_power.map(|power| format!("{power:.1} W to the mains")),
            today_production.map(|today| format!("{} kWh today", kilowatt_hours(today))),
            total_production.map(|total| format!("{} kWh in total", kilowatt_hours(total))),
        ]
        .into_iter()
        .flatten()
        .collect();
        if !parts.is_empty() {
            self.push_line(&format!("Plant: {}", parts.join(", ")));
        } else if values.inverters.is_empty() && values.meters.is_empty() {
            self.push_line("Plant: nothing was read");
        }
    }

    /// Adds a text, on several lines if it is too long for one.
    fn push_line(&mut self, line: &str) {
        let line = escaped(line);
        let mut width = 0;
        for (index, word) in line.split(' ').enumerate() {
            let length = word.chars().count();
            if index > 0 && width + 1 + length > self.max_width {
                self.text.push('\n');
                let indent = INDENT.min(self.max_width / 4);
                self.text.extend(std::iter::repeat_n(' ', indent));
                width = indent;
            } else if index > 0 {
                self.text.push(' ');
                width += 1;
            }
            let word = cut(word, self.max_width.saturating_sub(width));
            width += word.chars().count();
            self.text.push_str(&word);
        }
        self.text.push('\n');
    }

    /// Adds a table with aligned columns, indented by two blanks; nothing if there are no rows.
    fn push_table<Row, const N: usize>(&mut self, columns: [Column<Row>; N], rows: &[Row]) {
        if rows.is_empty() {
            return;
        }
        let mut columns: Vec<(Column<Row>, Vec<String>, usize)> = columns
            .into_iter()
            .map(|column| {
                let cells: Vec<String> =
                    rows.iter().map(|row| escaped(&(column.cell)(row))).collect();
                let titled = std::iter::once(column.title).chain(cells.iter().map(String::as_str));
                let width = titled.map(|cell| cell.chars().count()).max().unwrap_or_default();
                (column, cells, width)
            })
            .filter(|(column, cells, _)| {
                !column.is_optional || cells.iter().any(|cell| !cell.is_empty() && cell != "-")
            })
            .collect();
        let mut left_out = Vec::new();
        while columns.iter().map(|(_, _, width)| width + 2).sum::<usize>() > self.max_width {
            let ranked = columns.iter().enumerate().filter(|(_, (column, ..))| column.rank > 0);
            let Some((index, _)) = ranked.max_by_key(|(_, (column, ..))| column.rank) else {
                break;
            };
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
        for line in lines {
            self.text.push_str(&cut(line.trim_end(), self.max_width));
            self.text.push('\n');
        }
        if !left_out.is_empty() {
            self.push_line(&format!("  (not enough space for: {})", left_out.join(", ")));
        }
    }
}

/// The text, or as much of it as has room.
fn cut(text: &str, width: usize) -> String {
    match text.char_indices().nth(width) {
        None => text.to_owned(),
        Some(_) => text.chars().take(width.saturating_sub(1)).chain(['…']).take(width).collect(),
    }
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

/// A line of the table: an inverter, one of its ports, or an inverter with its only port.
struct InverterRow<'a> {
    inverter: Option<&'a Inverter>,
    port: Option<&'a Port>,
}

impl InverterRow<'_> {
    fn of_inverter(&self, cell: impl Fn(&Inverter) -> String) -> String {
        self.inverter.map(cell).unwrap_or_default()
    }

    fn of_port(&self, cell: impl Fn(&Port) -> String) -> String {
        self.port.map(cell).unwrap_or_default()
    }

    /// The value of the port, or the sum of all ports.
    fn of_either(
        &self,
        of_port: impl Fn(&Port) -> String,
        of_inverter: impl Fn(&Inverter) -> String,
    ) -> String {
        if self.port.is_some() { self.of_port(of_port) } else { self.of_inverter(of_inverter) }
    }
}

fn inverter_rows<'a>(inverters: &[&'a Inverter]) -> Vec<InverterRow<'a>> {
    let mut rows = Vec::new();
    for &inverter in inverters {
        if let [port] = inverter.ports.as_slice() {
            rows.push(InverterRow { inverter: Some(inverter), port: Some(port) });
        } else {
            rows.push(InverterRow { inverter: Some(inverter), port: None });
            let ports = inverter.ports.iter();
            rows.extend(ports.map(|port| InverterRow { inverter: None, port: Some(port) }));
        }
    }
    rows
}

fn inverter_columns<'a>() -> [Column<InverterRow<'a>>; 17] {
    [
        Column::text(0, "Inverter", |row| row.of_inverter(|one| one.serial_number.clone())),
        Column::text(12, "Model", |row| row.of_inverter(|one| known(one.inverter_type.as_deref()))),
        Column::number(2, "Port", |row| row.of_port(|one| one.port_number.to_string())),
        Column::number(15, "PV V", |row| row.of_port(|one| decimal(one.pv_voltage, 1))),
        Column::number(16, "PV A", |row| row.of_port(|one| decimal(one.pv_current, 2))),
        Column::number(1, "PV W", |row| {
            row.of_either(|one| decimal(one.pv_power, 1), |one| decimal(one.pv_power, 1))
        }),
        Column::number(3, "Today kWh", |row| {
            row.of_either(|one| energy(one.today_production), |one| energy(one.today_production))
        }),
        Column::number(4, "Total kWh", |row| {
            row.of_either(|one| energy(one.total_production), |one| energy(one.total_production))
        }),
        Column::number(11, "AC W", |row: &InverterRow<'_>| {
            row.of_inverter(|one| decimal(one.active_power, 1))
        })
        .optional(),
        Column::number(14, "Grid V", |row| row.of_inverter(grid_volts)),
        Column::number(17, "Hz", |row| row.of_inverter(|one| decimal(one.grid_frequency, 2))),
        Column::number(13, "°C", |row| row.of_inverter(|one| decimal(one.temperature, 1))),
        Column::number(19, "Limit %", |row: &InverterRow<'_>| {
            row.of_inverter(|one| decimal(one.power_limit, 1))
        })
        .optional(),
        Column::number(20, "Signal %", |row: &InverterRow<'_>| {
            row.of_inverter(|one| decimal(one.signal, 0))
        })
        .optional(),
        Column::text(21, "Firmware", |row: &InverterRow<'_>| {
            row.of_inverter(|one| known(one.firmware_version.as_deref()))
        })
        .optional(),
        Column::number(18, "Events", |row: &InverterRow<'_>| {
            row.of_inverter(|one| one.alarm_count.map_or_else(missing, |count| count.to_string()))
        })
        .optional(),
        Column::text(5, "Status", |row| row.of_inverter(status)),
    ]
}

/// The phases of a three-phase inverter, or the only voltage.
fn grid_volts(inverter: &Inverter) -> String {
    let phases = &inverter.phase_voltages;
    if phases.is_empty() {
        return decimal(inverter.grid_voltage, 1);
    }
    phases.iter().map(|phase| decimal(Some(*phase), 1)).collect::<Vec<_>>().join("/")
}

/// The alarm of an inverter; without a link, the DTU sends what it knew last, or anything.
fn present_alarm(inverter: &Inverter) -> Option<u32> {
    let is_reached = inverter.link_status != Some(0);
    inverter.alarm_code.filter(|&code| code != 0 && is_reached)
}

fn status(inverter: &Inverter) -> String {
    match (present_alarm(inverter), inverter.link_status) {
        (Some(code), _) => format!("ALARM {code}"),
        (_, Some(0)) => known(inverter.link_status_text.as_deref()),
        _ => known(inverter.operating_status_text.as_deref()),
    }
}

/// A line of the table: a meter, or one of its phases.
enum MeterRow<'a> {
    Meter(&'a Meter),
    Phase(&'static str, &'a Phase),
}

impl MeterRow<'_> {
    fn of_either<T>(
        &self,
        of_meter: impl Fn(&Meter) -> Option<T>,
        of_phase: impl Fn(&Phase) -> Option<T>,
        write: impl Fn(T) -> String,
    ) -> String {
        let value = match self {
            Self::Meter(meter) => of_meter(meter),
            Self::Phase(_, phase) => of_phase(phase),
        };
        value.map_or_else(missing, write)
    }

    fn of_phase(&self, cell: impl Fn(&Phase) -> String) -> String {
        match self {
            Self::Meter(_) => String::new(),
            Self::Phase(_, phase) => cell(phase),
        }
    }
}

fn meter_rows<'a>(meters: &[&'a Meter]) -> Vec<MeterRow<'a>> {
    let mut rows = Vec::new();
    for &meter in meters {
        rows.push(MeterRow::Meter(meter));
        let phases = ["A", "B", "C"].into_iter().zip(&meter.phases);
        rows.extend(phases.map(|(name, phase)| MeterRow::Phase(name, phase)));
    }
    rows
}

fn meter_columns<'a>() -> [Column<MeterRow<'a>>; 8] {
    [
        Column::text(0, "Meter", |row| match row {
            MeterRow::Meter(meter) => meter.serial_number.clone(),
            MeterRow::Phase(..) => String::new(),
        }),
        Column::text(1, "Phase", |row| match row {
            MeterRow::Meter(_) => String::new(),
            MeterRow::Phase(name, _) => (*name).to_owned(),
        }),
        Column::number(2, "W", |row| {
            row.of_either(
                |meter| meter.power,
                |phase| phase.power,
                |watts: f64| format!("{watts:.0}"),
            )
        }),
        Column::number(12, "V", |row| row.of_phase(|phase| decimal(phase.voltage, 2))),
        Column::number(13, "A", |row| row.of_phase(|phase| decimal(phase.current, 2))),
        Column::number(14, "Power factor", |row| {
            row.of_either(
                |meter| meter.power_factor,
                |phase| phase.power_factor,
                |factor: f64| format!("{factor:.3}"),
            )
        }),
        Column::number(4, "Exported kWh", |row| {
            row.of_either(
                |meter| meter.energy_exported,
                |phase| phase.energy_exported,
                kilowatt_hours,
            )
        }),
        Column::number(3, "Imported kWh", |row| {
            row.of_either(
                |meter| meter.energy_imported,
                |phase| phase.energy_imported,
                kilowatt_hours,
            )
        }),
    ]
}

fn energy(watt_hours: Option<u64>) -> String {
    watt_hours.map_or_else(missing, kilowatt_hours)
}

/// To the watt hour, as the devices count.
fn kilowatt_hours(watt_hours: u64) -> String {
    format!("{}.{:03}", watt_hours / 1000, watt_hours % 1000)
}

fn decimal(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(missing, |value| format!("{value:.digits$}"))
}

fn known(text: Option<&str>) -> String {
    text.unwrap_or_default().to_owned()
}

fn missing() -> String {
    "-".to_owned()
}

#[cfg(test)]
mod tests;
