//! The stream over real sockets, and what a client that lags or comes back is sent.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use tokio_util::sync::CancellationToken;

use super::Hub;
use super::subscriber::Subscriber;
use crate::config::{HttpConfig, Protocol, RegistrationConfig};
use crate::http::tests::fixture::{
    GUARD, Server, directory, dtu, inverter, noon, snapshot, sources,
};
use crate::snapshot::health::silence_limit;
use crate::snapshot::state::{DtuState, DtuStatus, InverterState};
use crate::snapshot::{self, Snapshot};

/// Two DTUs with an inverter each, after so many polls of each.
fn plant(house: u64, garage: u64) -> Snapshot {
    let limit = silence_limit(Duration::from_secs(60));
    let dtu = |name: &str, query_count| DtuState {
        query_count,
        status: DtuStatus::Online,
        last_success: Some(noon()),
        ..DtuState::unknown(name, Protocol::Modbus, limit)
    };
    let garage_inverter = InverterState { dtu_name: Arc::from("Garage"), ..inverter(2, 1) };
    snapshot(
        vec![inverter(1, 2), garage_inverter],
        vec![dtu("House", house), dtu("Garage", garage)],
    )
}

struct Client(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Client {
    async fn connect(server: &Server, query: &str) -> Self {
        Self::with_origin(server, query, None).await.unwrap()
    }

    async fn with_origin(server: &Server, query: &str, origin: Option<&str>) -> Result<Self, u16> {
        let url = format!("ws://{}/api/ws{query}", server.address);
        let mut request = url.into_client_request().unwrap();
        if let Some(origin) = origin {
            request.headers_mut().insert("origin", origin.parse().unwrap());
        }
        match connect_async(request).await {
            Ok((socket, _)) => Ok(Self(socket)),
            Err(Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }

    async fn send(&mut self, message: Value) {
        self.0.send(Message::text(message.to_string())).await.unwrap();
    }

    async fn next(&mut self) -> Value {
        loop {
            let message = timeout(GUARD, self.0.next()).await.unwrap().unwrap().unwrap();
            if let Message::Text(text) = message {
                return serde_json::from_str(&text).unwrap();
            }
        }
    }

    /// The next message, which is of this type.
    async fn expect(&mut self, kind: &str) -> Value {
        let message = self.next().await;
        assert_eq!(message["type"], kind, "{message}");
        message
    }

    /// The code with which the server closes.
    async fn closed(mut self) -> u16 {
        loop {
            match timeout(GUARD, self.0.next()).await.unwrap() {
                Some(Ok(Message::Close(frame))) => return frame.unwrap().code.into(),
                Some(Ok(_)) => {}
                other => panic!("{other:?}"),
            }
        }
    }
}

fn server(config: HttpConfig) -> Server {
    let server = Server::start(config);
    server.snapshots.publish(plant(1, 1));
    server
}

fn with_token() -> HttpConfig {
    HttpConfig { token: Some("s3cret".into()), ..HttpConfig::default() }
}

fn serials(data: &Value) -> Vec<&str> {
    let inverters = data["inverters"].as_array().unwrap();
    inverters.iter().map(|inverter| inverter["serial_number"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_client_gets_the_plant_and_then_each_dtu_that_was_polled() {
    let server = server(HttpConfig::default());
    let mut client = Client::connect(&server, "").await;
    let hello = client.expect("hello").await;
    assert_eq!(hello["data"]["protocol"], 1);
    assert_eq!(hello["data"]["heartbeat"], 25);
    assert_eq!(hello["data"]["resumed"], false);
    let whole = client.expect("snapshot").await;
    assert!(whole["seq"].as_u64().unwrap() >= 1_700_000_000_000, "{}", whole["seq"]);
    let data = &whole["data"];
    assert_eq!(serials(data).len(), 2);
    for key in ["health", "stats", "plant", "meters", "targets"] {
        assert!(!data[key].is_null(), "{key}");
    }
    server.snapshots.publish(plant(1, 2));
    let update = client.expect("update").await;
    assert_eq!(update["data"]["dtu"], "Garage");
    assert_eq!(serials(&update["data"]).len(), 1);
    assert_eq!(update["data"]["inverters"][0], data["inverters"][1]);
    assert_eq!(update["data"]["plant"], data["plant"]);
    assert_eq!(update["seq"].as_u64(), whole["seq"].as_u64().map(|seq| seq + 1));
    assert_eq!(update.get("skipped"), None);
    client.send(json!({"type": "ping", "id": 7})).await;
    assert_eq!(client.expect("pong").await["data"]["id"], 7);
    server.stop();
    assert_eq!(client.closed().await, 1001);
}

#[tokio::test]
async fn a_dtu_that_fails_is_a_status() {
    let server = server(HttpConfig::default());
    let mut client = Client::connect(&server, "").await;
    client.expect("hello").await;
    client.expect("snapshot").await;
    let mut failed = dtu(DtuStatus::Error, Some(noon()));
    failed.query_count = 2;
    let garage = plant(1, 1).dtus().nth(1).unwrap().clone();
    server.snapshots.publish(snapshot(vec![inverter(1, 2)], vec![failed, garage]));
    let house = client.expect("update").await;
    assert_eq!(house["data"]["health"]["dtus"]["House"]["status"], "error");
    // Its inverter is gone.
    let garage = client.expect("update").await;
    assert_eq!((&garage["data"]["dtu"], serials(&garage["data"]).len()), (&json!("Garage"), 0));
    let status = client.expect("status").await;
    assert_eq!(status["data"]["dtus"]["House"]["status"], "error");
    assert!(status["data"]["targets"].is_array());
    // The set of DTUs changes only with the configuration.
    server.snapshots.publish(snapshot(vec![inverter(1, 2)], vec![dtu(DtuStatus::Online, None)]));
    let whole = client.expect("snapshot").await;
    assert_eq!(whole["data"]["health"]["dtus"].as_object().unwrap().len(), 1);
    assert_eq!(whole["skipped"], 1, "its number stands for what updates cannot say");
}

#[tokio::test]
async fn a_client_that_comes_back_gets_what_it_missed() {
    let server = server(HttpConfig::default());
    let mut client = Client::connect(&server, "").await;
    client.expect("hello").await;
    let seen = client.expect("snapshot").await["seq"].as_u64().unwrap();
    for polls in 2..5 {
        server.snapshots.publish(plant(polls, 1));
        client.expect("update").await;
    }
    drop(client);
    let mut back = Client::connect(&server, &format!("?since={seen}")).await;
    assert_eq!(back.expect("hello").await["data"]["resumed"], true);
    for number in 1..4 {
        let update = back.expect("update").await;
        assert_eq!(update["seq"], seen + number);
        assert_eq!(update["data"]["health"]["dtus"]["House"]["query_count"], 1 + number);
    }
    for since in [0, seen - 1, seen + 4] {
        let mut other = Client::connect(&server, &format!("?since={since}")).await;
        assert_eq!(other.expect("hello").await["data"]["resumed"], false, "{since}");
        other.expect("snapshot").await;
    }
}

#[tokio::test]
async fn a_subscription_selects_a_part_of_the_plant() {
    let server = server(HttpConfig::default());
    let mut client = Client::connect(&server, "").await;
    client.expect("hello").await;
    client.expect("snapshot").await;
    client.send(json!({"type": "subscribe", "inverters": ["1161A0000001", "none"]})).await;
    assert_eq!(serials(&client.expect("snapshot").await["data"]), ["1161a0000001"]);
    server.snapshots.publish(plant(1, 2));
    server.snapshots.publish(plant(2, 2));
    let update = client.expect("update").await;
    assert_eq!(update["data"]["dtu"], "House");
    assert_eq!(update.get("skipped"), None, "left out by choice");
    assert!(update["data"]["meters"].is_array(), "the filtered message is whole");
    client.send(json!({"type": "subscribe", "dtus": ["nowhere"]})).await;
    assert!(serials(&client.expect("snapshot").await["data"]).is_empty());
    client.send(json!({"type": "subscribe", "dtus": 1})).await;
    assert_eq!(client.expect("error").await["data"]["code"], "subscribe");
    client.send(json!({"type": "what"})).await;
    assert_eq!(client.expect("error").await["data"]["code"], "type");
    client.send(json!([])).await;
    assert_eq!(client.expect("error").await["data"]["code"], "json");
}

#[tokio::test]
async fn a_minimum_interval_holds_updates_back() {
    let server = server(HttpConfig::default());
    let mut client = Client::connect(&server, "").await;
    client.expect("hello").await;
    client.send(json!({"type": "subscribe", "min_interval": "200ms"})).await;
    client.expect("snapshot").await;
    client.expect("snapshot").await;
    for polls in 2..6 {
        server.snapshots.publish(plant(polls, 1));
        tokio::task::yield_now().await;
    }
    let polls = |update: &Value| update["data"]["health"]["dtus"]["House"]["query_count"].as_u64();
    let mut last = client.expect("update").await;
    while polls(&last) != Some(5) {
        last = client.expect("update").await;
        assert_eq!(last.get("skipped"), None, "held back is not skipped");
    }
}

#[tokio::test]
async fn too_large_and_too_many_messages() {
    let server = server(HttpConfig::default());
    let mut client = Client::connect(&server, "").await;
    client.expect("hello").await;
    client.expect("snapshot").await;
    for id in 0..30 {
        client.send(json!({"type": "ping", "id": id})).await;
    }
    for id in 0..10 {
        assert_eq!(client.expect("pong").await["data"]["id"], id);
    }
    assert_eq!(client.expect("error").await["data"]["code"], "rate");
    let mut other = Client::connect(&server, "").await;
    other.send(json!({"type": "ping", "id": "x".repeat(5_000)})).await;
    assert_eq!(other.closed().await, 1009);
}

#[tokio::test]
async fn the_token_opens_the_stream_in_four_ways() {
    let server = server(with_token());
    let mut in_query = Client::connect(&server, "?token=s3cret").await;
    in_query.expect("hello").await;
    let mut first_message = Client::connect(&server, "").await;
    first_message.send(json!({"type": "auth", "token": "s3cret"})).await;
    first_message.expect("hello").await;
    let mut wrong = Client::connect(&server, "").await;
    wrong.send(json!({"type": "auth", "token": "secret"})).await;
    assert_eq!(wrong.closed().await, 4401);

    let own = format!("http://{}", server.address);
    assert_eq!(Client::with_origin(&server, "?token=x", None).await.err(), Some(401));
    let browser = Client::with_origin(&server, "?token=x", Some(&own)).await.unwrap();
    assert_eq!(browser.closed().await, 4401);
    for foreign in ["https://evil.example", "null"] {
        let refused = Client::with_origin(&server, "?token=s3cret", Some(foreign)).await;
        assert_eq!(refused.err(), Some(403), "{foreign}");
    }

    let login = |token: &str| {
        format!(
            "POST /api/session HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{{\"token\":\"{token}\"}}",
            token.len() + 12
        )
    };
    let mut page = server.client().await;
    page.send(&login("s3cret")).await;
    let head = page.head().await;
    let cookie = head.split("set-cookie: ").nth(1).unwrap().split(';').next().unwrap().to_owned();
    let url = format!("ws://{}/api/ws", server.address);
    let mut request = url.into_client_request().unwrap();
    request.headers_mut().insert("cookie", cookie.parse().unwrap());
    let mut by_cookie = Client(connect_async(request).await.unwrap().0);
    by_cookie.expect("hello").await;
    page.send(&format!("DELETE /api/session HTTP/1.1\r\nHost: x\r\nCookie: {cookie}\r\n\r\n"))
        .await;
    assert!(page.head().await.starts_with("http/1.1 204"));
    assert_eq!(by_cookie.closed().await, 4401, "the session has ended");

    for _ in 0..7 {
        assert_eq!(Client::with_origin(&server, "?token=x", None).await.err(), Some(401));
    }
    assert_eq!(Client::with_origin(&server, "?token=s3cret", None).await.err(), Some(429));
    let browser = Client::with_origin(&server, "?token=s3cret", Some(&own)).await.unwrap();
    assert_eq!(browser.closed().await, 4429);
}

#[tokio::test]
async fn more_clients_than_there_are_places() {
    let server = server(HttpConfig { max_stream_clients: 1, ..HttpConfig::default() });
    let mut first = Client::connect(&server, "").await;
    first.expect("hello").await;
    assert_eq!(Client::with_origin(&server, "", None).await.err(), Some(503));
    let own = format!("http://{}", server.address);
    let browser = Client::with_origin(&server, "", Some(&own)).await.unwrap();
    assert_eq!(browser.closed().await, 1013);
    let clients = server.client().await.get("/api/stream").await.body;
    let clients: Value = serde_json::from_str(&clients).unwrap();
    assert_eq!(clients.as_array().unwrap().len(), 1);
    assert_eq!(clients[0]["transport"], "websocket");
    assert_eq!(clients[0]["lag"], 0);
}

#[tokio::test]
async fn a_get_without_an_upgrade_says_what_is_missing() {
    let server = server(HttpConfig::default());
    let mut client = server.client().await;
    client.send("GET /api/ws HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let head = client.head().await;
    assert!(head.starts_with("http/1.1 426") && head.contains("upgrade: websocket"), "{head}");
}

#[tokio::test]
async fn events_carry_the_same_messages() {
    let server = server(HttpConfig::default());
    let mut client = server.client().await;
    client.send("GET /api/events HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let head = client.head().await;
    for line in [
        "content-type: text/event-stream",
        "cache-control: no-cache, no-transform",
        "content-encoding: identity",
        "x-accel-buffering: no",
    ] {
        assert!(head.contains(line), "{line}: {head}");
    }
    server.snapshots.publish(plant(2, 1));
    server.stop();
    let body = client.closed().await;
    assert!(body.contains("retry: 3000\n\n"), "{body}");
    for kind in ["hello", "snapshot"] {
        let event = body.split(&format!("event: {kind}\n")).nth(1).unwrap();
        let id = event.split("id: ").nth(1).unwrap().split('\n').next().unwrap();
        assert!(event.contains(&format!("\"type\":\"{kind}\",\"seq\":{id},")), "{event}");
    }
}

/// A hub without a server, and one of its clients.
fn hub() -> (snapshot::SnapshotWriter, Hub, crate::targets::Directory) {
    let (writer, reader) = snapshot::channel(plant(1, 1));
    let targets = directory(&RegistrationConfig::default());
    let hub = Hub::new(&sources(reader), 100, CancellationToken::new());
    (writer, hub, targets)
}

fn subscribe(hub: &Hub, targets: &crate::targets::Directory, since: Option<u64>) -> Subscriber {
    let address = std::net::IpAddr::from([127, 0, 0, 1]);
    Subscriber::new(hub, targets, hub.place().unwrap(), (address, "websocket"), since)
}

#[tokio::test]
async fn a_client_that_lags_skips_to_the_newest_of_each_dtu() {
    let (_writer, hub, targets) = hub();
    let mut client = subscribe(&hub, &targets, None);
    while client.next().is_some() {}
    for polls in 2..10 {
        hub.publish(&Arc::new(plant(polls, 1)), &targets);
    }
    hub.publish(&Arc::new(plant(9, 2)), &targets);
    let update: Value = serde_json::from_slice(&client.next().unwrap().json).unwrap();
    assert_eq!((&update["data"]["dtu"], &update["skipped"]), (&json!("House"), &json!(7)));
    let update: Value = serde_json::from_slice(&client.next().unwrap().json).unwrap();
    assert_eq!((&update["data"]["dtu"], update.get("skipped")), (&json!("Garage"), None));
    for polls in 10..200 {
        hub.publish(&Arc::new(plant(polls, 2)), &targets);
    }
    let whole: Value = serde_json::from_slice(&client.next().unwrap().json).unwrap();
    assert_eq!((&whole["type"], &whole["skipped"]), (&json!("snapshot"), &json!(190)));
    assert!(client.next().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_quiet_connection_has_a_heartbeat() {
    let (_writer, hub, targets) = hub();
    let mut client = subscribe(&hub, &targets, None);
    while client.next().is_some() {}
    let before = tokio::time::Instant::now();
    client.wait().await;
    assert_eq!(before.elapsed(), Duration::from_secs(25));
    let heartbeat: Value = serde_json::from_slice(&client.next().unwrap().json).unwrap();
    assert_eq!(heartbeat["type"], "heartbeat");
    assert_eq!(heartbeat["data"]["data_age_seconds"], 60);
    assert!(client.next().is_none());
}

/// What a client does between two polls.
#[derive(Clone, Copy, Debug)]
enum Step {
    Poll(bool),
    Read(u8),
    Reconnect,
}

#[tokio::test]
async fn no_message_is_left_out_without_notice() {
    let step = prop_oneof![
        20 => any::<bool>().prop_map(Step::Poll),
        10 => (0_u8..8).prop_map(Step::Read),
        1 => Just(Step::Reconnect),
    ];
    let runner = &mut TestRunner::new(Config { cases: 8, ..Config::default() });
    let histories = proptest::collection::vec(step, 1_500).no_shrink();
    let outcome = runner.run(&histories, |steps| {
        let (_writer, hub, targets) = hub();
        let mut client = subscribe(&hub, &targets, None);
        let mut polls = [1, 1];
        let mut seen: Option<u64> = None;
        let mut take = |client: &mut Subscriber, count: usize| {
            for outgoing in std::iter::from_fn(|| client.next()).take(count) {
                let message: Value = serde_json::from_slice(&outgoing.json).unwrap();
                let (seq, kind) = (message["seq"].as_u64().unwrap(), message["type"].as_str());
                let skipped = message["skipped"].as_u64().unwrap_or(0);
                match (kind.unwrap(), seen) {
                    ("update", Some(last)) => assert_eq!(seq, last + skipped + 1, "{message}"),
                    ("snapshot", Some(last)) if skipped > 0 => assert_eq!(seq, last + skipped),
                    ("snapshot", _) => {}
                    ("hello", _) => continue,
                    other => panic!("{other:?}"),
                }
                seen = Some(seq);
            }
            seen
        };
        for step in steps {
            match step {
                Step::Poll(is_house) => {
                    polls[usize::from(is_house)] += 1;
                    hub.publish(&Arc::new(plant(polls[1], polls[0])), &targets);
                }
                Step::Read(count) => drop(take(&mut client, usize::from(count))),
                Step::Reconnect => {
                    let since = take(&mut client, 0);
                    client = subscribe(&hub, &targets, since);
                }
            }
        }
        take(&mut client, usize::MAX);
        assert_eq!(take(&mut client, 0), Some(hub.0.feed.borrow().seq()));
        Ok(())
    });
    outcome.unwrap();
}
