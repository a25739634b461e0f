//! How the MQTT broker fares, in the form in which targets show it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::target::{Connection, TargetStatus, local_time};
use crate::clock::WallClock;
use crate::problem::Problem;

/// The state of the connection to the broker, shared by the publisher and the API. Cheap to clone.
#[derive(Clone, Debug)]
pub struct BrokerStatus {
    state: Arc<Mutex<Option<State>>>,
    clock: WallClock,
}

#[derive(Clone, Debug, Default)]
struct State {
    place: String,
    connection: Connection,
    attempts: u64,
    connected_since: Option<Timestamp>,
    last_sent: Option<Timestamp>,
    updates_sent: u64,
    last_error: Option<(Problem, Timestamp)>,
}

impl BrokerStatus {
    /// Without a broker; times are those of `clock`.
    pub fn new(clock: WallClock) -> Self {
        Self { state: Arc::default(), clock }
    }

    /// An attempt to connect to the broker at `place` begins.
    pub fn connecting(&self, place: String) {
        let mut state = self.lock();
        let state = state.get_or_insert_default();
        state.place = place;
        state.connection = Connection::Connecting;
        state.attempts = state.attempts.saturating_add(1);
    }

    /// The broker has accepted.
    pub fn connected(&self) {
        let now = self.clock.now();
        self.change(|state| {
            state.connection = Connection::Connected;
            state.connected_since = Some(now);
        });
    }

    /// Messages were sent.
    pub fn sent(&self) {
        let now = self.clock.now();
        self.change(|state| {
            state.last_sent = Some(now);
            state.updates_sent = state.updates_sent.saturating_add(1);
        });
    }

    /// The attempt failed or the connection ended.
    pub fn lost(&self, problem: Problem) {
        let now = self.clock.now();
        self.change(|state| {
            state.connection = Connection::Waiting;
            state.connected_since = None;
            state.last_error = Some((problem, now));
        });
    }

    /// How it fares, with times in `zone`; `None` while MQTT is off.
    pub fn status(&self, zone: &TimeZone) -> Option<TargetStatus> {
        let State {
            place,
            connection,
            attempts,
            connected_since,
            last_sent,
            updates_sent,
            last_error,
        } = self.lock().clone()?;
        let (problem, failed_at) = last_error.unzip();
        Some(TargetStatus {
            name: "MQTT".to_owned(),
            url: place,
            source: "config".into(),
            state: connection.as_str().into(),
            attempts,
            last_error_cause: problem.as_ref().map(|problem| problem.label.into()),
            last_error_remedy: problem.as_ref().and_then(|problem| problem.remedy.clone()),
            last_error: problem.map(|problem| problem.cause),
            last_error_time: failed_at.map(|at| local_time(at, zone)),
            connected_since: connected_since.map(|at| local_time(at, zone)),
            updates_sent,
            last_sent: last_sent.map(|at| local_time(at, zone)),
            ..TargetStatus::default()
        })
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        if let Some(state) = self.lock().as_mut() {
            change(state);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<State>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_the_connection() {
        let broker = BrokerStatus::new(WallClock::from_fn(|| Timestamp::UNIX_EPOCH));
        let status = || broker.status(&TimeZone::UTC);
        assert_eq!(status(), None);
        broker.connecting("10.0.0.2:1883".to_owned());
        broker.connected();
        broker.sent();
        let connected = status().unwrap();
        assert_eq!((&*connected.state, connected.attempts), ("connected", 1));
        assert_eq!(connected.connected_since.as_deref(), Some("1970-01-01T00:00:00+00:00"));
        assert_eq!(connected.last_sent, connected.connected_since);
        broker.lost(Problem::new("closed", "the broker closed the connection".to_owned(), "look"));
        let lost = status().unwrap();
        assert_eq!((&*lost.state, lost.connected_since), ("waiting", None));
        assert_eq!(lost.last_error_cause.as_deref(), Some("closed"));
        assert_eq!(lost.last_error_remedy.as_deref(), Some("look"));
    }
}
