//! `run`, `simulate` and `healthcheck`: what is set up around each of them.

use std::ffi::OsString;
use std::process::ExitCode;

use futures_util::future::OptionFuture;
use tokio::sync::mpsc;

use super::{Global, exit, healthcheck, open_files, signals, simulate};
use crate::app::{self, Memory, Orders, doorplate};
use crate::config::LogFormat;
use crate::config::load::{ConfigError, Loaded, Whereabouts, file_exists, load, whereabouts};
use crate::telemetry::logging;

/// Runs the daemon.
pub(super) async fn run(global: &Global) -> ExitCode {
    match loaded(global) {
        Ok(found) => run_loaded(global, found, Memory::Kept, || loaded(global)).await,
        Err(error) => exit::bad_configuration(&error),
    }
}

/// Runs the daemon with this configuration, and with what `reload` finds at each SIGHUP.
pub(super) async fn run_loaded(
    global: &Global,
    loaded: Loaded,
    memory: Memory,
    reload: impl Fn() -> Result<Loaded, ConfigError>,
) -> ExitCode {
    let level = global.log_level.as_ref().unwrap_or(&loaded.config.log.level);
    let zone = loaded.zone.clone();
    let outcome = match logging::init_in(zone, level, loaded.config.log.format) {
        Ok(()) => {
            open_files::raise_limit();
            let (sender, configurations) = mpsc::channel(1);
            let work = |ended| app::run(loaded, memory, Orders { ended, configurations });
            let hangups = signals::at_each_hangup(reload, sender);
            // The whole daemon is in this future.
            Box::pin(signals::until_told_to_end(work, hangups)).await
        }
        Err(error) => Err(error),
    };
    outcome.map_or_else(|error| exit::failed(&error), exit::status)
}

/// Runs a simulated DTU.
pub(super) async fn simulate(global: &Global, arguments: simulate::SimulateArgs) -> ExitCode {
    let level = global.log_level.as_deref().unwrap_or("info");
    let outcome = match logging::init(level, LogFormat::Text) {
        Ok(()) => {
            let work = |ended| simulate::simulate(arguments, ended);
            signals::until_told_to_end(work, std::future::pending()).await
        }
        Err(error) => Err(error),
    };
    outcome.map_or_else(|error| exit::failed(&error), |()| ExitCode::SUCCESS)
}

/// Asks the running daemon: where it says itself that it listens, or else where it should.
pub(super) async fn healthcheck(global: &Global) -> ExitCode {
    // The configuration may have become faulty, or another, since the daemon was started.
    let Whereabouts { state_dir, listen } = whereabouts(global.config.as_deref(), environment());
    let left = doorplate::address(&state_dir).filter(|left| *left != listen);
    if let Some(Ok(ready)) = OptionFuture::from(left.map(healthcheck::healthcheck)).await {
        return exit::status(ready);
    }
    match healthcheck::healthcheck(listen).await {
        Ok(ready) => exit::status(ready),
        Err(error) => {
            // Perhaps it does not run because of that. 2 is not for a HEALTHCHECK to say.
            let is_demo = global.config.is_none() && !file_exists();
            if let (false, Err(faults)) = (is_demo, loaded(global)) {
                exit::say(&faults.to_string());
            }
            exit::failed(&error)
        }
    }
}

/// The configuration that the options name.
pub(super) fn loaded(global: &Global) -> Result<Loaded, ConfigError> {
    load(global.config.as_deref(), environment())
}

/// The environment. What is not text stays visible as U+FFFD, so that it can be told.
pub(super) fn environment() -> impl Iterator<Item = (String, String)> {
    let text = |text: OsString| text.to_string_lossy().into_owned();
    std::env::vars_os().map(move |(name, value)| (text(name), text(value)))
}
