//! One target: its URL, its settings and the state of its connection.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::allow::Allow;
use super::endpoint::Endpoint;
use crate::config::{RegistrationConfig, TargetConfig};
use crate::problem::Problem;

/// One target, shared by the directory and the task that serves it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Target(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    name: String,
    key: String,
    origin: Origin,
    settings: Settings,
    /// `None` once the target is deleted.
    endpoint: watch::Sender<Option<Arc<Endpoint>>>,
    retired: OnceLock<Retired>,
    state: Mutex<State>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// From the configuration, with the URL there.
    Configured(Arc<Endpoint>),
    /// Registered over the API.
    Registered {
        /// When it last registered.
        at: Timestamp,
    },
}

/// Why a target is no longer in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retired {
    /// A new configuration has another target of that name or at that URL.
    Changed,
    /// A new configuration does not have it.
    Removed,
    /// It was registered again, under another name.
    Renamed,
    /// It was deleted over the API, or forgotten because it has failed for long.
    Deleted,
}

/// How to connect to a target.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the other fields are those of `TargetConfig`")]
pub struct Settings {
    pub connect_timeout: Duration,
    pub heartbeat: Duration,
    pub max_message_bytes: usize,
    pub ca_file: Option<PathBuf>,
    /// Where it may be; anywhere if the configuration names it.
    pub allow: Option<Arc<Allow>>,
}

impl Settings {
    /// Of a target of the configuration.
    pub fn of(config: &TargetConfig) -> Self {
        Self {
            connect_timeout: config.connect_timeout,
            heartbeat: config.heartbeat,
            max_message_bytes: config.max_message_bytes,
            ca_file: config.ca_file.clone(),
            allow: None,
        }
    }

    /// Of a registered target.
    pub fn of_registered(registration: &RegistrationConfig) -> Self {
        let TargetConfig { connect_timeout, heartbeat, max_message_bytes, .. } =
            TargetConfig::default();
        Self {
            connect_timeout,
            heartbeat,
            max_message_bytes,
            ca_file: registration.ca_file.clone(),
            allow: Some(Arc::new(Allow::parse(&registration.allow))),
        }
    }
}

/// What the connection to a target is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Connection {
    #[default]
    Waiting,
    Connecting,
    Connected,
    Rejected,
}

impl Connection {
    /// As the API says it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Connecting => "connecting",
            Self::Connected => "connected",
            Self::Rejected => "rejected",
        }
    }
}

