//! What is told when something else than a broker answers.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::config::MqttConfig;
use crate::mqtt::client::log_in;
use crate::mqtt::failure::{LIMIT, Source};
use crate::mqtt::{Failure, try_out};
use crate::net::error::{ConnectError, Stage};

/// The failure against a listener that reads a little, answers this and hangs up.
async fn failure(answer: &'static [u8], tls: bool) -> Failure {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let stranger = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut heard = [0; 16];
        stream.read_exact(&mut heard).await.unwrap();
        stream.write_all(answer).await.unwrap();
        stream.shutdown().await.unwrap();
        // Whoever dialled shall hear a good-bye, and no reset.
        while stream.read(&mut heard).await.is_ok_and(|count| count > 0) {}
    };
    let config = MqttConfig {
        host: "127.0.0.1".to_owned(),
        port: Some(port),
        username: Some("me".to_owned()),
        tls,
        ..MqttConfig::default()
    };
    let (outcome, ()) = tokio::join!(try_out(&config), stranger);
    outcome.unwrap_err()
}

#[track_caller]
fn check(failure: &Failure, expected: &Failure, cure: &str) {
    assert_eq!(failure, expected);
    assert!(failure.told(Source::Owner).contains(cure), "no {cure:?} in {failure:?}");
}

#[tokio::test]
async fn whoever_answers_something_else_is_told_apart() {
    let http = failure(b"HTTP/1.1 400 Bad Request\r\n\r\n", false).await;
    check(&http, &Failure::NotMqtt, "check mqtt.port");
    let silent = failure(b"", false).await;
    check(&silent, &Failure::HungUp, "set mqtt.tls = true");
    let plain = failure(b"HTTP/1.1 400 Bad Request\r\n\r\n", true).await;
    check(&plain, &Failure::Connect(ConnectError::NotTls), "`tls = false`");
    let gone = failure(b"", true).await;
    check(&gone, &Failure::Connect(ConnectError::HungUp), "`tls = false`");
}

#[tokio::test]
async fn a_broker_that_says_no_is_quoted() {
    for (code, expected) in [
        (b"\x20\x02\x00\x01", "it does not take MQTT 3.1.1; let the broker take"),
        (b"\x20\x02\x00\x02", "mqtt.client_id is not allowed; set another"),
        (b"\x20\x02\x00\x03", "it is not available; the broker's own log"),
        (b"\x20\x02\x00\x04", "refused the user name or password"),
        (b"\x20\x02\x00\x05", "correct mqtt.username and mqtt.password"),
    ] {
        let told = failure(code, false).await.told(Source::Owner);
        assert!(told.contains(expected), "no {expected:?} in {told}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_hangs_at_the_login_is_told_as_such() {
    let (ours, theirs) = duplex(1024);
    let (began, config) = (Instant::now(), MqttConfig::default());
    let login = log_in(&config, Box::new(ours), None, began + LIMIT);
    let failure = login.await.err().unwrap();
    check(&failure, &Failure::LoginTimedOut, "the broker hangs");
    assert_eq!(began.elapsed(), LIMIT);
    drop(theirs);
}

#[test]
fn the_cure_for_a_broker_of_the_supervisor_names_no_option() {
    let timed_out = |stage| {
        Failure::Connect(ConnectError::TimedOut { stage, limit: LIMIT, place: String::new() })
    };
    let failures = [
        timed_out(Stage::Name),
        timed_out(Stage::Tcp),
        timed_out(Stage::Tls),
        Failure::Connect(ConnectError::Refused("127.0.0.1:1883".parse().unwrap())),
        Failure::Connect(ConnectError::UnknownIssuer),
        Failure::LoginTimedOut,
        Failure::HungUp,
        Failure::LoginRefused { has_login: true },
        Failure::LoginRefused { has_login: false },
        Failure::NotMqtt,
        Failure::Closed,
    ];
    for failure in failures {
        let cure = failure.cure(Source::Supervisor).unwrap();
        assert!(!cure.contains("mqtt."), "{failure:?}: {cure}");
        let is_known = cure.contains("Mosquitto broker") || failure == Failure::Closed;
        assert!(is_known, "{failure:?}: {cure}");
    }
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let config = MqttConfig {
        host: "127.0.0.1".to_owned(),
        port: Some(address.port()),
        ..MqttConfig::default()
    };
    let failure = try_out(&config).await.unwrap_err();
    check(&failure, &Failure::Connect(ConnectError::Refused(address)), "correct host and port");
}
