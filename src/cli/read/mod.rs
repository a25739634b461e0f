//! `read`: polls each DTU once and prints the values.

mod table;

use std::io::IsTerminal as _;
use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::time::Duration;

use jiff::tz::TimeZone;
use rustix::termios::tcgetwinsize;
use tokio::time::Instant;

use super::{Global, exit, run};
use crate::app;
use crate::clock::WallClock;
use crate::config::host::check_dtu_host;
use crate::config::{DtuConfig, LogFormat, Protocol};
use crate::dtu::{AnyDtu, Dtu as _, DtuError, PollError};
use crate::net::error::ConnectError;
use crate::plant::reading::DtuReading;
use crate::poller::plant::PlantState;
use crate::sanitize::escaped;
use crate::snapshot::json::Json;
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
    /// Print JSON: a list of inverter objects as in GET /api/inverters
    #[arg(long)]
    json: bool,
}

struct Answer {
    dtu: DtuConfig,
    /// Without the pauses between requests.
    taken: Duration,
    outcome: Result<DtuReading, PollError>,
}

impl Answer {
    fn is_complete(&self) -> bool {
        self.outcome.as_ref().is_ok_and(|reading| reading.unread.is_empty())
    }
}

/// Polls each DTU once, all at the same time.
pub(super) async fn read(global: &Global, arguments: Arguments) -> ExitCode {
    let (dtus, zone) = match dtus_to_read(global, &arguments) {
        Ok(found) => found,
        Err(code) => return code,
    };
    // Only problems belong on the screen beside the table.
    let level = global.log_level.as_deref().unwrap_or("warn");
    if let Err(error) = logging::init_stderr(level, LogFormat::Text) {
        return exit::failed(&error.into());
    }
    let tasks = Tasks::new();
    let clock = WallClock::system();
    let polls = dtus.into_iter().map(|dtu| poll(&tasks, dtu, clock.clone(), zone.clone()));
    let answers = futures_util::future::join_all(polls).await;
    tasks.shut_down(Duration::from_secs(1)).await;

    let plant = plant(&answers, &zone, &clock);
    if arguments.json {
        let objects: Vec<_> = plant.inverters().map(|one| Json(&***one, &zone)).collect();
        exit::print_json(&serde_json::to_string(&objects).unwrap_or_default());
    } else {
        exit::print(&table::render(&answers, &plant, terminal_width()));
    }
    for Answer { dtu, outcome, .. } in &answers {
        match outcome {
            Err(failure) => exit::say(&escaped(&format!("{}: {}", dtu.name, failure.error))),
            Ok(reading) if reading.inverters.is_empty() && reading.meters.is_empty() => {
                exit::say(&format!("{}: {}", dtu.name, Warning::ListsNone.problem()));
            }
            Ok(reading) => {
                if let Some(problem) = reading.unread.problem() {
                    exit::say(&escaped(&format!("{}: {problem}", dtu.name)));
                }
            }
        }
    }
    exit::status(answers.iter().all(Answer::is_complete))
}

/// Polls one DTU once, as a proof that it can be read: the table of what it gave.
pub(super) async fn proof(dtu: DtuConfig, zone: &TimeZone) -> Result<String, DtuError> {
    let (tasks, clock) = (Tasks::new(), WallClock::system());
    let answer = poll(&tasks, dtu, clock.clone(), zone.clone()).await;
    tasks.shut_down(Duration::from_secs(1)).await;
    let answers = [answer];
    let plant = plant(&answers, zone, &clock);
    let table = table::render(&answers, &plant, terminal_width());
    let [Answer { outcome, .. }] = answers;
    outcome.map(|_| table).map_err(|failure| failure.error)
}

/// In characters; without limit if the output is not a terminal.
fn terminal_width() -> usize {
    let stdout = std::io::stdout();
    let size = if stdout.is_terminal() { tcgetwinsize(stdout).ok() } else { None };
    size.map(|size| usize::from(size.ws_col)).filter(|width| *width > 0).unwrap_or(usize::MAX)
}

/// The DTUs to read, and the time zone of the output.
fn dtus_to_read(
    global: &Global,
    arguments: &Arguments,
) -> Result<(Vec<DtuConfig>, TimeZone), ExitCode> {
    let Some(host) = &arguments.host else {
        let loaded = run::loaded(global).map_err(|error| exit::bad_configuration(&error))?;
        return Ok((loaded.config.dtus, loaded.zone));
    };
    let is_modbus = arguments.protocol == "modbus";
    let protocol = if is_modbus { Protocol::Modbus } else { Protocol::Protobuf };
    let dtu = DtuConfig {
        port: arguments.port,
        unit_id: arguments.unit_id,
        ..DtuConfig::new("DTU", protocol, host)
    };
    Ok((vec![dtu], TimeZone::system()))
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

/// Enters all answers into a plant, so that what is printed is what the bridge would serve.
fn plant(answers: &[Answer], zone: &TimeZone, clock: &WallClock) -> PlantState {
    let states = answers
        .iter()
        .map(|answer| DtuState::unknown(&answer.dtu.name, answer.dtu.protocol, Duration::MAX));
    let mut plant = PlantState::new(zone.clone(), states.collect(), [], []);
    for answer in answers {
        let reading = match &answer.outcome {
            Ok(reading) => reading,
            Err(failure) => &failure.partial,
        };
        // Old values are shown too, in a command that polls once.
        let reading = DtuReading { stale: false, ..reading.clone() };
        plant.succeeded(&answer.dtu.name, &reading, clock.now());
    }
    plant
}
