//! Accepts connections, gives each a seat, ends them in order.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::net::{TcpListener, TcpSocket};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use super::connection::{LEAVING_TIME, Room};
use super::seats::Seats;
use super::telling::Telling;
use super::{Api, Limits};

/// After the computer ran out of something: long enough not to spin, short enough not to be felt.
const PAUSE: Duration = Duration::from_millis(100);
/// That it ran out of something is told so often at most.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// How many newcomers may wait to be accepted. The usual 128 are one crowd, and whoever comes then
/// is dropped by the kernel and tries again after a second.
const WAITING: u32 = 1_024;

/// The API's port could not be had.
#[derive(Debug, Error)]
#[error("cannot listen on {address} (http.listen): {source}; {cure}")]
pub struct ListenError {
    address: SocketAddr,
    /// What the system says.
    pub source: io::Error,
    cure: &'static str,
}

/// Listens at `address`, also where one that has just ended listened.
#[expect(clippy::wildcard_enum_match_arm, reason = "the list is another's, and open")]
pub fn listen(address: SocketAddr) -> Result<TcpListener, ListenError> {
    bound(address).map_err(|source| {
        let cure = match source.kind() {
            io::ErrorKind::AddrInUse => "is another bridge running?",
            io::ErrorKind::AddrNotAvailable => "this machine or container has no such address",
            io::ErrorKind::PermissionDenied => "take a port above 1023",
            // Such as too many open files.
            _ => "free what the system lacks, and start again",
        };
        ListenError { address, source, cure }
    })
}

fn bound(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(WAITING)
}

/// Serves `api` to whoever connects to `listener`, until `stop`.
///
/// Returns once the port is free and all connections are closed: those that are idle at once, the
/// others after their answer, within about a second.
pub async fn serve(listener: TcpListener, api: Arc<Api>, limits: Limits, stop: CancellationToken) {
    let tasks = TaskTracker::new();
    let (stopped, metrics) = (stop.clone(), api.metrics.clone());
    let mut seats = Seats::new(limits.max_connections, limits.stall_time, stopped, metrics);
    let telling = Arc::new(Telling::new());
    let room = Room { api, limits, tasks: tasks.clone(), telling: Arc::clone(&telling) };
    let work =
        async { tokio::join!(accept(&listener, &room, &mut seats), telling.tell_now_and_then()) };
    stop.run_until_cancelled(work).await;
    drop(listener);
    tasks.close();
    if timeout(LEAVING_TIME.saturating_add(PAUSE), tasks.wait()).await.is_err() {
        debug!("left {} HTTP tasks behind", tasks.len());
    }
    telling.tell_rest();
}

async fn accept(listener: &TcpListener, room: &Room, seats: &mut Seats) {
    let mut told = None;
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) if concerns_one_client(&error) => continue,
            Err(error) => {
                // While clients come and go, it is over and back again many times a second.
                if told.is_none_or(|told: Instant| told.elapsed() >= TELL_EVERY) {
                    warn!("no connections can be accepted for the moment: {error}");
                    told = Some(Instant::now());
                }
                let _is_one_leaving = seats.dismiss_one();
                sleep(PAUSE).await;
                continue;
            }
        };
        // Answers are written whole: to wait for more of them would only delay them.
        drop(stream.set_nodelay(true));
        let room = room.clone();
        let tasks = room.tasks.clone();
        if let Some(seat) = seats.take().await {
            drop(tasks.spawn(room.serve(stream, peer.ip(), seat)));
        } else {
            room.api.metrics.http_connection_refused();
            drop(tasks.spawn(room.refuse(stream)));
        }
    }
}

/// Whether the client went away before it was accepted; all else concerns the computer.
fn concerns_one_client(error: &io::Error) -> bool {
    [
        io::ErrorKind::ConnectionAborted,
        io::ErrorKind::ConnectionReset,
        io::ErrorKind::ConnectionRefused,
        io::ErrorKind::Interrupted,
    ]
    .contains(&error.kind())
}
