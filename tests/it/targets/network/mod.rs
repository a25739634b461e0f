//! Faults of DNS and networks, in a network namespace of the test.

mod dns;
mod rebinding;
mod slow;

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use self::dns::{Answer, Dns};
use super::journal::{Event, Journal};
use crate::support::bridge::{Bridge, Home};
use crate::support::namespace::{ip, is_inside};
use crate::support::target::Target;
use crate::support::within_guard;

const LIMIT: Duration = Duration::from_millis(1_000 + 500);

/// A host that cannot be reached, the label and text of the cause, and the command that repairs it.
const FAULTS: &[(&str, &str, &str, &str)] = &[
    (
        "nobody.invalid",
        "name_unknown",
        "the name nobody.invalid does not resolve (name or service not known)",
        "",
    ),
    (
        "trouble.example",
        "name_unknown",
        "the name trouble.example does not resolve (temporary failure in name resolution)",
        "",
    ),
    (
        "nowhere.example",
        "name_unknown",
        "the name nowhere.example does not resolve (no address associated with hostname)",
        "",
    ),
    (
        "silent.example",
        "name_timeout",
        "the name of silent.example:8123 was not resolved within 1s",
        "",
    ),
    ("10.8.0.7", "no_route", "no route to 10.8.0.7:8123", "10.8.0.7"),
    ("203.0.113.7", "no_route", "no route to 203.0.113.7:8123", "203.0.113.7"),
    (
        "10.7.0.7",
        "tcp",
        "cannot connect to 10.7.0.7:8123: Permission denied (os error 13)",
        "10.7.0.7",
    ),
    ("10.9.0.7", "tcp_timeout", "no answer from 10.9.0.7:8123 within 1s", "10.9.0.7"),
    ("10.9.0.8", "tcp_timeout", "no answer from 10.9.0.8:8123 within 1s", "10.9.0.8"),
    ("lost.example", "tcp_timeout", "no answer from lost.example:8123 within 1s", ""),
];

#[tokio::test]
async fn network_failures_and_their_recovery_are_logged() {
    let test = "targets::network::network_failures_and_their_recovery_are_logged";
    if !is_inside(test).await {
        return;
    }
    let dns = Dns::start().await;
    let dead = Ipv4Addr::new(10, 9, 0, 7);
    dns.set("trouble.example", &[Answer::ServerFailure]);
    dns.set("nowhere.example", &[Answer::Addresses(Vec::new())]);
    dns.set("silent.example", &[Answer::Silence]);
    dns.set("lost.example", &[Answer::Addresses(vec![dead])]);
    // A name with one unreachable address works.
    dns.set("half.example", &[Answer::Addresses(vec![dead, Ipv4Addr::new(127, 0, 0, 2)])]);
    let everywhere = Target::start_at(SocketAddr::from(([0, 0, 0, 0], 8_123)), "secret").await;
    let home = Home::new("");
    home.configure(&configuration());
    let bridge = home.run().await;
    bridge.logged("✓ Connected to: half.example").await;

    let mut journal = Journal::default();
    let mut failures = Vec::new();
    for (host, label, cause, repair) in FAULTS {
        let reason = until(&bridge, &mut journal, host, |event| event.reason().is_some()).await;
        let reason = reason.reason().unwrap();
        assert!(reason.starts_with(&format!("{cause}; ")), "{host}: {reason}");
        let (_, shown) = bridge.get("/api/targets").await;
        let shown = shown.as_array().unwrap().iter().find(|target| target["name"] == *host);
        assert_eq!(shown.unwrap()["last_error"], *cause, "{host}");
        assert_eq!(shown.unwrap()["last_error_cause"], *label, "{host}");
        if repair.is_empty() {
            dns.set(host, &[Answer::Addresses(vec![Ipv4Addr::LOCALHOST])]);
        } else {
            ip(&format!("address add {repair}/32 dev lo")).await;
        }
        journal.read(&bridge.log());
        failures.push(journal.failures(host));
    }
    for ((host, ..), failures) in FAULTS.iter().zip(failures) {
        until(&bridge, &mut journal, host, |event| *event == Event::Sent).await;
        journal.check_attempts(host, LIMIT);
        // An attempt in progress during the repair may fail; the next one does not.
        assert!(journal.failures(host) <= failures + 1, "{host} was noticed too late");
    }
    bridge.stop().await;
    everywhere.stop().await;
}

#[tokio::test]
async fn a_cut_cable_and_its_repair_are_noticed() {
    if !is_inside("targets::network::a_cut_cable_and_its_repair_are_noticed").await {
        return;
    }
    let target = Target::start_at(SocketAddr::from(([127, 0, 0, 7], 8_123)), "secret").await;
    let home = Home::new(&format!("{DTU}{}", section("127.0.0.7")));
    let bridge = home.run().await;
    target.received("update", |received| !received.updates().is_empty()).await;

    // Own rules apply before local addresses only if the system's rules have a lower priority.
    ip("rule add pref 10 table local").await;
    ip("rule del pref 0").await;
    ip("rule add pref 5 to 127.0.0.7 unreachable").await;
    let mut journal = Journal::default();
    let lost = until(&bridge, &mut journal, "127.0.0.7", |event| event.reason().is_some()).await;
    assert!(lost.reason().unwrap().starts_with("no answer to pings for 2s; "), "{lost:?}");
    let failed = |event: &Event| matches!(event, Event::Failed { .. });
    let failed = until(&bridge, &mut journal, "127.0.0.7", failed).await;
    assert!(failed.reason().unwrap().starts_with("no route to 127.0.0.7:8123; "), "{failed:?}");

    ip("rule del pref 5").await;
    bridge.logged_times("✓ Connected to: 127.0.0.7", 2).await;
    bridge.stop().await;
    target.stop().await;
}

const DTU: &str = "[poll]\ninterval = \"5s\"\n[[dtu]]\nname = \"DTU\"\nprotocol = \"simulated\"\n";

fn configuration() -> String {
    let mut toml = DTU.to_owned();
    toml.push_str(&section("half.example"));
    for (host, ..) in FAULTS {
        toml.push_str(&section(host));
    }
    toml
}

/// A target at this host, named after it.
fn section(host: &str) -> String {
    let mut toml = String::new();
    write!(
        toml,
        "[[target]]\nname = \"{host}\"\nurl = \"ws://{host}:8123/ws?token=secret\"\n\
         connect_timeout = \"1s\"\nheartbeat = \"1s\"\n"
    )
    .unwrap();
    toml
}

/// Waits for the first such event of a target.
async fn until(
    bridge: &Bridge,
    journal: &mut Journal,
    name: &str,
    is_it: impl Fn(&Event) -> bool,
) -> Event {
    let mut log = bridge.follow();
    within_guard(&format!("event of {name}"), async {
        loop {
            journal.read(&log.borrow_and_update());
            if let Some(event) = journal.of(name).find(|event| is_it(event)) {
                return event.clone();
            }
            log.changed().await.unwrap();
        }
    })
    .await
}
