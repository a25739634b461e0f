//! How the daemon ends: in order, in time, with its ports free.

use std::net::TcpListener;
use std::time::Duration;

use tokio::time::Instant;

use crate::support::bridge::Home;
use crate::support::plant::Plant;
use crate::support::target::Target;

#[tokio::test]
async fn sigterm_during_a_poll_closes_targets_with_1001_and_frees_the_port() {
    // Each request takes a second, so that a poll of 37 ports is always under way.
    let plant = Plant::start(&["--inverters", "19", "--ports", "37", "--latency", "500"]).await;
    let target = Target::start("secret").await;
    let home = Home::new(&format!(
        "{}[[target]]\nname = \"One\"\nurl = \"{}\"\n",
        plant.dtu("DTU"),
        target.url("secret")
    ));
    let bridge = home.run().await;
    bridge.logged("[WebSocket] ✓ Connected to: One").await;
    let api = bridge.api.trim_start_matches("http://").to_owned();

    let told = Instant::now();
    let (status, log) = bridge.stop().await;
    assert!(told.elapsed() < Duration::from_secs(2), "it took {:?}", told.elapsed());
    assert_eq!(status.code(), Some(0), "{log:#?}");
    let received =
        target.received("close frame", |received| !received.close_codes.is_empty()).await;
    assert_eq!(received.close_codes, [1001]);
    drop(TcpListener::bind(&api).expect("the port is free again"));
    target.stop().await;
    plant.stop().await;
}

#[tokio::test]
async fn a_port_that_is_taken_ends_the_start_with_a_message() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let home = Home::new("[[dtu]]\nname = \"DTU\"\nprotocol = \"simulated\"\n");
    let config = home.config();
    let address = taken.local_addr().unwrap().to_string();
    let text = std::fs::read_to_string(&config).unwrap().replace("127.0.0.1:0", &address);
    std::fs::write(&config, text).unwrap();
    let (code, _, message) =
        crate::support::bridge::output(&["run", "--config", config.to_str().unwrap()], None).await;
    assert_eq!(code, 1);
    assert!(message.contains(&address) && message.contains("http.listen"), "{message}");
}

#[tokio::test]
async fn who_is_told_twice_at_once_ends_in_order_all_the_same() {
    // `timeout` tells the bridge and its group.
    let plant = Plant::start(&["--latency", "500"]).await;
    let home = Home::new(&plant.dtu("DTU"));
    for second in ["TERM", "INT"] {
        let bridge = home.run().await;
        bridge.signal("TERM").await;
        bridge.signal(second).await;
        let (status, log) = bridge.ended().await;
        assert_eq!(status.code(), Some(0), "{log:#?}");
    }
    plant.stop().await;
}
