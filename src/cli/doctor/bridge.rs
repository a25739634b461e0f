//! The bridge itself: its configuration, its port, and whether it runs.

use std::net::SocketAddr;
use std::path::Path;

use super::report::{self, Kind, RUNNING, Step, Subject};
use super::{Context, host};
use crate::app::Storage;
use crate::cli::bridge_client::{PortOwner, RunningBridge};
use crate::cli::exit;
use crate::config::load::Loaded;
use crate::http;
use crate::problem::Problem;

const PORT: &str = "port";

/// Tests the bridge and the machine that it runs on.
pub(super) fn test(context: &Context) -> Subject {
    let Context { loaded, owner, clock, .. } = context;
    let config = &loaded.config;
    let mut steps = vec![configuration(loaded), port(config.http.listen, owner)];
    steps.extend(context.bridge().map(running));
    steps.push(match context.storage {
        Storage::StateDir => match context.bridge() {
            Some(bridge) if bridge.database_type.as_deref() == Some("memory") => {
                in_memory(&config.state_dir)
            }
            Some(_) | None => host::state_dir(&config.state_dir),
        },
        Storage::InMemory => Step::skipped(host::STATE_DIR, "the demo stores nothing"),
    });
    steps.push(host::time_zone(&config.timezone, &loaded.zone, clock.now()));
    steps.push(host::clock(&config.state_dir, &loaded.zone, clock.now()));
    Subject { subject: "bridge".to_owned(), kind: Kind::Bridge, steps }
}

fn configuration(loaded: &Loaded) -> Step {
    let dtus = report::count(loaded.config.dtus.len(), "DTU");
    let targets = report::count(loaded.config.targets.len(), "configured target");
    let step =
        Step::passed("configuration", format!("{}: {dtus}, {targets}", loaded.file.display()));
    loaded.note().iter().chain(&loaded.warnings).fold(step, Step::note)
}

fn running(bridge: &RunningBridge) -> Step {
    let uptime = exit::seconds(bridge.health.uptime_seconds);
    if bridge.health.healthy {
        return Step::passed(RUNNING, format!("for {uptime}, healthy"));
    }
    let problem = Problem::new(
        "unhealthy",
        format!("for {uptime}, but no DTU has answered lately"),
        "follow the advice for the DTUs below",
    );
    Step::failed(RUNNING, problem)
}

/// The state directory may have been repaired since the bridge was started.
fn in_memory(state_dir: &Path) -> Step {
    let problem = Problem::new(
        "state_in_memory",
        "the running bridge keeps its state in memory only: energies and registrations are lost at \
         the next restart",
        format!(
            "let the bridge write to {}, used by no other bridge and with space left, as its log \
             says; then restart it",
            state_dir.display()
        ),
    );
    Step::failed(host::STATE_DIR, problem)
}

/// Who listens on the configured address, or whether it is free.
fn port(listen: SocketAddr, owner: &PortOwner) -> Step {
    let runs_at = |address| Step::passed(PORT, format!("the running bridge listens on {address}"));
    match owner {
        PortOwner::Bridge(bridge) if bridge.address == listen || listen.port() == 0 => {
            runs_at(bridge.address)
        }
        PortOwner::Bridge(bridge) => match http::listen(listen) {
            Ok(_) => runs_at(bridge.address).note(format!(
                "http.listen has been changed to {listen}, which takes effect when the bridge is \
                 restarted"
            )),
            Err(error) => Step::failed(PORT, error.problem),
        },
        PortOwner::Other(description) => Step::failed(
            PORT,
            Problem::new(
                "address_in_use",
                format!("another program uses {listen}: {description}"),
                "stop that program, or change `http.listen`",
            ),
        ),
        PortOwner::Silent => Step::failed(
            PORT,
            Problem::new(
                "no_answer",
                format!("a program accepts connections on {listen}, but does not answer"),
                "if it is the bridge, restart it; otherwise stop that program, or change \
                 `http.listen`",
            ),
        ),
        PortOwner::Nobody => match http::listen(listen) {
            Ok(_) if listen.port() == 0 => {
                Step::passed(PORT, "any free one (http.listen has port 0); no bridge is running")
            }
            Ok(_) => Step::passed(PORT, format!("{listen} is free; no bridge is running")),
            Err(error) => Step::failed(PORT, error.problem),
        },
    }
}
