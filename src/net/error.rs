//! Why a connection could not be opened: one row per kind, shared by DTUs, targets and the broker.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use jiff::Timestamp;
use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError};
use thiserror::Error;

use crate::problem::Problem;

/// Why nobody can listen at `address`, which `setting` names.
#[expect(clippy::wildcard_enum_match_arm, reason = "the list is the standard library's, and open")]
pub fn listen_problem(address: SocketAddr, setting: &str, error: &io::Error) -> Problem {
    let (label, remedy) = match error.kind() {
        io::ErrorKind::AddrInUse => (
            "address_in_use",
            format!(
                "stop the other program that uses this port, perhaps another bridge, or change \
                 {setting}"
            ),
        ),
        io::ErrorKind::AddrNotAvailable => (
            "address_not_available",
            format!("set {setting} to an address of this machine or container, or to 0.0.0.0"),
        ),
        io::ErrorKind::PermissionDenied => {
            ("permission_denied", format!("set {setting} to a port above 1023"))
        }
        // Such as too many open files.
        _ => ("listen_failed", "correct what the system reports, and start it again".to_owned()),
    };
    Problem::new(label, format!("cannot listen on {address} ({setting}): {error}"), remedy)
}

/// How far an attempt came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Looking up the name.
    Name,
    /// Opening the TCP connection.
    Tcp,
    /// The TLS handshake.
    Tls,
}

impl Stage {
    /// As `doctor` names it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
        }
    }
}

/// Why a connection could not be opened.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{}", self.problem())]
pub enum ConnectError {
    /// The name does not resolve.
    NameUnknown {
        /// The name.
        host: String,
        /// What the system said.
        detail: String,
    },
    /// Nothing listens at that port.
    Refused(SocketAddr),
    /// The network does not lead there.
    NoRoute(SocketAddr),
    /// This process may open no more files.
    OpenFiles,
    /// Another failure of the TCP connection.
    Tcp {
        /// The address dialled.
        address: SocketAddr,
        /// What the system said.
        detail: String,
    },
    /// No answer in time.
    TimedOut {
        /// How far the attempt came.
        stage: Stage,
        /// The time that all stages have together.
        limit: Duration,
        /// Host and port.
        place: String,
    },
    /// The other side closed the connection during the TLS handshake.
    HungUp,
    /// The certificate's issuer is not known here.
    UnknownIssuer,
    /// The certificate is no longer valid; since when.
    CertificateExpired(Option<Timestamp>),
    /// The certificate is not valid yet; when it will be.
    CertificateNotYetValid(Option<Timestamp>),
    /// The certificate was issued for another host.
    WrongHost {
        /// The name that was asked for.
        host: String,
    },
    /// The certificate belongs to an authority, as those that `openssl req -x509` makes.
    CertificateIsAuthority,
    /// The server requires a certificate of its clients.
    ClientCertificateRequired,
    /// The server refuses our certificate, or that we have none.
    ClientCertificateRefused(String),
    /// The other side does not speak TLS.
    NotTls,
    /// Another failure of TLS.
    Tls(String),
    /// `ca_file` cannot be used.
    CaFile(String),
    /// The client certificate or its key cannot be used.
    ClientCertificateFile(String),
}

impl ConnectError {
    /// The failure of a TCP connection.
    pub fn tcp(address: SocketAddr, error: &io::Error) -> Self {
        match (error.kind(), error.raw_os_error()) {
            (io::ErrorKind::ConnectionRefused, _) => Self::Refused(address),
            (io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable, _) => {
                Self::NoRoute(address)
            }
            // ENFILE and EMFILE of every Linux.
            (_, Some(23 | 24)) => Self::OpenFiles,
            (_, _) => Self::Tcp { address, detail: error.to_string() },
        }
    }

    /// The failure of a TLS handshake with `host`.
    pub fn tls(host: &str, error: &io::Error) -> Self {
        match tls_error(error) {
            Some(rustls::Error::InvalidCertificate(reason)) => Self::certificate(host, reason),
            Some(rustls::Error::InvalidMessage(_)) => Self::NotTls,
            Some(other) => Self::alert(other),
            None if is_end(error) => Self::HungUp,
            None => Self::Tls(error.to_string()),
        }
    }

