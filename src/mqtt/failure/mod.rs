//! Why an attempt or a connection ended, in a user's words, and what to do about it.

mod label;
mod told;
mod words;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use rustls::{AlertDescription, CertificateError};

use crate::link::trust::{Flaw, in_words, reason};

/// Name look-up, TCP, TLS and login together.
pub(super) const LIMIT: Duration = Duration::from_secs(10);

/// How far an attempt came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Looking up the name.
    Name,
    /// Opening the TCP connection.
    Tcp,
    /// The TLS handshake.
    Tls,
    /// The login.
    Login,
}

impl Stage {
    /// As `doctor` names it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Login => "login",
        }
    }
}

/// Who has named the broker and the login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The owner, in the configuration.
    Owner,
    /// Home Assistant's Supervisor.
    Supervisor,
}

/// What a broker does not like, name and password aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Our name.
    ClientId,
    /// The version of MQTT.
    Version,
    /// Anything, for now.
    Unavailable,
}

/// Why an attempt or a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The name does not resolve.
    NameUnknown {
        /// The name.
        host: String,
        /// What the system said.
        detail: String,
    },
    /// Nothing listens at that port.
    Refused(SocketAddr),
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
        /// How long it may take.
        limit: Duration,
    },
    /// The certificate's issuer is not known here.
    UnknownIssuer,
    /// The certificate is not valid now.
    CertificateExpired,
    /// The certificate is another host's.
    CertificateOfAnother {
        /// The name that was asked for.
        host: String,
    },
    /// The certificate signed itself and calls itself an authority.
    CertificateIsAuthority,
    /// The broker does not speak TLS at that port.
    NotTls,
    /// The broker does not take our certificate, or our having none.
    ClientCertificate(String),
    /// Another failure of TLS.
    Tls(String),
    /// A file of certificates or keys cannot be used.
    File(String),
    /// Hung up before the login was answered.
    HungUp(Stage),
    /// The broker does not take our name and password, or our having none.
    LoginRefused {
        /// Whether we gave a name.
        has_login: bool,
    },
    /// The broker does not take us for another reason.
    NotTaken(Reason),
    /// The answer is not MQTT's.
    NotMqtt,
    /// The connection broke.
    Broken(String),
    /// The broker closed it.
    Closed,
    /// Not even an answer to a ping.
    Silent,
    /// The bridge stops.
    Stopping,
}

impl Failure {
    pub(super) fn of_tcp(address: SocketAddr, error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::ConnectionRefused {
            Self::Refused(address)
        } else {
            Self::Tcp { address, detail: error.to_string() }
        }
    }

    /// What went wrong in the handshake.
    pub(super) fn of_tls(host: &str, error: &io::Error) -> Self {
        match reason(error) {
            Some(rustls::Error::InvalidCertificate(flaw)) => certificate(host, flaw),
            Some(rustls::Error::InvalidMessage(_)) => Self::NotTls,
            Some(other) => Self::of_alert(other),
            None if is_end(error) => Self::HungUp(Stage::Tls),
            None => Self::Tls(error.to_string()),
        }
    }

    /// What went wrong on an open connection; TLS tells there that a certificate is missing.
    pub(super) fn of_io(error: &io::Error) -> Self {
        match reason(error) {
            Some(other) => Self::of_alert(other),
            None if is_end(error) => Self::Closed,
            // How the codec says that the stream ended within what it took for a packet.
            None if error.to_string() == "bytes remaining on stream" => Self::NotMqtt,
            None => Self::Broken(error.to_string()),
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the list is another's, and open")]
    fn of_alert(error: &rustls::Error) -> Self {
        match error {
            alert @ rustls::Error::AlertReceived(
                AlertDescription::CertificateRequired
                | AlertDescription::BadCertificate
                | AlertDescription::UnsupportedCertificate
                | AlertDescription::CertificateRevoked
                | AlertDescription::CertificateExpired
                | AlertDescription::CertificateUnknown
                | AlertDescription::UnknownCA
                | AlertDescription::DecryptError
                | AlertDescription::AccessDenied,
            ) => Self::ClientCertificate(in_words(alert)),
            other => Self::Tls(in_words(other)),
        }
    }

    /// What the same means before the login was answered.
    #[expect(clippy::wildcard_enum_match_arm, reason = "most mean the same at all times")]
    pub(super) fn at_login(self) -> Self {
        match self {
            Self::Closed => Self::HungUp(Stage::Login),
            // An answer that breaks off in the midst of what would be a packet.
            Self::Broken(_) => Self::NotMqtt,
            Self::Silent => Self::TimedOut { stage: Stage::Login, limit: LIMIT },
            other => other,
        }
    }

    /// What to do about it, if anything.
    pub const fn cure(&self, source: Source) -> Option<&'static str> {
        match source {
            Source::Owner => self.cure_of_own(),
            Source::Supervisor => self.cure_of_told(),
        }
    }

    /// What happened and what to do about it.
    pub fn told(&self, source: Source) -> String {
        let cause = self.cause();
        match self.cure(source) {
            Some(cure) => format!("{cause}; {cure}"),
            None => cause,
        }
    }

    /// How far the attempt came.
    pub const fn stage(&self) -> Stage {
        match self {
            Self::NameUnknown { .. } => Stage::Name,
            Self::Refused(_) | Self::Tcp { .. } => Stage::Tcp,
            Self::TimedOut { stage, .. } | Self::HungUp(stage) => *stage,
            Self::UnknownIssuer
            | Self::CertificateExpired
            | Self::CertificateOfAnother { .. }
            | Self::CertificateIsAuthority
            | Self::NotTls
            | Self::ClientCertificate(_)
            | Self::Tls(_)
            | Self::File(_) => Stage::Tls,
            Self::LoginRefused { .. }
            | Self::NotTaken(_)
            | Self::NotMqtt
            | Self::Broken(_)
            | Self::Closed
            | Self::Silent
            | Self::Stopping => Stage::Login,
        }
    }
}

fn is_end(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
    )
}

fn certificate(host: &str, reason: &CertificateError) -> Failure {
    match Flaw::of(reason) {
        Flaw::UnknownIssuer => Failure::UnknownIssuer,
        Flaw::Expired => Failure::CertificateExpired,
        Flaw::OfAnother => Failure::CertificateOfAnother { host: host.to_owned() },
        Flaw::IsAuthority => Failure::CertificateIsAuthority,
        Flaw::Other(detail) => Failure::Tls(detail),
    }
}
