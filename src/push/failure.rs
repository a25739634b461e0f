//! Why an attempt or a connection ended, in a user's words, and what to do about it.
//!
//! One list for the log, the API, the metrics and all tests of a target.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

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
    /// The certificate is not valid now.
    CertificateExpired,
    /// The certificate is another host's.
    CertificateOfAnother {
        /// The name that was asked for.
        host: String,
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
        retry_after: Option<Duration>,
    },
    /// The answer to the upgrade is not HTTP.
    NotHttp,
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
    /// The connection broke without a close frame.
    Broken(String),
    /// Not even an answer to a ping.
    Silent(Duration),
    /// A message larger than the limit, in bytes.
    TooBig(usize),
    /// Not the WebSocket protocol.
    Protocol(String),
    /// The target was registered again or forgotten.
    Replaced,
    /// The bridge stops.
    Stopping,
}

impl Failure {
    /// Whether the target refused the token.
    pub const fn is_rejection(&self) -> bool {
        matches!(self, Self::TokenRefused(_))
    }

    /// How long it asks to be left alone. A registered target that refused its token will register
    /// again with a new one; one of the configuration may be repaired at any moment.
    pub fn patience(&self, is_registered: bool) -> Patience {
        match self {
            Self::TokenRefused(_) if is_registered => Patience::Exactly(REJECTED_EVERY),
            Self::Closed { code: 1012, .. } => Patience::AtLeast(AFTER_RESTART),
            Self::Closed { code: 1013, .. } => Patience::AtLeast(AFTER_OVERLOAD),
            Self::Http { retry_after: Some(after), .. } => {
                Patience::AtLeast((*after).min(LONGEST_RETRY_AFTER))
            }
            _ => Patience::Usual,
        }
    }

    /// A word for metrics and scripts.
    pub const fn label(&self) -> &'static str {
        match self {
            Self::NameUnknown { .. } => "name_unknown",
            Self::Forbidden(_) => "forbidden",
            Self::Refused(_) => "refused",
            Self::NoRoute(_) => "no_route",
            Self::Tcp { .. } => "tcp",
            Self::TimedOut { stage: Stage::Name, .. } => "name_timeout",
            Self::TimedOut { stage: Stage::Tcp, .. } => "tcp_timeout",
            Self::TimedOut { stage: Stage::Tls, .. } => "tls_timeout",
            Self::TimedOut { stage: Stage::Upgrade, .. } => "upgrade_timeout",
            Self::UnknownIssuer => "tls_unknown_issuer",
            Self::CertificateExpired => "tls_expired",
            Self::CertificateOfAnother { .. } => "tls_wrong_host",
            Self::NotTls => "not_tls",
            Self::Tls(_) => "tls",
            Self::CaFile(_) => "ca_file",
            Self::Http { .. } => "http",
            Self::NotHttp => "not_http",
            Self::NotWebSocket(_) => "not_websocket",
            Self::HungUp(_) => "hung_up",
            Self::TokenRefused(_) => "token_refused",
            Self::Closed { .. } => "closed",
            Self::Broken(_) => "broken",
            Self::Silent(_) => "silent",
            Self::TooBig(_) => "too_big",
            Self::Protocol(_) => "protocol",
            Self::Replaced => "replaced",
            Self::Stopping => "stopping",
        }
    }

    /// What happened.
    pub fn cause(&self) -> String {
        match self {
            Self::NameUnknown { host, detail } => {
                format!("the name {host} does not resolve ({detail})")
            }
            Self::Forbidden(forbidden) => forbidden.to_string(),
            Self::Refused(address) => format!("connection refused by {address}"),
            Self::NoRoute(address) => format!("no route to {address}"),
            Self::Tcp { address, detail } => format!("cannot connect to {address}: {detail}"),
            Self::TimedOut { stage, limit, place } => timed_out(*stage, *limit, place),
            Self::UnknownIssuer => "TLS: the certificate's issuer is not trusted here".to_owned(),
            Self::CertificateExpired => "TLS: the certificate is not valid now".to_owned(),
            Self::CertificateOfAnother { host } => {
                format!("TLS: the certificate is not for {host}")
            }
            Self::NotTls => "the other side does not speak TLS".to_owned(),
            Self::Tls(detail) => format!("TLS failed: {detail}"),
            Self::CaFile(detail) => format!("ca_file cannot be used: {detail}"),
            Self::Http { status, location, .. } => match location {
                Some(location) => {
                    format!("HTTP {status} instead of a WebSocket, pointing to {location}")
                }
                None => format!("HTTP {status} instead of a WebSocket"),
            },
            Self::NotHttp => "the answer is not HTTP".to_owned(),
            Self::NotWebSocket(detail) => format!("the answer is not a WebSocket's ({detail})"),
            Self::HungUp(stage) => format!("hung up during the {}", stage_name(*stage)),
            Self::TokenRefused(words) => format!("the target refused: {words}"),
            Self::Closed { code, reason } if reason.is_empty() => {
                format!("closed by the target with code {code} ({})", close_meaning(*code))
            }
            Self::Closed { code, reason } => {
                format!(
                    "closed by the target with code {code} ({}): {reason}",
                    close_meaning(*code)
                )
            }
            Self::Broken(detail) => format!("the connection broke (1006): {detail}"),
            Self::Silent(limit) => format!("no answer to pings for {limit:?}"),
            Self::TooBig(limit) => format!("the target sent a message of more than {limit} bytes"),
            Self::Protocol(detail) => format!("the target broke the WebSocket protocol: {detail}"),
            Self::Replaced => "replaced: the target was registered anew or deleted".to_owned(),
            Self::Stopping => "the bridge stops (1001)".to_owned(),
        }
    }

    /// What to do about it, if anything.
    pub fn cure(&self) -> Option<&'static str> {
        Some(match self {
            Self::NameUnknown { .. } => {
                "use an IP address in the URL; names ending in .local do not resolve inside a container"
            }
            Self::Refused(_) => {
                "Home Assistant is not running there, or listens at another port; check host and port"
            }
            Self::NoRoute(_) | Self::Tcp { .. } => {
                "check the address and that this machine and its container reach that network"
            }
            Self::TimedOut { stage: Stage::Name, .. } => {
                "check the DNS server, or use an IP address"
            }
            Self::TimedOut { stage: Stage::Tcp, .. } => {
                "a firewall drops the packets or the machine is off; check the address and the firewall"
            }
            Self::TimedOut { stage: Stage::Tls, .. } => {
                "check that the port speaks TLS, or use ws://"
            }
            Self::TimedOut { stage: Stage::Upgrade, .. } => {
                "the port is open but Home Assistant does not answer; check the port, or wait until it has started"
            }
            Self::UnknownIssuer => {
                "name the certificate of your own authority in ca_file, or use a public certificate"
            }
            Self::CertificateExpired => {
                "renew the certificate, and check the clocks of both machines"
            }
            Self::CertificateOfAnother { .. } => {
                "use the host name that the certificate is made for"
            }
            Self::NotTls => "use ws:// instead of wss://",
            Self::CaFile(_) => "name a readable PEM file",
            Self::Http { status, .. } => return http_cure(*status),
            Self::NotHttp => "check the port; if Home Assistant uses TLS there, use wss://",
            Self::NotWebSocket(_) | Self::HungUp(Stage::Upgrade) => {
                "check the port and path, and that a proxy in between passes WebSockets on"
            }
            Self::HungUp(_) => "check that the port speaks TLS, or use ws://",
            Self::TokenRefused(_) => {
                "the token is old or wrong; Home Assistant makes a new one at each start and registers it \
                 with the bridge: reload its integration, or correct the token in the configuration"
            }
            Self::Closed { code, .. } => return close_cure(*code),
            Self::Silent(_) => "the target or the network between went away",
            Self::Forbidden(_)
            | Self::Tls(_)
            | Self::Broken(_)
            | Self::TooBig(_)
            | Self::Protocol(_)
            | Self::Replaced
            | Self::Stopping => return None,
        })
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