    /// An error of TLS over an open connection: with TLS 1.3 a server says only then that it
    /// requires a certificate.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the list is another's, and open")]
    pub fn alert(error: &rustls::Error) -> Self {
        match error {
            rustls::Error::AlertReceived(AlertDescription::CertificateRequired) => {
                Self::ClientCertificateRequired
            }
            alert @ rustls::Error::AlertReceived(
                AlertDescription::BadCertificate
                | AlertDescription::UnsupportedCertificate
                | AlertDescription::CertificateRevoked
                | AlertDescription::CertificateExpired
                | AlertDescription::CertificateUnknown
                | AlertDescription::UnknownCA
                | AlertDescription::DecryptError
                | AlertDescription::AccessDenied,
            ) => Self::ClientCertificateRefused(spaced(&alert.to_string())),
            other => Self::Tls(spaced(&other.to_string())),
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the list is another's, and open")]
    fn certificate(host: &str, reason: &CertificateError) -> Self {
        match reason {
            // A self-signed certificate that is no authority's is as unknown as any.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => Self::UnknownIssuer,
            CertificateError::Expired => Self::CertificateExpired(None),
            CertificateError::ExpiredContext { not_after, .. } => {
                Self::CertificateExpired(day(*not_after))
            }
            CertificateError::NotValidYet => Self::CertificateNotYetValid(None),
            CertificateError::NotValidYetContext { not_before, .. } => {
                Self::CertificateNotYetValid(day(*not_before))
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Self::WrongHost { host: host.to_owned() }
            }
            // Rustls has no variant for it, but most home-made certificates are such.
            CertificateError::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => {
                Self::CertificateIsAuthority
            }
            other => Self::Tls(spaced(&other.to_string())),
        }
    }

    /// How far the attempt came.
    pub const fn stage(&self) -> Stage {
        match self {
            Self::NameUnknown { .. } => Stage::Name,
            Self::Refused(_) | Self::NoRoute(_) | Self::OpenFiles | Self::Tcp { .. } => Stage::Tcp,
            Self::TimedOut { stage, .. } => *stage,
            Self::HungUp
            | Self::UnknownIssuer
            | Self::CertificateExpired(_)
            | Self::CertificateNotYetValid(_)
            | Self::WrongHost { .. }
            | Self::CertificateIsAuthority
            | Self::ClientCertificateRequired
            | Self::ClientCertificateRefused(_)
            | Self::NotTls
            | Self::Tls(_)
            | Self::CaFile(_)
            | Self::ClientCertificateFile(_) => Stage::Tls,
        }
    }

    /// Label, cause and remedy.
    #[expect(clippy::too_many_lines, reason = "a table")]
    pub fn problem(&self) -> Problem {
        match self {
            Self::NameUnknown { host, detail } => Problem::new(
                "name_unknown",
                format!("the name {host} does not resolve ({detail})"),
                "check the name, or use an IP address; names ending in .local do not resolve \
                 inside a container",
            ),
            Self::Refused(address) => Problem::new(
                "refused",
                format!("connection refused by {address}"),
                "start the program that should listen there, or correct host and port",
            ),
            Self::NoRoute(address) => {
                Problem::new("no_route", format!("no route to {address}"), network(*address))
            }
            Self::OpenFiles => Problem::new(
                "open_files",
                "the bridge has reached its limit of open files",
                "raise that limit (ulimits: nofile in docker-compose.yml)",
            ),
            Self::Tcp { address, detail } => Problem::new(
                "tcp",
                format!("cannot connect to {address}: {detail}"),
                network(*address),
            ),
            Self::TimedOut { stage: Stage::Name, limit, place } => Problem::new(
                "name_timeout",
                format!("the name of {place} was not resolved within {limit:?}"),
                "check the DNS server, or use an IP address",
            ),
            Self::TimedOut { stage: Stage::Tcp, limit, place } => Problem::new(
                "tcp_timeout",
                format!("no answer from {place} within {limit:?}"),
                "check the address, that the machine is on, and that no firewall drops the packets",
            ),
            Self::TimedOut { stage: Stage::Tls, limit, place } => Problem::new(
                "tls_timeout",
                format!("{place} did not complete TLS within {limit:?}"),
                WITHOUT_TLS,
            ),
            Self::HungUp => Problem::new(
                "tls_hung_up",
                "the connection was closed during the TLS handshake",
                WITHOUT_TLS,
            ),
            Self::UnknownIssuer => Problem::new(
                "tls_unknown_issuer",
                "TLS: the certificate's issuer is not trusted",
                "set `ca_file` to the certificate of the authority that signed it, or use a public \
                 certificate",
            ),
            Self::CertificateExpired(end) => Problem::new(
                "tls_expired",
                dated("TLS: the certificate has expired", "on", *end),
                "renew the certificate and restart the server that uses it; if it is still valid, \
                 correct this machine's clock",
            ),
            Self::CertificateNotYetValid(begin) => Problem::new(
                "tls_not_yet",
                dated("TLS: the certificate is not valid yet", "before", *begin),
                "correct the clock of this machine, or of the one that made the certificate",
            ),
            Self::WrongHost { host } => Problem::new(
                "tls_wrong_host",
                format!("TLS: the certificate is not for {host}"),
                "use the host name for which the certificate was issued",
            ),
            Self::CertificateIsAuthority => Problem::new(
                "tls_authority",
                "TLS: the certificate is that of an authority, not of a server",
                "give the server a certificate that the authority has signed; a self-signed one \
                 must say CA:FALSE",
            ),
            Self::ClientCertificateRequired => Problem::new(
                "tls_wants_certificate",
                "TLS: the server requires a client certificate",
                "turn off client certificates in the server or proxy, or use a URL that bypasses it",
            ),
            Self::ClientCertificateRefused(alert) => Problem::new(
                "client_certificate",
                format!("TLS: the server refused the bridge's certificate ({alert})"),
                "turn off client certificates in the server or proxy, or use a URL that bypasses it",
            ),
            Self::NotTls => {
                Problem::new("not_tls", "the other side does not speak TLS", WITHOUT_TLS)
            }
            Self::Tls(detail) => Problem::new(
                "tls",
                format!("TLS failed: {detail}"),
                "check the TLS settings of the server or of the proxy in front of it, and use the \
                 host name in its certificate rather than an address",
            ),
            Self::CaFile(detail) => Problem::new(
                "ca_file",
                format!("ca_file cannot be used: {detail}"),
                "set `ca_file` to a readable PEM file",
            ),
            Self::ClientCertificateFile(detail) => Problem::new(
                "client_certificate_file",
                format!("the client certificate cannot be used: {detail}"),
                "set `client_cert` and `client_key` to readable PEM files that belong together",
            ),
        }
    }
}

const WITHOUT_TLS: &str = "check that the port speaks TLS, or connect without it (ws:// instead of wss://, `tls = false`)";

const fn network(address: SocketAddr) -> &'static str {
    if address.is_ipv6() {
        "use the IPv4 address, or enable IPv6 for this machine and its container; Docker networks \
         have none by default"
    } else {
        "check the address, and that this machine and its container reach that network"
    }
}

fn dated(what: &str, preposition: &str, day: Option<Timestamp>) -> String {
    let day = day.map(|day| format!(" ({preposition} {})", day.strftime("%Y-%m-%d")));
    format!("{what}{}", day.unwrap_or_default())
}

fn day(time: UnixTime) -> Option<Timestamp> {
    Timestamp::from_second(i64::try_from(time.as_secs()).ok()?).ok()
}

/// The TLS error behind an error of a stream.
pub fn tls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref().and_then(|inner| inner.downcast_ref())
}

