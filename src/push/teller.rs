//! Logs and counts what happens while a target is connected.

use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
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
/// A connection that lasts so long after its first update was not only opened to spoil it.
const LASTED: Duration = Duration::from_secs(5);

/// Logs and counts for one connection of one target.
pub(super) struct Teller<'a> {
    target: &'a Target,
    endpoint: &'a Endpoint,
    clock: &'a WallClock,
    first_sent: OnceLock<Instant>,
    is_read: AtomicBool,
}

impl<'a> Teller<'a> {
    pub(super) fn new(target: &'a Target, endpoint: &'a Endpoint, clock: &'a WallClock) -> Self {
        Self {
            target,
            endpoint,
            clock,
            first_sent: OnceLock::new(),
            is_read: AtomicBool::new(false),
        }
    }

    /// Whether an update arrived, as far as can be told.
    pub(super) fn has_delivered(&self, ended: &Failure) -> bool {
        let lasted = self.first_sent.get().map(Instant::elapsed);
        lasted.is_some_and(|lasted| has_delivered(ended, lasted, self.is_read.load(Relaxed)))
    }
}

/// Whether an update arrived on a connection that ended so, that long after the first one was
/// written, and whether the target answered a ping behind it. Writing is no proof, since the system
/// takes what it can still carry to nobody; and who breaks each connection at the first update must
/// not be dialled as if all were well.
#[expect(clippy::wildcard_enum_match_arm, reason = "the others end no session, or are our doing")]
fn has_delivered(ended: &Failure, lasted: Duration, is_read: bool) -> bool {
    match ended {
        // It has thrown away what it got.
        Failure::TokenRefused(_) => false,
        // It had two heartbeats for an answer.
        Failure::Silent(_) | Failure::NotReading(_) => is_read,
        // It says good-bye in order, as after a restart.
        Failure::Closed { code: 1000 | 1001 | 1005 | 1012..=1014, .. } => true,
        // It went, or does not take what it got.
        Failure::Broken(_) | Failure::Closed { .. } => lasted >= SURELY_READ,
        // It breaks the connection by what it sends.
        Failure::TooBig(_) | Failure::TooManyParts(_) | Failure::Protocol(_) => lasted >= LASTED,
        _ => true,
    }
}

impl Tell for Teller<'_> {
    fn sending(&self, snapshot: &Snapshot) {
        info!(
            "[WebSocket] Sending update to {}: {} inverters, {} ports",
            self.target.name(),
            snapshot.inverters().len(),
            snapshot.port_count()
        );
    }

    fn sent(&self, skipped: u64) {
        info!("[WebSocket] ✓ Successfully sent update to {}", self.target.name());
        self.target.sent(skipped, self.clock.now());
        let _first = self.first_sent.get_or_init(Instant::now);
    }

    fn answered(&self) {
        if self.first_sent.get().is_some() {
            self.is_read.store(true, Relaxed);
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_start_over_after_a_connection_whose_update_was_read() {
        let text = |words: &str| words.to_owned();
        let closed = |code| Failure::Closed { code, reason: String::new() };
        let minute = Duration::from_secs(60);
        // How it ended, and from how many milliseconds on an update counts as delivered if the
        // target has answered a ping, and if it has not.
        let never = u64::MAX;
        for (ended, if_read, if_not) in [
            (closed(1000), 0, 0),
            (closed(1001), 0, 0),
            (closed(1005), 0, 0),
            (closed(1012), 0, 0),
            (Failure::Replaced, 0, 0),
            (Failure::Stopping, 0, 0),
            (Failure::Broken(text("the target hung up")), 1_000, 1_000),
            (closed(1002), 1_000, 1_000),
            (closed(1008), 1_000, 1_000),
            (closed(1009), 1_000, 1_000),
            (closed(1011), 1_000, 1_000),
            (closed(4000), 1_000, 1_000),
            (Failure::TooBig(1), 5_000, 5_000),
            (Failure::TooManyParts(1), 5_000, 5_000),
            (Failure::Protocol(text("masked")), 5_000, 5_000),
            (Failure::Silent(minute), 0, never),
            (Failure::NotReading(minute), 0, never),
            (Failure::TokenRefused(text("no")), never, never),
        ] {
            for (is_read, enough) in [(true, if_read), (false, if_not)] {
                for lasted in [0, 999, 1_000, 4_999, 5_000, 3_600_000] {
                    let is_delivered =
                        has_delivered(&ended, Duration::from_millis(lasted), is_read);
                    assert_eq!(is_delivered, lasted >= enough, "{ended:?} {lasted} {is_read}");
                }
            }
        }
    }
}
