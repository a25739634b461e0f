//! SIGHUP: the configuration is reloaded without interrupting what is unchanged.

use serde_json::{Value, json};

use crate::support::bridge::{Bridge, Home};
use crate::support::plant::Plant;
use crate::support::target::Target;

fn section(name: &str, url: &str) -> String {
    format!("[[target]]\nname = \"{name}\"\nurl = \"{url}\"\n")
}

async fn names(bridge: &Bridge, path: &str, key: &str) -> Vec<String> {
    let (_, list) = bridge.get(path).await;
    let name = |one: &Value| one[key].as_str().unwrap().to_owned();
    list.as_array().unwrap().iter().map(name).collect()
}

/// Has the bridge reload its configuration and waits for this summary.
async fn reload(bridge: &Bridge, summary: &str) {
    bridge.signal("HUP").await;
    bridge.logged(&format!("the new configuration is in effect: {summary}")).await;
}

#[tokio::test]
async fn unchanged_targets_stay_connected_on_reload() {
    let plant = Plant::start(&["--inverters", "1"]).await;
    let (stays, goes, comes, registers) = (
        Target::start("a").await,
        Target::start("b").await,
        Target::start("c").await,
        Target::start("d").await,
    );
    let with = |name: &str, url: &str| {
        [plant.dtu("DTU"), section("Stays", &stays.url("a")), section(name, url)].concat()
    };
    let home = Home::new(&with("Goes", &goes.url("b")));
    let bridge = home.run().await;
    let body = json!({"websocket_url": registers.url("d"), "name": "Registered"});
    assert_eq!(bridge.post("/api/websocket/register", &body).await.0, 200);
    for name in ["Stays", "Goes", "Registered"] {
        bridge.logged(&format!("[WebSocket] ✓ Connected to: {name}")).await;
    }

    home.configure(&with("Comes", &comes.url("c")));
    reload(
        &bridge,
        "DTUs 1 unchanged, 0 started, 0 stopped; targets 2 unchanged, 1 started, 1 stopped",
    )
    .await;
    bridge.logged("[WebSocket] ✓ Connected to: Comes").await;
    let gone = goes.received("close frame", |received| !received.close_codes.is_empty()).await;
    assert_eq!(gone.close_codes, [1000]);
    bridge.logged("[WebSocket] Removed from the configuration: Goes").await;
    let ended = |name: &str, why: &str| format!("[WebSocket] Disconnected from {name}: {why}");
    bridge.logged(&ended("Goes", "the target was removed from the configuration")).await;
    assert_eq!(names(&bridge, "/api/targets", "name").await, ["Stays", "Comes", "Registered"]);
    for target in [&stays, &registers] {
        let received = target.received("first connection", |_| true).await;
        assert_eq!(
            (received.paths.len(), received.close_codes.len()),
            (1, 0),
            "it was not interrupted"
        );
    }

    // A changed setting makes a new target of the same URL.
    home.configure(&with("Comes", &comes.url("new")));
    reload(&bridge, "DTUs 1 unchanged, 0 started, 0 stopped; targets 2 unchanged, 1 started").await;
    bridge.logged("[WebSocket] Changed in the configuration: Comes").await;
    bridge.logged(&ended("Comes", "the configuration of the target changed")).await;
    bridge.logged("[WebSocket] Connection failed for Comes: the target refused").await;
    let (_, log) = bridge.stop().await;
    let wrong = ["Unregistered", "registered anew"];
    assert!(!log.iter().any(|line| wrong.iter().any(|wrong| line.contains(wrong))), "{log:#?}");
    for target in [stays, goes, comes, registers] {
        target.stop().await;
    }
    plant.stop().await;
}

#[tokio::test]
async fn a_reloaded_dtu_never_sees_two_clients() {
    let strict = ["--fault", "refuse-second-client", "--inverters"];
    let roof = Plant::start(&[&strict[..], &["2"]].concat()).await;
    let barn = Plant::start(&[&strict[..], &["1", "--seed", "7"]].concat()).await;
    let home = Home::new(&roof.dtu("Roof"));
    let bridge = home.run().await;
    bridge.inverters_when(|all| all.as_array().unwrap().len() == 2).await;

    let both = [roof.dtu("Roof"), barn.dtu("Barn")].concat();
    home.configure(&both);
    reload(&bridge, "DTUs 1 unchanged, 1 started, 0 stopped").await;
    bridge.inverters_when(|all| all.as_array().unwrap().len() == 3).await;

    // Another interval: a new connection, once the old one is closed.
    home.configure(&both.replacen("interval = \"5s\"", "interval = \"6s\"", 1));
    reload(&bridge, "DTUs 1 unchanged, 1 started, 1 stopped").await;
    bridge.logged_times("Roof: 8 ports of 2 inverters", 2).await;
    let (_, health) = bridge.get("/health").await;
    for dtu in ["Roof", "Barn"] {
        assert_eq!(health["dtus"][dtu]["error_count"], 0, "{health}");
        assert_eq!(health["dtus"][dtu]["status"], "online", "{health}");
    }

    // A removed DTU takes its inverters with it.
    home.configure(&barn.dtu("Barn"));
    reload(&bridge, "DTUs 1 unchanged, 0 started, 1 stopped").await;
    assert_eq!(names(&bridge, "/api/inverters", "dtu_name").await, ["Barn"]);
    let (_, health) = bridge.get("/health").await;
    assert!(health["dtus"].get("Roof").is_none(), "{health}");
    bridge.stop().await;
    roof.stop().await;
    barn.stop().await;
}

