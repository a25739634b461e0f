//! What to do when Home Assistant's Supervisor has named the broker and the login: its owner has set
//! none of the options that lead there.

use super::{Failure, Stage};

impl Failure {
    /// What to do about it, if anything.
    pub(super) const fn cure_of_told(&self) -> Option<&'static str> {
        Some(match self {
            Self::LoginRefused { .. } => {
                "the Supervisor is asked for the login again; if that does not help, restart the \
                 broker's add-on (\"Mosquitto broker\")"
            }
            Self::NameUnknown { .. }
            | Self::Refused(_)
            | Self::Tcp { .. }
            | Self::TimedOut { stage: Stage::Name | Stage::Tcp, .. } => {
                "start the broker's add-on (\"Mosquitto broker\"); the Supervisor is asked for its \
                 place again"
            }
            Self::TimedOut { stage: Stage::Login, .. }
            | Self::NotMqtt
            | Self::HungUp(Stage::Name | Stage::Tcp | Stage::Login) => {
                "restart the broker's add-on (\"Mosquitto broker\"), then the Supervisor"
            }
            Self::TimedOut { stage: Stage::Tls, .. }
            | Self::NotTls
            | Self::HungUp(Stage::Tls)
            | Self::UnknownIssuer
            | Self::CertificateExpired
            | Self::CertificateOfAnother { .. }
            | Self::CertificateIsAuthority
            | Self::ClientCertificate(_)
            | Self::Tls(_)
            | Self::File(_) => {
                "check the certificate in the options of the broker's add-on (\"Mosquitto broker\")"
            }
            Self::Closed => {
                "it restarts, or another client has the same name; the bridge comes back by itself"
            }
            Self::NotTaken(_) | Self::Silent | Self::Broken(_) | Self::Stopping => {
                return self.cure_of_own();
            }
        })
    }
}
