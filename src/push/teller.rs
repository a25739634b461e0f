//! Logs and counts what happens while a target is connected.

use std::sync::OnceLock;
use std::time::Duration;

use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::failure::Failure;
use super::session::Tell;
use crate::clock::WallClock;
use crate::snapshot::Snapshot;
use crate::targets::endpoint::Endpoint;
use crate::targets::target::Target;

/// What is lost with a connection that breaks so soon after it was sent was probably never read.
const SURELY_READ: Duration = Duration::from_secs(1);

/// Logs and counts for one connection of one target.
pub(super) struct Teller<'a> {
    target: &'a Target,
    endpoint: &'a Endpoint,
    clock: &'a WallClock,
    first_sent: OnceLock<Instant>,
}

impl<'a> Teller<'a> {
    pub(super) fn new(target: &'a Target, endpoint: &'a Endpoint, clock: &'a WallClock) -> Self {
        Self { target, endpoint, clock, first_sent: OnceLock::new() }
    }

    /// Whether an update arrived, as far as can be told from how the connection ended: sending is
    /// no proof, since the system takes what it can still carry to nobody.
    pub(super) fn has_delivered(&self, ended: &Failure) -> bool {
        let Some(sent) = self.first_sent.get() else { return false };
        // A target that says in the end that it does not want us has thrown away what it got.
        if ended.is_rejection() {
            return false;
        }
        !matches!(ended, Failure::Broken(_)) || sent.elapsed() >= SURELY_READ
    }
}

impl Tell for Teller<'_> {
    fn sending(&self, snapshot: &Snapshot) {
        info!(
            "[WebSocket] Sending update to {}: {} inverters, {} ports",
            self.target.name(),
            snapshot.inverters.len(),
            snapshot.port_count()
        );
    }

    fn sent(&self, skipped: u64) {
        info!("[WebSocket] ✓ Successfully sent update to {}", self.target.name());
        self.target.sent(skipped, self.clock.now());
        let _first = self.first_sent.get_or_init(Instant::now);
    }

    fn said(&self, number: u64, words: &str) {
        debug!(
            "[WebSocket] message {number} of {}: {}",
            self.target.name(),
            self.endpoint.redacted(words)
        );
    }

    fn floods(&self) {
        warn!(
            "[WebSocket] {} sends more than a target has to say; it is read slowly from now on",
            self.target.name()
        );
    }
}
