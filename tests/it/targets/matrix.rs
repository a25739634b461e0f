//! All faults at once, each at its own target, next to a healthy one.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use serde_json::Value;

use super::certificates::{Authorities, Shows};
use super::faulty::{Fault, Faulty};
use super::journal::{Event, Journal};
use super::rows::{Ends, Row, all};
use crate::support::bridge::{Bridge, Home};
use crate::support::target::Target;
use crate::support::within_guard;

/// `connect_timeout` of all targets plus tolerance.
const LIMIT: Duration = Duration::from_millis(1_000 + 500);
/// Longer waits are not waited for.
const LONGEST_WAIT: u64 = 5;

#[tokio::test]
async fn each_fault_is_logged_with_its_cause_and_recovers() {
    let rows = all();
    let authorities = Authorities::new();
    let healthy = Target::start("secret").await;
    let targets: BTreeMap<&str, Faulty> =
        rows.iter().map(|row| (row.name.as_str(), start(row, &authorities))).collect();
    let home = Home::new("");
    let root = home.folder.path().join("root.pem");
    std::fs::write(&root, &authorities.root_pem).unwrap();
    let mut toml = format!(
        "[poll]\ninterval = \"5s\"\n[[dtu]]\nname = \"DTU\"\nprotocol = \"simulated\"\n\
         [[target]]\nname = \"healthy\"\nurl = \"{}\"\n",
        healthy.url("secret")
    );
    for row in &rows {
        let scheme = if row.tls.is_some() { "wss" } else { "ws" };
        write!(
            toml,
            "[[target]]\nname = \"{}\"\nurl = \"{scheme}://{}/ws?token=s3cret\"\n\
             connect_timeout = \"1s\"\nheartbeat = \"1s\"\nca_file = {root:?}\n{}\n",
            row.name,
            targets[row.name.as_str()].address,
            row.settings
        )
        .unwrap();
    }
    home.configure(&toml);
    let bridge = home.run().await;

    let journal = watch(&bridge, &rows, &targets).await;
    let (_, shown) = bridge.get("/api/targets").await;
    let (_, figures) = bridge.get("/metrics").await;
    let figures = figures.as_str().unwrap();
    let wrong = rows.iter().filter(|row| {
        let cause = row.cause.replace("{address}", &targets[row.name.as_str()].address.to_string());
        // All rows are looked at, so that one run reports each that is wrong.
        catch_unwind(AssertUnwindSafe(|| check(row, &cause, &journal, &shown, figures))).is_err()
    });
    let wrong: Vec<&str> = wrong.map(|row| row.name.as_str()).collect();
    assert!(wrong.is_empty(), "{} of {} faults: {wrong:?}", wrong.len(), rows.len());
    check_healthy(&bridge, &healthy, &shown).await;

    let (status, log) = bridge.stop().await;
    assert_eq!(status.code(), Some(0));
    assert!(log.iter().all(|line| !line.contains("s3cret")), "a token is in the log");
    for (_, target) in targets {
        target.stop().await;
    }
    healthy.stop().await;
}

fn start(row: &Row, authorities: &Authorities) -> Faulty {
    let tls = row.tls.map(|shows| (authorities.server(shows), authorities.server(Shows::Good)));
    Faulty::start(Fault {
        tls,
        speaks_tls: row.speaks_tls,
        listens: row.listens,
        connections: row.connections,
        script: row.script,
    })
}

/// Repairs each target as soon as its fault is logged, and waits until all have recovered.
async fn watch(bridge: &Bridge, rows: &[Row], targets: &BTreeMap<&str, Faulty>) -> Journal {
    let mut journal = Journal::default();
    let mut log = bridge.follow();
    let mut waited_for: Vec<&Row> = rows.iter().collect();
    let watching = async {
        while !waited_for.is_empty() {
            journal.read(&log.borrow_and_update());
            waited_for.retain(|row| {
                let has_shown = journal.of(&row.name).any(|event| event.reason().is_some());
                if has_shown {
                    targets[row.name.as_str()].repair();
                }
                !is_over(row, &journal)
            });
            log.changed().await.unwrap();
        }
    };
    if tokio::time::timeout(crate::support::GUARD, watching).await.is_err() {
        let events = |row: &&Row| (row.name.clone(), journal.of(&row.name).cloned().collect());
        let left: Vec<(String, Vec<Event>)> = waited_for.iter().map(events).collect();
        panic!("not every fault was reported and over: {left:#?}");
    }
    journal
}

/// Whether the target received something after its fault, or has a long wait ahead.
fn is_over(row: &Row, journal: &Journal) -> bool {
    let mut events = journal.of(&row.name);
    let has_shown = row.ends == Ends::Well || events.any(|event| event.reason().is_some());
    has_shown
        && events.any(|event| match event {
            Event::Sent => true,
            Event::Reconnecting { seconds, .. } => *seconds > LONGEST_WAIT,
            Event::Connecting
            | Event::Connected
            | Event::Failed { .. }
            | Event::Disconnected { .. } => false,
        })
}

fn check(row: &Row, cause: &str, journal: &Journal, shown: &Value, figures: &str) {
    let name = row.name.as_str();
    journal.check_attempts(name, LIMIT);
    let events = journal.of(name).filter(|event| **event != Event::Sent);
    let events: Vec<Event> = events.cloned().collect();
    let shown = shown.as_array().unwrap().iter().find(|target| target["name"] == name).unwrap();
    if row.ends == Ends::Well {
        assert_eq!(events, story(row, ""), "{name}");
        assert_eq!(shown["last_error"], Value::Null, "{name}");
        return;
    }
    let reason = events.iter().find_map(|event| event.reason()).unwrap().to_owned();
    let remedy = shown["last_error_remedy"].as_str().unwrap();
    assert_eq!(reason, format!("{cause}; {remedy}"), "{name}");
    assert_eq!(events, story(row, &reason), "{name}");

    assert_eq!(shown["last_error"], cause, "{name}");
    assert_eq!(shown["last_error_cause"], row.label, "{name}");
    assert!(shown["last_error_time"].is_string(), "{name}");
    let figure =
        format!("hoymiles_target_failures_total{{target=\"{name}\",cause=\"{}\"}} 1", row.label);
    assert!(figures.lines().any(|line| line == figure), "no {figure}");
}

/// All events that may be logged about the target.
fn story(row: &Row, reason: &str) -> Vec<Event> {
    let reason = reason.to_owned();
    let mut story = vec![Event::Connecting];
    match row.ends {
        Ends::Well => return [story, vec![Event::Connected]].concat(),
        Ends::Fails => story.push(Event::Failed { reason, attempt: 1 }),
        Ends::Breaks => story.extend([Event::Connected, Event::Disconnected { reason }]),
    }
    story.push(Event::Reconnecting { seconds: row.waits, attempt: 2 });
    if row.waits <= LONGEST_WAIT {
        story.extend([Event::Connecting, Event::Connected]);
    }
    story
}

/// Checks that the healthy target got every update over one connection.
async fn check_healthy(bridge: &Bridge, healthy: &Target, shown: &Value) {
    let shown = shown.get(0).unwrap();
    assert_eq!(shown["name"], "healthy");
    assert_eq!((&shown["attempts"], &shown["updates_skipped"]), (&1.into(), &0.into()));
    assert_eq!(shown["state"], "connected");
    let polls = bridge.log().iter().filter(|line| line.contains("ports of 19 inverters")).count();
    assert!(polls >= 2, "the test lasts for several polls");
    healthy.received("every update", |received| received.updates().len() >= polls).await;
    within_guard("readiness", async { assert_eq!(bridge.get("/ready").await.0, 200) }).await;
}
