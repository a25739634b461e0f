//! Registration by Home Assistant, and what the bridge stores of it.

use serde_json::json;

use crate::support::bridge::Home;
use crate::support::client;
use crate::support::plant::Plant;
use crate::support::target::Target;

#[tokio::test]
async fn a_registration_connects_at_once_and_survives_a_restart() {
    let plant = Plant::start(&["--inverters", "1", "--ports-per-inverter", "2"]).await;
    let target = Target::start("first").await;
    let home = Home::new(&plant.dtu("DTU"));
    let bridge = home.run().await;
    let body = json!({"websocket_url": target.url("first"), "name": "Home Assistant"});
    let (status, answer) = bridge.post("/api/websocket/register", &body).await;
    assert_eq!((status, answer), (200, json!({"status": "registered", "stored": true})));
    bridge.logged("[WebSocket] Registered: Home Assistant (ws://127.0.0.1:").await;
    target.received("update", |received| !received.updates().is_empty()).await;
    let (_, targets) = bridge.get("/api/targets").await;
    assert_eq!(targets[0]["name"], "Home Assistant");
    assert_eq!(targets[0]["source"], "registered");
    assert_eq!(targets[0]["state"], "connected");
    assert!(!targets.to_string().contains("first"), "the token is hidden: {targets}");

    // Killed, not stopped: what was acknowledged is on disk.
    bridge.signal("KILL").await;
    bridge.ended().await;
    let bridge = home.run().await;
    target.received("second connection", |received| received.paths.len() >= 2).await;
    bridge.logged("[WebSocket] ✓ Connected to: Home Assistant").await;
    bridge.stop().await;
    target.stop().await;
    plant.stop().await;
}

#[tokio::test]
async fn a_new_token_replaces_the_old_one_and_the_connection() {
    let plant = Plant::start(&["--inverters", "1", "--ports-per-inverter", "1"]).await;
    let target = Target::start("first").await;
    let home = Home::new(&plant.dtu("DTU"));
    let bridge = home.run().await;
    let register = async |token: &str| {
        let body = json!({"websocket_url": target.url(token), "name": "Home Assistant"});
        assert_eq!(bridge.post("/api/websocket/register", &body).await.0, 200);
    };
    register("first").await;
    bridge.logged("[WebSocket] ✓ Connected to: Home Assistant").await;

    target.change_token("second");
    register("second").await;
    bridge.logged_times("[WebSocket] ✓ Connected to: Home Assistant", 2).await;
    let received = target.received("two connections", |received| received.paths.len() == 2).await;
    assert!(received.paths[1].ends_with("token=second"));
    let (_, targets) = bridge.get("/api/targets").await;
    assert_eq!(targets.as_array().unwrap().len(), 1, "one URL is one target");

    // A refused token is reported, and the target waits for the next registration.
    register("dead").await;
    bridge.logged("[WebSocket] Connection failed for Home Assistant: ").await;
    let (_, targets) = bridge.get("/api/targets").await;
    assert_eq!(targets[0]["state"], "rejected");
    assert!(targets[0]["last_error"].as_str().unwrap().contains("Invalid authentication token"));
    bridge.stop().await;
    target.stop().await;
    plant.stop().await;
}

#[tokio::test]
async fn invalid_registrations_are_refused_with_the_reason() {
    let plant = Plant::start(&["--inverters", "1"]).await;
    let home = Home::new(&format!(
        "{}[http.registration]\nallow = [\"127.0.0.1/32\"]\nmax_targets = 1\n",
        plant.dtu("DTU")
    ));
    let bridge = home.run().await;
    let register =
        async |body: serde_json::Value| bridge.post("/api/websocket/register", &body).await;
    let url = |url: &str| json!({"websocket_url": url, "name": "Target"});
    for (body, expected) in [
        (json!({"name": "No URL"}), 400),
        (url("http://127.0.0.1/ws"), 400),
        (url("ws://user:password@127.0.0.1/ws"), 400),
        (url("ws://ws://homeassistant.local:8123/ws"), 400),
        (url("ws://@127.0.0.1:9/ws"), 400),
        (url("ws:///127.0.0.1:9/ws"), 400),
        (url(r"ws:\\127.0.0.1:9"), 400),
        (url("ws://[fe80::1]:8123/ws"), 400),
        (url(&format!("ws://{}.local/ws", "x".repeat(64))), 400),
        (json!({"websocket_url": "ws://127.0.0.1:9/ws", "name": " "}), 400),
        (json!({"websocket_url": "ws://127.0.0.1:9/ws", "name": "Home\u{200b}"}), 400),
        (url("ws://127.0.0.2/ws"), 403),
        (url("ws://169.254.169.254/ws"), 403),
        (url("ws://127.0.0.1:9/ws"), 200),
        (url("ws://127.0.0.1:9/other"), 409),
    ] {
        let (status, answer) = register(body.clone()).await;
        assert_eq!(status, expected, "{body} was answered {answer}");
        assert_eq!(answer["error"].is_string(), expected != 200, "{answer}");
    }
    bridge.stop().await;
    plant.stop().await;
}

#[tokio::test]
async fn refused_registrations_are_logged_without_secrets() {
    let home = Home::new("[[dtu]]\nname = \"DTU\"\nprotocol = \"simulated\"\n");
    let bridge = home.run().await;
    let url = |url: &str| json!({"websocket_url": url, "name": "Target"});
    for (body, why) in [
        (url("http://127.0.0.1/ws?token=s3cret"), "the URL begins with http://"),
        (url("ws://me:s3cret@127.0.0.1/ws"), "the URL has a user name or password"),
        (url("s3cret:s3cret@127.0.0.1/ws"), "the URL does not begin with ws://"),
        (json!({"websocket_url": "ws://127.0.0.1/?token=s3cret"}), "missing field `name`"),
        (json!(["ws://127.0.0.1/?token=s3cret", "s3cret"]), "it is not an object"),
        (json!("s3cret"), "it is not an object"),
    ] {
        let (status, answer) = bridge.post("/api/websocket/register", &body).await;
        assert_eq!(status, 400, "{body}");
        assert!(answer["error"].as_str().unwrap().contains(why), "{answer}");
        bridge.logged(why).await;
    }
    let request = client()
        .post(format!("{}/api/websocket/register", bridge.api))
        .header("content-type", "text/plain")
        .body("s3cret");
    assert_eq!(request.send().await.unwrap().status().as_u16(), 415);
    let (_, log) = bridge.stop().await;
    assert!(log.iter().all(|line| !line.contains("s3cret")), "{log:#?}");
    let refusals =
        log.iter().filter(|line| line.contains("WARN [WebSocket] Registration refused: "));
    assert_eq!(refusals.count(), 6, "{log:#?}");
}
