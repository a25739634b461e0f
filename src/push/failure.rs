//! Why an attempt or a connection to a target ended: one row per kind, with label, cause, remedy
//! and retry rule. Log, API, metrics, `doctor` and manual read this table.

use std::time::Duration;

use crate::net::error::ConnectError;
use crate::net::reconnect::RetryDelay;
use crate::problem::Problem;
use crate::targets::allow::Forbidden;

/// A registered target that refused its token is tried again after so long, in case its owner
/// repaired it.
const REJECTED: Duration = Duration::from_secs(300);
/// RFC 6455 section 7.4 and its registry: the server restarts (1012) or is overloaded (1013).
const RESTARTING: Duration = Duration::from_secs(5);
const OVERLOADED: Duration = Duration::from_secs(30);
/// The longest `Retry-After` that is respected.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(300);

/// The key of a trust root for registered targets.
const CA_FILE: &str = "`ca_file` under [http.registration]";

/// Why an attempt or a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No connection, or no TLS.
    Connect(ConnectError),
    /// As `Connect`, at a registered target: its keys are in `[http.registration]`.
    ConnectRegistered(ConnectError),
    /// A registered target may not be at the address to which its name points.
    Forbidden(Forbidden),
    /// No answer to the upgrade in time.
    UpgradeTimedOut {
        /// `connect_timeout`.
        limit: Duration,
        /// Host and port.
        place: String,
    },
    /// Closed before the upgrade was answered.
    UpgradeHungUp,
    /// An HTTP answer instead of an upgrade.
    Http {
        /// Its status code.
        status: u16,
        /// Where a redirection points to; host and port only.
        location: Option<String>,
        /// How long the server asks us to wait.
        retry_after: Option<Duration>,
    },
    /// A server that speaks TLS was spoken to without, and says so.
    WantsTls {
        /// The status code of its answer.
        status: u16,
    },
    /// The target did not get the headers that ask for a WebSocket, and says so.
    HeadersDropped,
    /// The answer to the upgrade is not HTTP.
    NotHttp,
    /// The answer to the upgrade is HTTP/1.0.
    OldHttp,
    /// The answer to the upgrade is HTTP, but not that of a WebSocket server.
    NotWebSocket(String),
    /// The target said that it does not accept us.
    TokenRefused(String),
    /// The target is Home Assistant's own WebSocket API, which asks for a login.
    OtherApi,
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
    /// It did not read what was sent for so long.
    NotReading(Duration),
    /// A message larger than the limit, in bytes.
    TooBig(usize),
    /// Not the WebSocket protocol.
    Protocol(String),
    /// The target was registered again.
    Replaced,
    /// The target was deleted over the API, or forgotten because it has failed for long.
    Deleted,
    /// The configuration of the target changed.
    Reconfigured,
    /// The configuration no longer has the target.
    Removed,
    /// The bridge stops.
    Stopping,
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        Self::Connect(error)
    }
}

impl Failure {
    /// Whether the target refused the token.
    pub const fn is_rejection(&self) -> bool {
        matches!(self, Self::TokenRefused(_))
    }

