//! DNS rebinding: names that resolve to other addresses after the registration.

use std::net::{Ipv4Addr, SocketAddr};

use serde_json::json;

use super::dns::{Answer, Dns};
use super::{DTU, until};
use crate::support::bridge::Home;
use crate::support::namespace::{ip, is_inside};
use crate::support::target::Target;
use crate::targets::journal::{Event, Journal};

const HOME: Ipv4Addr = Ipv4Addr::LOCALHOST;
const ABROAD: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 7);
const METADATA: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);

#[tokio::test]
async fn a_registered_name_is_checked_at_each_connection() {
    let test =
        concat!("targets::network::rebinding::", "a_registered_name_is_checked_at_each_connection");
    if !is_inside(test).await {
        return;
    }
    let at = |addresses: &[Ipv4Addr]| Answer::Addresses(addresses.to_vec());
    let dns = Dns::start().await;
    dns.set("home.example", &[at(&[HOME])]);
    // The first answer is for the registration, the second for the connection.
    dns.set("rebound.example", &[at(&[HOME]), at(&[ABROAD])]);
    dns.set("cloud.example", &[at(&[HOME]), at(&[METADATA])]);
    dns.set("both.example", &[at(&[HOME, ABROAD])]);
    // A target listens at the forbidden address, so that a connection would be seen.
    for address in [ABROAD, METADATA] {
        ip(&format!("address add {address}/32 dev lo")).await;
    }
    let abroad = Target::start_at(SocketAddr::from((ABROAD, 8_123)), "secret").await;
    let cloud = Target::start_at(SocketAddr::from((METADATA, 8_123)), "secret").await;
    let target = Target::start_at(SocketAddr::from((HOME, 8_123)), "secret").await;
    let bridge = Home::new(DTU).run().await;

    for (name, expected) in [
        ("home.example", 200),
        ("rebound.example", 200),
        ("cloud.example", 200),
        ("both.example", 403),
    ] {
        let url = format!("ws://{name}:8123/ws?token=secret");
        let body = json!({"websocket_url": url, "name": name});
        let (status, answer) = bridge.post("/api/websocket/register", &body).await;
        assert_eq!(status, expected, "{name}: {answer}");
    }
    let mut journal = Journal::default();
    until(&bridge, &mut journal, "home.example", |event| *event == Event::Sent).await;
    for (name, cause) in [
        ("rebound.example", "203.0.113.7 is not allowed for registered targets"),
        ("cloud.example", "169.254.169.254 is not allowed for registered targets"),
    ] {
        let failed = until(&bridge, &mut journal, name, Event::is_outcome).await;
        let reason = failed.reason().unwrap();
        assert!(reason.contains(cause), "{name}: {reason}");
    }
    bridge.stop().await;
    for elsewhere in [abroad, cloud] {
        let received = elsewhere.received("nothing", |_| true).await;
        assert!(received.paths.is_empty(), "{received:?}");
        elsewhere.stop().await;
    }
    target.stop().await;
}
