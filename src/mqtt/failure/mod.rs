//! Why an attempt or a connection ended, in a user's words, and what to do about it.

mod label;
mod told;
mod words;

use std::borrow::Cow;
use std::io;
use std::time::Duration;

use crate::net;
use crate::net::error::{ConnectError, is_end, tls_error};
use crate::problem::Problem;

/// Name look-up, TCP, TLS and login together.
pub(super) const LIMIT: Duration = Duration::from_secs(10);

/// How far an attempt came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Looking up the name.
    Name,
    /// Opening the TCP connection.
    Tcp,
    /// The TLS handshake.
    Tls,
    /// The login.
    Login,
}

impl Stage {
    /// As `doctor` names it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Login => "login",
        }
    }
}

/// Who has named the broker and the login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The owner, in the configuration.
    Owner,
    /// Home Assistant's Supervisor.
    Supervisor,
}

/// What a broker does not like, name and password aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Our name.
    ClientId,
    /// The version of MQTT.
    Version,
    /// Anything, for now.
    Unavailable,
}

/// Why an attempt or a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No connection.
    Connect(ConnectError),
    /// No answer to the login in time.
    LoginTimedOut,
    /// Hung up before the login was answered.
    HungUp,
    /// The broker does not take our name and password, or our having none.
    LoginRefused {
        /// Whether we gave a name.
        has_login: bool,
    },
    /// The broker does not take us for another reason.
    NotTaken(Reason),
    /// The answer is not MQTT's.
    NotMqtt,
    /// The connection broke.
    Broken(String),
    /// The broker closed it.
    Closed,
    /// Not even an answer to a ping.
    Silent,
    /// The bridge stops.
    Stopping,
}

impl Failure {
    /// What went wrong on an open connection; TLS tells there that a certificate is missing.
    pub(super) fn of_io(error: &io::Error) -> Self {
        match tls_error(error) {
            Some(other) => Self::Connect(ConnectError::alert(other)),
            None if is_end(error) => Self::Closed,
            // How the codec says that the stream ended within what it took for a packet.
            None if error.to_string() == "bytes remaining on stream" => Self::NotMqtt,
            None => Self::Broken(error.to_string()),
        }
    }

    /// What the same means before the login was answered.
    #[expect(clippy::wildcard_enum_match_arm, reason = "most mean the same at all times")]
    pub(super) fn at_login(self) -> Self {
        match self {
            Self::Closed => Self::HungUp,
            // An answer that breaks off in the midst of what would be a packet.
            Self::Broken(_) => Self::NotMqtt,
            Self::Silent => Self::LoginTimedOut,
            other => other,
        }
    }

    /// What to do about it, if anything.
    pub fn cure(&self, source: Source) -> Option<Cow<'static, str>> {
        match source {
            Source::Owner => self.cure_of_own(),
            Source::Supervisor => self.cure_of_told(),
        }
    }

    /// The failure as users see it.
    pub fn problem(&self, source: Source) -> Problem {
        Problem { label: self.label(), cause: self.cause(), remedy: self.cure(source) }
    }

    /// What happened and what to do about it.
    pub fn told(&self, source: Source) -> String {
        let cause = self.cause();
        match self.cure(source) {
            Some(cure) => format!("{cause}; {cure}"),
            None => cause,
        }
    }

    /// How far the attempt came.
    pub const fn stage(&self) -> Stage {
        match self {
            Self::Connect(error) => match error.stage() {
                net::error::Stage::Name => Stage::Name,
                net::error::Stage::Tcp => Stage::Tcp,
                net::error::Stage::Tls => Stage::Tls,
            },
            Self::LoginTimedOut
            | Self::HungUp
            | Self::LoginRefused { .. }
            | Self::NotTaken(_)
            | Self::NotMqtt
            | Self::Broken(_)
            | Self::Closed
            | Self::Silent
            | Self::Stopping => Stage::Login,
        }
    }
}