    /// Label, cause and remedy.
    #[expect(clippy::too_many_lines, reason = "a table")]
    pub fn problem(&self) -> Problem {
        match self {
            Self::Connect(error) => error.problem(),
            Self::ConnectRegistered(error) => {
                let problem = error.problem();
                let remedy =
                    problem.remedy.map(|remedy| remedy.replace("`ca_file`", CA_FILE).into());
                Problem { remedy, ..problem }
            }
            Self::Forbidden(forbidden) => forbidden.problem(),
            Self::UpgradeTimedOut { limit, place } => Problem::new(
                "upgrade_timeout",
                format!("{place} did not answer the WebSocket upgrade within {limit:?}"),
                "check the port, and restart the target if it hangs; if it is starting, the bridge \
                 reconnects by itself",
            ),
            Self::UpgradeHungUp => Problem::new(
                "upgrade_hung_up",
                "the connection was closed during the WebSocket upgrade",
                "use wss:// if the target expects TLS; if a proxy is in between, let it forward \
                 WebSockets; if the target is starting, the bridge reconnects by itself",
            ),
            Self::Http { status, location, .. } => {
                let (label, remedy) = http(*status);
                let to = location.as_ref().map(|to| format!(" to {to}")).unwrap_or_default();
                let cause = match status {
                    300..=399 => format!("HTTP {status}{to}"),
                    _ => format!("HTTP {status} instead of a WebSocket"),
                };
                Problem::new(label, cause, remedy)
            }
            Self::WantsTls { status } => Problem::new(
                "wants_tls",
                format!("HTTP {status}: the port expects TLS, but the URL begins with ws://"),
                "use wss:// instead of ws:// in `url`",
            ),
            Self::HeadersDropped => Problem::new(
                "headers_dropped",
                "HTTP 400: the WebSocket headers did not reach the target",
                FORWARD_HEADERS,
            ),
            Self::NotHttp => Problem::new(
                "not_http",
                "the answer is not HTTP",
                "check the port in `url`; use wss:// if the target expects TLS",
            ),
            Self::OldHttp => Problem::new(
                "old_http",
                "the answer is HTTP/1.0, which does not support WebSockets",
                "use wss:// if the target expects TLS; otherwise check port and path in `url`",
            ),
            Self::NotWebSocket(detail) => Problem::new(
                "not_websocket",
                format!("the answer is not that of a WebSocket server ({detail})"),
                "check port and path in `url`; if a proxy is in between, let it forward WebSockets",
            ),
            Self::TokenRefused(words) => Problem::new(
                "token_refused",
                format!("the target refused: {words}"),
                "correct the token; if Home Assistant registered itself, reload its Hoymiles bridge \
                 integration, which registers the current token",
            ),
            Self::OtherApi => Problem::new(
                "other_api",
                "the URL leads to Home Assistant's own WebSocket API, which asks for a login",
                "use the path /api/hoymiles_smiles/ws in `url`, and add the Hoymiles bridge \
                 integration in Home Assistant",
            ),
            Self::Closed { code, reason } => {
                let (label, meaning, remedy) = close(*code);
                let colon = if reason.is_empty() { "" } else { ": " };
                let cause =
                    format!("closed by the target with code {code} ({meaning}){colon}{reason}");
                Problem::new(label, cause, remedy)
            }
            Self::Broken(detail) => Problem::new(
                "broken",
                format!("the connection broke (1006): {detail}"),
                "check the target and the network if this repeats; the bridge reconnects by itself",
            ),
            Self::Silent(limit) => Problem::new(
                "silent",
                format!("no answer to pings for {limit:?}"),
                "check that the target is running and that this machine reaches it over the network",
            ),
            Self::NotReading(limit) => Problem::new(
                "not_reading",
                format!("the target read nothing for {limit:?}"),
                "see the target's log, restart it if it hangs, and check the speed of the network",
            ),
            Self::TooBig(limit) => Problem::new(
                "too_big",
                format!("the target sent a message of more than {limit} bytes"),
                WHO_ANSWERS,
            ),
            Self::Protocol(detail) => Problem::new(
                "protocol",
                format!("the target broke the WebSocket protocol: {detail}"),
                WHO_ANSWERS,
            ),
            Self::Replaced => {
                Problem::without_remedy("replaced", "replaced: the target was registered again")
            }
            Self::Deleted => Problem::without_remedy("deleted", "the target was deleted"),
            Self::Reconfigured => {
                Problem::without_remedy("reconfigured", "the configuration of the target changed")
            }
            Self::Removed => {
                Problem::without_remedy("removed", "the target was removed from the configuration")
            }
            Self::Stopping => Problem::without_remedy("stopping", "the bridge stops (1001)"),
        }
    }

    /// How long to wait before the next attempt. A registered target that refused its token will
    /// register again with a new one; one of the configuration may be repaired at any moment.
    #[expect(clippy::wildcard_enum_match_arm, reason = "most failures have the usual waits")]
    pub fn retry(&self, is_registered: bool) -> RetryDelay {
        match self {
            Self::TokenRefused(_) if is_registered => RetryDelay::Exactly(REJECTED),
            Self::Closed { code: 1012, .. } => RetryDelay::AtLeast(RESTARTING),
            Self::Closed { code: 1013, .. } => RetryDelay::AtLeast(OVERLOADED),
            Self::Http { retry_after: Some(wait), .. } => {
                RetryDelay::AtLeast((*wait).min(LONGEST_RETRY_AFTER))
            }
            _ => RetryDelay::Usual,
        }
    }
}

