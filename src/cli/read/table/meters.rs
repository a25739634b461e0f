//! The energy meters of one DTU: a line each, and below it a line for each of its phases.

use super::grid::{self, Column};
use super::kilowatt_hours;
use crate::plant::meter::{MeterPhase, MeterReading};
use crate::plant::units::{Amperes, MeterVolts, PowerFactor, Watts};
use crate::snapshot::state::MeterState;

/// Phases as electricians call them.
const PHASES: [&str; 3] = ["A", "B", "C"];

enum Row<'a> {
    Meter(&'a MeterReading),
    Phase(&'static str, &'a MeterPhase),
}

impl Row<'_> {
    fn cell<T>(
        &self,
        of_meter: impl Fn(&MeterReading) -> Option<T>,
        of_phase: impl Fn(&MeterPhase) -> Option<T>,
        write: impl Fn(T) -> String,
    ) -> String {
        let value = match self {
            Self::Meter(meter) => of_meter(meter),
            Self::Phase(_, phase) => of_phase(phase),
        };
        value.map_or_else(|| "-".to_owned(), write)
    }

    fn of_phase<T>(
        &self,
        value: impl Fn(&MeterPhase) -> Option<T>,
        write: impl Fn(T) -> String,
    ) -> String {
        match self {
            Self::Meter(_) => String::new(),
            Self::Phase(_, phase) => value(phase).map_or_else(|| "-".to_owned(), write),
        }
    }
}

/// The table.
pub(super) fn render(meters: &[&MeterState]) -> String {
    let rows: Vec<Row<'_>> = meters
        .iter()
        .flat_map(|meter| {
            let phases = PHASES.into_iter().zip(&meter.reading.phases);
            let phases = phases.map(|(name, phase)| Row::Phase(name, phase));
            std::iter::once(Row::Meter(&meter.reading)).chain(phases)
        })
        .collect();
    grid::render(&columns(), &rows)
}

fn columns<'a>() -> [Column<Row<'a>>; 8] {
    [
        Column::text("Meter", |row| match row {
            Row::Meter(meter) => meter.serial.to_string(),
            Row::Phase(..) => String::new(),
        }),
        Column::text("Phase", |row| match row {
            Row::Meter(_) => String::new(),
            Row::Phase(name, _) => (*name).to_owned(),
        }),
        Column::number("W", |row| {
            row.cell(
                |meter| meter.power,
                |phase| phase.power,
                |watts: Watts| format!("{:.0}", watts.as_f64()),
            )
        }),
        Column::number("V", |row| {
            row.of_phase(
                |phase| phase.voltage,
                |volts: MeterVolts| format!("{:.2}", volts.as_f64()),
            )
        }),
        Column::number("A", |row| {
            row.of_phase(
                |phase| phase.current,
                |amperes: Amperes| format!("{:.2}", amperes.as_f64()),
            )
        }),
        Column::number("Power factor", |row| {
            row.cell(
                |meter| meter.power_factor,
                |phase| phase.power_factor,
                |factor: PowerFactor| format!("{:.3}", factor.as_f64()),
            )
        }),
        Column::number("Exported kWh", |row| {
            row.cell(|meter| meter.exported, |phase| Some(phase.exported), kilowatt_hours)
        }),
        Column::number("Imported kWh", |row| {
            row.cell(|meter| meter.imported, |phase| Some(phase.imported), kilowatt_hours)
        }),
    ]
}
