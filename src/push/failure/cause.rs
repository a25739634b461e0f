//! What happened, in the words of the one whose house it is.

use std::time::Duration;

use jiff::Timestamp;

use super::{Failure, Stage};

impl Failure {
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
            Self::CertificateExpired(end) => dated("TLS: the certificate has expired", "on", *end),
            Self::CertificateNotYet(begin) => {
                dated("TLS: the certificate is not valid yet", "before", *begin)
            }
            Self::CertificateOfAnother { host } => {
                format!("TLS: the certificate is not for {host}")
            }
            Self::CertificateIsAuthority => {
                "TLS: the certificate is an authority's, not a server's".to_owned()
            }
            Self::WantsCertificate => {
                "TLS: the server wants a certificate of its clients, and the bridge has none"
                    .to_owned()
            }
            Self::NotTls => "the other side does not speak TLS".to_owned(),
            Self::Tls(detail) => format!("TLS failed: {detail}"),
            Self::CaFile(detail) => format!("ca_file cannot be used: {detail}"),
            Self::Http { status, location, .. } => http(*status, location.as_deref()),
            Self::WantsTls { status } => wants_tls(*status),
            Self::Redirected { from, to, failure } => {
                format!("{}: {}", redirected(from, to), failure.cause())
            }
            Self::RedirectedOnAndOn { from, to, is_circle } => on_and_on(from, to, *is_circle),
            Self::NotHttp => "the answer is not HTTP".to_owned(),
            Self::OldHttp => "the answer is HTTP/1.0, which knows no WebSocket".to_owned(),
            Self::NotWebSocket(detail) => format!("the answer is not a WebSocket's ({detail})"),
            Self::HungUp(stage) => format!("hung up during the {}", stage_name(*stage)),
            Self::TokenRefused(words) => format!("the target refused: {words}"),
            Self::Closed { code, reason } => {
                told(&format!("code {code} ({})", close_meaning(*code)), reason)
            }
            Self::ClosedBadly { code, reason } => told(&format!("the invalid code {code}"), reason),
            Self::Broken(detail) => format!("the connection broke (1006): {detail}"),
            Self::Silent(limit) => format!("no answer to pings for {limit:?}"),
            Self::NotReading(limit) => format!("the target took nothing for {limit:?}"),
            Self::TooBig(limit) => format!("the target sent a message of more than {limit} bytes"),
            Self::Endless(limit) => {
                format!("the target sent a message in more than {limit} frames")
            }
            Self::Protocol(detail) => format!("the target broke the WebSocket protocol: {detail}"),
            Self::Replaced => "replaced: the target was registered anew or deleted".to_owned(),
            Self::Reconfigured => "ended by the bridge: its configuration changed".to_owned(),
            Self::Removed => {
                "ended by the bridge: it was removed from the configuration".to_owned()
            }
            Self::Stopping => "the bridge stops (1001)".to_owned(),
        }
    }
}

fn redirected(from: &str, to: &str) -> String {
    if from == to {
        format!("redirected by {from} to another path there")
    } else {
        format!("redirected by {from} to {to}")
    }
}

fn on_and_on(from: &str, to: &str, is_circle: bool) -> String {
    if is_circle {
        format!("redirected in a circle: it began at {from}, and now points to {to} again")
    } else {
        format!("redirected too often: it began at {from}, and now points to {to}")
    }
}

/// A certificate's day.
fn dated(what: &str, preposition: &str, day: Option<Timestamp>) -> String {
    let day = day.map(|day| format!(" ({preposition} {})", day.strftime("%Y-%m-%d")));
    format!("{what}{}", day.unwrap_or_default())
}

fn http(status: u16, location: Option<&str>) -> String {
    let to = location.map(|location| format!(", pointing to {location}")).unwrap_or_default();
    format!("HTTP {status} instead of a WebSocket{to}")
}

fn wants_tls(status: u16) -> String {
    format!("HTTP {status} from a port that speaks TLS, to a URL that begins with ws://")
}

fn told(how: &str, reason: &str) -> String {
    let colon = if reason.is_empty() { "" } else { ": " };
    format!("closed by the target with {how}{colon}{reason}")
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