const FORWARD_HEADERS: &str = "let the proxy in between forward WebSockets: in nginx, set \
    `proxy_http_version 1.1;`, `proxy_set_header Upgrade $http_upgrade;` and `proxy_set_header \
    Connection \"upgrade\";`; in Caddy and HAProxy, remove what deletes or changes the headers \
    `Upgrade` and `Connection`";

const WHO_ANSWERS: &str = "check that `url` leads to the target, and check any proxy in between";

/// Label and remedy of an HTTP status; with what Home Assistant means by it.
const fn http(status: u16) -> (&'static str, &'static str) {
    match status {
        200..=299 => ("http_2xx", "correct port and path in `url`"),
        300..=399 => ("http_redirect", "use that URL in `url`, with ws:// or wss://"),
        400 => (
            "http_400",
            "see the target's log; if Home Assistant is behind a proxy, set \
             http.use_x_forwarded_for and http.trusted_proxies there",
        ),
        401 => ("http_401", "correct the token, or the login of a proxy in between"),
        403 => (
            "http_403",
            "allow this machine in the target; in Home Assistant, remove its address from \
             ip_bans.yaml, and add a proxy in between to http.trusted_proxies",
        ),
        404 => (
            "http_404",
            "correct the path in `url`; in Home Assistant, add the Hoymiles bridge integration, or \
             wait until it has started",
        ),
        405 => ("http_other", "correct port and path in `url`"),
        413 | 414 | 431 => {
            ("http_other", "raise the limit of the proxy in between, or bypass the proxy")
        }
        426 => ("http_426", FORWARD_HEADERS),
        429 => ("http_429", "raise the target's request limit; the bridge retries later"),
        500 => ("http_500", "see the target's log"),
        502 => ("http_502", "start the target, or correct its address in the proxy"),
        503 => (
            "http_503",
            "start the target, or wait until it has started; in Home Assistant, enable the \
             Hoymiles bridge entry",
        ),
        504 => ("http_504", "start the target, or correct its address in the proxy"),
        // What servers answer to the HTTP/1.0 that nginx speaks to them unless told otherwise.
        505 => ("http_505", FORWARD_HEADERS),
        402..=499 => {
            ("http_other", "check port and path in `url`, and the log of the target or proxy")
        }
        501..=599 => ("http_other", "see the target's log"),
        _ => ("http_other", "check port and path in `url`"),
    }
}

const RECONNECTS: &str = "see the target's log if this repeats; the bridge reconnects by itself";

/// Label, meaning and remedy of a close code: RFC 6455 section 7.4.1 and the IANA's registry.
const fn close(code: u16) -> (&'static str, &'static str, &'static str) {
    match code {
        1000 => ("closed_1000", "normal", RECONNECTS),
        1001 => ("closed_1001", "the target is shutting down", RECONNECTS),
        1002 => {
            ("closed_1002", "protocol error", "check any proxy in between, and the target's log")
        }
        1003 => (
            "closed_1003",
            "data not accepted",
            "correct `url`: the target must accept JSON in text messages",
        ),
        1005 => ("closed_1005", "no code given", RECONNECTS),
        1007 => ("closed_1007", "invalid data", "check any proxy in between, and the target's log"),
        1008 => {
            ("closed_1008", "policy violation", "check the token and the target's access rules")
        }
        1009 => ("closed_1009", "message too big", "raise the target's limit on message size"),
        1010 => (
            "closed_1010",
            "extension missing",
            "switch off the WebSocket extension that the target requires",
        ),
        1011 => ("closed_1011", "internal error of the target", "see the target's log"),
        1012 => ("closed_1012", "the target is restarting", RECONNECTS),
        1013 => (
            "closed_1013",
            "the target is overloaded",
            "reduce the target's load; the bridge retries later",
        ),
        _ => ("closed_other", "defined by the target", "see the target's log"),
    }
}

/// One example of each kind, for the manual; without those that the bridge itself causes.
pub fn table() -> Vec<Problem> {
    examples().iter().map(Failure::problem).filter(|row| row.remedy.is_some()).collect()
}

