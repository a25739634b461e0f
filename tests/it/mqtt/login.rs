//! Passwords and certificates: what is right works, what is wrong is one clear line.

use futures_util::future::join_all;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, Issuer, KeyPair};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::small_plant;
use crate::support::bridge::Home;
use crate::support::broker::{Broker, is_missing};

/// A broker, lines of `[mqtt]`, and what stands in one log line that they lead to.
type Case<'a> = (&'a Broker, &'a str, &'a [&'a str]);

/// All at the same time, since each starts a bridge of its own.
async fn check(cases: &[Case<'_>]) {
    let cases = cases.iter().enumerate();
    join_all(cases.map(|(nth, &(broker, lines, expected))| async move {
        // A broker has one client of a name.
        check_one(broker, &format!("{lines}client_id = \"bridge-{nth}\"\n"), expected).await;
    }))
    .await;
}

async fn check_one(broker: &Broker, lines: &str, expected: &[&str]) {
    let plant = small_plant().await;
    let home = Home::new(&format!("{}{}", plant.dtu("DTU"), broker.section(lines)));
    let bridge = home.run().await;
    let line = bridge.logged(expected.first().unwrap()).await;
    for text in expected {
        assert!(line.contains(text), "no {text:?} in {line}");
    }
    let (_, log) = bridge.stop().await;
    assert!(log.iter().all(|line| !line.contains("s3cret")), "no password in the log: {log:#?}");
    let first: Vec<_> = log.iter().filter(|line| line.contains("(attempt 1)")).collect();
    assert!(first.len() <= 1, "an attempt fails in one line: {first:#?}");
    plant.stop().await;
}

const FAILED: &str = "[MQTT] Connection failed for 127.0.0.1:";
const CONNECTED: &str = "[MQTT] ✓ Connected to: 127.0.0.1:";

#[tokio::test]
async fn a_login_works_and_a_wrong_one_is_reported() {
    if is_missing() {
        return;
    }
    let lines = "allow_anonymous false\npassword_file FOLDER/passwords\n";
    let broker = Broker::start_with(lines, &[("passwords", PASSWORDS)]).await;
    let right = "username = \"hoymiles\"\npassword = \"s3cret\"\n";
    let wrong = "username = \"hoymiles\"\npassword = \"s3cret2\"\n";
    check(&[
        (&broker, right, &[CONNECTED]),
        (
            &broker,
            wrong,
            &[FAILED, "the broker refused the user name or password; correct mqtt.username and"],
        ),
        (
            &broker,
            "",
            &[FAILED, "the broker requires a login; set mqtt.username and mqtt.password"],
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_client_id_that_the_broker_refuses_is_reported() {
    if is_missing() {
        return;
    }
    let broker = Broker::start_with("allow_anonymous true\nclientid_prefixes house-\n", &[]).await;
    // Mosquitto does not say what it is that it refuses.
    check(&[(&broker, "", REFUSED_ID)]).await;
}

const REFUSED_ID: &[&str] =
    &[FAILED, "the broker requires a login", "let it accept mqtt.client_id"];

/// As a broker that accepts MQTT 5 only.
#[tokio::test]
async fn a_broker_of_other_versions_is_reported() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let plant = small_plant().await;
    let home =
        Home::new(&format!("{}[mqtt]\nhost = \"127.0.0.1\"\nport = {port}\n", plant.dtu("DTU")));
    let refusing = async {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 14];
            stream.read_exact(&mut request).await.unwrap();
            stream.write_all(b"\x20\x02\x00\x01").await.unwrap();
            // Until the bridge has left.
            while stream.read(&mut request).await.is_ok_and(|count| count > 0) {}
        }
    };
    let reporting = async {
        let bridge = home.run().await;
        let line = bridge.logged(FAILED).await;
        assert!(line.contains("it does not accept MQTT 3.1.1; let the broker accept"), "{line}");
        bridge.stop().await;
    };
    tokio::select! {
        () = refusing => {}
        () = reporting => {}
    }
    plant.stop().await;
}

/// What `mosquitto_passwd` makes of the password.
pub(crate) const PASSWORDS: &str = concat!(
    "hoymiles:$7$101$HmnAz8DCimWNsHAV$",
    "/KpzB66a/s2EOR+jMopFUh/StrL1bplt/lCxPM2nnk+9Snh9otphSCSaXHezQHXOFRXGncxSrHRf3I5KiZAOWQ==\n"
);

/// An authority, and a certificate for 127.0.0.1 or for a client that it signed.
struct Signed {
    ca: String,
    cert: String,
    key: String,
}

fn signed(authority: &str) -> (Signed, CertifiedIssuer<'static, KeyPair>) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    // OpenSSL takes a certificate whose issuer has its own name for one that signed itself.
    params.distinguished_name.push(DnType::CommonName, authority);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    (sign(&authority, "127.0.0.1"), authority)
}

fn sign(authority: &CertifiedIssuer<'static, KeyPair>, name: &str) -> Signed {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    let issuer: &Issuer<'_, KeyPair> = authority;
    let cert = params.signed_by(&key, issuer).unwrap();
    Signed { ca: authority.pem(), cert: cert.pem(), key: key.serialize_pem() }
}

#[tokio::test]
async fn tls_works_and_a_wrong_authority_is_reported() {
    if is_missing() {
        return;
    }
    let (server, authority) = signed("ours");
    let (foreign, _) = signed("a foreign authority");
    let client = sign(&authority, "bridge");
    let files = [
        ("ca.pem", server.ca.as_str()),
        ("cert.pem", server.cert.as_str()),
        ("key.pem", server.key.as_str()),
    ];
    let lines = "allow_anonymous true\ncafile FOLDER/ca.pem\ncertfile FOLDER/cert.pem\n\
                 keyfile FOLDER/key.pem\n";
    let strict = format!("{lines}require_certificate true\n");
    // As `openssl req -x509` makes them.
    let own = [("ca.pem", authority.pem()), ("key.pem", authority.key().serialize_pem())];
    let own = own.each_ref().map(|(name, text)| (*name, text.as_str()));
    let alone = lines.replace("cert.pem", "ca.pem");
    let (open, strict, own) = tokio::join!(
        Broker::start_with(lines, &files),
        Broker::start_with(&strict, &files),
        Broker::start_with(&alone, &own)
    );
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let ca = format!("tls = true\nca_file = {:?}\n", file("ca", &server.ca));
    let other = format!("tls = true\nca_file = {:?}\n", file("other", &foreign.ca));
    let pair = |cert: &str, key: &str| format!("client_cert = {cert:?}\nclient_key = {key:?}\n");
    let ours = pair(&file("cert", &client.cert), &file("key", &client.key));
    let theirs = pair(&file("cert2", &foreign.cert), &file("key2", &foreign.key));
    let (ours, theirs) = (format!("{ca}{ours}"), format!("{ca}{theirs}"));
    let issuer = "the certificate's issuer is not trusted; set `ca_file` to the certificate of the";
    let remedy = "set mqtt.client_cert and mqtt.client_key";
    let required = [FAILED, "the server requires a client certificate", remedy];
    let refused = [FAILED, "the server refused the bridge's certificate", remedy];
    check(&[
        (&open, &ca, &[CONNECTED]),
        (&open, &other, &[FAILED, issuer]),
        (
            &own,
            &ca,
            &[FAILED, "the certificate is that of an authority, not of a server; give the server"],
        ),
        (&open, "tls = false\n", &[FAILED, "set mqtt.tls = true"]),
        (&strict, &ours, &[CONNECTED]),
        (&strict, &ca, &required),
        (&strict, &theirs, &refused),
    ])
    .await;
}
