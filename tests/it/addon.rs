//! The binary as Home Assistant's Supervisor starts it: options as JSON, a token in the environment.

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket};
use tokio::process::Command;

use crate::mqtt::login::PASSWORDS;
use crate::support::bridge::{Bridge, command};
use crate::support::broker::{Broker, is_missing};
use crate::support::within_guard;

const TOKEN: &str = "supervisors-t0ken";
const PASSWORD: &str = "s3cret";

/// The folder that an add-on sees as `/data`.
fn data(mqtt: &Value) -> TempDir {
    let options = json!({
        "poll": {"interval": "60s"},
        "dtu": [{"name": "DTU", "protocol": "simulated", "host": ""}],
        "target": [],
        "mqtt": mqtt,
        "http": {},
        "log": {"level": "debug", "format": "text"},
    });
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("options.json"), options.to_string()).unwrap();
    folder
}

/// `run` as in the add-on's container, but for the port.
fn run(data: &TempDir, supervisor: &str) -> Command {
    as_add_on("run", data, supervisor)
}

fn as_add_on(word: &str, data: &TempDir, supervisor: &str) -> Command {
    let mut command = command(&[word]);
    command
        .env("HOYMILES_CONFIG", data.path().join("options.json"))
        .env("HOYMILES_SUPERVISOR", supervisor)
        .env("SUPERVISOR_TOKEN", TOKEN)
        .env("TZ", "Europe/Berlin")
        .env("HOYMILES__HTTP__LISTEN", "127.0.0.1:0");
    command
}

/// A Supervisor's listener, and its address.
async fn supervisor() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    (listener, url)
}

/// Answers one request for the broker.
async fn answer(listener: &TcpListener, status: u16, body: &Value) {
    let (mut stream, _) = within_guard("question", listener.accept()).await.unwrap();
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        stream.read_buf(&mut request).await.unwrap();
    }
    let request = String::from_utf8(request).unwrap();
    assert!(request.starts_with("GET /services/mqtt "), "{request}");
    assert!(request.contains(&format!("Bearer {TOKEN}")), "{request}");
    let body = body.to_string();
    let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
}

#[tokio::test]
async fn the_add_on_stores_its_state_next_to_its_options() {
    let data = data(&json!({"enabled": false}));
    let bridge = Bridge::start(run(&data, "http://127.0.0.1:1")).await;
    let inverters = bridge.inverters_when(|all| all.get(0).is_some()).await;
    let (status, ready) = bridge.get("/ready").await;
    assert_eq!((status, ready), (200, json!("OK")));
    let time = inverters[0]["timestamp"].as_str().unwrap();
    assert!(time.ends_with("+01:00") || time.ends_with("+02:00"), "{time} is not Berlin's");
    let (status, log) = bridge.stop().await;
    assert_eq!(status.code(), Some(0), "{log:#?}");
    let kept = std::fs::read_dir(data.path()).unwrap();
    let kept: Vec<_> = kept.map(|entry| entry.unwrap().file_name()).collect();
    assert!(kept.len() > 1, "{kept:?}");
}

#[tokio::test]
async fn the_broker_of_the_supervisor_is_used_once_it_exists() {
    if is_missing() {
        return;
    }
    let lines = "allow_anonymous false\npassword_file FOLDER/passwords\n";
    let broker = Broker::start_with(lines, &[("passwords", PASSWORDS)]).await;
    let (listener, url) = supervisor().await;
    let data = data(&json!({"enabled": true}));
    let bridge = Bridge::start(run(&data, &url)).await;
    let refusal = json!({"result": "error", "message": "Service not enabled"});
    answer(&listener, 400, &refusal).await;
    let line = bridge.logged("[MQTT] No broker: ").await;
    assert!(line.contains("Mosquitto") && line.contains("Service not enabled"), "{line}");
    answer(&listener, 200, &service(broker.port, PASSWORD)).await;
    bridge.logged("[MQTT] ✓ Announced ").await;
    let (status, log) = bridge.stop().await;
    assert_eq!(status.code(), Some(0), "{log:#?}");
    for secret in [TOKEN, PASSWORD] {
        assert!(!log.iter().any(|line| line.contains(secret)), "{log:#?}");
    }
}

