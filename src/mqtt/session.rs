//! One open connection: announce everything, send what changes, announce again when Home Assistant
//! has started.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep_until};

use super::board::{Board, Message};
use super::leftovers::Claim;
use crate::snapshot::{Snapshot, SnapshotReader};
use crate::store::Place;

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

    /// Asks for what is retained at a topic.
    fn ask(&self, topic: String) -> impl Future<Output = Result<(), Gone>> + Send;
}

/// Who is told of what was published.
pub(super) trait Tell: Send {
    /// Everything was announced: so many devices.
    fn announced(&mut self, devices: usize);
    /// Home Assistant has started; all will be announced again after so long.
    fn born(&mut self, delay: Duration);
    /// These documents are about to be announced, or are not there any more (`None`).
    fn announces(&mut self, changes: BTreeMap<Place, Option<Bytes>>);
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

/// What a session hears.
#[derive(Debug)]
pub(super) struct Ears<'a> {
    pub(super) births: &'a Births,
    /// To what the board asked.
    pub(super) answers: mpsc::Receiver<Claim>,
}

/// Keeps the broker at what the newest snapshot says, until the connection or the bridge ends.
pub(super) async fn talk(
    broker: &impl Publish,
    board: &mut Board,
    mut snapshots: SnapshotReader,
    Ears { births, mut answers }: Ears<'_>,
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
            Some(answer) = answers.recv() => {
                board.heard(answer);
                while let Ok(answer) = answers.try_recv() {
                    board.heard(answer);
                }
                send_changes(broker, board, &latest, tell).await
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
    send(broker, board, snapshot, tell).await?;
    tell.announced(board.device_count());
    Ok(())
}

/// How many messages it were.
async fn send(
    broker: &impl Publish,
    board: &mut Board,
    snapshot: &Snapshot,
    tell: &mut impl Tell,
) -> Result<usize, Gone> {
    let news = board.news(snapshot);
    let count = news.len();
    tell.announces(board.take_changes());
    if count > 0 {
        broker.publish(news).await?;
    }
    for topic in board.take_questions() {
        broker.ask(topic).await?;
    }
    Ok(count)
}

async fn send_changes(
    broker: &impl Publish,
    board: &mut Board,
    snapshot: &Snapshot,
    tell: &mut impl Tell,
) -> Result<(), Gone> {
    let before = board.device_count();
    let count = send(broker, board, snapshot, tell).await?;
    if count > 0 {
        tell.changed(count);
    }
    if board.device_count() != before {
        tell.announced(board.device_count());
    }
    Ok(())
}
