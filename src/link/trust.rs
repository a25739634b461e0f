//! Which certificates are trusted, and what is wrong with one that is not.

use std::io;
use std::path::Path;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{CertificateError, RootCertStore};

use crate::files::{self, LARGEST_PEM};

/// The authorities that this machine trusts. Reads files: not for a worker of the runtime.
pub fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    // A root that cannot be read is one that is not trusted; the others are as good as before.
    let _counts = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

/// The certificates of a PEM file, one at least; an error names the file. Reads it, too.
pub fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let pem = read(file)?;
    let found = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>();
    let found = found.map_err(|error| unusable(file, &error))?;
    if found.is_empty() { Err(unusable(file, &"it holds no certificate")) } else { Ok(found) }
}

/// The private key of a PEM file; an error names the file. Reads it, too.
pub fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>, String> {
    PrivateKeyDer::from_pem_slice(&read(file)?).map_err(|error| unusable(file, &error))
}

fn read(file: &Path) -> Result<Vec<u8>, String> {
    files::read(file, LARGEST_PEM).map_err(|error| format!("{} {error}", file.display()))
}

fn unusable(file: &Path, error: &dyn std::fmt::Display) -> String {
    format!("{}: {error}", file.display())
}

/// Trusts the authorities of a PEM file too.
pub fn add_file(roots: &mut RootCertStore, file: &Path) -> Result<(), String> {
    for certificate in certificates(file)? {
        let added = roots.add(certificate);
        added.map_err(|error| unusable(file, &error))?;
    }
    Ok(())
}

/// What TLS says of an error that came up while it was spoken.
pub fn reason(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref().and_then(|inner| inner.downcast_ref())
}

/// An error's text, with what it takes from the library's program, such as `CertificateRequired`,
/// in words.
pub fn in_words(error: &rustls::Error) -> String {
    apart(&error.to_string())
}

fn apart(text: &str) -> String {
    let mut words = String::with_capacity(text.len() + 8);
    for (place, word) in text.split(' ').enumerate() {
        if place > 0 {
            words.push(' ');
        }
        let letters = || word.chars().zip(word.chars().skip(1).map(Some).chain([None]));
        let begins = |(one, next): (char, Option<char>)| {
            one.is_lowercase() && next.is_some_and(char::is_uppercase)
        };
        if !letters().any(begins) {
            words.push_str(word);
            continue;
        }
        for (one, next) in letters() {
            if next.is_some_and(char::is_lowercase) {
                words.extend(one.to_lowercase());
            } else {
                words.push(one);
            }
            if begins((one, next)) {
                words.push(' ');
            }
        }
    }
    words
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
            other => Self::Other(apart(&other.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use rustls::{AlertDescription, Error, PeerIncompatible};

    use super::*;

    #[test]
    fn what_has_no_end_is_not_read_for_certificates_or_keys() {
        let folder = tempfile::tempdir().unwrap();
        let large = folder.path().join("large.pem");
        std::fs::write(&large, vec![b'#'; (1 << 20) + 1]).unwrap();
        for (file, expected) in [
            (Path::new("/dev/zero"), "is no regular file"),
            (&large, "is larger than 1048576 bytes"),
        ] {
            for error in [certificates(file).unwrap_err(), private_key(file).unwrap_err()] {
                assert!(error.starts_with(&format!("{} {expected}", file.display())), "{error}");
            }
        }
    }

    #[test]
    fn what_the_library_calls_by_its_own_names_is_told_in_words() {
        let check = |error: Error, words: &str| assert_eq!(in_words(&error), words);
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
        assert_eq!(apart("a TLS record, 3 bytes  long"), "a TLS record, 3 bytes  long");
    }
}
