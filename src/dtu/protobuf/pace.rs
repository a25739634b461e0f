//! The pause between two requests to one DTU, over all its connections.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Holds requests apart.
#[derive(Debug)]
pub(super) struct Pace {
    gap: Duration,
    free_at: Option<Instant>,
}

impl Pace {
    /// With that pause between the end of one request and the start of the next.
    pub(super) const fn new(gap: Duration) -> Self {
        Self { gap, free_at: None }
    }

    /// Waits until the next request may start.
    pub(super) async fn wait(&mut self) {
        if let Some(free_at) = self.free_at {
            sleep_until(free_at).await;
        }
        // Should the request never come to its end because the poll is dropped, its start counts.
        self.ended();
    }

    /// A request has ended just now, however it did.
    pub(super) fn ended(&mut self) {
        self.free_at = Some(Instant::now() + self.gap);
    }
}
