//! From a TCP connection to an encrypted one.

use std::io;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use rustls::pki_types::{ServerName, UnixTime};
use rustls::{AlertDescription, CertificateError, ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::link::trust::{self, Flaw, in_words, reason};
use crate::push::failure::{Failure, Stage};

/// The system's trust roots, read once for all targets when the first needs them. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Tls {
    roots: Arc<OnceCell<Arc<RootCertStore>>>,
}

impl Tls {
    /// Speaks TLS with `host`; `ca_file` is read at each attempt, since it may be renewed.
    pub(super) async fn handshake(
        &self,
        host: &str,
        ca_file: Option<&Path>,
        stream: TcpStream,
    ) -> Result<TlsStream<TcpStream>, Failure> {
        let connector = TlsConnector::from(Arc::new(self.client_config(ca_file).await?));
        let name = ServerName::try_from(host.to_owned());
        let name = name.map_err(|error| Failure::Tls(error.to_string()))?;
        let shaken = connector.connect(name, stream).await;
        shaken.map_err(|error| failure(host, &error))
    }

    /// How TLS is spoken here, with the certificates of `ca_file` trusted too.
    pub async fn client_config(&self, ca_file: Option<&Path>) -> Result<ClientConfig, Failure> {
        let system = self.roots.get_or_try_init(system_roots).await?;
        let mut roots = RootCertStore::clone(system);
        if let Some(path) = ca_file {
            roots = with_file(roots, path).await?;
        }
        if roots.is_empty() {
            let text = "this machine has no trust roots; name the target's in ca_file";
            return Err(Failure::Tls(text.to_owned()));
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| Failure::Tls(error.to_string()))?;
        Ok(builder.with_root_certificates(roots).with_no_client_auth())
    }
}

async fn system_roots() -> Result<Arc<RootCertStore>, Failure> {
    let loaded = tokio::task::spawn_blocking(trust::system_roots).await;
    loaded.map(Arc::new).map_err(|error| Failure::Tls(error.to_string()))
}

async fn with_file(mut roots: RootCertStore, path: &Path) -> Result<RootCertStore, Failure> {
    let path = path.to_owned();
    let read =
        tokio::task::spawn_blocking(move || trust::add_file(&mut roots, &path).map(|()| roots));
    let read = read.await.map_err(|error| Failure::CaFile(error.to_string()))?;
    read.map_err(Failure::CaFile)
}

fn failure(host: &str, error: &io::Error) -> Failure {
    match reason(error) {
        Some(rustls::Error::InvalidCertificate(reason)) => certificate(host, reason),
        Some(rustls::Error::InvalidMessage(_)) => Failure::NotTls,
        Some(other) => spoken(other),
        None if error.kind() == io::ErrorKind::UnexpectedEof
            || error.kind() == io::ErrorKind::ConnectionReset =>
        {
            Failure::HungUp(Stage::Tls)
        }
        None => Failure::Tls(error.to_string()),
    }
}

/// What the other side, or the library, has against TLS as it was spoken.
#[expect(clippy::wildcard_enum_match_arm, reason = "the list is another's, and open")]
pub(super) fn spoken(error: &rustls::Error) -> Failure {
    match error {
        rustls::Error::AlertReceived(AlertDescription::CertificateRequired) => {
            Failure::WantsCertificate
        }
        other => Failure::Tls(in_words(other)),
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the list is another's, and open")]
fn certificate(host: &str, reason: &CertificateError) -> Failure {
    match reason {
        CertificateError::ExpiredContext { not_after, .. } => {
            return Failure::CertificateExpired(day(*not_after));
        }
        CertificateError::NotValidYet => return Failure::CertificateNotYet(None),
        CertificateError::NotValidYetContext { not_before, .. } => {
            return Failure::CertificateNotYet(day(*not_before));
        }
        _ => {}
    }
    match Flaw::of(reason) {
        Flaw::UnknownIssuer => Failure::UnknownIssuer,
        Flaw::Expired => Failure::CertificateExpired(None),
        Flaw::OfAnother => Failure::CertificateOfAnother { host: host.to_owned() },
        Flaw::IsAuthority => Failure::CertificateIsAuthority,
        Flaw::Other(detail) => Failure::Tls(detail),
    }
}

fn day(time: UnixTime) -> Option<Timestamp> {
    Timestamp::from_second(i64::try_from(time.as_secs()).ok()?).ok()
}
