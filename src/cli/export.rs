//! `export`: the history as CSV or JSON on standard output, also beside a running bridge.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::ValueEnum;

use super::{Global, exit, run};
use crate::clock::WallClock;
use crate::history::answer::{
    energy_csv, energy_json, parse_by, parse_of, parse_range, parse_resolution, points_csv,
    points_json,
};
use crate::history::{Of, Range, ReadError, Reader, Resolution};

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Csv,
    Json,
}

/// The arguments of `export`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The form of the output
    #[arg(long, value_enum, default_value = "csv")]
    format: Format,
    /// Begin: a date like 2026-06-01, a time like 2026-06-01T12:00:00+02:00, or unix seconds
    #[arg(long, value_name = "TIME")]
    from: String,
    /// End, which does not belong to it
    #[arg(long, value_name = "TIME")]
    to: String,
    /// Energy by hour, day, month or year; without it, power
    #[arg(long, value_parser = parse_by, value_name = "PERIOD")]
    by: Option<Resolution>,
    /// Of what: plant, dtu, inverter or port
    #[arg(long, value_parser = parse_of, default_value = "plant", value_name = "WHAT")]
    of: Of,
    /// Of power: auto, minute, 5min, hour, day, month or year
    #[arg(long, default_value = "auto", conflicts_with = "by")]
    resolution: String,
}

/// `export`: exit status 0, 1 if the history cannot be read, 2 for bad arguments.
pub(super) fn export(global: &Global, arguments: &Arguments) -> ExitCode {
    let loaded = match run::loaded(global) {
        Ok(loaded) => loaded,
        Err(error) => return exit::bad_configuration(&error),
    };
    let now = WallClock::system().now().as_second();
    let range = parse_range(Some(&arguments.from), Some(&arguments.to), now, &loaded.zone);
    let question = range.and_then(|range| Ok((range, parse_resolution(&arguments.resolution)?)));
    let (range, resolution) = match question {
        Ok(question) => question,
        Err(wrong) => {
            exit::say(&wrong);
            return ExitCode::from(2);
        }
    };
    let reader = Reader::of_folder(&loaded.config.state_dir, loaded.zone.clone());
    let text = reader
        .context("there is no history in state_dir")
        .and_then(|reader| text(&reader, arguments, (range, resolution), now).map_err(Into::into));
    match text {
        Ok(text) => exit::print_raw(&text).map_or_else(|code| code, |()| ExitCode::SUCCESS),
        Err(error) => exit::failed(&error),
    }
}

fn text(
    reader: &Reader,
    arguments: &Arguments,
    (range, resolution): (Range, Option<Resolution>),
    now: i64,
) -> Result<String, ReadError> {
    let (zone, of) = (reader.zone(), arguments.of);
    let is_csv = arguments.format == Format::Csv;
    if let Some(by) = arguments.by {
        let series = reader.energy(by, range, of)?;
        return Ok(if is_csv {
            energy_csv(&series, zone)
        } else {
            energy_json(by, range, of, &series, zone).to_string() + "\n"
        });
    }
    let keys = reader.power_keys(of)?;
    let (resolution, series) = reader.points(resolution, range, &keys, now)?;
    Ok(if is_csv {
        points_csv(&series, zone)
    } else {
        points_json(resolution, range, &series, zone).to_string() + "\n"
    })
}
