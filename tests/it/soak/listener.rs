//! A healthy target that listens for hours: it counts what it hears and keeps none of it.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_tungstenite::tungstenite::Message;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::support::within_guard;

/// What it has heard.
#[derive(Clone, Debug, Default)]
pub(super) struct Heard {
    pub(super) connections: u64,
    pub(super) updates: u64,
    /// Polls of a DTU that no update told of.
    pub(super) missed: u64,
    /// How often each DTU was asked.
    polls: BTreeMap<String, u64>,
}

impl Heard {
    pub(super) fn dtus_asked(&self) -> usize {
        self.polls.values().filter(|count| **count > 0).count()
    }

    fn update(&mut self, data: &Value) {
        self.updates += 1;
        for (name, dtu) in data.pointer("/health/dtus").and_then(Value::as_object).unwrap() {
            let count = dtu.get("query_count").and_then(Value::as_u64).unwrap();
            // What was polled before this target was there is told as a whole.
            let last = self.polls.insert(name.clone(), count).unwrap_or(count);
            self.missed += count.checked_sub(last).expect("it counts upward").saturating_sub(1);
        }
    }
}

impl fmt::Display for Heard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { connections, updates, missed, polls } = self;
        let polls: u64 = polls.values().sum();
        write!(
            f,
            "{updates} updates of {polls} polls, {missed} missed, over {connections} connections"
        )
    }
}

/// The target.
pub(super) struct Listener {
    address: SocketAddr,
    heard: watch::Receiver<Heard>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Listener {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, heard) = watch::channel(Heard::default());
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let stopped = stop.clone();
        drop(tasks.spawn(async move {
            let listening = async {
                while let Ok((stream, _)) = listener.accept().await {
                    sender.send_modify(|heard| heard.connections += 1);
                    listen(stream, &sender).await;
                }
            };
            stopped.run_until_cancelled(listening).await;
        }));
        Self { address, heard, stop, tasks }
    }

    pub(super) fn url(&self) -> String {
        format!("ws://{}/ws", self.address)
    }

    pub(super) fn so_far(&self) -> Heard {
        self.heard.borrow().clone()
    }

    /// Waits until it has heard enough.
    pub(super) async fn heard(&self, what: &str, is_it: impl FnMut(&Heard) -> bool) {
        let mut heard = self.heard.clone();
        within_guard(what, async { drop(heard.wait_for(is_it).await.unwrap()) }).await;
    }

    pub(super) async fn stop(self) {
        self.stop.cancel();
        self.tasks.close();
        within_guard("end of the listener", self.tasks.wait()).await;
    }
}

async fn listen(stream: TcpStream, sender: &watch::Sender<Heard>) {
    let Ok(mut socket) = tokio_tungstenite::accept_async(stream).await else { return };
    drop(socket.send(Message::text(r#"{"type": "connected", "status": "ready"}"#)).await);
    while let Some(Ok(message)) = socket.next().await {
        let Message::Text(text) = message else { continue };
        let message: Value = serde_json::from_str(&text).expect("the bridge sends JSON");
        if let Some(data) = message.get("data") {
            sender.send_modify(|heard| heard.update(data));
        }
    }
}
