//! `run`, `demo`, `check`, `simulate` and `healthcheck`: what is set up around each of them.

use std::ffi::OsString;
use std::process::ExitCode;

use jiff::tz::TimeZone;
use tokio::sync::mpsc;

use super::{Global, exit, healthcheck, process, simulate};
use crate::app::{self, Orders, Storage, listen_address_file};
use crate::clock::WallClock;
use crate::config::load::{
    ConfigError, Loaded, file_exists, load, load_builtin, state_dir_and_listen,
};
use crate::config::{LogFormat, describe};
use crate::telemetry::logging;
use crate::telemetry::recent::RecentLog;

/// What `demo` runs; the environment may change it, as it may change a file.
const DEMO: &str = r#"
[poll]
interval = "5s"

[[dtu]]
name = "DTU"
protocol = "simulated"
"#;

/// `run`: the daemon.
pub(super) async fn run(global: &Global) -> ExitCode {
    match loaded(global) {
        Ok(found) => run_loaded(global, found, Storage::StateDir, || loaded(global)).await,
        Err(error) => exit::bad_configuration(&error),
    }
}

/// `demo`: the daemon with a simulated plant, whose energies are not kept.
pub(super) async fn demo(global: &Global) -> ExitCode {
    match loaded_demo() {
        Ok(demo) => run_loaded(global, demo, Storage::InMemory, loaded_demo).await,
        Err(error) => exit::bad_configuration(&error),
    }
}

/// `check`: prints what would run.
pub(super) fn check(global: &Global) -> ExitCode {
    match loaded(global) {
        Ok(loaded) => {
            exit::print(&describe(&loaded)).map_or_else(|code| code, |()| ExitCode::SUCCESS)
        }
        Err(error) => exit::bad_configuration(&error),
    }
}

/// Runs the daemon with this configuration, and with what `reload` returns at each SIGHUP.
async fn run_loaded(
    global: &Global,
    loaded: Loaded,
    storage: Storage,
    reload: impl Fn() -> Result<Loaded, ConfigError>,
) -> ExitCode {
    let level = global.log_level.as_ref().unwrap_or(&loaded.config.log.level);
    let recent = RecentLog::new(WallClock::system());
    let (zone, format) = (loaded.zone.clone(), loaded.config.log.format);
    let log = match logging::init(zone, level, format, Some(recent.clone())) {
        Ok(log) => log,
        Err(error) => return exit::failed(&error.into()),
    };
    process::raise_file_limit();
    let (sender, configurations) = mpsc::channel(1);
    let work = |stop| app::run(loaded, storage, Orders { stop, configurations, log: recent });
    let hangups = process::at_each_hangup(reload, sender);
    // Boxed because the whole daemon is in this future.
    let outcome = Box::pin(process::until_terminated(work, hangups)).await;
    drop(log);
    outcome.map_or_else(|error| exit::failed(&error), exit::status)
}

pub(super) async fn simulate(global: &Global, arguments: simulate::SimulateArgs) -> ExitCode {
    let level = global.log_level.as_deref().unwrap_or("info");
    let log = match logging::init(TimeZone::system(), level, LogFormat::Text, None) {
        Ok(log) => log,
        Err(error) => return exit::failed(&error.into()),
    };
    let work = |stop| simulate::simulate(arguments, stop);
    let outcome = process::until_terminated(work, std::future::pending()).await;
    drop(log);
    outcome.map_or_else(|error| exit::failed(&error), |()| ExitCode::SUCCESS)
}

/// `healthcheck`: asks the running daemon, at the address that it left in its state directory or
/// else at the configured one.
pub(super) async fn healthcheck(global: &Global) -> ExitCode {
    // The configuration may have changed, or become faulty, since the daemon was started.
    let (state_dir, listen) = state_dir_and_listen(global.config.as_deref(), environment());
    if let Some(running) = listen_address_file::read(&state_dir).filter(|left| *left != listen)
        && let Ok(ready) = healthcheck::healthcheck(running).await
    {
        return health_status(ready);
    }
    match healthcheck::healthcheck(listen).await {
        Ok(ready) => health_status(ready),
        Err(problem) => {
            // A faulty configuration may be the reason; its exit status 2 is not for a HEALTHCHECK.
            let may_be_demo = global.config.is_none() && !file_exists();
            if let (false, Err(fault)) = (may_be_demo, loaded(global)) {
                exit::say(&fault.to_string());
            }
            exit::failed_with(&problem)
        }
    }
}

fn health_status(ready: bool) -> ExitCode {
    if ready { ExitCode::SUCCESS } else { exit::failed_with(&healthcheck::not_ready()) }
}

pub(super) fn loaded(global: &Global) -> Result<Loaded, ConfigError> {
    let loaded = load(global.config.as_deref(), environment())?;
    Ok(loaded.compare_with_machine(WallClock::system().now()))
}

pub(super) fn loaded_demo() -> Result<Loaded, ConfigError> {
    load_builtin("the built-in demo", DEMO, environment())
}

/// The environment. What is not text stays visible as U+FFFD, so that it can be reported.
fn environment() -> impl Iterator<Item = (String, String)> {
    let text = |text: OsString| text.to_string_lossy().into_owned();
    std::env::vars_os().map(move |(name, value)| (text(name), text(value)))
}
