//! Keeps a connection to each target up and gives it each new snapshot.
//!
//! A task per target: none of them can hold up another, nor the pollers.

pub mod failure;

pub mod connect;

mod message;

pub mod outlet;

mod ended;

mod overheard;

mod intake;

mod hearing;

pub mod session;

mod teller;

mod peer;

mod pace;

#[cfg(test)]
mod tests;

use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use self::pace::{PAUSE, Pace};
use self::peer::{Parts, TargetPeer};
use crate::clock::WallClock;
use crate::net::reconnect::keep_connected;
use crate::snapshot::SnapshotReader;
use crate::targets::Directory;
use crate::targets::target::Target;
use crate::tasks::Tasks;

/// Starts to serve all targets, those that come later included, until `tasks` end.
pub fn start(tasks: &Tasks, directory: Directory, snapshots: SnapshotReader, clock: WallClock) {
    let house = tasks.stop();
    let parts = Parts { directory, snapshots, clock, house };
    tasks.spawn("push", supervise(tasks.clone(), parts));
}

/// Gives each target a task.
async fn supervise(tasks: Tasks, parts: Parts) {
    let mut arrivals = parts.directory.arrivals();
    let house = parts.house.clone();
    loop {
        for target in parts.directory.take_unserved() {
            tasks.spawn_short(serve(target, parts.clone()));
        }
        match house.run_until_cancelled(arrivals.changed()).await {
            Some(Ok(())) => {}
            Some(Err(_)) | None => return,
        }
    }
}

/// Serves one target until it is forgotten or the bridge stops. Each new place or token that it is
/// given ends the old connection and starts over.
async fn serve(target: Target, parts: Parts) {
    let mut endpoints = target.endpoints();
    let mut pace = Pace::new(Instant::now());
    while !parts.house.is_cancelled() {
        if let Some(wait) = pace.wait(Instant::now()) {
            let name = target.name();
            warn!("[WebSocket] {name} is registered again and again; connecting every {PAUSE:?}");
            tokio::select! {
                () = sleep(wait) => {}
                _ = endpoints.wait_for(Option::is_none) => return,
                () = parts.house.cancelled() => return,
            }
        }
        let Some(endpoint) = endpoints.borrow_and_update().clone() else { return };
        let life = parts.house.child_token();
        let peer = TargetPeer::new(parts.clone(), target.clone(), endpoint);
        let replaced = async {
            // The directory outlives this task, or else nothing can replace the endpoint.
            if endpoints.changed().await.is_err() {
                CancellationToken::new().cancelled().await;
            }
            life.cancel();
        };
        let ((), ()) = tokio::join!(keep_connected(peer, life.clone()), async {
            tokio::select! {
                () = replaced => {}
                () = life.cancelled() => {}
            }
        });
    }
}
