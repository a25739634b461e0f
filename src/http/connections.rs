//! The open connections: at most so many, and which one is closed when a new client needs room.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::telemetry::metrics::Metrics;

/// A new connection cannot be evicted for so long: otherwise a crowd that reconnects without end
/// would push out everybody else before they can send a request.
const GRACE: Duration = Duration::from_millis(100);
/// For so long it is evicted only if all others are new, too: otherwise a crowd that sends requests
/// without end would look more active than a client that waits for its first response.
const NEW: Duration = Duration::from_secs(1);
/// How long a new client waits for room.
const ADMISSION_TIME: Duration = Duration::from_secs(1);
/// How often it is looked for.
const RETRY: Duration = Duration::from_millis(10);
/// One in so many slots is kept free, so that new clients need not wait for the evicted to leave.
const PER_SPARE: usize = 16;

#[derive(Debug)]
pub(super) struct Connections {
    free: Arc<Semaphore>,
    spare: usize,
    open: Vec<Weak<Connection>>,
    metrics: Metrics,
}

impl Connections {
    /// None are open; at most `count` will be.
    pub(super) fn new(count: usize, metrics: Metrics) -> Self {
        let count = count.clamp(1, Semaphore::MAX_PERMITS);
        let spare = count.div_euclid(PER_SPARE);
        Self { free: Arc::new(Semaphore::new(count)), spare, open: Vec::new(), metrics }
    }

    /// A new connection; `None` if all slots are taken by clients whose requests are being handled.
    pub(super) async fn admit(&mut self) -> Option<Arc<Connection>> {
        if self.free.available_permits() <= self.spare {
            self.evict();
        }
        let slot = timeout(ADMISSION_TIME, self.free_slot()).await.ok()??;
        let connection = Arc::new(Connection::new(slot, self.metrics.clone()));
        self.open.retain(|open| open.strong_count() > 0);
        self.open.push(Arc::downgrade(&connection));
        Some(connection)
    }

    async fn free_slot(&self) -> Option<OwnedSemaphorePermit> {
        loop {
            let free = Arc::clone(&self.free).acquire_owned();
            match timeout(RETRY, free).await {
                Ok(slot) => return slot.ok(),
                Err(_) => self.evict(),
            }
        }
    }

    /// Closes the least recently active connection whose request is not being handled; a new one
    /// only if there is no other.
    pub(super) fn evict(&self) {
        let candidates = self.open.iter().filter_map(Weak::upgrade);
        let candidates = candidates.filter(|connection| connection.may_be_evicted());
        if let Some(connection) = candidates.min_by_key(|open| (open.is_new(), open.state().active))
        {
            connection.evicted.cancel();
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The next request is waited for, or the last response is being sent.
    Idle,
    /// The rest of a request is waited for.
    Receiving,
    Handling,
    /// A live stream, until its connection ends.
    Streaming,
}

#[derive(Clone, Copy, Debug)]
struct State {
    phase: Phase,
    active: Instant,
    answered: bool,
}

/// One connection. Its slot is free once this is dropped, or once it has become a stream.
#[derive(Debug)]
pub(super) struct Connection {
    opened: Instant,
    state: Mutex<State>,
    evicted: CancellationToken,
    metrics: Metrics,
    slot: Mutex<Option<OwnedSemaphorePermit>>,
}

impl Connection {
    fn new(slot: OwnedSemaphorePermit, metrics: Metrics) -> Self {
        metrics.http_connection_opened();
        let now = Instant::now();
        Self {
            opened: now,
            state: Mutex::new(State { phase: Phase::Idle, active: now, answered: false }),
            evicted: CancellationToken::new(),
            metrics,
            slot: Mutex::new(Some(slot)),
        }
    }

    pub(super) fn enter(&self, phase: Phase) {
        let mut state = self.state();
        if state.phase == Phase::Streaming {
            return;
        }
        let answered = state.answered || phase == Phase::Idle;
        *state = State { phase, active: Instant::now(), answered };
    }

    /// From now on a stream, which has limits of its own: it makes room for other connections and
    /// is never evicted.
    pub(super) fn become_stream(&self) {
        self.enter(Phase::Streaming);
        self.slot.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    pub(super) fn is_in_request(&self) -> bool {
        self.state().phase != Phase::Idle
    }

    pub(super) async fn evicted(&self) {
        self.evicted.cancelled().await;
    }

    fn may_be_evicted(&self) -> bool {
        self.opened.elapsed() >= GRACE
            && !matches!(self.state().phase, Phase::Handling | Phase::Streaming)
            && !self.evicted.is_cancelled()
    }

    fn is_new(&self) -> bool {
        !self.state().answered && self.opened.elapsed() < NEW
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.metrics.http_connection_closed();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use tokio::time::advance;

    use super::*;

    fn connections(count: usize) -> Connections {
        Connections::new(count, Metrics::new())
    }

    fn is_evicted(connection: &Connection) -> bool {
        connection.evicted().now_or_never().is_some()
    }

    #[tokio::test(start_paused = true)]
    async fn evicts_the_least_recently_active_connection() {
        let mut connections = connections(3);
        let mut clients = Vec::new();
        for _ in 0..3 {
            clients.push(connections.admit().await.unwrap());
            advance(NEW).await;
        }
        clients[0].enter(Phase::Receiving);
        clients[0].enter(Phase::Idle);
        connections.evict();
        let evicted: Vec<bool> = clients.iter().map(|client| is_evicted(client)).collect();
        assert_eq!(evicted, [false, true, false]);
        drop(clients.remove(1));
        assert!(connections.admit().await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_is_being_handled_is_not_interrupted() {
        let mut connections = connections(2);
        let (handled, slow) =
            (connections.admit().await.unwrap(), connections.admit().await.unwrap());
        handled.enter(Phase::Handling);
        advance(GRACE).await;
        slow.enter(Phase::Receiving);
        connections.evict();
        connections.evict();
        assert!(!is_evicted(&handled) && is_evicted(&slow));
        drop(slow);
        let another = connections.admit().await.unwrap();
        another.enter(Phase::Handling);
        assert!(connections.admit().await.is_none(), "all are being handled");
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_connection_has_time_to_send_its_request() {
        let mut connections = connections(1);
        let new = connections.admit().await.unwrap();
        connections.evict();
        assert!(!is_evicted(&new));
        advance(GRACE).await;
        connections.evict();
        assert!(is_evicted(&new));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_waits_for_its_first_response_outlasts_busy_ones() {
        let mut connections = connections(2);
        let waiting = connections.admit().await.unwrap();
        let busy = connections.admit().await.unwrap();
        advance(GRACE).await;
        busy.enter(Phase::Idle);
        connections.evict();
        assert!(is_evicted(&busy) && !is_evicted(&waiting));
        connections.evict();
        assert!(is_evicted(&waiting), "there is no other");
    }

    #[tokio::test(start_paused = true)]
    async fn keeps_a_few_slots_free() {
        let mut connections = connections(2 * PER_SPARE);
        let mut clients = Vec::new();
        for _ in 0..2 * PER_SPARE - 2 {
            clients.push(connections.admit().await.unwrap());
        }
        advance(GRACE).await;
        let evicted =
            |clients: &[Arc<Connection>]| clients.iter().filter(|c| is_evicted(c)).count();
        assert_eq!(evicted(&clients), 0);
        clients.push(connections.admit().await.unwrap());
        assert_eq!(evicted(&clients), 1);
    }
}
