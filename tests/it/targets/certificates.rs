//! Certificates, good and bad, made anew for each run.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};

/// What a server shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shows {
    /// A certificate of the authority that the bridge trusts.
    Good,
    /// One of an authority that nobody knows.
    UnknownAuthority,
    /// One whose time is over.
    Expired,
    /// One whose time has not come, as a clock that is not set sees it.
    NotYet,
    /// One of another host.
    OtherHost,
    /// One that signed itself and calls itself an authority, as `openssl req -x509` makes them.
    ItsOwnAuthority,
    /// A good one, and wants one of the bridge too.
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

    /// How a server speaks TLS that shows this.
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
