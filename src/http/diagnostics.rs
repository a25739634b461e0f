//! What a helper in a forum asks for first: the log, and one file with all that matters.

use std::io::{Cursor, Write as _};

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use serde_json::{Value, json};
use zip::result::ZipResult;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::redact::Redactor;
use super::request::Context;
use super::respond::{self, Content, Response};
use crate::clock::WallClock;
use crate::config::PrivateNames;
use crate::snapshot::json::time;
use crate::telemetry::recent::RecentLog;

/// What the bridge knows of itself for a report.
#[derive(Debug)]
pub struct About {
    /// The newest lines of the log.
    pub log: RecentLog,
    /// The configuration that it started with, without secrets.
    pub configuration: String,
    /// What is replaced in a report.
    pub private: PrivateNames,
}

impl About {
    /// A bridge without a log and without a configuration.
    pub fn new(clock: WallClock) -> Self {
        let log = RecentLog::new(clock);
        Self { log, configuration: String::new(), private: PrivateNames::default() }
    }
}

const README: &str = "\
A report of hoymiles-bridge. Serial numbers keep their first four digits. Addresses, host names and
names of targets are replaced, each always by the same word. Tokens and passwords are left out.
";

/// `GET /api/log?after=N`: the newest lines of the log after line N.
pub(super) fn log(context: &Context) -> Response {
    let query = context.head.uri.query().unwrap_or_default();
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    let after = pairs.find(|(key, _)| key == "after").map(|(_, seq)| seq.parse());
    let after = match after {
        None => 0,
        Some(Ok(after)) => after,
        Some(Err(_)) => {
            let message = "`after` must be the number of a line, from `next` of the last answer";
            return respond::problem(StatusCode::BAD_REQUEST, message);
        }
    };
    let lines = context.api.about.log.after(after);
    let next = lines.last().map_or(after, |line| line.seq);
    let lines: Vec<Value> = lines
        .iter()
        .map(|line| {
            json!({
                "seq": line.seq,
                "time": time(line.time, &context.api.zone),
                "level": line.level.as_str().to_ascii_lowercase(),
                "message": line.message,
            })
        })
        .collect();
    respond::object(StatusCode::OK, &json!({ "next": next, "lines": lines }))
}

/// `GET /api/diagnostics`: a ZIP that can be attached to a report.
pub(super) fn bundle(context: &Context) -> Response {
    match zip(&files(context)) {
        Ok(zip) => {
            let mut response = respond::empty(StatusCode::OK);
            *response.body_mut() = Content::Whole(zip);
            let response = respond::with(response, CONTENT_TYPE, "application/zip");
            let name = "attachment; filename=\"hoymiles-bridge-diagnostics.zip\"";
            respond::with(response, CONTENT_DISPOSITION, name)
        }
        Err(error) => respond::internal_error(&error),
    }
}

fn files(context: &Context) -> Vec<(&'static str, String)> {
    let api = &context.api;
    let snapshot = api.snapshot.latest();
    let targets = api.targets.statuses(&api.zone);
    let PrivateNames { mut hosts, targets: mut names } = api.about.private.clone();
    for target in &targets {
        names.push(target.name.clone());
        let host =
            url::Url::parse(&target.url).ok().and_then(|url| Some(url.host_str()?.to_owned()));
        hosts.extend(host);
    }
    let mut redactor = Redactor::new(&hosts, &names);
    let mut log = String::new();
    for line in api.about.log.after(0) {
        log.extend([&*time(line.time, &api.zone), " ", line.level.as_str(), " ", &line.message]);
        log.push('\n');
    }
    let pretty = |value: &Value| serde_json::to_string_pretty(value).unwrap_or_default();
    let health = json!(snapshot.health(api.clock.now(), &api.zone));
    let inverters: Value = serde_json::from_slice(&snapshot.inverters_json()).unwrap_or_default();
    [
        ("README.txt", README.to_owned()),
        ("version.txt", concat!(env!("CARGO_PKG_VERSION"), "\n").to_owned()),
        ("configuration.toml", api.about.configuration.clone()),
        ("health.json", pretty(&health)),
        ("targets.json", pretty(&json!(targets))),
        ("inverters.json", pretty(&inverters)),
        ("stats.json", pretty(&json!(snapshot.stats()))),
        ("log.txt", log),
        ("environment.txt", environment()),
    ]
    .into_iter()
    .map(|(name, text)| (name, redactor.redact(&text)))
    .collect()
}

/// The machine and the process, without variables: they may hold secrets.
fn environment() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let status = read("/proc/self/status");
    let kept = ["VmPeak", "VmHWM", "VmRSS", "Threads", "FDSize"];
    let status = status.lines().filter(|line| kept.iter().any(|name| line.starts_with(name)));
    let container = std::path::Path::new("/.dockerenv").exists();
    let mut text = format!(
        "system: {} {}\ncontainer: {}\n",
        std::env::consts::OS,
        std::env::consts::ARCH,
        if container { "Docker" } else { "no sign of Docker" }
    );
    for line in read("/etc/os-release").lines().filter(|line| line.starts_with("PRETTY_NAME")) {
        text.extend([line, "\n"]);
    }
    for line in status {
        text.extend([line, "\n"]);
    }
    text
}

fn zip(files: &[(&str, String)]) -> ZipResult<Bytes> {
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, text) in files {
        zip.start_file(format!("hoymiles-bridge/{name}"), options)?;
        zip.write_all(text.as_bytes())?;
    }
    Ok(zip.finish()?.into_inner().into())
}
