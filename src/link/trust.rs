//! Which certificates are trusted, and what is wrong with one that is not.

use std::io;
use std::path::Path;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{CertificateError, RootCertStore};

/// The authorities that this machine trusts. Reads files: not for a worker of the runtime.
pub fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    // A root that cannot be read is one that is not trusted; the others are as good as before.
    let _counts = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

/// The certificates of a PEM file, one at least; an error names the file. Reads it, too.
pub fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let unusable = |error: &str| format!("{}: {error}", file.display());
    let found = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unusable(&error.to_string()))?;
    if found.is_empty() { Err(unusable("it holds no certificate")) } else { Ok(found) }
}

/// Trusts the authorities of a PEM file too.
pub fn add_file(roots: &mut RootCertStore, file: &Path) -> Result<(), String> {
    for certificate in certificates(file)? {
        let added = roots.add(certificate);
        added.map_err(|error| format!("{}: {error}", file.display()))?;
    }
    Ok(())
}

/// What TLS says of an error that came up while it was spoken.
pub fn reason(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref().and_then(|inner| inner.downcast_ref())
}

/// What is wrong with a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// Its issuer is not known here.
    UnknownIssuer,
    /// It is not valid now.
    Expired,
    /// It is another host's.
    OfAnother,
    /// It signed itself and calls itself an authority, as `openssl req -x509` makes them.
    IsAuthority,
    /// Something else, in the library's words.
    Other(String),
}

impl Flaw {
    /// In our words.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the list is another's, and open")]
    pub fn of(reason: &CertificateError) -> Self {
        match reason {
            // A certificate that signed itself but is no authority's is as unknown as any.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => Self::UnknownIssuer,
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => Self::Expired,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Self::OfAnother
            }
            // Not among rustls's own words yet, but what a certificate of one's own making mostly is.
            CertificateError::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => {
                Self::IsAuthority
            }
            other => Self::Other(other.to_string()),
        }
    }
}