#[tokio::test]
async fn a_changed_broker_or_login_is_fetched_again() {
    if is_missing() {
        return;
    }
    let lines = "allow_anonymous false\npassword_file FOLDER/passwords\n";
    let broker = Broker::start_with(lines, &[("passwords", PASSWORDS)]).await;
    let (listener, url) = supervisor().await;
    // Occupies the port without listening.
    let unused = TcpSocket::new_v4().unwrap();
    unused.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let gone = unused.local_addr().unwrap().port();
    let data = data(&json!({"enabled": true}));
    let bridge = Bridge::start(run(&data, &url)).await;
    answer(&listener, 200, &service(gone, PASSWORD)).await;
    let refused = bridge.logged("connection refused by 127.0.0.1:").await;
    // Without an answer the bridge keeps the known broker.
    answer(&listener, 500, &json!({})).await;
    bridge.logged("[MQTT] Cannot get broker details from the Supervisor: the Supervisor answers HTTP 500; ").await;
    bridge.logged_times("connection refused by 127.0.0.1:", 2).await;
    answer(&listener, 200, &service(broker.port, "another")).await;
    let wrong = bridge.logged("the broker refused the user name or password; ").await;
    for line in [refused, wrong] {
        assert!(line.contains("Mosquitto broker") && !line.contains("mqtt."), "{line}");
    }
    answer(&listener, 200, &service(broker.port, PASSWORD)).await;
    bridge.logged("[MQTT] ✓ Announced ").await;
    let (status, log) = bridge.stop().await;
    assert_eq!(status.code(), Some(0), "{log:#?}");
    assert!(!log.iter().any(|line| line.contains(PASSWORD)));
}

/// The Supervisor's answer about a broker.
fn service(port: u16, password: &str) -> Value {
    let service = json!({"host": "127.0.0.1", "port": port, "ssl": false, "protocol": "3.1.1",
                      "username": "hoymiles", "password": password});
    json!({"result": "ok", "data": service})
}

#[tokio::test]
async fn a_silent_supervisor_delays_neither_start_nor_shutdown() {
    let (listener, url) = supervisor().await;
    let data = data(&json!({"enabled": true}));
    let bridge = Bridge::start(run(&data, &url)).await;
    let (_silent, _) = within_guard("question", listener.accept()).await.unwrap();
    bridge.inverters_when(|all| all.get(0).is_some()).await;
    assert_eq!(bridge.get("/ready").await.0, 200);
    let (status, log) = bridge.stop().await;
    assert_eq!(status.code(), Some(0), "{log:#?}");
    assert!(!log.iter().any(|line| line.contains("some tasks did not stop")), "{log:#?}");
}

#[tokio::test]
async fn faulty_options_exit_with_2_and_their_name() {
    let data = data(&json!({"enabled": true, "username": "me", "password": PASSWORD}));
    let output = within_guard("end", run(&data, "http://127.0.0.1:1").output()).await.unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{message}");
    assert!(message.contains("options.json: mqtt.username: is given without `host`"), "{message}");
    assert!(!message.contains(PASSWORD), "{message}");
}

#[tokio::test]
async fn doctor_requests_the_broker_from_the_supervisor() {
    let (listener, url) = supervisor().await;
    let data = data(&json!({"enabled": true}));
    let mut doctor = as_add_on("doctor", &data, &url);
    let refusal = json!({"result": "error", "message": "Service not enabled"});
    let both = async { tokio::join!(doctor.output(), answer(&listener, 400, &refusal)).0 };
    let output = within_guard("end", both).await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("✗ supervisor  the Supervisor has no MQTT service"), "{text}");
    assert!(text.contains("try: install and start the add-on \"Mosquitto broker\""), "{text}");
    assert!(!text.contains(TOKEN), "{text}");
}
