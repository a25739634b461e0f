//! Who is connected: a bounded number of seats, and whose seat is given to a newcomer when all
//! are taken.
//!
//! A client that keeps its connection open, or that sends its header a byte at a time, holds a seat
//! without using it. Were such seats waited for, a few of them would lock everybody out.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::telemetry::metrics::Metrics;

/// How long a newcomer waits until the one that must go is gone.
const LEAVING_TIME: Duration = Duration::from_millis(250);
/// In place of a time: an answer is being made.
const BUSY: u64 = u64::MAX;

/// All seats.
#[derive(Debug)]
pub(super) struct Seats {
    free: Arc<Semaphore>,
    taken: Vec<Weak<Seat>>,
    opened: Instant,
    stop: CancellationToken,
    metrics: Metrics,
}

impl Seats {
    /// `count` free seats, whose clients leave when `stop` says so.
    pub(super) fn new(count: usize, stop: CancellationToken, metrics: Metrics) -> Self {
        let count = count.clamp(1, Semaphore::MAX_PERMITS);
        let free = Arc::new(Semaphore::new(count));
        Self { free, taken: Vec::new(), opened: Instant::now(), stop, metrics }
    }

    /// A seat for a newcomer; `None` if all are taken by clients that are being answered.
    pub(super) async fn take(&mut self) -> Option<Arc<Seat>> {
        let free = Arc::clone(&self.free);
        let permit = if let Ok(permit) = Arc::clone(&self.free).try_acquire_owned() {
            permit
        } else {
            self.dismiss_one();
            timeout(LEAVING_TIME, free.acquire_owned()).await.ok()?.ok()?
        };
        self.metrics.http_connection_opened();
        let seat = Arc::new(Seat {
            idle_since: AtomicU64::new(milliseconds_since(self.opened)),
            is_writing: AtomicBool::new(false),
            opened: self.opened,
            leave: self.stop.child_token(),
            metrics: self.metrics.clone(),
            _permit: permit,
        });
        self.taken.retain(|seat| seat.strong_count() > 0);
        self.taken.push(Arc::downgrade(&seat));
        Some(seat)
    }

    /// Tells the client that has been idle longest to leave, or else the one that has not taken its
    /// answer yet; one for whom an answer is being made may stay.
    pub(super) fn dismiss_one(&self) {
        let seats = self.taken.iter().filter_map(Weak::upgrade);
        let candidates = seats.filter(|seat| !seat.leave.is_cancelled()).filter_map(|seat| {
            let since = seat.idle_since.load(Ordering::Relaxed);
            let is_writing = seat.is_writing.load(Ordering::Relaxed);
            (since != BUSY).then_some(((is_writing, since), seat))
        });
        if let Some((_, seat)) = candidates.min_by_key(|(order, _)| *order) {
            seat.leave.cancel();
        }
    }
}

/// The seat of one connection.
#[derive(Debug)]
pub(super) struct Seat {
    /// Milliseconds after `opened`, or [`BUSY`].
    idle_since: AtomicU64,
    is_writing: AtomicBool,
    opened: Instant,
    leave: CancellationToken,
    metrics: Metrics,
    _permit: OwnedSemaphorePermit,
}

impl Seat {
    /// Until this is dropped, an answer is being made.
    pub(super) fn busy(&self) -> Busy<'_> {
        self.idle_since.store(BUSY, Ordering::Relaxed);
        Busy(self)
    }

    /// Whether the client is slower to take its answer than we are to send it.
    pub(super) fn set_writing(&self, is_writing: bool) {
        self.is_writing.store(is_writing, Ordering::Relaxed);
    }

    /// Whether closing the connection now tears nothing apart.
    pub(super) fn is_idle(&self) -> bool {
        self.idle_since.load(Ordering::Relaxed) != BUSY && !self.is_writing.load(Ordering::Relaxed)
    }

    /// Waits until the client must go.
    pub(super) async fn dismissed(&self) {
        self.leave.cancelled().await;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.metrics.http_connection_closed();
    }
}

/// An answer is being made.
#[derive(Debug)]
pub(super) struct Busy<'seat>(&'seat Seat);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.idle_since.store(milliseconds_since(self.0.opened), Ordering::Relaxed);
    }
}

fn milliseconds_since(opened: Instant) -> u64 {
    u64::try_from(opened.elapsed().as_millis()).unwrap_or(BUSY - 1)
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn seats(count: usize) -> Seats {
        Seats::new(count, CancellationToken::new(), Metrics::new())
    }

    fn is_dismissed(seat: &Seat) -> bool {
        seat.dismissed().now_or_never().is_some()
    }

    #[tokio::test(start_paused = true)]
    async fn the_client_idle_longest_goes_first() {
        let mut seats = seats(3);
        let mut clients = Vec::new();
        for _ in 0..3 {
            clients.push(seats.take().await.unwrap());
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        // The first has just been answered again, so that the second is idle longest.
        drop(clients[0].busy());
        assert!(seats.take().await.is_none(), "nobody has left yet");
        let dismissed: Vec<bool> = clients.iter().map(|seat| is_dismissed(seat)).collect();
        assert_eq!(dismissed, [false, true, false]);

        drop(clients.remove(1));
        assert!(seats.take().await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_is_being_answered_stays() {
        let mut seats = seats(2);
        let (answered, reading) = (seats.take().await.unwrap(), seats.take().await.unwrap());
        let busy = answered.busy();
        reading.set_writing(true);
        assert!(seats.take().await.is_none());
        assert!(!is_dismissed(&answered));
        assert!(is_dismissed(&reading), "who does not take the answer goes when nobody is idle");
        drop(busy);
        assert!(answered.is_idle() && !reading.is_idle());
    }
}
