//! From a TCP connection to an encrypted one.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{CertificateError, ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

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
            add_file(&mut roots, path).await?;
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
    let loaded = tokio::task::spawn_blocking(rustls_native_certs::load_native_certs).await;
    let loaded = loaded.map_err(|error| Failure::Tls(error.to_string()))?;
    let mut roots = RootCertStore::empty();
    // A root that cannot be read is one that is not trusted; the others are as good as before.
    let _counts = roots.add_parsable_certificates(loaded.certs);
    Ok(Arc::new(roots))
}

async fn add_file(roots: &mut RootCertStore, path: &Path) -> Result<(), Failure> {
    let unusable = |error: String| Failure::CaFile(format!("{}: {error}", path.display()));
    let owned = path.to_owned();
    let read = tokio::task::spawn_blocking(move || {
        CertificateDer::pem_file_iter(owned)?.collect::<Result<Vec<_>, _>>()
    });
    let certificates = read.await.map_err(|error| unusable(error.to_string()))?;
    let certificates = certificates.map_err(|error| unusable(error.to_string()))?;
    if certificates.is_empty() {
        return Err(unusable("it holds no certificate".to_owned()));
    }
    for certificate in certificates {
        roots.add(certificate).map_err(|error| unusable(error.to_string()))?;
    }
    Ok(())
}

/// What TLS says of an error that came up while it was spoken.
pub(super) fn reason(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref().and_then(|inner| inner.downcast_ref())
}

fn failure(host: &str, error: &io::Error) -> Failure {
    match reason(error) {
        Some(rustls::Error::InvalidCertificate(reason)) => certificate(host, reason),
        Some(rustls::Error::InvalidMessage(_)) => Failure::NotTls,
        Some(other) => Failure::Tls(other.to_string()),
        None if error.kind() == io::ErrorKind::UnexpectedEof
            || error.kind() == io::ErrorKind::ConnectionReset =>
        {
            Failure::HungUp(Stage::Tls)
        }
        None => Failure::Tls(error.to_string()),
    }
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
        // Not among rustls's own words yet, but what a certificate of one's own making mostly is.
        CertificateError::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => {
            Failure::CertificateIsAuthority
        }
        other => Failure::Tls(other.to_string()),
    }
}
