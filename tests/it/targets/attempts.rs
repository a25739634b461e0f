//! Aborted connection attempts, and targets that wait.

use std::sync::Arc;

use serde_json::json;

use super::certificates::{Authorities, Shows};
use super::faulty::{Fault, Faulty};
use super::step::Step;
use crate::support::bridge::{Bridge, Home};
use crate::support::target::Target;
use crate::support::within_guard;

const DTU: &str = "[[dtu]]\nname = \"DTU\"\nprotocol = \"simulated\"\n";

async fn register(bridge: &Bridge, url: &str) {
    let body = json!({"websocket_url": url, "name": "Target"});
    assert_eq!(bridge.post("/api/websocket/register", &body).await.0, 200);
}

#[tokio::test]
async fn an_aborted_attempt_has_an_outcome() {
    let mute = Faulty::start(Fault::plain(&[Step::Freeze]));
    let bridge = Home::new(DTU).run().await;
    let url = |token: &str| format!("ws://{}/ws?token={token}", mute.address);
    let connecting = "Connecting to Target (ws://127.0.0.1:";
    register(&bridge, &url("first")).await;
    bridge.logged(connecting).await;
    register(&bridge, &url("second")).await;
    let line = bridge.logged("Connection failed for Target: ").await;
    assert!(line.ends_with("replaced: the target was registered again (attempt 1)"));
    bridge.logged_times(connecting, 2).await;
    let (_, log) = bridge.stop().await;
    let outcomes: Vec<&String> =
        log.iter().filter(|line| line.contains("Connection failed for Target: ")).collect();
    assert_eq!(outcomes.len(), 2, "{outcomes:#?}");
    assert!(outcomes.last().unwrap().ends_with("the bridge stops (1001) (attempt 1)"));
    mute.stop().await;
}

#[tokio::test]
async fn a_target_with_a_refused_token_waits_for_the_next_registration() {
    let target = Target::start("good").await;
    let bridge = Home::new(DTU).run().await;
    register(&bridge, &target.url("dead")).await;
    bridge.logged("Reconnecting to Target in 300 seconds (attempt 2)...").await;
    let (_, targets) = bridge.get("/api/targets").await;
    let shown = targets.get(0).unwrap();
    assert_eq!((&shown["state"], &shown["attempts"]), (&"rejected".into(), &1.into()));
    assert_eq!(shown["last_error_cause"], "token_refused");
    let reason = shown["last_error_remedy"].as_str().unwrap();
    assert!(reason.contains("reload its Hoymiles bridge integration"), "{reason}");

    register(&bridge, &target.url("good")).await;
    bridge.logged("✓ Connected to: Target").await;
    target.received("update", |received| !received.updates().is_empty()).await;
    let (_, targets) = bridge.get("/api/targets").await;
    assert_eq!(targets.get(0).unwrap()["state"], "connected");
    bridge.stop().await;
    target.stop().await;
}

#[tokio::test]
async fn a_registered_target_that_fails_for_a_week_is_removed_with_a_warning() {
    let home = Home::new(DTU);
    let bridge = home.run().await;
    for name in ["Week", "Days"] {
        let body = json!({"websocket_url": format!("ws://127.0.0.1:9/{name}"), "name": name});
        assert_eq!(bridge.post("/api/websocket/register", &body).await.0, 200);
        bridge.logged(&format!("Connection failed for {name}: connection refused")).await;
    }
    bridge.stop().await;
    let database = rusqlite::Connection::open(home.folder.path().join("data/hoymiles-bridge.db"));
    let changed = database.unwrap().execute(
        "UPDATE record SET value = json_set(value, '$.failing_since', unixepoch('now',
             CASE value ->> 'name' WHEN 'Week' THEN '-7 days' ELSE '-6 days' END))
         WHERE kind = 'target' AND value ->> 'failing_since' IS NOT NULL",
        [],
    );
    assert_eq!(changed, Ok(2), "the time of the first failure is stored");

    let bridge = home.run().await;
    let line = bridge.logged("[WebSocket] Forgotten: Week has failed for 7 days; ").await;
    assert!(line.contains(" WARN ") && line.contains("when it registers again"), "{line}");
    within_guard("end of Week", async { while names(&bridge).await != ["Days"] {} }).await;
    bridge.stop().await;
    let bridge = home.run().await;
    assert_eq!(names(&bridge).await, ["Days"]);
    bridge.stop().await;
}

async fn names(bridge: &Bridge) -> Vec<String> {
    let (_, targets) = bridge.get("/api/targets").await;
    let targets = targets.as_array().unwrap().iter();
    targets.map(|target| target["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_trust_root_that_is_repaired_is_used_at_the_next_attempt() {
    let authorities = Authorities::new();
    let tls = authorities.server(Shows::Good);
    let tls = Some((Arc::clone(&tls), tls));
    let hangs_up: &[Step] = &[Step::Disconnect];
    let target =
        Faulty::start(Fault { tls, connections: 1, speaks_tls: true, ..Fault::plain(hangs_up) });
    let home = Home::new("");
    let root = home.folder.path().join("root.pem");
    home.configure(&format!(
        "{DTU}[[target]]\nname = \"Target\"\nurl = \"wss://{}/ws\"\nca_file = {root:?}\n",
        target.address
    ));
    std::fs::write(&root, &authorities.root_pem).unwrap();
    let bridge = home.run().await;
    let failed = |cause: &str| {
        format!("Connection failed for Target: ca_file cannot be used: {}{cause}", root.display())
    };
    bridge
        .logged(
            "Connection failed for Target: the connection was closed during the WebSocket upgrade",
        )
        .await;
    std::fs::remove_file(&root).unwrap();
    bridge.logged(&failed(" cannot be read: ")).await;
    std::fs::write(&root, "no certificate").unwrap();
    bridge.logged(&failed(" holds no certificate; set `ca_file` to a readable PEM file")).await;
    std::fs::write(&root, &authorities.root_pem).unwrap();
    bridge.logged("✓ Connected to: Target").await;
    bridge.stop().await;
    target.stop().await;
}

#[tokio::test]
async fn registered_targets_have_a_trust_root_of_their_own() {
    let authorities = Authorities::new();
    let tls = authorities.server(Shows::Good);
    let tls = Some((Arc::clone(&tls), tls));
    let hangs_up: &[Step] = &[Step::Disconnect];
    let target =
        Faulty::start(Fault { tls, connections: 1, speaks_tls: true, ..Fault::plain(hangs_up) });
    let home = Home::new("");
    home.configure(DTU);
    let bridge = home.run().await;
    let body = json!({"websocket_url": format!("wss://{}/ws", target.address), "name": "Target"});
    assert_eq!(bridge.post("/api/websocket/register", &body).await.0, 200);
    bridge
        .logged(
            "Connection failed for Target: TLS: the certificate's issuer is not trusted; set \
             `ca_file` under [http.registration] to the certificate of the authority",
        )
        .await;
    let root = home.folder.path().join("root.pem");
    std::fs::write(&root, &authorities.root_pem).unwrap();
    home.configure(&format!("{DTU}[http.registration]\nca_file = {root:?}\n"));
    bridge.signal("HUP").await;
    bridge.logged("✓ Connected to: Target").await;
    bridge.stop().await;
    target.stop().await;
}
