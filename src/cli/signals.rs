//! What the system's signals mean: end, end at once, read the configuration again.

use std::convert::Infallible;
use std::future::pending;
use std::io::{IsTerminal as _, stdout};
use std::time::Duration;

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// Who tells it to end may do so twice at once: `timeout` sends its signal to the bridge, and to the
/// group that the bridge is in.
const SAME_SIGNAL: Duration = Duration::from_millis(300);

/// Runs `work` until it ends, SIGTERM or SIGINT tell it to, or a second signal forces it to; and
/// `beside` until then.
pub(super) async fn until_told_to_end<T, F>(
    work: impl FnOnce(CancellationToken) -> F,
    beside: impl Future<Output = Infallible>,
) -> anyhow::Result<T>
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
        never = beside => match never {},
        () = either(&mut terminate, &mut interrupt) => ended.cancel(),
    }
    let again = async {
        let told = Instant::now();
        while told.elapsed() < SAME_SIGNAL {
            either(&mut terminate, &mut interrupt).await;
        }
    };
    tokio::select! {
        outcome = &mut work => outcome,
        () = again => {
            anyhow::bail!("told twice to end: ended without waiting for the tasks")
        }
    }
}

/// Sends what `load` finds at each SIGHUP. It is heard from now on, not only once this is waited for.
///
/// Not from a terminal: there a SIGHUP says that the terminal is gone, and who went with it expects
/// the bridge to go too.
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
            Some(Err(error)) => warn!("SIGHUP will not be heard: {error}"),
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
