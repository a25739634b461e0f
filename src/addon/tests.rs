//! Each answer of a Supervisor, on loopback.

use std::time::Duration;

use secrecy::ExposeSecret as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::time::timeout;

use super::{LIMIT, SupervisorClient, SupervisorError, ask};
use crate::config::{MqttConfig, Supervisor, SupervisorBroker};

const GUARD: Duration = Duration::from_secs(5);
const SERVICE: &str = r#"{"result": "ok", "data": {"addon": "core_mosquitto", "host": "core-mosquitto",
    "port": 1883, "ssl": false, "username": "addons", "password": "s3cret", "protocol": "3.1.1"}}"#;

fn broker_at(url: &str) -> SupervisorBroker {
    let supervisor = Supervisor { url: url.to_owned(), token: "t0ken".into() };
    SupervisorBroker { supervisor, rest: MqttConfig { qos: 2, ..MqttConfig::default() } }
}

/// A Supervisor that gives these answers, one per connection; `None` means no answer.
async fn supervisor(answers: Vec<Option<String>>) -> (SupervisorBroker, impl Future<Output = ()>) {
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
                // An answer that is too long is not read to its end.
                Some(answer) => drop(stream.write_all(answer.as_bytes()).await),
                // It ends when the client gives up.
                None => assert_eq!(stream.read(&mut [0]).await.unwrap_or(0), 0),
            }
        }
    };
    (broker_at(&url), serving)
}

fn http(status: u16, body: &str) -> String {
    format!(
        "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

async fn asked(answer: String) -> Result<MqttConfig, SupervisorError> {
    let (broker, serving) = supervisor(vec![Some(answer)]).await;
    let both = async { tokio::join!(ask(&broker, LIMIT), serving).0 };
    timeout(GUARD, both).await.unwrap()
}

#[tokio::test]
async fn reads_the_broker_of_the_supervisor() {
    let config = asked(http(200, SERVICE)).await.unwrap();
    assert_eq!((config.host.as_str(), config.port(), config.tls), ("core-mosquitto", 1883, false));
    assert_eq!(config.username.as_deref(), Some("addons"));
    assert_eq!(config.password.unwrap().expose_secret(), "s3cret");
    assert_eq!(config.qos, 2, "the rest is that of the options");
    let config = asked(http(200, &SERVICE.replace("false", "true"))).await.unwrap();
    assert!(config.tls);
    let anonymous = SERVICE.replace("addons", "");
    let config = asked(http(200, &anonymous)).await.unwrap();
    assert!(config.username.is_none() && config.password.is_none());
}

#[tokio::test]
async fn errors_are_distinguished_and_show_no_secret() {
    let no_service = r#"{"result": "error", "message": "Service not\nenabled"}"#;
    for (answer, expected) in [
        (http(400, no_service), SupervisorError::NoBroker("Service not enabled".to_owned())),
        (http(401, "401: Unauthorized"), SupervisorError::NotAllowed(401)),
        (http(403, "{}"), SupervisorError::NotAllowed(403)),
        (http(502, "Bad gateway"), SupervisorError::Status(502)),
        (http(307, SERVICE), SupervisorError::Status(307)),
        (http(200, "<html>"), SupervisorError::Invalid),
        (http(200, r#"{"result": "ok", "data": {}}"#), SupervisorError::Invalid),
        (http(200, &SERVICE.replace("1883", "0")), SupervisorError::Invalid),
        (http(200, &SERVICE.replace("core-mosquitto", " ")), SupervisorError::Invalid),
        (http(200, &SERVICE.replace("1883", "\"s3cret\"")), SupervisorError::Invalid),
        (http(200, &"s3cret".repeat(20_000)), SupervisorError::Invalid),
    ] {
        let error = asked(answer).await.unwrap_err();
        assert_eq!(error, expected);
        let text = error.problem().to_string();
        assert!(!text.contains("s3cret") && !text.contains("t0ken"), "{text}");
        assert!(text.contains("mqtt.host"), "{text}");
    }
    let nonsense = asked("SSH-2.0-OpenSSH\r\n".to_owned()).await.unwrap_err();
    assert!(matches!(nonsense, SupervisorError::Unreachable { .. }), "{nonsense:?}");
}

#[tokio::test]
async fn an_unreachable_supervisor_is_named_with_its_address() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = timeout(GUARD, ask(&broker_at(&url), LIMIT)).await.unwrap().unwrap_err();
    let cause = error.problem().cause;
    assert!(cause.contains(&url) && cause.contains("refused"), "{cause}");
}

#[tokio::test]
async fn a_silent_supervisor_times_out() {
    let (broker, serving) = supervisor(vec![None]).await;
    let limit = Duration::from_millis(50);
    let both = async { tokio::join!(ask(&broker, limit), serving).0 };
    let error = timeout(GUARD, both).await.unwrap().unwrap_err();
    assert_eq!(error, SupervisorError::TimedOut(limit));
}

#[tokio::test]
async fn a_broker_that_starts_after_the_bridge_is_found() {
    let answers =
        vec![Some(http(400, r#"{"message": "Service not enabled"}"#)), Some(http(200, SERVICE))];
    let (broker, serving) = supervisor(answers).await;
    let mut client = SupervisorClient::new(Box::new(broker));
    let both = async { tokio::join!(client.broker(), serving).0 };
    let config = timeout(GUARD, both).await.unwrap();
    assert_eq!(config.place(), "core-mosquitto:1883");
}

#[tokio::test]
async fn only_another_address_or_login_is_a_change() {
    let known = asked(http(200, SERVICE)).await.unwrap();
    for (from, to) in [
        ("core-mosquitto", "other"),
        ("1883", "1884"),
        ("false", "true"),
        ("addons", "others"),
        ("s3cret", "s4cret"),
    ] {
        let answer = http(200, &SERVICE.replace(from, to));
        assert!(changed(&known, answer).await.is_some(), "{to}");
    }
    assert!(changed(&known, http(200, SERVICE)).await.is_none());
    assert!(changed(&known, http(400, r#"{"message": "Service not enabled"}"#)).await.is_none());
}

async fn changed(known: &MqttConfig, answer: String) -> Option<MqttConfig> {
    let (broker, serving) = supervisor(vec![Some(answer)]).await;
    let mut client = SupervisorClient::new(Box::new(broker));
    let both = async { tokio::join!(client.changed(known), serving).0 };
    timeout(GUARD, both).await.unwrap()
}
