//! What to do when Home Assistant's Supervisor has named the broker and the login: its owner has set
//! none of the options that lead there.

use std::borrow::Cow;

use super::Failure;
use crate::net::error::Stage;

impl Failure {
    /// What to do about it, if anything.
    pub(super) fn cure_of_told(&self) -> Option<Cow<'static, str>> {
        let cure = match self {
            Self::LoginRefused { .. } => {
                "the Supervisor is asked for the login again; if that does not help, restart the \
                 broker's add-on (\"Mosquitto broker\")"
            }
            Self::Connect(error) if !matches!(error.stage(), Stage::Tls) => {
                "start the broker's add-on (\"Mosquitto broker\"); the Supervisor is asked for its \
                 place again"
            }
            Self::LoginTimedOut | Self::NotMqtt | Self::HungUp => {
                "restart the broker's add-on (\"Mosquitto broker\"), then the Supervisor"
            }
            Self::Connect(_) => {
                "check the certificate in the options of the broker's add-on (\"Mosquitto broker\")"
            }
            Self::Closed => {
                "it restarts, or another client has the same name; the bridge comes back by itself"
            }
            Self::NotTaken(_) | Self::Silent | Self::Broken(_) | Self::Stopping => {
                return self.cure_of_own();
            }
        };
        Some(Cow::Borrowed(cure))
    }
}
