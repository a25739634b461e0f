//! How targets fare, and why one is not taken in or let go.

use jiff::Timestamp;
use thiserror::Error;

/// How one target fares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetStatus {
    /// Unique.
    pub name: String,
    /// Without its token.
    pub url: String,
    /// `config` or `registered`.
    pub source: &'static str,
    /// State of its connection.
    pub state: &'static str,
    /// Attempts to connect since the bridge started.
    pub attempts: u64,
    /// Why the last attempt or connection ended.
    pub last_error: Option<String>,
    /// The same in one word, for scripts.
    pub last_error_cause: Option<&'static str>,
    /// When.
    pub last_error_time: Option<Timestamp>,
    /// Since when it is connected.
    pub connected_since: Option<Timestamp>,
    /// Updates that were sent since the bridge started.
    pub updates_sent: u64,
    /// Updates that were passed over because a newer one was there.
    pub updates_skipped: u64,
    /// How often each cause ended an attempt or a connection since the bridge started.
    pub failures: Vec<(&'static str, u64)>,
    /// When the last update was sent.
    pub last_sent: Option<Timestamp>,
}

/// Why a registration was refused. The texts are the answer to the client.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RegisterError {
    /// 400.
    #[error("{0}")]
    Malformed(String),
    /// 403.
    #[error("{0}")]
    NotAllowed(String),
    /// 403.
    #[error(
        "registration is switched off in the bridge's configuration (http.registration.enabled)"
    )]
    Disabled,
    /// 409.
    #[error("{0} targets are registered, which is http.registration.max_targets; delete one first")]
    TooMany(usize),
    /// 503.
    #[error("the registration could not be stored: {0}")]
    Storage(String),
}

/// Why a target was not forgotten.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ForgetError {
    /// 404.
    #[error("no target of that name")]
    Unknown,
    /// 409.
    #[error("this target comes from the configuration file; remove it there")]
    Configured,
    /// 503.
    #[error("the change could not be stored: {0}")]
    Storage(String),
}
