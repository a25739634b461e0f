//! TLS: trust roots, certificates and keys from PEM files, and the handshake.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio::task::spawn_blocking;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::error::ConnectError;
use crate::files::{self, LARGEST_PEM};

/// The authorities that this machine trusts, read when first needed.
static SYSTEM_ROOTS: OnceCell<RootCertStore> = OnceCell::const_new();

/// Certificate files beside the machine's own. They are read at each attempt, since they may be
/// renewed while the bridge runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// An extra trust root.
    pub ca_file: Option<PathBuf>,
    /// A certificate for this client, and its key.
    pub client: Option<(PathBuf, PathBuf)>,
}

/// Speaks TLS with `host` over an open connection.
pub async fn handshake(
    host: &str,
    files: &TlsFiles,
    stream: TcpStream,
) -> Result<TlsStream<TcpStream>, ConnectError> {
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_| ConnectError::Tls(format!("{host} cannot be in a certificate")))?;
    let connector = TlsConnector::from(Arc::new(client_config(files).await?));
    connector.connect(name, stream).await.map_err(|error| ConnectError::tls(host, &error))
}

/// The TLS configuration with these files.
pub async fn client_config(files: &TlsFiles) -> Result<ClientConfig, ConnectError> {
    let failed = |error: &dyn std::error::Error| ConnectError::Tls(error.to_string());
    let system = SYSTEM_ROOTS.get_or_try_init(|| spawn_blocking(system_roots)).await;
    let roots = system.map_err(|error| failed(&error))?.clone();
    let files = files.clone();
    spawn_blocking(move || with_files(roots, &files)).await.map_err(|error| failed(&error))?
}

fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    // A root that cannot be read is not trusted; the others stay as good as they are.
    let _counts = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

fn with_files(mut roots: RootCertStore, files: &TlsFiles) -> Result<ClientConfig, ConnectError> {
    if let Some(file) = &files.ca_file {
        for certificate in certificates(file).map_err(ConnectError::CaFile)? {
            let added = roots.add(certificate);
            added.map_err(|error| ConnectError::CaFile(format!("{}: {error}", file.display())))?;
        }
    }
    if roots.is_empty() {
        let text = "this machine has no trust roots; name the server's in `ca_file`";
        return Err(ConnectError::Tls(text.to_owned()));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| ConnectError::Tls(error.to_string()))?
        .with_root_certificates(roots);
    let Some((certificate, key)) = &files.client else { return Ok(builder.with_no_client_auth()) };
    let unusable = ConnectError::ClientCertificateFile;
    let chain = certificates(certificate).map_err(unusable)?;
    let secret = private_key(key).map_err(unusable)?;
    builder
        .with_client_auth_cert(chain, secret)
        .map_err(|error| unusable(format!("{}: {error}", key.display())))
}

/// The certificates of a PEM file, at least one. The error begins with the file's name.
pub fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let pem = read(file)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match found {
        Ok(found) if found.is_empty() => Err(format!("{} holds no certificate", file.display())),
        Ok(found) => Ok(found),
        Err(error) => Err(format!("{} is damaged: {error}", file.display())),
    }
}

/// The private key of a PEM file. The error begins with the file's name.
pub fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>, String> {
    PrivateKeyDer::from_pem_slice(&read(file)?)
        .map_err(|_| format!("{} holds no private key", file.display()))
}

fn read(file: &Path) -> Result<Vec<u8>, String> {
    files::read(file, LARGEST_PEM).map_err(|error| format!("{} {error}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regular_files_of_a_sensible_size_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let large = folder.path().join("large.pem");
        std::fs::write(&large, vec![b'#'; (1 << 20) + 1]).unwrap();
        for (file, expected) in [
            (Path::new("/dev/zero"), "is not a regular file"),
            (&large, "is larger than 1048576 bytes"),
        ] {
            for error in [certificates(file).unwrap_err(), private_key(file).unwrap_err()] {
                assert!(error.starts_with(&format!("{} {expected}", file.display())), "{error}");
            }
        }
    }
}
