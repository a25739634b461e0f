//! WebSocket targets that record when an update arrives, and discard it.

use std::net::{Ipv4Addr, SocketAddr};

use futures_util::{SinkExt as _, StreamExt as _};
use hoymiles_bridge::tasks::Tasks;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_tungstenite::accept_async;
use tokio_tungstenite::tungstenite::Message;

/// Any number of targets on one port, distinguished by the path of their URL.
pub(crate) struct Targets {
    address: SocketAddr,
    updates: mpsc::UnboundedReceiver<Update>,
}

/// An update that one of them has received.
pub(crate) struct Update {
    /// When the last byte of it was read.
    pub(crate) at: Instant,
    /// Of its text.
    pub(crate) bytes: usize,
}

impl Targets {
    /// Serves until `tasks` end.
    pub(crate) async fn start(tasks: &Tasks) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (note, updates) = mpsc::unbounded_channel();
        let (each, stop) = (tasks.clone(), tasks.stop());
        tasks.spawn_short(async move {
            while let Some(Ok((stream, _))) = stop.run_until_cancelled(listener.accept()).await {
                let (note, stop) = (note.clone(), stop.clone());
                each.spawn_short(async move {
                    stop.run_until_cancelled(receive(stream, note)).await;
                });
            }
        });
        Ok(Self { address, updates })
    }

    /// Where the `nth` of them is.
    pub(crate) fn url(&self, nth: usize) -> String {
        format!("ws://{}/{nth}", self.address)
    }

    /// Waits for `count` updates, whichever targets they come to; the last of them.
    pub(crate) async fn wait_for(&mut self, count: usize) -> anyhow::Result<Update> {
        let mut last = None;
        for _ in 0..count {
            last = self.updates.recv().await;
        }
        last.ok_or_else(|| anyhow::anyhow!("the targets are gone"))
    }
}

async fn receive(stream: TcpStream, note: mpsc::UnboundedSender<Update>) {
    let Ok(mut socket) = accept_async(stream).await else { return };
    let welcome = Message::text(r#"{"type":"connected","status":"ready"}"#);
    if socket.send(welcome).await.is_err() {
        return;
    }
    while let Some(Ok(message)) = socket.next().await {
        let at = Instant::now();
        let Message::Text(text) = message else { continue };
        if text.starts_with(r#"{"type":"update""#) {
            drop(note.send(Update { at, bytes: text.len() }));
        }
    }
}
