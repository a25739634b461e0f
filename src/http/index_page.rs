//! The page that browsers get at `/`: DTUs, inverters and links, without scripts.
//!
//! Home Assistant shows it as the add-on's panel, below a path of its own: links are relative.

use hyper::HeaderMap;
use hyper::header::ACCEPT;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::Api;
use super::respond::{self, Response};
use crate::plant::units::{WattHours, Watts};
use crate::snapshot::Snapshot;
use crate::snapshot::state::{DtuState, InverterState};

/// Nothing is loaded from anywhere, and no script runs, whatever a device may call itself.
const HEAD: &str = r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta http-equiv="refresh" content="30">
<meta name="viewport" content="width=device-width">
<title>Hoymiles bridge</title>
<style>
:root { color-scheme: light dark; font-family: sans-serif; }
body { margin: 1rem auto; max-width: 60rem; padding: 0 1rem; }
table { border-collapse: collapse; }
td, th { padding: .2rem 1rem .2rem 0; text-align: left; vertical-align: top; }
</style>
</head>
<body>
"#;

/// Whether the client is a browser: browsers name what they can show, programs do not.
pub(super) fn is_wanted(headers: &HeaderMap) -> bool {
    let mut all = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    all.any(|value| value.contains("text/html"))
}

/// The page, with `links` (path and purpose) at its end.
pub(super) fn page(
    api: &Api,
    links: impl Iterator<Item = (&'static str, &'static str)>,
) -> Response {
    let snapshot = api.snapshot.latest();
    let dtus = snapshot.dtus().map(|one| dtu(one, &api.zone));
    let inverters = snapshot.inverters().map(|one| inverter(one, &api.zone));
    let page = [
        HEAD,
        concat!("<h1>Hoymiles bridge ", env!("CARGO_PKG_VERSION"), "</h1>\n"),
        &sums(&snapshot),
        "<h2>DTUs</h2>\n",
        &table(&["Name", "Status", "Last answer", "Last error"], dtus),
        "<h2>Inverters</h2>\n",
        &table(&["Serial number", "DTU", "Power", "Today", "Total", "Last reading"], inverters),
        &list(links),
        "</body>\n</html>\n",
    ];
    respond::page(page.concat())
}

fn sums(snapshot: &Snapshot) -> String {
    let totals = snapshot.totals();
    format!(
        "<p>{} now, {} today, {} in total, from {} inverters with {} ports</p>\n",
        watts(totals.pv_power),
        kilowatt_hours(totals.energy.today),
        kilowatt_hours(totals.energy.total),
        snapshot.inverters().len(),
        snapshot.port_count()
    )
}

fn dtu(dtu: &DtuState, zone: &TimeZone) -> Vec<String> {
    let error = match (&dtu.last_error, dtu.last_error_time) {
        (Some(error), Some(at)) => format!("{}: {error}", local(at, zone)),
        (_, _) => "–".to_owned(),
    };
    let answer = dtu.last_success.map_or_else(|| "–".to_owned(), |at| local(at, zone));
    vec![dtu.name.to_string(), dtu.status.as_str().to_owned(), answer, error]
}

fn inverter(inverter: &InverterState, zone: &TimeZone) -> Vec<String> {
    vec![
        inverter.serial.to_string(),
        inverter.dtu_name.to_string(),
        watts(inverter.pv_power()),
        kilowatt_hours(inverter.energy.today),
        kilowatt_hours(inverter.energy.total),
        local(inverter.timestamp, zone),
    ]
}

fn list(links: impl Iterator<Item = (&'static str, &'static str)>) -> String {
    let items = links.map(|(path, purpose)| {
        let path = path.trim_start_matches('/');
        format!("<li><a href=\"{path}\">{path}</a>: {}</li>\n", escaped(purpose))
    });
    format!("<h2>More</h2>\n<ul>\n{}</ul>\n", items.collect::<String>())
}

fn table(heads: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut table = "<table>\n".to_owned();
    push_row(&mut table, "th", heads.iter().copied());
    for cells in rows {
        push_row(&mut table, "td", cells.iter().map(String::as_str));
    }
    table + "</table>\n"
}

fn push_row<'a>(table: &mut String, tag: &str, cells: impl Iterator<Item = &'a str>) {
    table.push_str("<tr>");
    for cell in cells {
        table.extend(["<", tag, ">", &escaped(cell), "</", tag, ">"]);
    }
    table.push_str("</tr>\n");
}

fn watts(power: Option<Watts>) -> String {
    power.map_or_else(|| "–".to_owned(), |power| format!("{:.1} W", power.as_f64()))
}

fn kilowatt_hours(energy: Option<WattHours>) -> String {
    let Some(energy) = energy.map(WattHours::get) else { return "–".to_owned() };
    format!("{}.{:02} kWh", energy / 1_000, energy % 1_000 / 10)
}

fn local(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// Text that cannot become markup.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}
