//! What happened and what to do about it, in the words of the one whose house it is.

use std::time::Duration;

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
            Self::TimedOut { stage: Stage::Tls, .. } | Self::HungUp(_) => {
                "check that the port speaks TLS, or use ws://"
            }
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