fn examples() -> Vec<Failure> {
    let limit = Duration::from_secs(10);
    let detail = || "...".to_owned();
    let mut examples = vec![
        Failure::Forbidden(Forbidden([203, 0, 113, 7].into())),
        Failure::UpgradeTimedOut { limit, place: "ha.example:8123".to_owned() },
        Failure::UpgradeHungUp,
        Failure::WantsTls { status: 400 },
        Failure::HeadersDropped,
        Failure::NotHttp,
        Failure::OldHttp,
        Failure::NotWebSocket(detail()),
        Failure::TokenRefused("Invalid authentication token".to_owned()),
        Failure::OtherApi,
        Failure::Broken(detail()),
        Failure::Silent(limit * 6),
        Failure::NotReading(limit * 6),
        Failure::TooBig(1 << 20),
        Failure::Protocol(detail()),
        Failure::Replaced,
        Failure::Deleted,
        Failure::Reconfigured,
        Failure::Removed,
        Failure::Stopping,
    ];
    for status in [200, 301, 400, 401, 403, 404, 405, 413, 426, 429, 500, 502, 503, 504, 505] {
        let location = (status == 301).then(|| "http://ha.example:8123/...".to_owned());
        examples.push(Failure::Http { status, location, retry_after: None });
    }
    for code in [1000, 1001, 1002, 1003, 1005, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 4000] {
        examples.push(Failure::Closed { code, reason: String::new() });
    }
    examples
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_failure_but_our_own_doing_has_a_remedy() {
        for failure in examples() {
            let is_ours = matches!(
                failure,
                Failure::Replaced
                    | Failure::Deleted
                    | Failure::Reconfigured
                    | Failure::Removed
                    | Failure::Stopping
            );
            let problem = failure.problem();
            assert_eq!(problem.remedy.is_none(), is_ours, "{failure:?}");
            let text = problem.to_string();
            assert!(
                !text.contains('\n') && !text.ends_with(". ") && !text.contains("  "),
                "{text}"
            );
        }
    }

    #[test]
    fn a_registered_target_has_its_trust_root_in_the_section_of_registration() {
        for error in [ConnectError::UnknownIssuer, ConnectError::CaFile("missing".to_owned())] {
            let label = error.problem().label;
            let problem = Failure::ConnectRegistered(error).problem();
            let remedy = problem.remedy.unwrap();
            assert!(remedy.starts_with("set `ca_file` under [http.registration] to "), "{remedy}");
            assert_eq!(problem.label, label);
        }
    }

    #[test]
    fn labels_are_few_whatever_a_target_answers() {
        let labels: BTreeSet<&str> = (0..=u16::MAX)
            .flat_map(|number| {
                let http = Failure::Http { status: number, location: None, retry_after: None };
                let closed = Failure::Closed { code: number, reason: String::new() };
                [http.problem().label, closed.problem().label]
            })
            .chain(examples().iter().map(|failure| failure.problem().label))
            .collect();
        let is_allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        assert!(labels.iter().all(|label| label.chars().all(is_allowed)));
        assert!(labels.len() < 50, "{}", labels.len());
    }

    #[test]
    fn waits_as_long_as_a_target_asks_within_reason() {
        let http = |seconds| Failure::Http {
            status: 429,
            location: None,
            retry_after: Some(Duration::from_secs(seconds)),
        };
        let closed = |code| Failure::Closed { code, reason: String::new() };
        let at_least = |seconds| RetryDelay::AtLeast(Duration::from_secs(seconds));
        let refused = Failure::TokenRefused(String::new());
        for (failure, is_registered, expected) in [
            (http(7), true, at_least(7)),
            (http(u64::MAX), true, at_least(300)),
            (closed(1011), true, RetryDelay::Usual),
            (closed(1012), true, at_least(5)),
            (closed(1013), true, at_least(30)),
            (refused.clone(), true, RetryDelay::Exactly(Duration::from_secs(300))),
            (refused, false, RetryDelay::Usual),
            (Failure::UpgradeHungUp, true, RetryDelay::Usual),
        ] {
            assert_eq!(failure.retry(is_registered), expected, "{failure:?} {is_registered}");
        }
    }
}
