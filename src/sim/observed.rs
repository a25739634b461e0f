//! What a simulated DTU notices of its clients: how often they ask, and how politely.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// What one simulation has noticed. Cheap to clone; all clones see the same.
#[derive(Clone, Debug, Default)]
pub struct Observed(watch::Sender<Counts>);

/// Everything noticed so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Whole requests received.
    pub requests: u64,
    /// Replies of which the last byte has gone out.
    pub replies: u64,
    /// Connections accepted, those included that were closed at once.
    pub connections: u64,
    /// Connections closed at once: by a fault, or because there were too many.
    pub turned_away: u64,
    /// Connections open now.
    pub open: usize,
    /// The most connections that were open together.
    pub most_open: usize,
    /// Requests received now and neither answered nor given up.
    pub outstanding: usize,
    /// The most requests that were outstanding together, over all connections.
    pub most_outstanding: usize,
    /// The shortest pause between the end of a reply and the next request, over all connections.
    pub shortest_pause: Option<Duration>,
    last_reply: Option<Instant>,
}

impl Observed {
    /// Everything noticed so far.
    pub fn counts(&self) -> Counts {
        *self.0.borrow()
    }

    /// Waits until `is_met` holds, and gives the counts that met it.
    pub async fn wait_until(&self, is_met: impl FnMut(&Counts) -> bool) -> Counts {
        let mut changes = self.0.subscribe();
        // The sender lives in `self`, so that the wait cannot end early.
        changes.wait_for(is_met).await.map_or_else(|_| self.counts(), |counts| *counts)
    }

    pub(super) fn turned_away(&self) {
        self.0.send_modify(|counts| {
            counts.connections += 1;
            counts.turned_away += 1;
        });
    }

    pub(super) fn opened(&self) -> OpenConnection {
        self.0.send_modify(|counts| {
            counts.connections += 1;
            counts.open += 1;
            counts.most_open = counts.most_open.max(counts.open);
        });
        OpenConnection(self.clone())
    }

    pub(super) fn asked(&self) -> Outstanding {
        let now = Instant::now();
        self.0.send_modify(|counts| {
            counts.requests += 1;
            counts.outstanding += 1;
            counts.most_outstanding = counts.most_outstanding.max(counts.outstanding);
            // Only the first request after a reply has a pause before it.
            if let Some(last_reply) = counts.last_reply.take() {
                let pause = now.duration_since(last_reply);
                counts.shortest_pause =
                    Some(counts.shortest_pause.map_or(pause, |shortest| shortest.min(pause)));
            }
        });
        Outstanding(self.clone())
    }
}

/// Counts as open for as long as it lives.
#[derive(Debug)]
pub(super) struct OpenConnection(Observed);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.0.send_modify(|counts| counts.open -= 1);
    }
}

/// Counts as outstanding for as long as it lives.
#[derive(Debug)]
pub(super) struct Outstanding(Observed);

impl Outstanding {
    pub(super) fn answered(self) {
        let now = Instant::now();
        self.0.0.send_modify(|counts| {
            counts.replies += 1;
            counts.last_reply = Some(now);
        });
    }
}

impl Drop for Outstanding {
    fn drop(&mut self) {
        self.0.0.send_modify(|counts| counts.outstanding -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_shortest_pause_is_that_from_a_reply_to_the_next_request() {
        let observed = Observed::default();
        observed.asked().answered();
        for millis in [300, 100, 200] {
            tokio::time::advance(Duration::from_millis(millis)).await;
            observed.asked().answered();
        }
        let counts = observed.counts();
        assert_eq!(counts.shortest_pause, Some(Duration::from_millis(100)));
        assert_eq!((counts.requests, counts.replies, counts.most_outstanding), (4, 4, 1));
    }

    #[test]
    fn what_is_open_together_counts() {
        let observed = Observed::default();
        let (first, second) = (observed.opened(), observed.opened());
        drop(first);
        let asked = (observed.asked(), observed.asked());
        drop((second, observed.opened(), asked));
        let counts = observed.counts();
        assert_eq!((counts.connections, counts.most_open, counts.open), (3, 2, 0));
        assert_eq!((counts.most_outstanding, counts.outstanding, counts.replies), (2, 0, 0));
    }
}
