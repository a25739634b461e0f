//! A real mosquitto on loopback, and a client that reads its topics.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rumqttc::{AsyncClient, Broker as Address, Event, Incoming, MqttOptions, PublishOptions, QoS};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::timeout;

use super::{print, within_guard};

/// A running mosquitto with files of its own.
pub(crate) struct Broker {
    pub(crate) port: u16,
    folder: TempDir,
    child: Child,
}

/// After this time the signal is sent again.
const AGAIN: Duration = Duration::from_secs(2);

/// Where mosquitto is, if it is installed.
pub(crate) fn installed() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Debian installs it where only root's PATH has it.
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    folders.map(|folder| folder.join("mosquitto")).find(|file| file.exists())
}

/// Reports a skipped test: CI installs mosquitto, a developer's machine may not have it.
pub(crate) fn is_missing() -> bool {
    let is_missing = installed().is_none();
    if is_missing {
        print("SKIPPED: mosquitto is not installed (sudo apt-get install mosquitto)");
    }
    is_missing
}

impl Broker {
    /// A broker without login and without persistence.
    pub(crate) async fn start() -> Self {
        Self::start_with("allow_anonymous true\n", &[]).await
    }

    /// With these further lines and files; `FOLDER` stands for the folder of the files.
    pub(crate) async fn start_with(lines: &str, files: &[(&str, &str)]) -> Self {
        let folder = TempDir::new().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let lines = lines.replace("FOLDER", &folder.path().display().to_string());
        std::fs::write(folder.path().join("lines"), lines).unwrap();
        loop {
            // Mosquitto cannot choose a free port; another program rarely takes this one meanwhile.
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            if let Some(child) = run(folder.path(), port).await {
                return Self { port, folder, child };
            }
        }
    }

    /// Stops it cleanly and starts it again on the same port.
    pub(crate) async fn restart(&mut self) {
        self.stop().await;
        self.resume().await;
    }

    /// Stops it cleanly, so that it writes its persistence file.
    pub(crate) async fn stop(&mut self) {
        let pid = self.child.id().expect("it runs").to_string();
        let ending = async {
            loop {
                Command::new("kill").args(["-s", "TERM", &pid]).status().await.unwrap();
                // It misses a signal right after it has reported that it runs.
                if let Ok(ended) = timeout(AGAIN, self.child.wait()).await {
                    break ended.unwrap();
                }
            }
        };
        within_guard("end of the broker", ending).await;
    }

    /// Starts it again after [`stop`](Self::stop).
    pub(crate) async fn resume(&mut self) {
        self.child = run(self.folder.path(), self.port).await.expect("its port is free again");
    }

    /// The `[mqtt]` section for it, with these further lines.
    pub(crate) fn section(&self, lines: &str) -> String {
        format!("[mqtt]\nhost = \"127.0.0.1\"\nport = {}\n{lines}", self.port)
    }
}

/// A mosquitto that listens; `None` if it cannot.
async fn run(folder: &Path, port: u16) -> Option<Child> {
    let lines = std::fs::read_to_string(folder.join("lines")).unwrap();
    let config = folder.join("mosquitto.conf");
    // As root it would switch to another user, who cannot read the folder.
    let text = format!("user root\nlog_dest stderr\nlistener {port} 127.0.0.1\n{lines}\n");
    std::fs::write(&config, text).unwrap();
    let mut child = Command::new(installed().unwrap())
        .arg("-c")
        .arg(&config)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut output = Vec::new();
    let running = async {
        while let Some(line) = log.next_line().await.unwrap() {
            let is_running = line.ends_with(" running");
            output.push(line);
            if is_running {
                return true;
            }
        }
        false
    };
    if !within_guard("start of the broker", running).await {
        assert!(output.iter().any(|line| line.contains("in use")), "{output:#?}");
        return None;
    }
    // The pipe must be read, or it blocks when it is full.
    #[expect(clippy::disallowed_methods, reason = "ends with the pipe")]
    drop(tokio::spawn(async move { while let Ok(Some(_)) = log.next_line().await {} }));
    Some(child)
}

/// The newest payload of each topic.
pub(crate) type Payloads = BTreeMap<String, String>;

/// A client that has subscribed to all topics.
pub(crate) struct Observer {
    client: AsyncClient,
    payloads: watch::Receiver<Payloads>,
}

impl Observer {
    /// Starts without any state: it sees what a Home Assistant that starts now would see.
    pub(crate) async fn start(broker: &Broker) -> Self {
        // A client id must be unique.
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("observer-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let mut options = MqttOptions::new(name, Address::tcp("127.0.0.1", broker.port));
        options.set_max_packet_size(1 << 20, 1 << 20);
        let (client, mut events) = AsyncClient::builder(options).capacity(16).build();
        client.subscribe("#", QoS::AtLeastOnce).await.unwrap();
        let (sender, payloads) = watch::channel(Payloads::new());
        let (subscribed, ready) = tokio::sync::oneshot::channel();
        let mut subscribed = Some(subscribed);
        #[expect(clippy::disallowed_methods, reason = "ends with the client")]
        drop(tokio::spawn(async move {
            while let Ok(event) = events.poll().await {
                match event {
                    Event::Incoming(Incoming::Publish(publish)) => {
                        let topic = String::from_utf8(publish.topic.to_vec()).unwrap();
                        let text = String::from_utf8(publish.payload.to_vec()).unwrap();
                        sender.send_modify(|payloads| drop(payloads.insert(topic, text)));
                    }
                    Event::Incoming(Incoming::SubAck(_)) => {
                        subscribed.take().map(|ready| ready.send(()));
                    }
                    Event::Incoming(_) | Event::Outgoing(_) => {}
                }
            }
        }));
        within_guard("subscription", ready).await.unwrap();
        Self { client, payloads }
    }

    /// Waits until what was seen fulfils a condition.
    pub(crate) async fn sees(
        &self,
        what: &str,
        mut is_it: impl FnMut(&Payloads) -> bool,
    ) -> Payloads {
        let mut payloads = self.payloads.clone();
        within_guard(what, async {
            payloads.wait_for(|payloads| is_it(payloads)).await.unwrap().clone()
        })
        .await
    }

    /// Waits until a topic has this text.
    pub(crate) async fn sees_at(&self, topic: &str, text: &str) -> Payloads {
        self.sees(&format!("{text:?} at {topic}"), |payloads| {
            payloads.get(topic).is_some_and(|there| there == text)
        })
        .await
    }

    /// Publishes a text.
    pub(crate) async fn publish(&self, topic: &str, text: &str, retained: bool) {
        let options = PublishOptions::new(QoS::AtLeastOnce).retain(retained);
        self.client.publish(topic, text.to_owned(), options).await.unwrap();
    }
}

/// The JSON at a topic; null if there is none.
pub(crate) fn json_at(payloads: &Payloads, topic: &str) -> Value {
    payloads.get(topic).and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

/// How many devices of a kind have a document that was not removed.
pub(crate) fn documents(payloads: &Payloads) -> usize {
    let is_document = |(topic, text): &(&String, &String)| {
        topic.starts_with("homeassistant/device/") && topic.ends_with("/config") && !text.is_empty()
    };
    payloads.iter().filter(is_document).count()
}
