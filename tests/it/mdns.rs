//! The announcement by mDNS, as another program's library sees it, in a network of its own.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::support::bridge::{Bridge, Home, command};
use crate::support::{client, namespace, print, within_guard};

const SIMULATED: &str = "[[dtu]]\nname = \"DTU\"\nprotocol = \"simulated\"\n";

/// The library that Home Assistant uses, as Debian packages it.
struct Browser {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Browser {
    /// `None` if the library is not installed.
    async fn start() -> Option<Self> {
        let mut probe = Command::new("/usr/bin/python3");
        probe.args(["-c", "import zeroconf"]).stderr(Stdio::null());
        if !probe.status().await.is_ok_and(|status| status.success()) {
            print("SKIPPED: the package python3-zeroconf is not installed");
            return None;
        }
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/support/mdns_browser.py");
        let mut child = Command::new("/usr/bin/python3")
            .args([script, "10.9.0.1"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Some(Self { child, lines })
    }

    /// The next service that appeared or left.
    async fn next(&mut self) -> Value {
        let line = within_guard("an announcement", self.lines.next_line()).await.unwrap();
        serde_json::from_str(&line.expect("the browser runs")).unwrap()
    }

    async fn stop(mut self) {
        drop(self.child.stdin.take());
        within_guard("end of the browser", self.child.wait()).await.unwrap();
    }
}

/// A bridge that listens there.
async fn listening_at(home: &Home, listen: &str) -> Bridge {
    let mut run = command(&["run", "--config", home.config().to_str().unwrap()]);
    run.env("HOYMILES__HTTP__LISTEN", listen);
    Bridge::start(run).await
}

#[tokio::test]
async fn home_assistant_finds_the_bridge_in_the_network() {
    let name = "mdns::home_assistant_finds_the_bridge_in_the_network";
    if !namespace::is_inside(name).await {
        return;
    }
    let Some(mut browser) = Browser::start().await else { return };
    // Nothing is announced of the first two, or the browser would see it first.
    let loopback = Home::new(&format!("{SIMULATED}[mdns]\nenabled = true\n"));
    let loopback = loopback.run().await;
    let off = Home::new(&format!("{SIMULATED}[mdns]\nenabled = false\n"));
    let off = listening_at(&off, "0.0.0.0:0").await;
    let home = Home::new(&format!("{SIMULATED}[mdns]\nenabled = true\n"));
    let bridge = listening_at(&home, "0.0.0.0:0").await;
    let (_, health) = bridge.get("/health").await;
    let instance = health["instance"].as_str().unwrap();

    let found = browser.next().await;
    let name = format!("Hoymiles bridge {}._hoymiles-bridge._tcp.local.", &instance[..8]);
    assert_eq!(found["added"], name[..], "{found}");
    assert_eq!(found["properties"]["instance"], instance, "{found}");
    assert_eq!(found["properties"]["version"], health["version"]);
    assert_eq!(found["properties"]["path"], "/");
    assert_eq!(found["addresses"], json!(["10.9.0.1"]));
    let url = format!("http://10.9.0.1:{}/health", found["port"]);
    let answer = client().get(url).send().await.unwrap().text().await.unwrap();
    assert!(answer.contains(instance), "{answer}");

    let (status, _) = bridge.stop().await;
    assert_eq!(status.code(), Some(0));
    assert_eq!(browser.next().await["removed"], name[..], "it says goodbye");
    let one = listening_at(&home, "10.9.0.1:0").await;
    let found = browser.next().await;
    assert_eq!((&found["added"], &found["addresses"]), (&json!(name), &json!(["10.9.0.1"])));
    for bridge in [one, loopback, off] {
        bridge.stop().await;
    }
    browser.stop().await;
}
