//! `run`, `simulate` and `healthcheck`: what is set up around the daemon and its helpers.

use std::process::ExitCode;

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::{Global, exit, healthcheck, simulate};
use crate::app::{self, Memory};
use crate::config::LogFormat;
use crate::config::load::{ConfigError, Loaded, file_exists, load};
use crate::telemetry::logging;

/// Runs the daemon.
pub(super) async fn run(global: &Global) -> ExitCode {
    match loaded(global) {
        Ok(loaded) => run_loaded(global, loaded, Memory::Kept).await,
        Err(error) => exit::bad_configuration(&error),
    }
}

/// Runs the daemon with this configuration.
pub(super) async fn run_loaded(global: &Global, loaded: Loaded, memory: Memory) -> ExitCode {
    let level = global.log_level.as_ref().unwrap_or(&loaded.config.log.level);
    let zone = loaded.zone.clone();
    let outcome = match logging::init_in(zone, level, loaded.config.log.format) {
        Ok(()) => until_told_to_end(|ended| app::run(loaded, memory, ended)).await,
        Err(error) => Err(error),
    };
    outcome.map_or_else(|error| exit::failed(&error), exit::status)
}

/// Runs a simulated DTU.
pub(super) async fn simulate(global: &Global, arguments: simulate::SimulateArgs) -> ExitCode {
    let level = global.log_level.as_deref().unwrap_or("info");
    let outcome = match logging::init(level, LogFormat::Text) {
        Ok(()) => until_told_to_end(|ended| simulate::simulate(arguments, ended)).await,
        Err(error) => Err(error),
    };
    outcome.map_or_else(|error| exit::failed(&error), |()| ExitCode::SUCCESS)
}

/// Asks the running daemon.
pub(super) async fn healthcheck(global: &Global) -> ExitCode {
    // Without a file only `demo` can be running.
    let loaded = match (&global.config, file_exists()) {
        (None, false) => super::demo::loaded(),
        (Some(_), _) | (None, true) => loaded(global),
    };
    match loaded {
        Ok(loaded) => match healthcheck::healthcheck(loaded.config.http.listen).await {
            Ok(ready) => exit::status(ready),
            Err(error) => exit::failed(&error),
        },
        Err(error) => exit::bad_configuration(&error),
    }
}

/// The configuration that the options name.
pub(super) fn loaded(global: &Global) -> Result<Loaded, ConfigError> {
    load(global.config.as_deref(), environment())
}

/// The environment, as far as it is text.
pub(super) fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

/// Runs `work` until it ends, SIGTERM or SIGINT tell it to, or a second signal forces it to.
async fn until_told_to_end<T, F>(work: impl FnOnce(CancellationToken) -> F) -> anyhow::Result<T>
where
    F: Future<Output = anyhow::Result<T>>,
{
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let ended = CancellationToken::new();
    let work = work(ended.clone());
    tokio::pin!(work);
    tokio::select! {
        outcome = &mut work => return outcome,
        () = either(&mut terminate, &mut interrupt) => ended.cancel(),
    }
    tokio::select! {
        outcome = &mut work => outcome,
        () = either(&mut terminate, &mut interrupt) => {
            anyhow::bail!("told twice to end: ended without waiting for the tasks")
        }
    }
}

async fn either(one: &mut Signal, other: &mut Signal) {
    tokio::select! {
        _ = one.recv() => (),
        _ = other.recv() => (),
    }
}
