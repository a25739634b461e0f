//! What the operating system has to do with the process: signals, and the limit of open files.

use std::convert::Infallible;
use std::future::pending;
use std::io::{IsTerminal as _, stdout};
use std::time::Duration;

use anyhow::{Context as _, bail};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

/// Signals within this time count as one: `timeout` signals the bridge and its process group.
const SAME_SIGNAL: Duration = Duration::from_millis(300);

/// Runs `work` until it ends, or until SIGTERM or SIGINT cancel the token that it gets; a second
/// signal ends it at once. Runs `beside` until then.
pub(super) async fn until_terminated<T, F>(
    work: impl FnOnce(CancellationToken) -> F,
    beside: impl Future<Output = Infallible>,
) -> anyhow::Result<T>
where
    F: Future<Output = anyhow::Result<T>>,
{
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let stop = CancellationToken::new();
    let work = work(stop.clone());
    tokio::pin!(work);
    tokio::select! {
        outcome = &mut work => return outcome,
        never = beside => match never {},
        () = either(&mut terminate, &mut interrupt) => stop.cancel(),
    }
    let second_signal = async {
        let first = Instant::now();
        while first.elapsed() < SAME_SIGNAL {
            either(&mut terminate, &mut interrupt).await;
        }
    };
    tokio::select! {
        outcome = &mut work => outcome,
        () = second_signal => bail!("second signal received: exiting without waiting for tasks"),
    }
}

/// Sends what `load` returns at each SIGHUP, also at those that come before this is polled.
///
/// Not in a terminal: there, SIGHUP means that the terminal was closed, and the bridge ends.
pub(super) fn at_each_hangup<T>(
    load: impl Fn() -> T,
    sender: mpsc::Sender<T>,
) -> impl Future<Output = Infallible> {
    let hangup = (!stdout().is_terminal()).then(|| signal(SignalKind::hangup()));
    async move {
        match hangup {
            Some(Ok(mut hangup)) => {
                while hangup.recv().await.is_some() {
                    if sender.send(load()).await.is_err() {
                        break;
                    }
                }
            }
            Some(Err(error)) => warn!("cannot listen for SIGHUP: {error}"),
            None => {}
        }
        pending().await
    }
}

async fn either(one: &mut Signal, other: &mut Signal) {
    tokio::select! {
        _ = one.recv() => (),
        _ = other.recv() => (),
    }
}

/// Raises the limit of open files to the most that the system allows; returns the limit, `None` if
/// there is none.
///
/// The usual limit of 1,024 protects programs that use `select`, which this one does not, and a
/// thousand targets need more.
pub fn raise_file_limit() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        // Some systems refuse the maximum that they report; most plants need fewer files.
        Err(error) => {
            debug!("the limit of open files stays at {:?}: {error}", limit.current);
            limit.current
        }
    }
}
