//! Why an attempt or a connection to the broker ended: one row per kind, with label, cause and remedy.
//! Log, metrics, `doctor` and manual read this table.

use std::io;
use std::time::Duration;

use thiserror::Error;

use crate::net;
use crate::net::error::{ConnectError, is_end, tls_error};
use crate::problem::Problem;

/// The time for name look-up, TCP, TLS and login together.
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

/// Who named the broker and the login, on which the remedy depends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The owner, in the configuration.
    Owner,
    /// Home Assistant's Supervisor: its owner has set none of the options of `[mqtt]`.
    Supervisor,
}

/// Why a broker refuses a login, apart from name and password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The client id.
    ClientId,
    /// The version of MQTT.
    Version,
    /// It accepts nobody at the moment.
    Unavailable,
}

/// Why an attempt or a connection ended.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{}", self.problem(Source::Owner))]
pub enum Failure {
    /// No connection.
    Connect(ConnectError),
    /// No answer to the login in time.
    LoginTimedOut,
    /// Closed before the login was answered.
    HungUp,
    /// The broker does not accept our name and password.
    LoginRefused,
    /// The broker does not accept a client without a name.
    LoginRequired,
    /// The broker refuses the login for another reason.
    Refused(Refusal),
    /// The answer is not MQTT.
    NotMqtt,
    /// The connection broke.
    Broken(String),
    /// The broker closed the connection.
    Closed,
    /// No answer to a ping.
    Silent,
    /// The bridge stops.
    Stopping,
}

