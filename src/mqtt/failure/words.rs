//! What happened and what to do about it, in the words of the one whose house it is.

use std::borrow::Cow;

use super::{Failure, LIMIT, Reason};
use crate::net::error::ConnectError;

impl Failure {
    /// What happened.
    pub fn cause(&self) -> String {
        match self {
            Self::Connect(error) => error.problem().cause,
            Self::LoginTimedOut => format!("the broker did not answer the login within {LIMIT:?}"),
            Self::HungUp => "hung up before it answered the login".to_owned(),
            Self::LoginRefused { has_login: true } => {
                "the broker refused the user name or password".to_owned()
            }
            Self::LoginRefused { has_login: false } => "the broker wants a login".to_owned(),
            Self::NotTaken(reason) => format!("the broker refused: {}", reason.cause()),
            Self::NotMqtt => "the answer is not MQTT".to_owned(),
            Self::Broken(detail) => format!("the connection broke: {detail}"),
            Self::Closed => "closed by the broker".to_owned(),
            Self::Silent => "no answer to pings".to_owned(),
            Self::Stopping => "the bridge stops".to_owned(),
        }
    }

    /// What to do about it, if anything, where the owner has named the broker.
    pub(super) fn cure_of_own(&self) -> Option<Cow<'static, str>> {
        let cure = match self {
            Self::Connect(
                ConnectError::ClientCertificateRequired | ConnectError::ClientCertificateRefused(_),
            ) => {
                "set mqtt.client_cert and mqtt.client_key to a pair that the broker's authority \
                 signed"
            }
            Self::Connect(error) => return error.problem().remedy,
            Self::LoginTimedOut => {
                "the broker hangs, or something else listens there; restart it and check mqtt.port; \
                 if the broker speaks TLS there, set mqtt.tls = true"
            }
            Self::NotMqtt | Self::HungUp => {
                "check mqtt.port; if the broker speaks TLS there, set mqtt.tls = true"
            }
            Self::LoginRefused { has_login: true } => {
                "correct mqtt.username and mqtt.password, or add the user to the broker; it may \
                 also mean mqtt.client_id"
            }
            // Mosquitto says the same of a name that its `clientid_prefixes` do not allow.
            Self::LoginRefused { has_login: false } => {
                "set mqtt.username and mqtt.password; if it wants none, it refuses mqtt.client_id"
            }
            Self::Closed => {
                "it restarts, or another client has the same mqtt.client_id; the bridge comes back \
                 by itself"
            }
            Self::Silent => "the broker or the network between went away",
            Self::NotTaken(reason) => reason.cure(),
            Self::Broken(_) | Self::Stopping => return None,
        };
        Some(Cow::Borrowed(cure))
    }
}

impl Reason {
    const fn cause(self) -> &'static str {
        match self {
            Self::ClientId => "mqtt.client_id is not allowed",
            Self::Version => "it does not take MQTT 3.1.1",
            Self::Unavailable => "it is not available",
        }
    }

    const fn cure(self) -> &'static str {
        match self {
            Self::ClientId => {
                "set another mqtt.client_id, or let the broker take this one (mosquitto: \
                 clientid_prefixes)"
            }
            Self::Version => {
                "let the broker take MQTT 3.1.1 beside other versions (mosquitto: \
                 accept_protocol_versions)"
            }
            Self::Unavailable => "the broker's own log tells why; the bridge tries again by itself",
        }
    }
}
