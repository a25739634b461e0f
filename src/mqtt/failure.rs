//! Why an attempt or a connection ended, in a user's words, and what to do about it.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use rustls::{AlertDescription, CertificateError};

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
    /// The broker does not take us for another reason, in its words.
    NotTaken(&'static str),
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
        match tls_error(error) {
            Some(rustls::Error::InvalidCertificate(reason)) => certificate(host, reason),
            Some(rustls::Error::InvalidMessage(_)) => Self::NotTls,
            Some(other) => Self::of_alert(other),
            None if is_end(error) => Self::HungUp(Stage::Tls),
            None => Self::Tls(error.to_string()),
        }
    }

    /// What went wrong on an open connection; TLS tells there that a certificate is missing.
    pub(super) fn of_io(error: &io::Error) -> Self {
        match tls_error(error) {
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
            rustls::Error::AlertReceived(
                alert @ (AlertDescription::CertificateRequired
                | AlertDescription::BadCertificate
                | AlertDescription::UnsupportedCertificate
                | AlertDescription::CertificateRevoked
                | AlertDescription::CertificateExpired
                | AlertDescription::CertificateUnknown
                | AlertDescription::UnknownCA
                | AlertDescription::DecryptError
                | AlertDescription::AccessDenied),
            ) => Self::ClientCertificate(format!("{alert:?}")),
            other => Self::Tls(other.to_string()),
        }
    }

    /// What the same means before the login was answered.
    #[expect(clippy::wildcard_enum_match_arm, reason = "most mean the same at all times")]
    pub(super) fn at_login(self) -> Self {
        match self {
            Self::Closed => Self::HungUp(Stage::Login),
            // An answer that breaks off in the midst of what would be a packet.
            Self::Broken(_) => Self::NotMqtt,
            other => other,
        }
    }

    /// What happened.
    pub fn cause(&self) -> String {
        match self {
            Self::NameUnknown { host, detail } => {
                format!("the name {host} does not resolve ({detail})")
            }
            Self::Refused(address) => format!("connection refused by {address}"),
            Self::Tcp { address, detail } => format!("cannot connect to {address}: {detail}"),
            Self::TimedOut { stage, limit } => match stage {
                Stage::Name => format!("the name was not resolved within {limit:?}"),
                Stage::Tcp => format!("no answer within {limit:?}"),
                Stage::Tls => format!("the broker did not complete TLS within {limit:?}"),
                Stage::Login => format!("the broker did not answer the login within {limit:?}"),
            },
            Self::UnknownIssuer => "TLS: the certificate's issuer is not trusted here".to_owned(),
            Self::CertificateExpired => "TLS: the certificate is not valid now".to_owned(),
            Self::CertificateOfAnother { host } => {
                format!("TLS: the certificate is not for {host}")
            }
            Self::NotTls => "the broker does not speak TLS at this port".to_owned(),
            Self::ClientCertificate(alert) => {
                format!("TLS: the broker refused the bridge's certificate ({alert})")
            }
            Self::Tls(detail) => format!("TLS failed: {detail}"),
            Self::File(detail) => format!("a file cannot be used: {detail}"),
            Self::HungUp(Stage::Tls) => "hung up during the TLS handshake".to_owned(),
            Self::HungUp(_) => "hung up before it answered the login".to_owned(),
            Self::LoginRefused { has_login: true } => {
                "the broker refused the user name or password".to_owned()
            }
            Self::LoginRefused { has_login: false } => "the broker wants a login".to_owned(),
            Self::NotTaken(words) => format!("the broker refused: {words}"),
            Self::NotMqtt => "the answer is not MQTT".to_owned(),
            Self::Broken(detail) => format!("the connection broke: {detail}"),
            Self::Closed => "closed by the broker".to_owned(),
            Self::Silent => "no answer to pings".to_owned(),
            Self::Stopping => "the bridge stops".to_owned(),
        }
    }

    /// What to do about it, if anything.
    pub const fn cure(&self) -> Option<&'static str> {
        Some(match self {
            Self::NameUnknown { .. } => {
                "use an IP address as mqtt.host; names ending in .local do not resolve inside a \
                 container"
            }
            Self::Refused(_) => {
                "the broker is not running there, or listens at another port or address only; check \
                 mqtt.host and mqtt.port"
            }
            Self::Tcp { .. } => {
                "check the address, and that this machine and its container reach that network"
            }
            Self::TimedOut { stage: Stage::Name, .. } => {
                "check the DNS server, or use an IP address"
            }
            Self::TimedOut { stage: Stage::Tcp, .. } => {
                "a firewall drops the packets or the machine is off; check address and firewall"
            }
            Self::TimedOut { stage: Stage::Tls, .. } | Self::NotTls | Self::HungUp(Stage::Tls) => {
                "check that mqtt.port is the broker's TLS port, or set mqtt.tls = false"
            }
            Self::TimedOut { stage: Stage::Login, .. } | Self::NotMqtt | Self::HungUp(_) => {
                "check mqtt.port; if the broker speaks TLS there, set mqtt.tls = true"
            }
            Self::UnknownIssuer => {
                "name the certificate of the authority that signed the broker's in mqtt.ca_file"
            }
            Self::CertificateExpired => {
                "renew the certificate, and check the clocks of both machines"
            }
            Self::CertificateOfAnother { .. } => {
                "use the host name that the certificate is made for as mqtt.host"
            }
            Self::ClientCertificate(_) => {
                "set mqtt.client_cert and mqtt.client_key to a pair that the broker's authority \
                 signed"
            }
            Self::File(_) => "name readable PEM files",
            Self::LoginRefused { has_login: true } => {
                "correct mqtt.username and mqtt.password, or add the user to the broker"
            }
            Self::LoginRefused { has_login: false } => "set mqtt.username and mqtt.password",
            Self::Closed => {
                "it restarts, or another client has the same mqtt.client_id; the bridge comes back \
                 by itself"
            }
            Self::Silent => "the broker or the network between went away",
            Self::Tls(_) | Self::NotTaken(_) | Self::Broken(_) | Self::Stopping => return None,
        })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.cause())?;
        match self.cure() {
            Some(cure) => write!(f, "; {cure}"),
            None => Ok(()),
        }
    }
}

fn tls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
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

#[expect(clippy::wildcard_enum_match_arm, reason = "the list is another's, and open")]
fn certificate(host: &str, reason: &CertificateError) -> Failure {
    match reason {
        // A certificate that signed itself but is no authority's is as unknown as any.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => Failure::UnknownIssuer,
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => Failure::CertificateExpired,
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            Failure::CertificateOfAnother { host: host.to_owned() }
        }
        other => Failure::Tls(other.to_string()),
    }
}
