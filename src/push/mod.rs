//! Keeps a connection to each target and sends it each new snapshot.
//!
//! A task per target: no target can delay another, nor the pollers.

pub mod connect;

pub mod failure;

mod log;

pub mod session;

pub mod throttle;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_util::sync::CancellationToken;

use self::connect::connect;
use self::failure::Failure;
use self::log::ConnectionLog;
use self::session::Session;
use self::throttle::Throttled;
use crate::clock::WallClock;
use crate::net::dial::Stream;
use crate::net::reconnect::{ConnectionState, Peer, RetryDelay, SessionEnd, keep_connected};
use crate::snapshot::SnapshotReader;
use crate::targets::Directory;
use crate::targets::endpoint::Endpoint;
use crate::targets::target::{Retired, Target};
use crate::tasks::Tasks;

/// How long the goodbye to an old connection may delay the new one.
const REPLACED: Duration = Duration::from_millis(100);

/// What all targets share.
#[derive(Clone, Debug)]
struct Context {
    directory: Directory,
    snapshots: SnapshotReader,
    clock: WallClock,
    /// Cancelled when the bridge stops.
    stop: CancellationToken,
}

/// Starts to serve all targets, later ones included, until `tasks` end.
pub fn start(tasks: &Tasks, directory: Directory, snapshots: SnapshotReader, clock: WallClock) {
    let context = Context { directory, snapshots, clock, stop: tasks.stop() };
    tasks.spawn("push", supervise(tasks.clone(), context));
}

/// Gives each target a task.
async fn supervise(tasks: Tasks, context: Context) {
    let mut arrivals = context.directory.arrivals();
    loop {
        for target in context.directory.take_unserved() {
            tasks.spawn_short(serve(target, context.clone()));
        }
        match context.stop.run_until_cancelled(arrivals.changed()).await {
            Some(Ok(())) => {}
            Some(Err(_)) | None => return,
        }
    }
}

/// Serves one target until it is deleted or the bridge stops. Each new URL or token ends the old
/// connection and starts over.
async fn serve(target: Target, context: Context) {
    let mut endpoints = target.endpoints();
    while !context.stop.is_cancelled() {
        let Some(endpoint) = endpoints.borrow_and_update().clone() else { return };
        let stop = context.stop.child_token();
        let peer = TargetPeer::new(context.clone(), target.clone(), endpoint);
        tokio::join!(keep_connected(peer, stop.clone()), async {
            tokio::select! {
                // The directory outlives this task, so that an error does not happen.
                _ = endpoints.changed() => stop.cancel(),
                () = stop.cancelled() => {}
            }
        });
    }
}

/// One target at one URL, as the reconnect loop sees it.
#[derive(Debug)]
struct TargetPeer {
    context: Context,
    target: Target,
    endpoint: Arc<Endpoint>,
    log: ConnectionLog,
    /// Whether the present attempt has no outcome in the log yet.
    is_open: bool,
}

impl TargetPeer {
    fn new(context: Context, target: Target, endpoint: Arc<Endpoint>) -> Self {
        let clock = context.clock.clone();
        let log = ConnectionLog::new(target.clone(), Arc::clone(&endpoint), clock);
        Self { context, target, endpoint, log, is_open: false }
    }

    async fn attempt(&self) -> Result<Session<Throttled<Stream>>, Failure> {
        // A TLS handshake needs much memory, which the task of each target would otherwise keep.
        let connecting =
            Box::pin(connect(self.target.name(), &self.endpoint, self.target.settings()));
        Session::accept(connecting.await?).await
    }

    fn retry(&self, failure: &Failure) -> RetryDelay {
        failure.retry(self.target.is_registered())
    }

    /// Why we leave.
    fn leaving(&self) -> Failure {
        if self.context.stop.is_cancelled() {
            return Failure::Stopping;
        }
        match self.target.retired() {
            Some(Retired::Changed) => Failure::Reconfigured,
            Some(Retired::Removed) => Failure::Removed,
            Some(Retired::Deleted) => Failure::Deleted,
            Some(Retired::Renamed) | None => Failure::Replaced,
        }
    }
}

impl Peer for TargetPeer {
    type Session = Session<Throttled<Stream>>;

    async fn dial(&mut self, attempt: u32) -> Result<Self::Session, RetryDelay> {
        self.is_open = true;
        self.log.connecting();
        match self.attempt().await {
            Ok(session) => {
                self.log.connected();
                self.is_open = false;
                self.context.directory.note_success(&self.target).await;
                Ok(session)
            }
            Err(failure) => {
                self.log.failed(&failure, attempt);
                self.is_open = false;
                if failure.is_rejection() {
                    self.context.directory.note_refused_token(&self.target).await;
                }
                self.context.directory.note_failure(&self.target).await;
                Err(self.retry(&failure))
            }
        }
    }

    fn abandoned(&mut self, attempt: u32) {
        if self.is_open {
            self.log.failed(&self.leaving(), attempt);
        }
    }

    async fn serve(&mut self, mut session: Self::Session, stop: &CancellationToken) -> SessionEnd {
        let snapshots = self.context.snapshots.clone();
        let heartbeat = self.target.settings().heartbeat;
        let on_event = |event: session::Event<'_>| self.log.event(event);
        let end = session.run(snapshots, heartbeat, &on_event, stop).await;
        let failure = end.failure.unwrap_or_else(|| self.leaving());
        self.log.disconnected(&failure);
        if let Some((code, reason)) = goodbye(&failure) {
            let closing = session.close(code, reason);
            if failure == Failure::Replaced {
                // The old socket may be dead.
                drop(timeout(REPLACED, closing).await);
            } else {
                closing.await;
            }
        }
        if failure.is_rejection() {
            self.context.directory.note_refused_token(&self.target).await;
        }
        SessionEnd { has_delivered: end.has_delivered, delay: self.retry(&failure) }
    }

    fn waits(&mut self, waiting: ConnectionState) {
        // A target that was deleted or replaced meanwhile is not dialled again at this URL.
        if let ConnectionState::Waiting { delay, .. } = waiting
            && self.target.is_at(&self.endpoint)
        {
            self.log.reconnecting(delay, waiting.attempt());
        }
    }
}

/// The close frame at the end; none if nobody would read it.
#[expect(clippy::wildcard_enum_match_arm, reason = "most connections end normally")]
const fn goodbye(failure: &Failure) -> Option<(CloseCode, &'static str)> {
    match failure {
        Failure::Stopping => Some((CloseCode::Away, "the bridge stops")),
        Failure::TooBig(_) => Some((CloseCode::Size, "")),
        Failure::Protocol(_) => Some((CloseCode::Protocol, "")),
        Failure::Broken(_) | Failure::Silent(_) | Failure::NotReading(_) => None,
        _ => Some((CloseCode::Normal, "")),
    }
}
