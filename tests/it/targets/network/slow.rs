//! A network with delay and packet loss.

use std::net::SocketAddr;

use serde_json::json;
use tokio::process::Command;

use super::{DTU, until};
use crate::support::bridge::Home;
use crate::support::namespace::{ip, is_inside};
use crate::support::print;
use crate::support::target::Target;
use crate::targets::journal::{Event, Journal};

/// The queue of the link: up to 0.4 s of delay; packets that do not fit are dropped.
const LINE: &str = "qdisc add dev lo root tbf rate 400kbit burst 4kb limit 20kb";

#[tokio::test]
async fn delay_and_packet_loss_cost_no_connection() {
    let test = "targets::network::slow::delay_and_packet_loss_cost_no_connection";
    if !is_inside(test).await {
        return;
    }
    // The packet size of Ethernet, so that single packets can be lost.
    ip("link set lo mtu 1500").await;
    let target = Target::start_at(SocketAddr::from(([127, 0, 0, 7], 8_123)), "secret").await;
    let url = target.url("secret");
    let healthy = format!("[[target]]\nname = \"before\"\nurl = \"{url}\"\nheartbeat = \"5s\"\n");
    let bridge = Home::new(&format!("{DTU}{healthy}")).run().await;
    target.received("update", |received| !received.updates().is_empty()).await;
    if tc(LINE).await.is_none() {
        print(&format!("SKIPPED {test}: this machine cannot make a line slow (tc, tbf)"));
        return;
    }

    let other = Target::start_at(SocketAddr::from(([127, 0, 0, 8], 8_123)), "secret").await;
    let body = json!({"websocket_url": other.url("secret"), "name": "meanwhile"});
    assert_eq!(bridge.post("/api/websocket/register", &body).await.0, 200);
    let mut journal = Journal::default();
    let outcome = until(&bridge, &mut journal, "meanwhile", Event::is_outcome).await;
    assert_eq!(outcome, Event::Connected);
    for one in [&target, &other] {
        let so_far = one.received("so far", |_| true).await.updates().len();
        one.received("another update", |received| received.updates().len() > so_far).await;
    }
    let statistics = tc("-s qdisc show dev lo").await.unwrap();
    let dropped = statistics.split("dropped ").nth(1).unwrap().split(',').next().unwrap();
    assert_ne!(dropped, "0", "no packet was dropped, so this test proves nothing: {statistics}");
    let (_, targets) = bridge.get("/api/targets").await;
    for shown in targets.as_array().unwrap() {
        assert_eq!((&shown["attempts"], &shown["state"]), (&1.into(), &"connected".into()));
    }
    bridge.stop().await;
    target.stop().await;
    other.stop().await;
}

/// The output of `tc`; `None` if it is missing or fails.
async fn tc(arguments: &str) -> Option<String> {
    let output = Command::new("tc").args(arguments.split(' ')).output().await.ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}
