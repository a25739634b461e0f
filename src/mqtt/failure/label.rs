//! Each cause in one word. Few enough to be labels of a metric, whatever a broker answers.

use super::{Failure, Stage};

impl Failure {
    /// A word for metrics; what a WebSocket target can do as well has the same word there.
    pub(in crate::mqtt) const fn label(&self) -> &'static str {
        match self {
            Self::NameUnknown { .. } => "name_unknown",
            Self::Refused(_) => "refused",
            Self::Tcp { .. } => "tcp",
            Self::TimedOut { stage: Stage::Name, .. } => "name_timeout",
            Self::TimedOut { stage: Stage::Tcp, .. } => "tcp_timeout",
            Self::TimedOut { stage: Stage::Tls, .. } => "tls_timeout",
            Self::TimedOut { stage: Stage::Login, .. } => "login_timeout",
            Self::UnknownIssuer => "tls_unknown_issuer",
            Self::CertificateExpired => "tls_expired",
            Self::CertificateOfAnother { .. } => "tls_wrong_host",
            Self::CertificateIsAuthority => "tls_authority",
            Self::NotTls => "not_tls",
            Self::ClientCertificate(_) => "client_certificate",
            Self::Tls(_) => "tls",
            Self::File(_) => "file",
            Self::HungUp(Stage::Name | Stage::Tcp | Stage::Tls) => "tls_hung_up",
            Self::HungUp(Stage::Login) => "login_hung_up",
            Self::LoginRefused { .. } => "login_refused",
            Self::NotTaken(_) => "not_taken",
            Self::NotMqtt => "not_mqtt",
            Self::Broken(_) => "broken",
            Self::Closed => "closed",
            Self::Silent => "silent",
            Self::Stopping => "stopping",
        }
    }
}
