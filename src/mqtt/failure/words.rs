//! What happened and what to do about it, in the words of the one whose house it is.

use super::{Failure, Reason, Stage};

impl Failure {
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
            Self::CertificateIsAuthority => {
                "TLS: the certificate is an authority's, not a broker's".to_owned()
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
            Self::NotTaken(reason) => format!("the broker refused: {}", reason.cause()),
            Self::NotMqtt => "the answer is not MQTT".to_owned(),
            Self::Broken(detail) => format!("the connection broke: {detail}"),
            Self::Closed => "closed by the broker".to_owned(),
            Self::Silent => "no answer to pings".to_owned(),
            Self::Stopping => "the bridge stops".to_owned(),
        }
    }

    /// What to do about it, if anything, where the owner has named the broker.
    pub(super) const fn cure_of_own(&self) -> Option<&'static str> {
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
            Self::TimedOut { stage, .. } => stage.cure(),
            Self::NotTls | Self::HungUp(Stage::Tls) => Stage::Tls.cure(),
            Self::NotMqtt | Self::HungUp(_) => {
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
            Self::CertificateIsAuthority => {
                "give the broker a certificate that the authority has signed; one that it signed \
                 itself must say CA:FALSE"
            }
            Self::ClientCertificate(_) => {
                "set mqtt.client_cert and mqtt.client_key to a pair that the broker's authority \
                 signed"
            }
            Self::File(_) => "name readable PEM files",
            Self::LoginRefused { has_login: true } => {
                "correct mqtt.username and mqtt.password, or add the user to the broker; it may \
                 also mean mqtt.client_id"
            }
            // Mosquitto says the same of a name that its `clientid_prefixes` do not allow.
            Self::LoginRefused { has_login: false } => {
                "set mqtt.username and mqtt.password; if it wants none, it refuses mqtt.client_id"
            }
            Self::Closed => {
                "it restarts, or another client has the same mqtt.client_id; the bridge comes back \
                 by itself"
            }
            Self::Silent => "the broker or the network between went away",
            Self::NotTaken(reason) => reason.cure(),
            Self::Tls(_) | Self::Broken(_) | Self::Stopping => return None,
        })
    }
}

impl Stage {
    /// What to do when it takes too long.
    const fn cure(self) -> &'static str {
        match self {
            Self::Name => "check the DNS server, or use an IP address",
            Self::Tcp => {
                "a firewall drops the packets or the machine is off; check address and firewall"
            }
            Self::Tls => "check that mqtt.port is the broker's TLS port, or set mqtt.tls = false",
            Self::Login => {
                "the broker hangs, or something else listens there; restart it and check mqtt.port; \
                 if the broker speaks TLS there, set mqtt.tls = true"
            }
        }
    }
}

impl Reason {
    const fn cause(self) -> &'static str {
        match self {
            Self::ClientId => "mqtt.client_id is not allowed",
            Self::Version => "it does not take MQTT 3.1.1",
            Self::Unavailable => "it is not available",
        }
    }

    const fn cure(self) -> &'static str {
        match self {
            Self::ClientId => {
                "set another mqtt.client_id, or let the broker take this one (mosquitto: \
                 clientid_prefixes)"
            }
            Self::Version => {
                "let the broker take MQTT 3.1.1 beside other versions (mosquitto: \
                 accept_protocol_versions)"
            }
            Self::Unavailable => "the broker's own log tells why; the bridge tries again by itself",
        }
    }
}
