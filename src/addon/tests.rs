//! What becomes of each answer of a Supervisor on loopback.

use std::time::Duration;

use secrecy::ExposeSecret as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::time::timeout;

use super::{Adviser, LIMIT, Refusal, ask};
use crate::config::MqttConfig;
use crate::config::load::{OfferedBroker, Supervisor};

const GUARD: Duration = Duration::from_secs(5);
const TOLD: &str = r#"{"result": "ok", "data": {"addon": "core_mosquitto", "host": "core-mosquitto",
    "port": 1883, "ssl": false, "username": "addons", "password": "s3cret", "protocol": "3.1.1"}}"#;

fn offered_at(url: &str) -> OfferedBroker {
    let supervisor = Supervisor { url: url.to_owned(), token: "t0ken".into() };
    OfferedBroker { supervisor, rest: MqttConfig { qos: 2, ..MqttConfig::default() } }
}

/// A Supervisor that gives these answers, one a connection; `None` is silence.
async fn supervisor(answers: Vec<Option<String>>) -> (OfferedBroker, impl Future<Output = ()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serving = async move {
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                stream.read_buf(&mut request).await.unwrap();
            }
            let request = String::from_utf8(request).unwrap().to_lowercase();
            assert!(request.starts_with("get /services/mqtt http/1.1\r\n"), "{request}");
            assert!(request.contains("authorization: bearer t0ken\r\n"), "{request}");
            match answer {
                // Too long an answer is not read to its end.
                Some(answer) => drop(stream.write_all(answer.as_bytes()).await),
                // It ends when the other side has lost its patience.
                None => assert_eq!(stream.read(&mut [0]).await.unwrap_or(0), 0),
            }
        }
    };
    (offered_at(&url), serving)
}

fn http(status: u16, body: &str) -> String {
    format!(
        "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

async fn asked(answer: String) -> Result<MqttConfig, Refusal> {
    let (offered, serving) = supervisor(vec![Some(answer)]).await;
    let both = async { tokio::join!(ask(&offered, LIMIT), serving).0 };
    timeout(GUARD, both).await.unwrap()
}

#[tokio::test]
async fn the_broker_is_as_the_supervisor_tells_it() {
    let config = asked(http(200, TOLD)).await.unwrap();
    assert_eq!((config.host.as_str(), config.port(), config.tls), ("core-mosquitto", 1883, false));
    assert_eq!(config.username.as_deref(), Some("addons"));
    assert_eq!(config.password.unwrap().expose_secret(), "s3cret");
    assert_eq!(config.qos, 2, "the rest is that of the options");
    let config = asked(http(200, &TOLD.replace("false", "true"))).await.unwrap();
    assert!(config.tls);
    let anonymous = TOLD.replace("addons", "");
    let config = asked(http(200, &anonymous)).await.unwrap();
    assert!(config.username.is_none() && config.password.is_none());
}

#[tokio::test]
async fn each_refusal_is_told_apart_and_shows_no_secret() {
    let no_service = r#"{"result": "error", "message": "Service not\nenabled"}"#;
    for (answer, expected) in [
        (http(400, no_service), Refusal::NoBroker("Service not enabled".to_owned())),
        (http(401, "401: Unauthorized"), Refusal::NotAllowed(401)),
        (http(403, "{}"), Refusal::NotAllowed(403)),
        (http(502, "Bad gateway"), Refusal::Status(502)),
        (http(307, TOLD), Refusal::Status(307)),
        (http(200, "<html>"), Refusal::Garbage),
        (http(200, r#"{"result": "ok", "data": {}}"#), Refusal::Garbage),
        (http(200, &TOLD.replace("1883", "0")), Refusal::Garbage),
        (http(200, &TOLD.replace("core-mosquitto", " ")), Refusal::Garbage),
        (http(200, &TOLD.replace("1883", "\"s3cret\"")), Refusal::Garbage),
        (http(200, &"s3cret".repeat(20_000)), Refusal::Garbage),
    ] {
        let refusal = asked(answer).await.unwrap_err();
        assert_eq!(refusal, expected);
        let told = format!("{}; {}", refusal.cause(), refusal.cure());
        assert!(!told.contains("s3cret") && !told.contains("t0ken"), "{told}");
        assert!(told.contains("mqtt.host"), "{told}");
    }
    let nonsense = asked("SSH-2.0-OpenSSH\r\n".to_owned()).await.unwrap_err();
    assert!(matches!(nonsense, Refusal::Unreachable { .. }), "{nonsense:?}");
}

#[tokio::test]
async fn nobody_at_home_is_told_with_the_address() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let refusal = timeout(GUARD, ask(&offered_at(&url), LIMIT)).await.unwrap().unwrap_err();
    assert!(refusal.cause().contains(&url) && refusal.cause().contains("refused"), "{refusal:?}");
}

#[tokio::test]
async fn silence_ends_with_the_limit() {
    let (offered, serving) = supervisor(vec![None]).await;
    let limit = Duration::from_millis(50);
    let both = async { tokio::join!(ask(&offered, limit), serving).0 };
    let refusal = timeout(GUARD, both).await.unwrap().unwrap_err();
    assert_eq!(refusal, Refusal::TimedOut(limit));
}

#[tokio::test]
async fn a_broker_that_comes_later_than_the_bridge_is_found() {
    let answers =
        vec![Some(http(400, r#"{"message": "Service not enabled"}"#)), Some(http(200, TOLD))];
    let (offered, serving) = supervisor(answers).await;
    let mut adviser = Adviser::new(Box::new(offered));
    let both = async { tokio::join!(adviser.broker(), serving).0 };
    let config = timeout(GUARD, both).await.unwrap();
    assert_eq!(config.place(), "core-mosquitto:1883");
}

#[tokio::test]
async fn what_the_supervisor_says_now_is_news_only_if_it_is_another_place_or_login() {
    let known = asked(http(200, TOLD)).await.unwrap();
    for (from, to) in [
        ("core-mosquitto", "other"),
        ("1883", "1884"),
        ("false", "true"),
        ("addons", "others"),
        ("s3cret", "s4cret"),
    ] {
        let told = http(200, &TOLD.replace(from, to));
        assert!(news(&known, told).await.is_some(), "{to}");
    }
    assert!(news(&known, http(200, TOLD)).await.is_none());
    assert!(news(&known, http(400, r#"{"message": "Service not enabled"}"#)).await.is_none());
}

async fn news(known: &MqttConfig, answer: String) -> Option<MqttConfig> {
    let (offered, serving) = supervisor(vec![Some(answer)]).await;
    let mut adviser = Adviser::new(Box::new(offered));
    let both = async { tokio::join!(adviser.news(known), serving).0 };
    timeout(GUARD, both).await.unwrap()
}