#[tokio::test]
async fn inverters_keep_first_seen_and_energies_when_their_dtu_is_renamed() {
    let plant = Plant::start(&["--inverters", "1"]).await;
    let home = Home::new(&plant.dtu("Roof"));
    let bridge = home.run().await;
    let of = |name: &'static str| move |all: &Value| all[0]["dtu_name"] == name;
    let before = bridge.inverters_when(of("Roof")).await;

    let check = |after: &Value| {
        assert_eq!(after[0]["first_seen"], before[0]["first_seen"]);
        let total = |all: &Value| all[0]["total_production"].as_i64().unwrap();
        let growth = total(after) - total(&before);
        assert!((0..100).contains(&growth), "{growth} Wh");
    };
    home.configure(&plant.dtu("Barn"));
    reload(&bridge, "DTUs 0 unchanged, 1 started, 1 stopped").await;
    check(&bridge.inverters_when(of("Barn")).await);
    bridge.stop().await;

    home.configure(&plant.dtu("Garage"));
    let bridge = home.run().await;
    check(&bridge.inverters_when(of("Garage")).await);
    bridge.stop().await;

    // Left out for one run.
    let elsewhere = "[[dtu]]\nname = \"Sim\"\nprotocol = \"simulated\"\n";
    home.configure(elsewhere);
    home.run().await.stop().await;
    home.configure(&plant.dtu("Shed"));
    let bridge = home.run().await;
    check(&bridge.inverters_when(of("Shed")).await);
    bridge.stop().await;
    plant.stop().await;
}

#[tokio::test]
async fn reloading_does_not_poll_a_dtu_more_often() {
    let plant = Plant::start_protobuf(&["--inverters", "2"]).await;
    let dtu = |host: &str, exclude: &str| {
        let port = plant.address.port();
        format!(
            "[[dtu]]\nname = \"Roof\"\nprotocol = \"protobuf\"\nhost = \"{host}\"\n\
             port = {port}\nrequest_gap = \"100ms\"\nexclude = [{exclude}]\n"
        )
    };
    let home = Home::new(&dtu("127.0.0.1", ""));
    let bridge = home.run().await;
    let all = bridge.inverters_when(|all| all.as_array().unwrap().len() == 2).await;
    let excluded = &all[0]["serial_number"];

    home.configure(&dtu("127.0.0.1", &excluded.to_string()));
    reload(&bridge, "DTUs 0 unchanged, 1 started, 1 stopped").await;
    bridge.logged("Roof: same device as before; keeping its request pacing").await;
    assert_eq!(names(&bridge, "/api/inverters", "dtu_name").await, ["Roof"]);

    // Another address counts as another device.
    home.configure(&dtu("localhost", ""));
    bridge.signal("HUP").await;
    bridge.logged_times("Roof: 8 ports of 2 inverters", 2).await;
    let kept =
        bridge.log().iter().filter(|line| line.contains("keeping its request pacing")).count();
    assert_eq!(kept, 1);
    bridge.stop().await;
    plant.stop().await;
}

#[tokio::test]
async fn an_invalid_configuration_is_refused_and_restart_only_settings_are_named() {
    let plant = Plant::start(&["--inverters", "1"]).await;
    let target = Target::start("a").await;
    let good = [plant.dtu("DTU"), section("Stays", &target.url("a"))].concat();
    let home = Home::new(&good);
    let bridge = home.run().await;
    bridge.logged("[WebSocket] ✓ Connected to: Stays").await;

    home.configure(&good.replace("protocol = \"modbus\"", "protocol = \"smoke\""));
    bridge.signal("HUP").await;
    bridge.logged("keeping the previous one").await;
    bridge.logged("dtu[0].protocol").await;
    assert_eq!(names(&bridge, "/api/targets", "state").await, ["connected"]);

    // A certificate file that has become a pipe blocks nothing.
    let pipe = home.folder.path().join("token");
    let made = tokio::process::Command::new("mkfifo").arg(&pipe).status().await.unwrap();
    assert!(made.success());
    home.configure(&format!("{good}ca_file = {:?}\n", pipe.to_str().unwrap()));
    bridge.signal("HUP").await;
    bridge.logged("target[0].ca_file: ").await;
    bridge.logged_times("keeping the previous one", 2).await;

    home.configure(&format!("timezone = \"Europe/Berlin\"\n{good}"));
    reload(&bridge, "DTUs 1 unchanged, 0 started, 0 stopped; targets 1 unchanged").await;
    bridge.logged("timezone has changed, which has no effect until the bridge is restarted").await;

    // The rules for registration change at once.
    home.configure(&format!("{good}[http.registration]\nenabled = false\n"));
    bridge.signal("HUP").await;
    bridge.logged_times("the new configuration is in effect", 2).await;
    let body = json!({"websocket_url": target.url("a"), "name": "Late"});
    assert_eq!(bridge.post("/api/websocket/register", &body).await.0, 403);
    let received = target.received("first connection", |_| true).await;
    assert_eq!(
        (received.paths.len(), received.close_codes.len()),
        (1, 0),
        "it was not interrupted"
    );
    let (status, _) = bridge.stop().await;
    assert_eq!(status.code(), Some(0));
    target.stop().await;
    plant.stop().await;
}