fn timed_out(stage: Stage, limit: Duration, place: &str) -> String {
    match stage {
        Stage::Name => format!("the name of {place} was not resolved within {limit:?}"),
        Stage::Tcp => format!("no answer from {place} within {limit:?}"),
        Stage::Tls => format!("{place} did not complete TLS within {limit:?}"),
        Stage::Upgrade => format!("{place} did not answer the WebSocket upgrade within {limit:?}"),
    }
}

const fn stage_name(stage: Stage) -> &'static str {
    match stage {
        Stage::Name => "name look-up",
        Stage::Tcp => "TCP connection",
        Stage::Tls => "TLS handshake",
        Stage::Upgrade => "WebSocket upgrade",
    }
}

/// What an HTTP status means here; of Home Assistant where it has a meaning of its own.
const fn http_cure(status: u16) -> Option<&'static str> {
    Some(match status {
        200..=299 => "something else answers there; check port and path",
        301 | 302 | 307 | 308 => "use the URL that it points to",
        401 => "the server wants a login; check the token, and any proxy in between",
        403 => {
            "Home Assistant has banned this address (see ip_bans.yaml) or does not trust the proxy \
             (http.trusted_proxies)"
        }
        404 => {
            "the component is not loaded: add the Hoymiles Smiles integration in Home Assistant, or wait until it \
             has started"
        }
        400 => {
            "Home Assistant refused the request; behind a proxy, set http.use_x_forwarded_for and trusted_proxies"
        }
        426 => "a proxy in between does not pass WebSockets on",
        429 => "too many requests; the bridge waits",
        502..=504 => "a proxy answers, but not Home Assistant behind it; check that it is running",
        500..=599 => "the server failed; see its own log",
        _ => return None,
    })
}

/// The meaning of a close code: RFC 6455 section 7.4.1 and the registry of the IANA.
const fn close_meaning(code: u16) -> &'static str {
    match code {
        1000 => "normal",
        1001 => "the target goes away",
        1002 => "protocol error",
        1003 => "data not accepted",
        1005 => "no code",
        1006 => "broken off",
        1007 => "invalid data",
        1008 => "against its policy",
        1009 => "message too big",
        1010 => "extension missing",
        1011 => "error in the target",
        1012 => "the target restarts",
        1013 => "the target is overloaded",
        1014 => "bad gateway",
        1015 => "TLS failed",
        _ => "its own meaning",
    }
}

const fn close_cure(code: u16) -> Option<&'static str> {
    Some(match code {
        1000 | 1001 | 1012 => "it probably restarts or reloads; the bridge comes back by itself",
        1008 => "check the token and the target's rules",
        1009 => "raise the target's message limit",
        1011 => "see the target's own log",
        1013 | 1014 => "the bridge tries again later",
        _ => return None,
    })
}
