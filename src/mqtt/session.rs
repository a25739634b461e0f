//! One open connection: announce everything, send what changes, announce again when Home Assistant
//! has started.

use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::board::{Board, Message};
use crate::snapshot::{Snapshot, SnapshotReader};

/// After Home Assistant's birth message everything is announced again within this time: at a
/// random moment, so that not all programs of the house do so at once.
pub(super) const LONGEST_DELAY: Duration = Duration::from_secs(10);

/// The connection is no more; whoever listens to it knows why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gone;

/// Who publishes.
pub(super) trait Publish: Send {
    /// Publishes in this order, retained; done when the broker has acknowledged all of them.
    fn publish(&self, messages: Vec<Message>) -> impl Future<Output = Result<(), Gone>> + Send;
}

/// Who is told of what was published.
pub(super) trait Tell: Send {
    /// Everything was announced: so many devices.
    fn announced(&mut self, devices: usize);
    /// Home Assistant has started; all will be announced again after so long.
    fn born(&mut self, delay: Duration);
    /// So many messages with changes were sent.
    fn changed(&mut self, messages: usize);
}

/// The starts of Home Assistant.
#[derive(Debug)]
pub(super) struct Births {
    /// Notified at each.
    pub(super) heard: Notify,
    /// Gives the delay until everything is announced again.
    pub(super) dice: fn() -> Duration,
}

/// Keeps the broker at what the newest snapshot says, until the connection or the bridge ends.
pub(super) async fn talk(
    broker: &impl Publish,
    board: &mut Board,
    mut snapshots: SnapshotReader,
    births: &Births,
    tell: &mut impl Tell,
) -> Gone {
    board.forget_sent();
    let mut latest = snapshots.take_latest();
    if announce(broker, board, &latest, tell).await.is_err() {
        return Gone;
    }
    let mut again: Option<Instant> = None;
    loop {
        let due = async {
            match again {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        let sent = tokio::select! {
            () = births.heard.notified() => {
                if again.is_none() {
                    let delay = (births.dice)();
                    tell.born(delay);
                    again = Some(Instant::now() + delay);
                }
                Ok(())
            }
            () = due => {
                again = None;
                board.forget_sent();
                latest = snapshots.take_latest();
                announce(broker, board, &latest, tell).await
            }
            newer = snapshots.next() => match newer {
                Some(newer) => {
                    latest = newer;
                    send_changes(broker, board, &latest, tell).await
                }
                // The daemon ends; whoever ends it ends this too.
                None => std::future::pending().await,
            },
        };
        if sent.is_err() {
            return Gone;
        }
    }
}

async fn announce(
    broker: &impl Publish,
    board: &mut Board,
    snapshot: &Snapshot,
    tell: &mut impl Tell,
) -> Result<(), Gone> {
    broker.publish(board.news(snapshot)).await?;
    tell.announced(board.device_count());
    Ok(())
}

async fn send_changes(
    broker: &impl Publish,
    board: &mut Board,
    snapshot: &Snapshot,
    tell: &mut impl Tell,
) -> Result<(), Gone> {
    let before = board.device_count();
    let news = board.news(snapshot);
    let count = news.len();
    broker.publish(news).await?;
    tell.changed(count);
    if board.device_count() != before {
        tell.announced(board.device_count());
    }
    Ok(())
}
