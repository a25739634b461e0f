//! The pauses that a DTU needs: between two requests, and between two looks at its values; over all
//! its connections.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Holds requests apart.
#[derive(Debug)]
pub(super) struct Pace {
    gap: Duration,
    refresh: Duration,
    free_at: Option<Instant>,
    fresh_at: Option<Instant>,
    paused: Duration,
}

impl Pace {
    /// With that gap between the end of one request and the start of the next, and that time from
    /// one question for values to the first one of the next poll.
    pub(super) const fn new(gap: Duration, refresh: Duration) -> Self {
        Self { gap, refresh, free_at: None, fresh_at: None, paused: Duration::ZERO }
    }

    /// With another gap from the next request on.
    pub(super) const fn with_gap(self, gap: Duration) -> Self {
        Self { gap, ..self }
    }

    /// Waits until the next request may start.
    pub(super) async fn wait(&mut self) {
        self.pause_until(self.free_at).await;
        // Should the request never come to its end because the poll is dropped, its start counts.
        self.ended();
    }

    /// A request has ended just now, however it did.
    pub(super) fn ended(&mut self) {
        self.free_at = Some(Instant::now() + self.gap);
    }

    /// A poll begins. Waits until the DTU can have read its inverters anew since it was last asked for
    /// values: who asks sooner gets the old ones once more, and begins the DTU's wait anew.
    pub(super) async fn begin_poll(&mut self) {
        self.paused = Duration::ZERO;
        self.pause_until(self.fresh_at).await;
    }

    /// Waits that long, for a reason of the caller's.
    pub(super) async fn pause(&mut self, time: Duration) {
        self.pause_until(Some(Instant::now() + time)).await;
    }

    /// How long all pauses since the beginning of the poll were.
    pub(super) const fn paused(&self) -> Duration {
        self.paused
    }

    async fn pause_until(&mut self, end: Option<Instant>) {
        let Some(end) = end else { return };
        let started = Instant::now();
        sleep_until(end).await;
        self.paused += started.elapsed();
    }

    /// The DTU is asked for values just now.
    pub(super) fn asks_for_values(&mut self) {
        self.fresh_at = Some(Instant::now() + self.refresh);
    }
}