impl Failure {
    /// What went wrong on an open connection.
    pub(super) fn of_io(error: &io::Error) -> Self {
        match tls_error(error) {
            // With TLS 1.3 a server says only now that it requires a certificate.
            Some(other) => Self::Connect(ConnectError::alert(other)),
            None if is_end(error) => Self::Closed,
            // The codec's error when the stream ends within what it took for a packet.
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

    /// How far the attempt came.
    pub const fn stage(&self) -> Stage {
        let Self::Connect(error) = self else { return Stage::Login };
        match error.stage() {
            net::error::Stage::Name => Stage::Name,
            net::error::Stage::Tcp => Stage::Tcp,
            net::error::Stage::Tls => Stage::Tls,
        }
    }

    /// Label, cause and remedy. A remedy for a broker that the Supervisor named mentions no option of
    /// the bridge.
    pub fn problem(&self, source: Source) -> Problem {
        let problem = self.row();
        match source {
            Source::Owner => problem,
            Source::Supervisor => {
                let remedy = self.supervisor_remedy().map(Into::into).or(problem.remedy);
                Problem { remedy, ..problem }
            }
        }
    }

    #[expect(clippy::too_many_lines, reason = "a table")]
    fn row(&self) -> Problem {
        match self {
            Self::Connect(
                error @ (ConnectError::ClientCertificateRequired
                | ConnectError::ClientCertificateRefused(_)),
            ) => Problem {
                remedy: Some(
                    "set mqtt.client_cert and mqtt.client_key to a pair that the broker's \
                     authority signed"
                        .into(),
                ),
                ..error.problem()
            },
            Self::Connect(error) => error.problem(),
            Self::LoginTimedOut => Problem::new(
                "login_timeout",
                format!("the broker did not answer the login within {LIMIT:?}"),
                "restart the broker and check mqtt.port; if the broker speaks TLS there, set \
                 mqtt.tls = true",
            ),
            Self::HungUp => Problem::new(
                "login_hung_up",
                "the connection was closed before the login was answered",
                "check mqtt.port; if the broker speaks TLS there, set mqtt.tls = true",
            ),
            Self::LoginRefused => Problem::new(
                "login_refused",
                "the broker refused the user name or password",
                "correct mqtt.username and mqtt.password, or add the user to the broker; if they \
                 are right, let the broker accept mqtt.client_id",
            ),
            // Mosquitto says the same of a client id that its `clientid_prefixes` do not allow.
            Self::LoginRequired => Problem::new(
                "login_refused",
                "the broker requires a login",
                "set mqtt.username and mqtt.password; if the broker accepts clients without them, \
                 let it accept mqtt.client_id",
            ),
            Self::Refused(Refusal::ClientId) => Problem::new(
                "not_taken",
                "the broker refused: mqtt.client_id is not allowed",
                "set another mqtt.client_id, or let the broker accept this one (mosquitto: \
                 clientid_prefixes)",
            ),
            Self::Refused(Refusal::Version) => Problem::new(
                "not_taken",
                "the broker refused: it does not accept MQTT 3.1.1",
                "let the broker accept MQTT 3.1.1 (mosquitto: accept_protocol_versions)",
            ),
            Self::Refused(Refusal::Unavailable) => Problem::new(
                "not_taken",
                "the broker refused: it is not available",
                "look for the reason in the broker's log; the bridge keeps trying",
            ),
            Self::NotMqtt => Problem::new(
                "not_mqtt",
                "the answer is not MQTT",
                "check mqtt.port; if the broker speaks TLS there, set mqtt.tls = true",
            ),
            Self::Broken(detail) => Problem::new(
                "broken",
                format!("the connection broke: {detail}"),
                "check the network if it happens often; the bridge reconnects",
            ),
            Self::Closed => Problem::new(
                "closed",
                "closed by the broker",
                "if it happens again and again, another client has the same mqtt.client_id: set \
                 another one; after a restart of the broker the bridge reconnects",
            ),
            Self::Silent => Problem::new(
                "silent",
                "no answer to pings",
                "check the broker and the network; the bridge keeps trying",
            ),
            Self::Stopping => Problem::without_remedy("stopping", "the bridge stops"),
        }
    }

    fn supervisor_remedy(&self) -> Option<&'static str> {
        match self {
            Self::LoginRefused | Self::LoginRequired => Some(
                "restart the broker's add-on (\"Mosquitto broker\") if this lasts; the bridge asks \
                 the Supervisor for the login again",
            ),
            Self::Connect(error) if !matches!(error.stage(), net::error::Stage::Tls) => Some(
                "start the broker's add-on (\"Mosquitto broker\"); the bridge asks the Supervisor \
                 for its address again",
            ),
            Self::Connect(_) => Some(
                "check the certificate in the options of the broker's add-on (\"Mosquitto broker\")",
            ),
            Self::LoginTimedOut | Self::NotMqtt | Self::HungUp => {
                Some("restart the broker's add-on (\"Mosquitto broker\"), then the Supervisor")
            }
            Self::Closed => Some(
                "if it happens again and again, stop the other client that has the same name; \
                 after a restart of the broker the bridge reconnects",
            ),
            Self::Refused(_) | Self::Silent | Self::Broken(_) | Self::Stopping => None,
        }
    }
}

/// One row per kind, for the manual; those of [`ConnectError`] are in its own table.
pub fn table() -> Vec<Problem> {
    let kinds = [
        Failure::LoginTimedOut,
        Failure::HungUp,
        Failure::LoginRefused,
        Failure::LoginRequired,
        Failure::Refused(Refusal::ClientId),
        Failure::Refused(Refusal::Version),
        Failure::Refused(Refusal::Unavailable),
        Failure::NotMqtt,
        Failure::Broken("...".to_owned()),
        Failure::Closed,
        Failure::Silent,
    ];
    kinds.iter().map(Failure::row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remedies_for_the_supervisors_broker_name_no_option() {
        let timed_out = |stage| {
            Failure::Connect(ConnectError::TimedOut { stage, limit: LIMIT, place: String::new() })
        };
        for failure in [
            timed_out(net::error::Stage::Name),
            timed_out(net::error::Stage::Tcp),
            timed_out(net::error::Stage::Tls),
            Failure::Connect(ConnectError::UnknownIssuer),
            Failure::LoginTimedOut,
            Failure::HungUp,
            Failure::LoginRefused,
            Failure::LoginRequired,
            Failure::NotMqtt,
            Failure::Closed,
        ] {
            let remedy = failure.problem(Source::Supervisor).remedy.unwrap();
            assert!(!remedy.contains("mqtt."), "{failure:?}: {remedy}");
        }
    }
}
