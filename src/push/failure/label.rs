//! Each cause in one word. Few enough to be labels of a metric, whatever a target answers.

use super::{Failure, Stage};

impl Failure {
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
            Self::CertificateExpired(_) => "tls_expired",
            Self::CertificateNotYet(_) => "tls_not_yet",
            Self::CertificateOfAnother { .. } => "tls_wrong_host",
            Self::CertificateIsAuthority => "tls_authority",
            Self::WantsCertificate => "tls_wants_certificate",
            Self::WantsTls { .. } => "wants_tls",
            Self::NotTls => "not_tls",
            Self::Tls(_) => "tls",
            Self::CaFile(_) => "ca_file",
            Self::Http { status, .. } => http(*status),
            Self::Redirected { failure, .. } => failure.label(),
            Self::RedirectedOnAndOn { .. } => "redirected_on_and_on",
            Self::NotHttp => "not_http",
            Self::OldHttp => "old_http",
            Self::NotWebSocket(_) => "not_websocket",
            Self::HungUp(Stage::Name | Stage::Tcp | Stage::Tls) => "tls_hung_up",
            Self::HungUp(Stage::Upgrade) => "upgrade_hung_up",
            Self::TokenRefused(_) => "token_refused",
            Self::Closed { code, .. } => closed(*code),
            Self::ClosedBadly { .. } => "closed_badly",
            Self::Broken(_) => "broken",
            Self::Silent(_) => "silent",
            Self::NotReading(_) => "not_reading",
            Self::TooBig(_) => "too_big",
            Self::Endless(_) => "endless",
            Self::Protocol(_) => "protocol",
            Self::Replaced => "replaced",
            Self::Reconfigured => "reconfigured",
            Self::Removed => "removed",
            Self::Stopping => "stopping",
        }
    }
}

const fn http(status: u16) -> &'static str {
    match status {
        200..=299 => "http_2xx",
        300..=399 => "http_redirect",
        400 => "http_400",
        401 => "http_401",
        403 => "http_403",
        404 => "http_404",
        426 => "http_426",
        429 => "http_429",
        500 => "http_500",
        502 => "http_502",
        503 => "http_503",
        504 => "http_504",
        _ => "http_other",
    }
}

const fn closed(code: u16) -> &'static str {
    match code {
        1000 => "closed_1000",
        1001 => "closed_1001",
        1002 => "closed_1002",
        1003 => "closed_1003",
        1005 => "closed_1005",
        1007 => "closed_1007",
        1008 => "closed_1008",
        1009 => "closed_1009",
        1010 => "closed_1010",
        1011 => "closed_1011",
        1012 => "closed_1012",
        1013 => "closed_1013",
        _ => "closed_other",
    }
}