/// How a target fares, as `GET /api/targets` lists it and `doctor` reads it. Counted since the
/// bridge started; times are RFC 3339.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are those of the API")]
pub struct TargetStatus {
    pub name: String,
    pub url: String,
    pub source: Cow<'static, str>,
    pub state: Cow<'static, str>,
    pub attempts: u64,
    pub last_error: Option<String>,
    pub last_error_cause: Option<Cow<'static, str>>,
    pub last_error_remedy: Option<Cow<'static, str>>,
    pub last_error_time: Option<String>,
    pub connected_since: Option<String>,
    pub updates_sent: u64,
    pub updates_skipped: u64,
    pub last_sent: Option<String>,
    /// The same as an instant, for the metrics.
    #[serde(skip)]
    pub last_sent_at: Option<Timestamp>,
    /// How often each cause ended an attempt or a connection, for the metrics.
    #[serde(skip)]
    pub failures: Vec<(&'static str, u64)>,
}

#[derive(Debug, Default)]
struct State {
    connection: Connection,
    attempts: u64,
    last_error: Option<(Problem, Timestamp)>,
    failures: BTreeMap<&'static str, u64>,
    connected_since: Option<Timestamp>,
    updates_sent: u64,
    updates_skipped: u64,
    last_sent: Option<Timestamp>,
    failing_since: Option<Timestamp>,
}

/// RFC 3339 with the offset of `zone`.
pub(super) fn local_time(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

impl Target {
    pub(super) fn new(
        name: String,
        endpoint: Endpoint,
        origin: Origin,
        settings: Settings,
        failing_since: Option<Timestamp>,
    ) -> Self {
        let key = endpoint.key();
        let (endpoint, _) = watch::channel(Some(Arc::new(endpoint)));
        let state = Mutex::new(State { failing_since, ..State::default() });
        let retired = OnceLock::new();
        Self(Arc::new(Inner { name, key, origin, settings, endpoint, retired, state }))
    }

    /// Unique.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Its URL without the query.
    pub fn key(&self) -> &str {
        &self.0.key
    }

    /// How to connect to it.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// Its URL: a new one closes the connection and connects at once, `None` ends it.
    pub fn endpoints(&self) -> watch::Receiver<Option<Arc<Endpoint>>> {
        self.0.endpoint.subscribe()
    }

    /// Whether it came by registration.
    pub fn is_registered(&self) -> bool {
        matches!(self.0.origin, Origin::Registered { .. })
    }

    pub(super) fn origin(&self) -> &Origin {
        &self.0.origin
    }

    /// Whether it still has this URL, with this token.
    pub fn is_at(&self, endpoint: &Arc<Endpoint>) -> bool {
        self.0.endpoint.borrow().as_ref().is_some_and(|current| Arc::ptr_eq(current, endpoint))
    }

    /// Whether the other one has the same URL, token and settings.
    pub(super) fn is_same_as(&self, other: &Self) -> bool {
        let is_same_origin =
            self.origin() == other.origin() || (self.is_registered() && other.is_registered());
        is_same_origin
            && self.name() == other.name()
            && self.settings() == other.settings()
            && self.endpoint() == other.endpoint()
    }

    pub(super) fn endpoint(&self) -> Option<Arc<Endpoint>> {
        self.0.endpoint.borrow().clone()
    }

    pub(super) fn replace_endpoint(&self, endpoint: Option<Arc<Endpoint>>) {
        drop(self.0.endpoint.send_replace(endpoint));
    }

    pub(super) fn retire(&self, why: Retired) {
        // A target retires once: afterwards it is in no list.
        let _set = self.0.retired.set(why);
        self.replace_endpoint(None);
    }

    /// Whether and why it is no longer in the list.
    pub fn retired(&self) -> Option<Retired> {
        self.0.retired.get().copied()
    }

    /// An attempt begins.
    pub fn connecting(&self) {
        let mut state = self.state();
        state.connection = Connection::Connecting;
        state.attempts = state.attempts.saturating_add(1);
    }

    /// The target has accepted.
    pub fn connected(&self, now: Timestamp) {
        let mut state = self.state();
        state.connection = Connection::Connected;
        state.connected_since = Some(now);
    }

    /// The attempt failed or the connection ended.
    pub fn lost(&self, problem: Problem, is_rejected: bool, now: Timestamp) {
        let mut state = self.state();
        state.connection = if is_rejected { Connection::Rejected } else { Connection::Waiting };
        state.connected_since = None;
        let count = state.failures.entry(problem.label).or_default();
        *count = count.saturating_add(1);
        state.last_error = Some((problem, now));
    }

    /// An update was sent.
    pub fn sent(&self, now: Timestamp) {
        let mut state = self.state();
        state.updates_sent = state.updates_sent.saturating_add(1);
        state.last_sent = Some(now);
    }

    /// So many updates will not be sent, because the target has not read an earlier one yet.
    pub fn skipped(&self, count: u64) {
        let mut state = self.state();
        state.updates_skipped = state.updates_skipped.saturating_add(count);
    }

    pub(super) fn failing_since(&self) -> Option<Timestamp> {
        self.state().failing_since
    }

    pub(super) fn set_failing_since(&self, since: Option<Timestamp>) {
        self.state().failing_since = since;
    }

    /// How it fares, with times in `zone`.
    pub fn status(&self, zone: &TimeZone) -> TargetStatus {
        let rfc3339 = |at: Timestamp| local_time(at, zone);
        let url = self.endpoint().map(|endpoint| endpoint.shown()).unwrap_or_default();
        let state = self.state();
        let (problem, failed_at) = state.last_error.clone().unzip();
        TargetStatus {
            name: self.0.name.clone(),
            url,
            source: if self.is_registered() { "registered" } else { "config" }.into(),
            state: state.connection.as_str().into(),
            attempts: state.attempts,
            last_error_cause: problem.as_ref().map(|problem| problem.label.into()),
            last_error_remedy: problem.as_ref().and_then(|problem| problem.remedy.clone()),
            last_error: problem.map(|problem| problem.cause),
            last_error_time: failed_at.map(rfc3339),
            connected_since: state.connected_since.map(rfc3339),
            updates_sent: state.updates_sent,
            updates_skipped: state.updates_skipped,
            last_sent: state.last_sent.map(rfc3339),
            last_sent_at: state.last_sent,
            failures: state.failures.iter().map(|(label, count)| (*label, *count)).collect(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
