//! A WebSocket target on loopback that behaves like Home Assistant.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::within_guard;

/// What a target has received, over all of its connections.
#[derive(Clone, Debug, Default)]
pub(crate) struct Received {
    pub(crate) paths: Vec<String>,
    pub(crate) messages: Vec<Value>,
    pub(crate) close_codes: Vec<u16>,
}

impl Received {
    /// The `data` of each update.
    pub(crate) fn updates(&self) -> Vec<&Value> {
        self.messages.iter().filter(|m| m["type"] == "update").map(|m| &m["data"]).collect()
    }
}

/// A target that answers a known token with `connected` and refuses others as Home Assistant does.
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    received: watch::Receiver<Received>,
    stop: CancellationToken,
    connections: TaskTracker,
    token: Arc<Mutex<String>>,
}

impl Target {
    /// On a free port.
    pub(crate) async fn start(token: &str) -> Self {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0)), token).await
    }

    pub(crate) async fn start_at(address: SocketAddr, token: &str) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, received) = watch::channel(Received::default());
        let sender = Arc::new(sender);
        let token = Arc::new(Mutex::new(token.to_owned()));
        let (stop, connections) = (CancellationToken::new(), TaskTracker::new());
        let accepting = {
            let (stop, connections, token) =
                (stop.clone(), connections.clone(), Arc::clone(&token));
            async move {
                while let Some(Ok((stream, _))) = stop.run_until_cancelled(listener.accept()).await
                {
                    let serving = serve(stream, Arc::clone(&sender), Arc::clone(&token));
                    let stop = stop.clone();
                    drop(connections.spawn(async move {
                        stop.run_until_cancelled(serving).await;
                    }));
                }
            }
        };
        drop(connections.spawn(accepting));
        Self { address, received, stop, connections, token }
    }

    /// Its URL with a token.
    pub(crate) fn url(&self, token: &str) -> String {
        format!("ws://{}/api/hoymiles_smiles/ws?token={token}", self.address)
    }

    /// Makes another token valid, as after a restart of Home Assistant.
    pub(crate) fn change_token(&self, token: &str) {
        token.clone_into(&mut self.token.lock().unwrap());
    }

    /// Waits until what was received fulfils a condition.
    pub(crate) async fn received(
        &self,
        what: &str,
        is_it: impl FnMut(&Received) -> bool,
    ) -> Received {
        let mut received = self.received.clone();
        within_guard(what, async { received.wait_for(is_it).await.unwrap().clone() }).await
    }

    /// Stops, with all its connections.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.connections.close();
        within_guard("end of the target", self.connections.wait()).await;
    }
}

#[expect(clippy::result_large_err, reason = "the type is tungstenite's")]
async fn serve(stream: TcpStream, sender: Arc<watch::Sender<Received>>, token: Arc<Mutex<String>>) {
    let mut query = String::new();
    let note = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
        request.uri().query().unwrap_or_default().clone_into(&mut query);
        sender.send_modify(|received| received.paths.push(request.uri().to_string()));
        Ok(response)
    };
    let Ok(mut socket) = tokio_tungstenite::accept_hdr_async(stream, note).await else { return };
    let is_known = query == format!("token={}", token.lock().unwrap());
    if !is_known {
        drop(socket.send(Message::text(r#"{"error": "Invalid authentication token"}"#)).await);
        drop(socket.close(None).await);
        return;
    }
    drop(socket.send(Message::text(r#"{"type": "connected", "status": "ready"}"#)).await);
    while let Some(Ok(message)) = socket.next().await {
        if let Message::Text(text) = &message {
            let value = serde_json::from_str(text).expect("the bridge sends JSON");
            sender.send_modify(|received| received.messages.push(value));
        }
        if let Message::Close(frame) = &message {
            let code = frame.as_ref().map_or(1005, |frame| frame.code.into());
            sender.send_modify(|received| received.close_codes.push(code));
        }
    }
}
