//! `read`: prints the values of each DTU, as the running bridge has them or after one poll.

mod table;
mod values;

use std::io::IsTerminal as _;
use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::time::Duration;

use jiff::tz::TimeZone;
use rustix::termios::tcgetwinsize;
use secrecy::SecretString;
use tokio::time::Instant;

use self::table::Heading;
use self::values::Values;
use super::bridge_client::{self, DtuReport, PortOwner, QueryError, RunningBridge};
use super::{Global, exit, run};
use crate::app;
use crate::clock::WallClock;
use crate::config::host::check_dtu_host;
use crate::config::{DtuConfig, LogFormat, Protocol};
use crate::dtu::{AnyDtu, Dtu as _, DtuError, PollError};
use crate::net::error::ConnectError;
use crate::plant::model;
use crate::plant::reading::DtuReading;
use crate::poller::plant::PlantState;
use crate::problem::Problem;
use crate::snapshot::state::DtuState;
use crate::snapshot::warning::Warning;
use crate::tasks::Tasks;
use crate::telemetry::logging;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Read this DTU instead of the configured ones
    #[arg(long, value_name = "HOST", value_parser = check_dtu_host)]
    host: Option<String>,
    /// The DTU's protocol
    #[arg(long, value_parser = ["modbus", "protobuf"], default_value = "modbus", requires = "host")]
    protocol: String,
    /// The DTU's TCP port [default: 502 for modbus, 10081 for protobuf]
    #[arg(long, value_name = "PORT", requires = "host")]
    port: Option<u16>,
    /// The DTU's Modbus unit identifier
    #[arg(long, value_name = "ID", default_value_t = 1, requires = "host")]
    unit_id: u8,
    /// Print JSON: an object with `plant`, `inverters` and `meters`, as GET /api/plant,
    /// /api/inverters and /api/meters have them
    #[arg(long)]
    json: bool,
    /// Poll the DTUs even if the bridge is running, which then may fail to reach them
    #[arg(long)]
    direct: bool,
}

/// What is printed.
struct Output {
    /// `plant`, `inverters` and `meters`, as JSON.
    json: String,
    headings: Vec<Heading>,
    failures: Vec<String>,
    warnings: Vec<String>,
}

struct Answer {
    dtu: DtuConfig,
    /// Without the pauses between requests.
    taken: Duration,
    outcome: Result<DtuReading, PollError>,
}

/// Asks the running bridge, or polls each DTU once.
pub(super) async fn read(global: &Global, arguments: Arguments) -> ExitCode {
    // Only problems belong on the screen beside the table.
    let level = global.log_level.as_deref().unwrap_or("warn");
    if let Err(error) = logging::init_stderr(level, LogFormat::Text) {
        return exit::failed(&error.into());
    }
    let found = if let Some(host) = &arguments.host {
        read_host(global, &arguments, host).await
    } else {
        read_configured(global, arguments.direct).await
    };
    match found {
        Ok(output) => output.print(arguments.json),
        Err(code) => code,
    }
}

impl Output {
    /// As people read it. Fails only for the JSON of a bridge of another version.
    fn table(&self) -> Result<String, Problem> {
        let values: Values = serde_json::from_str(&self.json).map_err(|error| {
            QueryError::Unreadable(error.to_string()).problem("readable values")
        })?;
        Ok(table::render(&values, &self.headings, terminal_width()))
    }

    fn print(self, is_json: bool) -> ExitCode {
        let printed = if is_json {
            exit::print_json(&self.json)
        } else {
            match self.table() {
                Ok(table) => exit::print(&table),
                Err(problem) => return exit::failed_with(&problem),
            }
        };
        for warning in &self.warnings {
            exit::warn(warning);
        }
        for failure in &self.failures {
            exit::say(failure);
        }
        printed.map_or_else(|code| code, |()| exit::status(self.failures.is_empty()))
    }
}

/// In characters: of `COLUMNS`, else of the terminal; without limit if there is neither.
fn terminal_width() -> usize {
    let is_width = |width: &usize| *width > 0;
    let columns = std::env::var("COLUMNS").ok().and_then(|text| text.trim().parse().ok());
    columns
        .filter(is_width)
        .or_else(|| {
            let stdout = std::io::stdout();
            let size = if stdout.is_terminal() { tcgetwinsize(stdout).ok() } else { None };
            size.map(|size| usize::from(size.ws_col)).filter(is_width)
        })
        .unwrap_or(usize::MAX)
}

