//! A target with a fault that can be repaired.

use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::{SinkExt as _, StreamExt as _};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::tungstenite::Message;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::step::{End, Step, perform};

/// A faulty target on loopback.
pub(crate) struct Faulty {
    pub(crate) address: SocketAddr,
    repaired: watch::Sender<bool>,
    stop: CancellationToken,
    connections: TaskTracker,
}

/// The behaviour of the target before it is repaired.
#[derive(Clone)]
pub(crate) struct Fault {
    /// TLS before and after the repair; `None` for `ws://`.
    pub(crate) tls: Option<(Arc<ServerConfig>, Arc<ServerConfig>)>,
    /// Whether the target uses TLS before it is repaired.
    pub(crate) speaks_tls: bool,
    /// Whether the target listens before it is repaired.
    pub(crate) listens: bool,
    /// How many connections have the fault; later ones, and all after the repair, do not.
    pub(crate) connections: usize,
    pub(crate) script: &'static [Step],
}

impl Fault {
    /// Without TLS, for all connections.
    pub(crate) fn plain(script: &'static [Step]) -> Self {
        Self { tls: None, speaks_tls: false, listens: true, connections: usize::MAX, script }
    }
}

impl Faulty {
    /// On a free port.
    pub(crate) fn start(fault: Fault) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let address = socket.local_addr().unwrap();
        let (repaired, is_healed) = watch::channel(false);
        let (stop, connections) = (CancellationToken::new(), TaskTracker::new());
        let accepting = accept(socket, fault, is_healed, connections.clone(), stop.clone());
        let stopped = stop.clone();
        drop(connections.spawn(async move {
            stopped.run_until_cancelled(accepting).await;
        }));
        Self { address, repaired, stop, connections }
    }

    /// From the next connection on it is a healthy target.
    pub(crate) fn repair(&self) {
        self.repaired.send_replace(true);
    }

    /// Stops, with all its connections.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.connections.close();
        crate::support::within_guard("end of the target", self.connections.wait()).await;
    }
}

async fn accept(
    socket: TcpSocket,
    fault: Fault,
    mut repaired: watch::Receiver<bool>,
    connections: TaskTracker,
    stop: CancellationToken,
) {
    if !fault.listens {
        // A bound port without a listener refuses connections, and no other program can use it.
        drop(repaired.wait_for(|repaired| *repaired).await);
    }
    let listener: TcpListener = socket.listen(64).unwrap();
    let mut count = 0;
    while let Ok((stream, _)) = listener.accept().await {
        count += 1;
        let is_healed = *repaired.borrow() || count > fault.connections;
        let (fault, stop) = (fault.clone(), stop.clone());
        drop(connections.spawn(async move {
            let serving = async {
                if is_healed { welcome(stream, &fault).await } else { fail(stream, &fault).await }
            };
            Box::pin(stop.run_until_cancelled(serving)).await;
        }));
    }
}

async fn fail(mut stream: TcpStream, fault: &Fault) {
    let end = match fault.tls.as_ref().filter(|_| fault.speaks_tls) {
        None => perform(&mut stream, fault.script).await,
        Some((tls, _)) => {
            let Ok(mut tls) = TlsAcceptor::from(Arc::clone(tls)).accept(stream).await else {
                return;
            };
            let end = perform(&mut tls, fault.script).await;
            stream = tls.into_inner().0;
            end
        }
    };
    match end {
        Ok(End::Reset) => stream.set_zero_linger().unwrap(),
        Ok(End::Cut) => {
            stream.shutdown().await.unwrap();
            let mut ignored = [0; 4_096];
            while stream.read(&mut ignored).await.is_ok_and(|count| count > 0) {}
        }
        Ok(End::Closed) | Err(_) => {}
    }
}

/// As Home Assistant does.
async fn welcome(stream: TcpStream, fault: &Fault) {
    match &fault.tls {
        None => listen_to(stream).await,
        Some((_, tls)) => {
            if let Ok(stream) = TlsAcceptor::from(Arc::clone(tls)).accept(stream).await {
                listen_to(stream).await;
            }
        }
    }
}

async fn listen_to<S: AsyncRead + AsyncWrite + Unpin>(stream: S) {
    let Ok(mut socket) = tokio_tungstenite::accept_async(stream).await else { return };
    drop(socket.send(Message::text(r#"{"type": "connected", "status": "ready"}"#)).await);
    while let Some(Ok(_)) = socket.next().await {}
}
