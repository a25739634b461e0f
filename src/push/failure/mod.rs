//! Why an attempt or a connection ended, in a user's words, and what to do about it.
//!
//! One list for the log, the API, the metrics and all tests of a target.

mod label;

mod cause;

mod cure;

#[cfg(test)]
mod tests;

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use jiff::Timestamp;

use crate::link::state::Patience;
use crate::targets::allow::Forbidden;

/// A target that refused its token is tried again after so long, in case its owner repaired it.
const REJECTED_EVERY: Duration = Duration::from_secs(300);
/// RFC 6455 section 7.4 and its registry: the server restarts (1012) or is overloaded (1013).
const AFTER_RESTART: Duration = Duration::from_secs(5);
const AFTER_OVERLOAD: Duration = Duration::from_secs(30);
/// A peer may not silence us for longer, whatever its `Retry-After` says.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(300);

/// How far an attempt came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Looking up the name.
    Name,
    /// Opening the TCP connection.
    Tcp,
    /// The TLS handshake.
    Tls,
    /// The HTTP upgrade to a WebSocket.
    Upgrade,
}

impl Stage {
    /// As a metric and as `doctor` name it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Upgrade => "upgrade",
        }
    }
}

/// How long a server asks to be left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryAfter {
    /// For so long.
    For(Duration),
    /// Until a time by our clock, since it did not tell what its own says.
    Until(Timestamp),
}

impl RetryAfter {
    /// From `now` on.
    fn from(self, now: Timestamp) -> Duration {
        match self {
            Self::For(time) => time,
            Self::Until(time) => Duration::try_from(time.duration_since(now)).unwrap_or_default(),
        }
    }
}

/// Why an attempt or a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The name does not resolve.
    NameUnknown {
        /// The name.
        host: String,
        /// What the system said.
        detail: String,
    },
    /// A registered target may not be where its name points to.
    Forbidden(Forbidden),
    /// Nothing listens at that port.
    Refused(SocketAddr),
    /// The network does not lead there.
    NoRoute(SocketAddr),
    /// Another failure of the TCP connection.
    Tcp {
        /// The address dialled.
        address: SocketAddr,
        /// What the system said.
        detail: String,
    },
    /// No answer in time.
    TimedOut {
        /// How far the attempt came.
        stage: Stage,
        /// `connect_timeout`.
        limit: Duration,
        /// Host and port.
        place: String,
    },
    /// The certificate's issuer is not known here.
    UnknownIssuer,
    /// The certificate is no longer valid; since when.
    CertificateExpired(Option<Timestamp>),
    /// The certificate is not valid yet; when it will be.
    CertificateNotYet(Option<Timestamp>),
    /// The certificate is another host's.
    CertificateOfAnother {
        /// The name that was asked for.
        host: String,
    },
    /// The certificate is one that signs others, as `openssl req -x509` makes them.
    CertificateIsAuthority,
    /// The server wants a certificate of ours.
    WantsCertificate,
    /// A server that speaks TLS was spoken to without, and says so.
    WantsTls {
        /// The status code of its answer.
        status: u16,
    },
    /// The other side does not speak TLS.
    NotTls,
    /// Another failure of TLS.
    Tls(String),
    /// The extra trust root cannot be used.
    CaFile(String),
    /// An HTTP answer instead of an upgrade.
    Http {
        /// Its status code.
        status: u16,
        /// Where a redirection points to; host and port only.
        location: Option<String>,
        /// How long the server asks to be left alone.
        retry_after: Option<RetryAfter>,
    },
    /// After a redirection that was followed.
    Redirected {
        /// Where we were sent from; host and port only.
        from: String,
        /// Where we were sent to; host and port only.
        to: String,
        /// What happened there.
        failure: Box<Self>,
    },
    /// Redirections without an end.
    RedirectedOnAndOn {
        /// Where they began; host and port only.
        from: String,
        /// Where the last one points to; host and port only.
        to: String,
        /// Whether that is where we have been before.
        is_circle: bool,
    },
    /// The answer to the upgrade is not HTTP.
    NotHttp,
    /// The answer to the upgrade is of HTTP/1.0.
    OldHttp,
    /// The answer to the upgrade is HTTP, but not that of a WebSocket server.
    NotWebSocket(String),
    /// Closed in the midst of TLS or of the upgrade.
    HungUp(Stage),
    /// The target said that it does not want us.
    TokenRefused(String),
    /// A close frame.
    Closed {
        /// Its code; 1005 if it had none.
        code: u16,
        /// Its reason.
        reason: String,
    },
    /// A close frame with a code that may not be sent.
    ClosedBadly {
        /// That code.
        code: u16,
        /// Its reason.
        reason: String,
    },
    /// The connection broke without a close frame.
    Broken(String),
    /// Not even an answer to a ping.
    Silent(Duration),
    /// It did not take what was sent for so long.
    NotReading(Duration),
    /// A message larger than the limit, in bytes.
    TooBig(usize),
    /// A message in more frames than that, which is the limit.
    Endless(usize),
    /// Not the WebSocket protocol.
    Protocol(String),
    /// The target was registered again or forgotten.
    Replaced,
    /// Another configuration says something else of the target.
    Reconfigured,
    /// Another configuration no longer names the target.
    Removed,
    /// The bridge stops.
    Stopping,
}

impl Failure {
    /// A close frame with this code and reason. What may be sent: RFC 6455 section 7.4.2, and the
    /// registry of the IANA.
    pub(super) const fn closed(code: u16, reason: String) -> Self {
        match code {
            1000..=1003 | 1007..=1014 | 3000..=4999 => Self::Closed { code, reason },
            _ => Self::ClosedBadly { code, reason },
        }
    }

    /// Whether the target refused the token.
    pub const fn is_rejection(&self) -> bool {
        matches!(self, Self::TokenRefused(_))
    }

    /// How long it asks to be left alone. A registered target that refused its token will register
    /// again with a new one; one of the configuration may be repaired at any moment. `now` is by our
    /// clock.
    #[expect(clippy::wildcard_enum_match_arm, reason = "a new failure waits as most do")]
    pub fn patience(&self, is_registered: bool, now: Timestamp) -> Patience {
        match self {
            Self::TokenRefused(_) if is_registered => Patience::Exactly(REJECTED_EVERY),
            Self::Closed { code: 1012, .. } => Patience::AtLeast(AFTER_RESTART),
            Self::Closed { code: 1013, .. } => Patience::AtLeast(AFTER_OVERLOAD),
            Self::Http { retry_after: Some(after), .. } => {
                Patience::AtLeast(after.from(now).min(LONGEST_RETRY_AFTER))
            }
            Self::Redirected { failure, .. } => failure.patience(is_registered, now),
            _ => Patience::Usual,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.cause())?;
        match self.cure() {
            Some(cure) => write!(f, "; {cure}"),
            None => Ok(()),
        }
    }
}
