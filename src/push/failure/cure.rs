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
            Self::NoRoute(address) | Self::Tcp { address, .. } if address.is_ipv6() => {
                "this machine or its container has no way to that IPv6 network; networks of Docker have \
                 none by themselves: use the IPv4 address of the target, or give the container IPv6"
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
            | Self::CertificateExpired(_)
            | Self::CertificateNotYet(_)
            | Self::CertificateOfAnother { .. }
            | Self::CertificateIsAuthority
            | Self::WantsCertificate
            | Self::WantsTls { .. }
            | Self::NotTls
            | Self::Tls(_)
            | Self::CaFile(_) => return self.tls_cure(),
            Self::Redirected { failure, .. } => return failure.cure(),
            Self::Http { .. }
            | Self::RedirectedOnAndOn { .. }
            | Self::NotHttp
            | Self::OldHttp
            | Self::NotWebSocket(_)
            | Self::HungUp(Stage::Upgrade) => return self.answer_cure(),
            Self::TimedOut { stage: Stage::Tls, .. } | Self::HungUp(_) => {
                "check that the port speaks TLS, or use ws://"
            }
            Self::TokenRefused(_)
            | Self::Closed { .. }
            | Self::ClosedBadly { .. }
            | Self::Silent(_)
            | Self::Broken(_)
            | Self::NotReading(_)
            | Self::TooBig(_)
            | Self::Endless(_)
            | Self::Protocol(_) => return self.session_cure(),
            // What is forbidden says itself where it is allowed.
            Self::Forbidden(_)
            | Self::Replaced
            | Self::Reconfigured
            | Self::Removed
            | Self::Stopping => return None,
        })
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the others are no answers to an upgrade")]
    const fn answer_cure(&self) -> Option<&'static str> {
        Some(match self {
            Self::Http { status, .. } => http_cure(*status),
            Self::RedirectedOnAndOn { .. } => {
                "correct the redirections of the web server or proxy, or use the URL at which they shall end"
            }
            Self::NotHttp => "check the port; if Home Assistant uses TLS there, use wss://",
            Self::OldHttp => {
                "many servers answer so if a port that speaks TLS is asked without: if the URL begins \
                 with ws://, try wss://; else check port and path"
            }
            Self::NotWebSocket(_) => {
                "check the port and path, and that a proxy in between passes WebSockets on"
            }
            Self::HungUp(Stage::Upgrade) => {
                "if Home Assistant uses TLS there, use wss://; or it is just starting, or a proxy in between does \
                 not pass WebSockets on"
            }
            _ => return None,
        })
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the others end no session")]
    const fn session_cure(&self) -> Option<&'static str> {
        Some(match self {
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
            Self::TooBig(_) | Self::Endless(_) | Self::Protocol(_) => {
                "check what answers at that URL, and any proxy in between"
            }
            _ => return None,
        })
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the others have nothing to do with TLS")]
    const fn tls_cure(&self) -> Option<&'static str> {
        Some(match self {
            Self::UnknownIssuer => {
                "name the certificate of your own authority in ca_file, or use a public certificate"
            }
            Self::CertificateExpired(_) => {
                "renew the certificate and restart what shows it; or this machine's clock is wrong"
            }
            Self::CertificateNotYet(_) => {
                "set the clock of this machine, or of the one that made the certificate"
            }
            Self::CertificateOfAnother { .. } => {
                "use the host name that the certificate is made for"
            }
            Self::CertificateIsAuthority => {
                "give the server a certificate that the authority has signed; one that it signed itself must \
                 say CA:FALSE"
            }
            Self::WantsCertificate => {
                "switch client certificates off in the server or proxy, or use a URL that leads to Home \
                 Assistant directly"
            }
            Self::WantsTls { .. } => "use wss:// instead of ws://",
            Self::NotTls => "use ws:// instead of wss://",
            Self::CaFile(_) => "name a readable PEM file",
            Self::Tls(_) => {
                "check the TLS settings of the target or of the proxy before it, and that the URL has the \
                 name that its certificate is for, not an address"
            }
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
        405 => "what answers there takes no WebSockets at that path; check port and path",
        413 | 414 | 431 => {
            "a proxy in between does not take a request that large; raise its limit, or go around it"
        }
        426 => "a proxy in between does not pass WebSockets on",
        429 => "too many requests; the bridge waits",
        503 => {
            "Home Assistant is starting, or its Hoymiles Smiles entry is not loaded: wait, then see whether the \
             entry is enabled; or a proxy answers whose Home Assistant is down"
        }
        502 | 504 => "a proxy answers, but not Home Assistant behind it; check that it is running",
        402..=499 => {
            "what answers there refuses the bridge; check port and path, and see its log, or that of a \
             proxy or firewall in between"
        }
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