/// The DTU at `host`, whatever the configuration says.
async fn read_host(global: &Global, arguments: &Arguments, host: &str) -> Result<Output, ExitCode> {
    let is_modbus = arguments.protocol == "modbus";
    let protocol = if is_modbus { Protocol::Modbus } else { Protocol::Protobuf };
    let dtu = DtuConfig {
        port: arguments.port,
        unit_id: arguments.unit_id,
        ..DtuConfig::new("DTU", protocol, host)
    };
    if let Some(address) = bridge_that_polls(global, &dtu).await {
        exit::note(&format!(
            "the running bridge at {address} polls {host} too; a DTU may serve only one of them at \
             a time. `hoymiles-bridge read` without --host asks the bridge"
        ));
    }
    Ok(poll_all(vec![dtu], TimeZone::system()).await)
}

/// Where the running bridge listens, if it polls this DTU.
async fn bridge_that_polls(global: &Global, dtu: &DtuConfig) -> Option<String> {
    let loaded = run::loaded(global).ok()?;
    let is_it = |other: &DtuConfig| {
        other.host.eq_ignore_ascii_case(&dtu.host) && other.port() == dtu.port()
    };
    let configured = loaded.config.dtus.iter().find(|other| is_it(other))?;
    let PortOwner::Bridge(bridge) = bridge_client::running_bridge(&loaded).await else {
        return None;
    };
    bridge.health.dtus.contains_key(&configured.name).then(|| bridge.address.to_string())
}

/// The DTUs of the configuration: from the running bridge, unless they are to be polled.
async fn read_configured(global: &Global, is_direct: bool) -> Result<Output, ExitCode> {
    let bad = |error| exit::bad_configuration(&error);
    if is_direct {
        let loaded = run::loaded(global).map_err(bad)?;
        return Ok(poll_all(loaded.config.dtus, loaded.zone).await);
    }
    let (loaded, _, owner) = bridge_client::find(global).await.map_err(bad)?;
    match owner {
        PortOwner::Bridge(bridge) => {
            exit::note(&format!(
                "these are the values of the running bridge at {}; --direct polls the DTUs instead",
                bridge.address
            ));
            let asked = ask(&bridge, loaded.config.http.token.as_ref()).await;
            asked.map_err(|problem| exit::failed_with(&problem))
        }
        PortOwner::Nobody | PortOwner::Other(_) | PortOwner::Silent => {
            Ok(poll_all(loaded.config.dtus, loaded.zone).await)
        }
    }
}

/// What the running bridge has.
async fn ask(bridge: &RunningBridge, token: Option<&SecretString>) -> Result<Output, Problem> {
    let get = async |path| {
        let answer = bridge.get(path, token).await;
        answer.map_err(|error| error.problem("its values"))
    };
    let json = format!(
        r#"{{"plant":{},"inverters":{},"meters":{}}}"#,
        get("/api/plant").await?,
        get("/api/inverters").await?,
        get("/api/meters").await?
    );
    let mut output =
        Output { json, headings: Vec::new(), failures: Vec::new(), warnings: Vec::new() };
    for (name, report) in &bridge.health.dtus {
        output.headings.push(heading(name, report));
        let failure = match report.status.as_str() {
            "online" | "asleep" => None,
            "unknown" => Some(
                "the running bridge has not read it yet; run this command again in a minute"
                    .to_owned(),
            ),
            _ => Some(said(report.last_error.as_deref(), report.last_error_remedy.as_deref())),
        };
        let unread = report.unread().map(|problem| problem.to_string());
        output
            .failures
            .extend(failure.into_iter().chain(unread).map(|failure| format!("{name}: {failure}")));
        let warnings = report.problems.iter();
        output.warnings.extend(warnings.map(|problem| {
            format!("{name}: {}", said(Some(&problem.cause), problem.remedy.as_deref()))
        }));
    }
    Ok(output)
}

fn said(cause: Option<&str>, remedy: Option<&str>) -> String {
    let cause = cause.unwrap_or("it does not answer");
    remedy.map_or_else(|| cause.to_owned(), |remedy| format!("{cause}; {remedy}"))
}

fn heading(name: &str, report: &DtuReport) -> Heading {
    let serial = report.serial_number.clone();
    let model = serial.as_deref().and_then(|serial| serial.parse().ok()).and_then(model::dtu_name);
    let age = report.seconds_since_last_success.map(exit::seconds);
    Heading {
        name: name.to_owned(),
        identity: table::identity(serial, model, report.firmware_version.clone()),
        outcome: age.map(|age| format!(", read {age} ago")),
    }
}

