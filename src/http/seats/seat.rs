//! One seat: what its client does with it, and how much of a claim that is.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::telemetry::metrics::Metrics;

/// Who was answered so few milliseconds ago may have asked the next thing already.
const ANSWERING: u64 = 50;
/// Who has said nothing for so many milliseconds is not about to.
const SPEAKING: u64 = 1_000;
/// In place of a time: not now.
const NEVER: u64 = u64::MAX;

/// How little a client needs its seat: the smallest goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Claim {
    Idle,
    Stalled,
    /// Asks one thing after the other.
    Answered,
    /// Has just come and asked nothing yet.
    Silent,
}

/// The seat of one connection.
#[derive(Debug)]
pub(in crate::http) struct Seat {
    /// Milliseconds after `opened`, or [`NEVER`] while an answer is being made.
    idle_since: AtomicU64,
    /// Milliseconds after `opened` since which the client holds up its own request or answer.
    stalled_since: AtomicU64,
    /// Milliseconds after `opened`.
    taken_at: u64,
    had_answer: AtomicBool,
    /// Another one needs the seat.
    is_displaced: AtomicBool,
    opened: Instant,
    leave: CancellationToken,
    metrics: Metrics,
    _permit: OwnedSemaphorePermit,
}

impl Seat {
    /// For a client that has just come; times count from `opened`.
    pub(super) fn new(
        opened: Instant,
        leave: CancellationToken,
        metrics: Metrics,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        metrics.http_connection_opened();
        let now = milliseconds_since(opened);
        Self {
            idle_since: AtomicU64::new(now),
            stalled_since: AtomicU64::new(NEVER),
            taken_at: now,
            had_answer: AtomicBool::new(false),
            is_displaced: AtomicBool::new(false),
            opened,
            leave,
            metrics,
            _permit: permit,
        }
    }

    /// What the client claims, and since when; nothing can be held against who gets its first
    /// answer.
    pub(super) fn claim(&self) -> Option<(Claim, u64)> {
        let idle = self.idle_since.load(Ordering::Relaxed);
        let stalled = self.stalled_since.load(Ordering::Relaxed);
        let had_answer = self.had_answer();
        let idle_for = milliseconds_since(self.opened).saturating_sub(idle);
        if stalled != NEVER {
            Some((Claim::Stalled, stalled))
        } else if idle == NEVER || (had_answer && idle_for < ANSWERING) {
            had_answer.then_some((Claim::Answered, self.taken_at))
        } else if had_answer || idle_for >= SPEAKING {
            Some((Claim::Idle, idle))
        } else {
            Some((Claim::Silent, idle))
        }
    }

    /// Tells the client to leave for another one.
    pub(super) fn displace(&self) {
        self.is_displaced.store(true, Ordering::Relaxed);
        self.leave.cancel();
    }

    /// Whether the client was told to leave.
    pub(super) fn is_leaving(&self) -> bool {
        self.leave.is_cancelled()
    }

    /// Whether this client was answered before.
    pub(in crate::http) fn had_answer(&self) -> bool {
        self.had_answer.load(Ordering::Relaxed)
    }

    /// Until this is dropped, an answer is being made.
    pub(in crate::http) fn busy(&self) -> Busy<'_> {
        self.idle_since.store(NEVER, Ordering::Relaxed);
        Busy(self)
    }

    /// Whether the client is waited for: for the rest of its body, or until it takes its answer.
    pub(in crate::http) fn set_stalled(&self, is_stalled: bool) {
        if !is_stalled {
            self.stalled_since.store(NEVER, Ordering::Relaxed);
        } else if self.stalled_since.load(Ordering::Relaxed) == NEVER {
            self.stalled_since.store(milliseconds_since(self.opened), Ordering::Relaxed);
        }
    }

    /// Whether closing the connection now tears nothing apart, or nothing that may wait.
    pub(in crate::http) fn may_leave_at_once(&self) -> bool {
        let is_stalled = self.stalled_since.load(Ordering::Relaxed) != NEVER;
        if is_stalled {
            return self.is_displaced.load(Ordering::Relaxed);
        }
        self.idle_since.load(Ordering::Relaxed) != NEVER
    }

    /// Waits until the client must go.
    pub(in crate::http) async fn dismissed(&self) {
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
pub(in crate::http) struct Busy<'seat>(&'seat Seat);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.had_answer.store(true, Ordering::Relaxed);
        self.0.idle_since.store(milliseconds_since(self.0.opened), Ordering::Relaxed);
    }
}

/// On the clock of all seats.
pub(super) fn milliseconds_since(opened: Instant) -> u64 {
    u64::try_from(opened.elapsed().as_millis()).unwrap_or(NEVER - 1)
}
