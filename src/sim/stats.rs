//! Statistics about the clients of a simulated DTU: requests, connections, pauses.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// The statistics of one simulation. Cheap to clone; all clones count together.
#[derive(Clone, Debug, Default)]
pub struct ClientStats(watch::Sender<Counts>);

/// All counts so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Whole requests received.
    pub requests: u64,
    /// Replies sent completely.
    pub replies: u64,
    /// Connections accepted, including those closed at once.
    pub connections: u64,
    /// Connections closed at once, by a fault or because there were too many.
    pub refused: u64,
    /// Connections open now.
    pub open: usize,
    /// The most connections open at the same time.
    pub max_open: usize,
    /// Requests received and neither answered nor abandoned.
    pub outstanding: usize,
    /// The most requests outstanding at the same time, over all connections.
    pub max_outstanding: usize,
    /// The shortest pause between the end of a reply and the next request, over all connections.
    pub shortest_pause: Option<Duration>,
    last_reply: Option<Instant>,
}

impl ClientStats {
    /// All counts so far.
    pub fn counts(&self) -> Counts {
        *self.0.borrow()
    }

    /// Waits until `is_met` holds, and returns those counts.
    pub async fn wait_until(&self, is_met: impl FnMut(&Counts) -> bool) -> Counts {
        let mut changes = self.0.subscribe();
        // The sender lives in `self`, so that the wait cannot end early.
        changes.wait_for(is_met).await.map_or_else(|_| self.counts(), |counts| *counts)
    }

    pub(super) fn refused(&self) {
        self.0.send_modify(|counts| {
            counts.connections += 1;
            counts.refused += 1;
        });
    }

    pub(super) fn connection_opened(&self) -> OpenConnection {
        self.0.send_modify(|counts| {
            counts.connections += 1;
            counts.open += 1;
            counts.max_open = counts.max_open.max(counts.open);
        });
        OpenConnection(self.clone())
    }

    pub(super) fn request_received(&self) -> OutstandingRequest {
        let now = Instant::now();
        let mut number = 0;
        self.0.send_modify(|counts| {
            counts.requests += 1;
            number = counts.requests;
            counts.outstanding += 1;
            counts.max_outstanding = counts.max_outstanding.max(counts.outstanding);
            // Only the first request after a reply has a pause before it.
            if let Some(last_reply) = counts.last_reply.take() {
                let pause = now.duration_since(last_reply);
                counts.shortest_pause =
                    Some(counts.shortest_pause.map_or(pause, |shortest| shortest.min(pause)));
            }
        });
        OutstandingRequest { stats: self.clone(), number }
    }
}

#[derive(Debug)]
pub(super) struct OpenConnection(ClientStats);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.0.send_modify(|counts| counts.open -= 1);
    }
}

/// Counts as outstanding for as long as it lives.
#[derive(Debug)]
pub(super) struct OutstandingRequest {
    stats: ClientStats,
    number: u64,
}

impl OutstandingRequest {
    /// Counted from 1, over all connections.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn answered(self) {
        let now = Instant::now();
        self.stats.0.send_modify(|counts| {
            counts.replies += 1;
            counts.last_reply = Some(now);
        });
    }
}

impl Drop for OutstandingRequest {
    fn drop(&mut self) {
        self.stats.0.send_modify(|counts| counts.outstanding -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn shortest_pause_is_from_a_reply_to_the_next_request() {
        let stats = ClientStats::default();
        stats.request_received().answered();
        for millis in [300, 100, 200] {
            tokio::time::advance(Duration::from_millis(millis)).await;
            stats.request_received().answered();
        }
        let counts = stats.counts();
        assert_eq!(counts.shortest_pause, Some(Duration::from_millis(100)));
        assert_eq!((counts.requests, counts.replies, counts.max_outstanding), (4, 4, 1));
    }

    #[test]
    fn counts_what_is_open_at_the_same_time() {
        let stats = ClientStats::default();
        let (first, second) = (stats.connection_opened(), stats.connection_opened());
        drop(first);
        let requests = (stats.request_received(), stats.request_received());
        drop((second, stats.connection_opened(), requests));
        let counts = stats.counts();
        assert_eq!((counts.connections, counts.max_open, counts.open), (3, 2, 0));
        assert_eq!((counts.max_outstanding, counts.outstanding, counts.replies), (2, 0, 0));
    }
}