/// Polls each DTU once, all at the same time.
async fn poll_all(dtus: Vec<DtuConfig>, zone: TimeZone) -> Output {
    let tasks = Tasks::new();
    let clock = WallClock::system();
    let polls = dtus.into_iter().map(|dtu| poll(&tasks, dtu, clock.clone(), zone.clone()));
    let answers = futures_util::future::join_all(polls).await;
    tasks.shut_down(Duration::from_secs(1)).await;
    polled(&answers, &zone, &clock)
}

/// Polls one DTU once, as a proof that it can be read: the table of what it gave.
pub(super) async fn proof(dtu: DtuConfig, zone: &TimeZone) -> Result<String, Problem> {
    let (tasks, clock) = (Tasks::new(), WallClock::system());
    let answers = [poll(&tasks, dtu, clock.clone(), zone.clone()).await];
    tasks.shut_down(Duration::from_secs(1)).await;
    let table = polled(&answers, zone, &clock).table();
    let [Answer { outcome, .. }] = answers;
    outcome.map_err(|failure| failure.error.problem())?;
    table
}

async fn poll(tasks: &Tasks, dtu: DtuConfig, clock: WallClock, zone: TimeZone) -> Answer {
    let started = Instant::now();
    let (outcome, pauses) = match app::with_simulated_plant(tasks, dtu.clone()).await {
        Ok(dtu) => {
            let mut dtu = AnyDtu::new(&dtu, clock, zone);
            (dtu.poll().await, dtu.pauses())
        }
        Err(source) => {
            let error = ConnectError::tcp((Ipv4Addr::LOCALHOST, dtu.port()).into(), &source);
            let error = DtuError::Unreachable {
                error,
                remedy: "check that the loopback interface is up".into(),
            };
            (Err(PollError::from(error)), Duration::ZERO)
        }
    };
    Answer { dtu, taken: started.elapsed().saturating_sub(pauses), outcome }
}

/// The outcome of all polls, in the form in which the bridge would serve it.
fn polled(answers: &[Answer], zone: &TimeZone, clock: &WallClock) -> Output {
    let mut output = Output {
        json: Values::json(&plant(answers, zone, clock), zone),
        headings: answers.iter().map(Answer::heading).collect(),
        failures: Vec::new(),
        warnings: Vec::new(),
    };
    for Answer { dtu, outcome, .. } in answers {
        match outcome {
            Err(failure) => output.failures.push(format!("{}: {}", dtu.name, failure.error)),
            Ok(reading)
                if reading.inverters.is_empty()
                    && reading.meters.is_empty()
                    && reading.unread.is_empty() =>
            {
                output.warnings.push(format!("{}: {}", dtu.name, Warning::ListsNone.problem()));
            }
            Ok(reading) => {
                let problem = reading.unread.problem();
                output.failures.extend(problem.map(|problem| format!("{}: {problem}", dtu.name)));
            }
        }
    }
    output
}

impl Answer {
    /// What was read: all, or what came before the poll failed.
    fn reading(&self) -> &DtuReading {
        match &self.outcome {
            Ok(reading) => reading,
            Err(failure) => &failure.partial,
        }
    }

    fn heading(&self) -> Heading {
        let reading = self.reading();
        let serial = reading.dtu_serial;
        let taken = self.taken.as_secs_f64();
        let outcome = match (&self.outcome, reading.inverters.is_empty()) {
            (Ok(reading), _) if reading.stale => {
                Some(", OLD VALUES: the DTU has not read its inverters lately")
            }
            (Ok(reading), _) if !reading.unread.is_empty() => Some(", INCOMPLETE"),
            (Ok(_), _) => Some(""),
            (Err(_), false) => Some(", INCOMPLETE"),
            (Err(_), true) => None,
        };
        Heading {
            name: self.dtu.name.clone(),
            identity: table::identity(
                serial.map(|serial| serial.to_string()),
                serial.and_then(model::dtu_name),
                reading.dtu_firmware.clone(),
            ),
            outcome: outcome.map(|outcome| format!(" in {taken:.1} s{outcome}")),
        }
    }
}

/// Enters all answers into a plant, so that what is printed is what the bridge would serve.
fn plant(answers: &[Answer], zone: &TimeZone, clock: &WallClock) -> PlantState {
    let states = answers
        .iter()
        .map(|answer| DtuState::unknown(&answer.dtu.name, answer.dtu.protocol, Duration::MAX));
    let mut plant = PlantState::new(zone.clone(), states.collect(), [], []);
    for answer in answers {
        // Old values are shown too, in a command that polls once.
        let reading = DtuReading { stale: false, ..answer.reading().clone() };
        plant.succeeded(&answer.dtu.name, &reading, clock.now());
    }
    plant
}
