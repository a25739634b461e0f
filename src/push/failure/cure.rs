//! What to do about it.

use super::{Failure, Stage};

impl Failure {
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
            Self::UnknownIssuer
            | Self::CertificateExpired
            | Self::CertificateOfAnother { .. }
            | Self::CertificateIsAuthority
            | Self::NotTls
            | Self::Tls(_)
            | Self::CaFile(_) => return self.tls_cure(),
            Self::Http { status, .. } => http_cure(*status),
            Self::Redirected { failure, .. } => return failure.cure(),
            Self::RedirectedOnAndOn { .. } => {
                "correct the redirections of the web server or proxy, or use the URL at which they shall end"
            }
            Self::NotHttp => "check the port; if Home Assistant uses TLS there, use wss://",
            Self::NotWebSocket(_) => {
                "check the port and path, and that a proxy in between passes WebSockets on"
            }
            Self::HungUp(Stage::Upgrade) => {
                "if Home Assistant uses TLS there, use wss://; or it is just starting, or a proxy in between does \
                 not pass WebSockets on"
            }
            Self::TimedOut { stage: Stage::Tls, .. } | Self::HungUp(_) => {
                "check that the port speaks TLS, or use ws://"
            }
            Self::TokenRefused(_) => {
                "the token is old or wrong; Home Assistant makes a new one at each start and registers it \
                 with the bridge: reload its integration, or correct the token in the configuration"
            }
            Self::Closed { code, .. } => close_cure(*code),
            Self::ClosedBadly { .. } => {
                "an error in the target, or in a proxy in between; see its own log and update it; the \
                 bridge comes back by itself"
            }
            Self::Silent(_) => "the target or the network between went away",
            Self::Broken(_) => {
                "it was killed, or the network between broke; the bridge comes back by itself"
            }
            Self::NotReading(_) => {
                "it hangs, or the network between is too slow; see the target's own log"
            }
            Self::TooBig(_) | Self::Protocol(_) => {
                "check what answers at that URL, and any proxy in between"
            }
            // What is forbidden says itself where it is allowed.
            Self::Forbidden(_)
            | Self::Replaced
            | Self::Reconfigured
            | Self::Removed
            | Self::Stopping => return None,
        })
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the others have nothing to do with TLS")]
    const fn tls_cure(&self) -> Option<&'static str> {
        Some(match self {
            Self::UnknownIssuer => {
                "name the certificate of your own authority in ca_file, or use a public certificate"
            }
            Self::CertificateExpired => {
                "renew the certificate, and check the clocks of both machines"
            }
            Self::CertificateOfAnother { .. } => {
                "use the host name that the certificate is made for"
            }
            Self::CertificateIsAuthority => {
                "give the server a certificate that the authority has signed; one that it signed itself must \
                 say CA:FALSE"
            }
            Self::NotTls => "use ws:// instead of wss://",
            Self::CaFile(_) => "name a readable PEM file",
            Self::Tls(_) => "check the TLS settings of the target, or of the proxy before it",
            _ => return None,
        })
    }
}

/// What an HTTP status means here; of Home Assistant where it has a meaning of its own.
const fn http_cure(status: u16) -> &'static str {
    match status {
        200..=299 => "something else answers there; check port and path",
        300..=399 => "use the URL that it points to",
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
        _ => "check the port and path",
    }
}

const fn close_cure(code: u16) -> &'static str {
    match code {
        1000 | 1001 | 1005 | 1006 | 1012 => {
            "it probably restarts or reloads; the bridge comes back by itself"
        }
        1003 => "the target does not take JSON in text messages; check the URL",
        1010 => "it wants a WebSocket extension, and the bridge has none; switch it off there",
        1008 => "check the token and the target's rules",
        1009 => "raise the target's message limit",
        1013 | 1014 => "the bridge tries again later",
        1002 | 1007 => "check any proxy in between, and see the target's own log",
        _ => "see the target's own log",
    }
}
