//! A healthy target for hours of updates: it counts them and stores none.

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

/// Counts of what the target has received.
#[derive(Clone, Debug, Default)]
pub(super) struct Received {
    pub(super) connections: u64,
    pub(super) updates: u64,
    /// Polls of a DTU that no update has reported.
    pub(super) missed: u64,
    /// How often each DTU was polled.
    polls: BTreeMap<String, u64>,
}

impl Received {
    pub(super) fn dtus_polled(&self) -> usize {
        self.polls.values().filter(|count| **count > 0).count()
    }

    fn update(&mut self, data: &Value) {
        self.updates += 1;
        for (name, dtu) in data.pointer("/health/dtus").and_then(Value::as_object).unwrap() {
            let count = dtu.get("query_count").and_then(Value::as_u64).unwrap();
            // Polls before this target connected are reported together.
            let last = self.polls.insert(name.clone(), count).unwrap_or(count);
            self.missed += count.checked_sub(last).expect("it counts upward").saturating_sub(1);
        }
    }
}

impl fmt::Display for Received {
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
pub(super) struct HealthyTarget {
    address: SocketAddr,
    received: watch::Receiver<Received>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl HealthyTarget {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, received) = watch::channel(Received::default());
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let stopped = stop.clone();
        drop(tasks.spawn(async move {
            let listening = async {
                while let Ok((stream, _)) = listener.accept().await {
                    sender.send_modify(|received| received.connections += 1);
                    listen(stream, &sender).await;
                }
            };
            stopped.run_until_cancelled(listening).await;
        }));
        Self { address, received, stop, tasks }
    }

    pub(super) fn url(&self) -> String {
        format!("ws://{}/ws", self.address)
    }

    pub(super) fn so_far(&self) -> Received {
        self.received.borrow().clone()
    }

    /// Waits until it has received enough.
    pub(super) async fn received(&self, what: &str, is_it: impl FnMut(&Received) -> bool) {
        let mut received = self.received.clone();
        within_guard(what, async { drop(received.wait_for(is_it).await.unwrap()) }).await;
    }

    pub(super) async fn stop(self) {
        self.stop.cancel();
        self.tasks.close();
        within_guard("end of the listener", self.tasks.wait()).await;
    }
}

async fn listen(stream: TcpStream, sender: &watch::Sender<Received>) {
    let Ok(mut socket) = tokio_tungstenite::accept_async(stream).await else { return };
    drop(socket.send(Message::text(r#"{"type": "connected", "status": "ready"}"#)).await);
    while let Some(Ok(message)) = socket.next().await {
        let Message::Text(text) = message else { continue };
        let message: Value = serde_json::from_str(&text).expect("the bridge sends JSON");
        if let Some(data) = message.get("data") {
            sender.send_modify(|received| received.update(data));
        }
    }
}
