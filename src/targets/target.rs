//! One target: where it is, and how it fares.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;

use super::allow::Allow;
use super::endpoint::Endpoint;
use super::status::TargetStatus;
use crate::config::TargetConfig;
use crate::config::target::{
    default_connect_timeout, default_heartbeat, default_max_message_bytes,
};

/// One target, shared by those who list it and the task that serves it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Target(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    name: String,
    key: String,
    origin: Origin,
    settings: Settings,
    /// `None` once the target is forgotten.
    endpoint: watch::Sender<Option<Arc<Endpoint>>>,
    retired: OnceLock<Retired>,
    progress: Mutex<Progress>,
}

/// Where a target comes from.
#[derive(Clone, Debug)]
pub(super) enum Origin {
    /// From the configuration, with the URL that stands there.
    Configured(Arc<Endpoint>),
    /// Registered over the API.
    Registered {
        /// When it was last registered.
        at: Timestamp,
    },
}

/// What another configuration did to a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retired {
    /// Another target of that name or at that place has taken over.
    Changed,
    /// It is no longer there.
    Removed,
}

/// How a target is to be dialled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Name look-up, TCP, TLS and upgrade together.
    pub connect_timeout: Duration,
    /// Between two protocol pings.
    pub heartbeat: Duration,
    /// The largest message that it may send, in bytes.
    pub max_message_bytes: usize,
    /// An extra trust root for `wss://`.
    pub ca_file: Option<PathBuf>,
    /// Where it may be; anywhere if the configuration names it.
    pub allow: Option<Arc<Allow>>,
}

impl Settings {
    /// Those of a target of the configuration.
    pub fn of(config: &TargetConfig) -> Self {
        Self {
            connect_timeout: config.connect_timeout,
            heartbeat: config.heartbeat,
            max_message_bytes: config.max_message_bytes,
            ca_file: config.ca_file.clone(),
            allow: None,
        }
    }

    /// Those of a target that registered.
    pub fn of_registered(allow: &Arc<Allow>) -> Self {
        Self {
            connect_timeout: default_connect_timeout(),
            heartbeat: default_heartbeat(),
            max_message_bytes: default_max_message_bytes(),
            ca_file: None,
            allow: Some(Arc::clone(allow)),
        }
    }
}

/// What the connection to a target is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Connection {
    /// Before the next attempt.
    #[default]
    Waiting,
    /// An attempt is under way.
    Connecting,
    /// The target has accepted.
    Connected,
    /// The target refused the token.
    Rejected,
}

impl Connection {
    /// All of them, as a metric lists them.
    pub const ALL: [Self; 4] = [Self::Waiting, Self::Connecting, Self::Connected, Self::Rejected];

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

#[derive(Debug, Default)]
struct Progress {
    connection: Connection,
    attempts: u64,
    last_error: Option<LastError>,
    /// How often each cause ended an attempt or a connection.
    failures: BTreeMap<&'static str, u64>,
    connected_since: Option<Timestamp>,
    updates_sent: u64,
    updates_skipped: u64,
    last_sent: Option<Timestamp>,
    failing_since: Option<Timestamp>,
}

#[derive(Clone, Debug)]
struct LastError {
    reason: String,
    cause: &'static str,
    time: Timestamp,
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
        let progress = Mutex::new(Progress { failing_since, ..Progress::default() });
        let retired = OnceLock::new();
        Self(Arc::new(Inner { name, key, origin, settings, endpoint, retired, progress }))
    }

    /// Unique.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Its URL without the query.
    pub fn key(&self) -> &str {
        &self.0.key
    }

    /// How it is to be dialled.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// Where it is: a new value closes the connection and dials at once, `None` ends it.
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

    /// Whether it is still at that place, with that token.
    pub fn is_at(&self, endpoint: &Arc<Endpoint>) -> bool {
        self.0.endpoint.borrow().as_ref().is_some_and(|current| Arc::ptr_eq(current, endpoint))
    }

    pub(super) fn endpoint(&self) -> Option<Arc<Endpoint>> {
        self.0.endpoint.borrow().clone()
    }

    pub(super) fn replace_endpoint(&self, endpoint: Option<Arc<Endpoint>>) {
        drop(self.0.endpoint.send_replace(endpoint));
    }

    /// Ends it for good, since another configuration is in effect.
    pub(super) fn retire(&self, why: Retired) {
        // Nobody retires twice: a target that is gone is in no list.
        let _set = self.0.retired.set(why);
        self.replace_endpoint(None);
    }

    /// Whether another configuration has ended it.
    pub fn retired(&self) -> Option<Retired> {
        self.0.retired.get().copied()
    }

    /// An attempt begins.
    pub fn dials(&self) {
        let mut progress = self.progress();
        progress.connection = Connection::Connecting;
        progress.attempts = progress.attempts.saturating_add(1);
    }

    /// The target has accepted.
    pub fn connected(&self, now: Timestamp) {
        let mut progress = self.progress();
        progress.connection = Connection::Connected;
        progress.connected_since = Some(now);
    }

    /// The attempt failed or the connection ended: the reason in words, its cause as metrics name it.
    pub fn lost(&self, reason: &str, cause: &'static str, is_rejected: bool, now: Timestamp) {
        let mut progress = self.progress();
        progress.connection = if is_rejected { Connection::Rejected } else { Connection::Waiting };
        progress.connected_since = None;
        progress.last_error = Some(LastError { reason: reason.to_owned(), cause, time: now });
        let count = progress.failures.entry(cause).or_default();
        *count = count.saturating_add(1);
    }

    /// An update was sent, and so many before it were passed over.
    pub fn sent(&self, skipped: u64, now: Timestamp) {
        let mut progress = self.progress();
        progress.updates_sent = progress.updates_sent.saturating_add(1);
        progress.updates_skipped = progress.updates_skipped.saturating_add(skipped);
        progress.last_sent = Some(now);
    }

    pub(super) fn failing_since(&self) -> Option<Timestamp> {
        self.progress().failing_since
    }

    pub(super) fn set_failing_since(&self, since: Option<Timestamp>) {
        self.progress().failing_since = since;
    }

    /// How it fares.
    pub fn status(&self) -> TargetStatus {
        let endpoint = self.endpoint();
        let progress = self.progress();
        let last = progress.last_error.as_ref();
        TargetStatus {
            name: self.0.name.clone(),
            url: endpoint.map(|endpoint| endpoint.shown()).unwrap_or_default(),
            source: if self.is_registered() { "registered" } else { "config" },
            state: progress.connection.as_str(),
            attempts: progress.attempts,
            last_error: last.map(|last| last.reason.clone()),
            last_error_cause: last.map(|last| last.cause),
            last_error_time: last.map(|last| last.time),
            failures: progress.failures.iter().map(|(cause, count)| (*cause, *count)).collect(),
            connected_since: progress.connected_since,
            updates_sent: progress.updates_sent,
            updates_skipped: progress.updates_skipped,
            last_sent: progress.last_sent,
        }
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        // Nothing here panics; if it ever did, a count may be one off, which harms nobody.
        self.0.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
