//! Hostile targets: their cost is bounded, and other targets are not affected.

use serde_json::json;
use tokio::time::Instant;

use super::faulty::{Fault, Faulty};
use super::journal::Journal;
use super::step::Step;
use crate::support::bridge::{Bridge, Home};
use crate::support::target::Target;
use crate::support::within_guard;

/// By how much the daemon's memory may grow, in KiB: one message of each target.
const GROWTH: u64 = 12 * 1_024;
/// Log lines of one hostile target, at the level `debug`, while the test lasts.
const LINES: usize = 80;

/// What a hostile target does, and whether the log must report a flood.
const HOSTILE: &[(&str, &[Step], bool)] = &[
    ("pings", &[Step::Upgrade, Step::Welcome, Step::Flood(0x89, 100, 10_000_000)], true),
    ("pings-deaf", &[Step::Upgrade, Step::Welcome, Step::DeafFlood(0x89, 125, 10_000_000)], true),
    ("pongs", &[Step::Upgrade, Step::Welcome, Step::Flood(0x8a, 100, 10_000_000)], true),
    ("tiny-texts", &[Step::Upgrade, Step::Welcome, Step::Flood(0x81, 1, 1_000_000)], true),
    ("tiny-texts-early", &[Step::Upgrade, Step::Flood(0x81, 1, 1_000_000)], true),
    (
        "empty-texts-deaf",
        &[Step::Upgrade, Step::Welcome, Step::DeafFlood(0x81, 0, 5_000_000)],
        true,
    ),
    ("large", &[Step::Upgrade, Step::Welcome, Step::Flood(0x82, 1 << 20, 20_000)], true),
    ("too-large", &[Step::Upgrade, Step::Welcome, Step::Frame(0x82, 20 << 20)], false),
    (
        "too-large-in-parts",
        &[Step::Upgrade, Step::Welcome, START, Step::Flood(0, 9_999, 9_999)],
        true,
    ),
    (
        "nothing-in-parts",
        &[Step::Upgrade, Step::Welcome, START, Step::Flood(0, 0, 50_000_000)],
        true,
    ),
    (
        "bytes-in-parts-deaf",
        &[Step::Upgrade, Step::Welcome, START, Step::DeafFlood(0, 1, 50_000_000)],
        true,
    ),
    ("reads-nothing", &[Step::Upgrade, Step::Welcome, Step::Freeze], false),
    ("sips", &[Step::Upgrade, Step::Welcome, Step::Sip], false),
];
const START: Step = Step::Frame(0x02, 1);

/// Targets that disconnect in some way, and the waits between connection attempts.
const FLAPPING: &[(&str, &[Step], [u64; 3])] = &[
    ("hangs-up", &[Step::Upgrade, Step::Welcome, Step::Disconnect], [1, 2, 4]),
    ("resets", &[Step::Upgrade, Step::Welcome, Step::Reset], [1, 2, 4]),
    ("closes", &[Step::Upgrade, Step::Send(WELCOME_AND_CLOSE)], [1, 2, 4]),
    ("refuses", &[Step::Disconnect], [1, 2, 4]),
    (
        "takes-and-resets",
        &[Step::Upgrade, Step::Welcome, Step::Take(2_000), Step::Reset],
        [1, 2, 4],
    ),
    (
        "takes-and-floods",
        &[Step::Upgrade, Step::Welcome, Step::Take(2_000), Step::Frame(0x81, 20 << 20)],
        [1, 2, 4],
    ),
    ("takes", &[Step::Upgrade, Step::Welcome, Step::Take(2_000), Step::Close(1000, "")], [1, 2, 4]),
];

/// Both at once, so that no update can come between them.
const WELCOME_AND_CLOSE: &[u8] = b"\x81\x15{\"type\": \"connected\"}\x88\x02\x03\xe8";

#[tokio::test]
async fn hostile_targets_cost_little_and_do_not_disturb_others() {
    let healthy = Target::start("secret").await;
    let scripts = HOSTILE.iter().map(|(name, script, _)| (*name, *script));
    let scripts = scripts.chain(FLAPPING.iter().map(|(name, script, _)| (*name, *script)));
    let targets: Vec<(&str, Faulty)> =
        scripts.map(|(name, script)| (name, Faulty::start(Fault::plain(script)))).collect();
    let home = Home::new(&format!(
        "[poll]\ninterval = \"5s\"\n[[dtu]]\nname = \"DTU\"\nprotocol = \"simulated\"\n\
         [[target]]\nname = \"healthy\"\nurl = \"{}\"\n[http.registration]\nmax_targets = 32\n",
        healthy.url("secret")
    ));
    let bridge = home.run().await;
    healthy.received("first update", |received| !received.updates().is_empty()).await;
    let before = memory(&bridge, "VmRSS");
    for (name, target) in &targets {
        let url = format!("ws://{}/{name}", target.address);
        let body = json!({"websocket_url": url, "name": name});
        assert_eq!(bridge.post("/api/websocket/register", &body).await.0, 200);
    }

    let mut log = bridge.follow();
    let mut journal = Journal::default();
    within_guard("waits of all flapping targets, and three updates", async {
        loop {
            journal.read(&log.borrow_and_update());
            let updates = healthy.received("", |_| true).await.updates().len();
            if updates >= 3 && FLAPPING.iter().all(|(name, ..)| journal.waits(name).len() >= 3) {
                return;
            }
            let asked = Instant::now();
            assert_eq!(bridge.get("/ready").await.0, 200);
            assert!(asked.elapsed().as_millis() < 1_000, "an answer took {:?}", asked.elapsed());
            log.changed().await.unwrap();
        }
    })
    .await;

    let peak = memory(&bridge, "VmHWM");
    assert!(peak <= before + GROWTH, "{before} KiB have become {peak} KiB");
    for (name, _, waits) in FLAPPING {
        assert_eq!(journal.waits(name).get(..3), Some(&waits[..]), "{name}");
    }
    check_lines(&bridge.log());
    let (_, shown) = bridge.get("/api/targets").await;
    let shown = shown.get(0).unwrap();
    assert_eq!((&shown["attempts"], &shown["updates_skipped"]), (&1.into(), &0.into()), "{shown}");
    let (status, _) = bridge.stop().await;
    assert_eq!(status.code(), Some(0));
    for (_, target) in targets {
        target.stop().await;
    }
    healthy.stop().await;
}

/// Checks that each hostile target is in the log, with a bounded number of lines.
fn check_lines(log: &[String]) {
    for (name, _, floods) in HOSTILE {
        let of_it = |line: &&String| line.split([' ', ':']).any(|word| word == *name);
        let lines: Vec<&String> = log.iter().filter(of_it).collect();
        assert!(lines.len() <= LINES, "{} lines about {name}", lines.len());
        let count = |words: &str| lines.iter().filter(|line| line.contains(words)).count();
        let (warnings, connections) = (count("sends too many messages"), count("Connected to"));
        assert!(warnings <= connections && (warnings > 0) == *floods, "{name}: {lines:#?}");
    }
    // The debug level also has a line for each request of this test.
    let others = log.iter().filter(|line| !line.contains("GET /ready")).count();
    assert!(others < 40 * LINES, "{others} lines");
}

/// The daemon's memory as the kernel reports it, in KiB.
fn memory(bridge: &Bridge, what: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", bridge.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with(what)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
