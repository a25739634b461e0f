//! How fast a target is read: slowly, if it sends more than can be of use.
//!
//! This is measured below the WebSocket library, which reads on for as long as what comes makes up
//! no message.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// What is read of one target within `WINDOW`. Targets have next to nothing to say: the rest waits
/// at their end of the connection, and neither our memory nor our processor is theirs.
const MOST_PIECES: usize = 1_000;
const MOST_BYTES: usize = 4 << 20;
const WINDOW: Duration = Duration::from_secs(1);

/// Measures what is read on one connection.
#[derive(Debug)]
pub(super) struct Intake {
    window_began: Instant,
    pieces: usize,
    bytes: usize,
    /// Until the window is over, once there was too much in it.
    rest: Option<Pin<Box<Sleep>>>,
}

impl Intake {
    /// Nothing has been read.
    pub(super) fn new() -> Self {
        Self { window_began: Instant::now(), pieces: 0, bytes: 0, rest: None }
    }

    /// So many bytes were read at once, in which so many frames begin. A read counts like a frame,
    /// since frames may come byte by byte.
    pub(super) const fn count(&mut self, bytes: usize, frames: usize) {
        self.pieces = self.pieces.saturating_add(frames).saturating_add(1);
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// Whether there was too much lately.
    pub(super) fn is_flooded(&self) -> bool {
        let is_too_much = self.pieces >= MOST_PIECES || self.bytes >= MOST_BYTES;
        is_too_much && self.window_began.elapsed() < WINDOW
    }

    /// Ready as soon as more may be read.
    pub(super) fn poll_rested(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_flooded() {
            let end = self.window_began + WINDOW;
            let rest = self.rest.get_or_insert_with(|| Box::pin(sleep_until(end)));
            ready!(rest.as_mut().poll(cx));
        }
        if self.window_began.elapsed() >= WINDOW {
            *self = Self::new();
        }
        Poll::Ready(())
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    /// How long reading takes: so often so many bytes, in which so many frames begin.
    async fn check(times: usize, bytes: usize, frames: usize, seconds: u64) {
        let (mut intake, began) = (Intake::new(), Instant::now());
        for _ in 0..times {
            poll_fn(|cx| intake.poll_rested(cx)).await;
            intake.count(bytes, frames);
        }
        let took = began.elapsed().as_secs();
        assert_eq!(took, seconds, "{times} times {frames} frames in {bytes} bytes");
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_is_read_at_a_measured_pace() {
        check(1_000, 1, 0, 0).await;
        check(10_001, 1, 0, 10).await;
        check(5_001, 1, 1, 10).await;
        check(11, 4_096, 2_048, 10).await;
        check(9, 1 << 20, 0, 2).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_target_that_talks_now_and_then_is_never_held_back() {
        let mut intake = Intake::new();
        for _ in 0..5_000 {
            let began = Instant::now();
            poll_fn(|cx| intake.poll_rested(cx)).await;
            assert_eq!(began.elapsed(), Duration::ZERO);
            intake.count(10, 1);
            assert!(!intake.is_flooded());
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
    }
}
