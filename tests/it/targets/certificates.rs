//! Valid and invalid certificates, generated for each run.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};

/// The certificate that a server presents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shows {
    /// Issued by the authority in the target's `ca_file`.
    Good,
    /// Issued by an unknown authority.
    UnknownAuthority,
    /// Expired.
    Expired,
    /// Not valid yet, as with a clock that is not set.
    NotYet,
    /// For another host.
    OtherHost,
    /// Self-signed and marked as an authority, as `openssl req -x509` makes them.
    ItsOwnAuthority,
    /// Valid; the server also requires a client certificate.
    WantsOurs,
}

/// The authorities of one run.
pub(crate) struct Authorities {
    known: Issuer<'static, KeyPair>,
    unknown: Issuer<'static, KeyPair>,
    root: CertificateDer<'static>,
    /// What goes into `ca_file`.
    pub(crate) root_pem: String,
}

impl Authorities {
    pub(crate) fn new() -> Self {
        let (known, root, root_pem) = authority("Known");
        let (unknown, ..) = authority("Unknown");
        Self { known, unknown, root, root_pem }
    }

    /// The TLS configuration of a server that presents this.
    pub(crate) fn server(&self, shows: Shows) -> Arc<ServerConfig> {
        let host = if shows == Shows::OtherHost { "other.example" } else { "127.0.0.1" };
        let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        params.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
        match shows {
            Shows::Expired => params.not_after = date_time_ymd(2020, 1, 1),
            Shows::NotYet => params.not_before = date_time_ymd(2200, 1, 1),
            Shows::ItsOwnAuthority => params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained),
            Shows::Good | Shows::UnknownAuthority | Shows::OtherHost | Shows::WantsOurs => {}
        }
        let key = KeyPair::generate().unwrap();
        let certificate = match shows {
            Shows::ItsOwnAuthority => params.self_signed(&key),
            Shows::UnknownAuthority => params.signed_by(&key, &self.unknown),
            Shows::Good | Shows::Expired | Shows::NotYet | Shows::OtherHost | Shows::WantsOurs => {
                params.signed_by(&key, &self.known)
            }
        };
        let chain = vec![certificate.unwrap().der().clone()];
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = if shows == Shows::WantsOurs {
            let mut roots = RootCertStore::empty();
            roots.add(self.root.clone()).unwrap();
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.unwrap())
        } else {
            builder.with_no_client_auth()
        };
        Arc::new(builder.with_single_cert(chain, key).unwrap())
    }
}

fn authority(name: &str) -> (Issuer<'static, KeyPair>, CertificateDer<'static>, String) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    let key = KeyPair::generate().unwrap();
    let root = params.self_signed(&key).unwrap();
    let (der, pem) = (root.der().clone(), root.pem());
    (Issuer::new(params, key), der, pem)
}
