//! One target as the reconnect loop sees it, and all that is logged of its attempts.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::connect::{Socket, connect};
use super::failure::Failure;
use super::session::Session;
use super::teller::Teller;
use crate::clock::WallClock;
use crate::net::dial::Stream;
use crate::net::reconnect::{ConnectionState, Peer, RetryDelay, SessionEnd};
use crate::snapshot::SnapshotReader;
use crate::targets::Directory;
use crate::targets::endpoint::Endpoint;
use crate::targets::target::{Retired, Target};

/// How long an old connection is said good-bye to before the new one is dialled.
const REPLACED: Duration = Duration::from_millis(100);

/// What all targets share.
#[derive(Clone, Debug)]
pub(super) struct Parts {
    pub(super) directory: Directory,
    pub(super) snapshots: SnapshotReader,
    pub(super) clock: WallClock,
    /// Cancelled when the bridge stops.
    pub(super) house: CancellationToken,
}

/// One target at one place.
#[derive(Debug)]
pub(super) struct TargetPeer {
    parts: Parts,
    target: Target,
    endpoint: Arc<Endpoint>,
    /// Whether the end of the present attempt is in the log.
    is_told: bool,
}

impl TargetPeer {
    pub(super) fn new(parts: Parts, target: Target, endpoint: Arc<Endpoint>) -> Self {
        Self { parts, target, endpoint, is_told: true }
    }

    async fn attempt(&self) -> Result<Session<Stream>, Failure> {
        let settings = self.target.settings();
        // What a TLS handshake needs on its way is large, and no target shall keep room for it.
        let connecting = Box::pin(connect(&self.endpoint, settings));
        let socket: Socket = connecting.await?;
        Session::accept(socket, settings.connect_timeout).await
    }

    fn failed(&mut self, failure: &Failure, attempt: u32) {
        let name = self.target.name();
        let reason = self.endpoint.redacted(&failure.problem().to_string());
        warn!("[WebSocket] Connection failed for {name}: {reason} (attempt {attempt})");
        self.lost(failure, &reason);
        self.is_told = true;
    }

    fn lost(&self, failure: &Failure, reason: &str) {
        let now = self.parts.clock.now();
        self.target.lost(reason, failure.problem().label, failure.is_rejection(), now);
    }

    fn patience(&self, failure: &Failure) -> RetryDelay {
        failure.retry(self.target.is_registered())
    }

    /// Why we leave.
    fn leaving(&self) -> Failure {
        if self.parts.house.is_cancelled() {
            return Failure::Stopping;
        }
        match self.target.retired() {
            Some(Retired::Changed) => Failure::Reconfigured,
            Some(Retired::Removed) => Failure::Removed,
            None => Failure::Replaced,
        }
    }
}

impl Peer for TargetPeer {
    type Session = Session<Stream>;

    async fn dial(&mut self, attempt: u32) -> Result<Self::Session, RetryDelay> {
        self.is_told = false;
        let name = self.target.name();
        info!("[WebSocket] Connecting to {name} ({})", self.endpoint.place());
        self.target.dials();
        match self.attempt().await {
            Ok(session) => {
                info!("[WebSocket] ✓ Connected to: {name}");
                self.target.connected(self.parts.clock.now());
                self.is_told = true;
                self.parts.directory.note_success(&self.target).await;
                Ok(session)
            }
            Err(failure) => {
                self.failed(&failure, attempt);
                if failure.is_rejection() {
                    self.parts.directory.note_refused_token(&self.target).await;
                }
                self.parts.directory.note_failure(&self.target).await;
                Err(self.patience(&failure))
            }
        }
    }

    fn abandoned(&mut self, attempt: u32) {
        if !self.is_told {
            self.failed(&self.leaving(), attempt);
        }
    }

    async fn serve(&mut self, mut session: Self::Session, stop: &CancellationToken) -> SessionEnd {
        let teller = Teller::new(&self.target, &self.endpoint, &self.parts.clock);
        let snapshots = self.parts.snapshots.clone();
        let heartbeat = self.target.settings().heartbeat;
        let ended = session.run(snapshots, heartbeat, &teller, stop).await;
        let failure = ended.unwrap_or_else(|| self.leaving());
        let has_delivered = teller.has_delivered(&failure);
        let reason = self.endpoint.redacted(&failure.problem().to_string());
        info!("[WebSocket] Disconnected from {}: {reason}", self.target.name());
        self.lost(&failure, &reason);
        if let Some((code, reason)) = good_bye(&failure) {
            let good_bye = session.close(code, reason);
            if failure == Failure::Replaced {
                // The new connection shall not wait for an old socket that may be dead.
                drop(timeout(REPLACED, good_bye).await);
            } else {
                good_bye.await;
            }
        }
        if failure.is_rejection() {
            self.parts.directory.note_refused_token(&self.target).await;
        }
        SessionEnd { has_delivered, delay: self.patience(&failure) }
    }

    fn waits(&mut self, waiting: ConnectionState) {
        // One that was forgotten or replaced meanwhile is not dialled again at this place.
        let is_current = self.target.is_at(&self.endpoint);
        if let ConnectionState::Waiting { delay, .. } = waiting
            && is_current
        {
            let (name, attempt) = (self.target.name(), waiting.attempt());
            info!(
                "[WebSocket] Reconnecting to {name} in {} seconds (attempt {attempt})...",
                delay.as_secs()
            );
        }
    }
}

/// What is said at the end; nothing if nobody is there to hear it.
#[expect(clippy::wildcard_enum_match_arm, reason = "most connections end without blame")]
const fn good_bye(failure: &Failure) -> Option<(CloseCode, &'static str)> {
    match failure {
        Failure::Stopping => Some((CloseCode::Away, "the bridge stops")),
        Failure::TooBig(_) | Failure::TooManyParts(_) => Some((CloseCode::Size, "")),
        Failure::Protocol(_) => Some((CloseCode::Protocol, "")),
        Failure::Broken(_) | Failure::Silent(_) | Failure::NotReading(_) => None,
        _ => Some((CloseCode::Normal, "")),
    }
}