/// Whether the other side ended the connection.
pub fn is_end(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
    )
}

/// Rustls names some things by their identifiers, such as `CertificateRequired`: here in words.
fn spaced(text: &str) -> String {
    let word = |word: &str| {
        let letters: Vec<char> = word.chars().collect();
        let begins = |pair: &[char]| matches!(pair, [a, b] if a.is_lowercase() && b.is_uppercase());
        if !letters.windows(2).any(begins) {
            return word.to_owned();
        }
        let mut spaced = String::new();
        for (index, letter) in letters.iter().enumerate() {
            let rest = letters.get(index..).unwrap_or_default();
            if letters.get(index.saturating_sub(1)..=index).is_some_and(begins) {
                spaced.push(' ');
            }
            if matches!(rest, [_, next, ..] if next.is_lowercase()) {
                spaced.extend(letter.to_lowercase());
            } else {
                spaced.push(*letter);
            }
        }
        spaced
    };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// One example of each kind, for the manual.
pub fn table() -> Vec<Problem> {
    examples().iter().map(ConnectError::problem).collect()
}

fn examples() -> Vec<ConnectError> {
    let ip = SocketAddr::from(([192, 168, 1, 23], 8123));
    let (host, place) = ("ha.example".to_owned(), "ha.example:8123".to_owned());
    let limit = Duration::from_secs(10);
    let timed_out = |stage| ConnectError::TimedOut { stage, limit, place: place.clone() };
    let detail = "...".to_owned();
    vec![
        ConnectError::NameUnknown {
            host: host.clone(),
            detail: "name or service not known".to_owned(),
        },
        timed_out(Stage::Name),
        ConnectError::Refused(ip),
        ConnectError::NoRoute(ip),
        ConnectError::Tcp { address: ip, detail: detail.clone() },
        timed_out(Stage::Tcp),
        ConnectError::OpenFiles,
        timed_out(Stage::Tls),
        ConnectError::HungUp,
        ConnectError::NotTls,
        ConnectError::UnknownIssuer,
        ConnectError::CertificateExpired(None),
        ConnectError::CertificateNotYetValid(None),
        ConnectError::WrongHost { host },
        ConnectError::CertificateIsAuthority,
        ConnectError::ClientCertificateRequired,
        ConnectError::ClientCertificateRefused("received fatal alert: unknown CA".to_owned()),
        ConnectError::Tls(detail.clone()),
        ConnectError::CaFile(detail.clone()),
        ConnectError::ClientCertificateFile(detail),
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rustls::{Error, PeerIncompatible};

    use super::*;

    #[test]
    fn every_failure_has_a_label_of_its_own_and_a_remedy() {
        let table = table();
        let labels: BTreeSet<&str> = table.iter().map(|row| row.label).collect();
        assert_eq!(labels.len(), table.len());
        for row in table {
            assert!(row.label.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{row:?}");
            let remedy = row.remedy.as_ref().unwrap();
            for text in [&row.cause, remedy.as_ref()] {
                assert!(!text.ends_with(" .") && !text.contains(['\n']) && !text.contains("  "));
            }
        }
    }

    #[test]
    fn an_ipv6_address_without_a_route_has_a_remedy_of_its_own() {
        let remedy =
            |address: &str| ConnectError::NoRoute(address.parse().unwrap()).problem().to_string();
        assert!(remedy("[2001:db8::1]:8123").contains("use the IPv4 address"));
        assert!(!remedy("192.0.2.1:8123").contains("IPv4"));
    }

    #[test]
    fn identifiers_of_the_library_become_words() {
        let check = |error: Error, words: &str| assert_eq!(spaced(&error.to_string()), words);
        let alert = Error::AlertReceived;
        check(
            alert(AlertDescription::CertificateRequired),
            "received fatal alert: certificate required",
        );
        check(alert(AlertDescription::UnknownCA), "received fatal alert: unknown CA");
        check(
            PeerIncompatible::NoCipherSuitesInCommon.into(),
            "peer is incompatible: no cipher suites in common",
        );
        check(Error::DecryptError, &Error::DecryptError.to_string());
        assert_eq!(spaced("a TLS record, 3 bytes  long"), "a TLS record, 3 bytes  long");
    }
}
