//! What one client of the live stream sees next: nothing twice, nothing left out without notice.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Instant, sleep_until};

use super::feed::{Feed, Kind, Message, Selection, small_message, with_skipped};
use super::{Client, Hub, Outgoing};
use crate::targets::Directory;

/// Between two messages, if nothing else is sent.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(25);

/// One client's way through the stream.
#[derive(Debug)]
pub(super) struct Subscriber {
    hub: Hub,
    targets: Directory,
    feed: watch::Receiver<Arc<Feed>>,
    id: u64,
    client: Arc<Client>,
    /// Messages of the feed up to this number are sent, waiting below, or left out.
    seen: u64,
    /// Hello, pongs and errors, which go first.
    control: VecDeque<Outgoing>,
    /// What a client that came back has missed.
    missed: VecDeque<Arc<Message>>,
    /// The newest message of each DTU (or, without one, of the states) that is not sent yet.
    pending: BTreeMap<Option<Arc<str>>, Arc<Message>>,
    /// Messages that a newer one replaced before they were sent.
    left_out: BTreeSet<u64>,
    /// A snapshot is to be sent, with this number of messages left out before it.
    snapshot_due: Option<u64>,
    selection: Selection,
    min_interval: Duration,
    /// When each DTU's last update was sent, while there is a minimum interval.
    updated: BTreeMap<Arc<str>, Instant>,
    last_sent: Instant,
    _place: OwnedSemaphorePermit,
}

impl Subscriber {
    /// A client that has seen all messages up to `since`, if it says so.
    pub(super) fn new(
        hub: &Hub,
        targets: &Directory,
        place: OwnedSemaphorePermit,
        (address, transport): (IpAddr, &'static str),
        since: Option<u64>,
    ) -> Self {
        let (id, client) = hub.enter(address, transport);
        let mut receiver = hub.0.feed.subscribe();
        let feed = Arc::clone(&receiver.borrow_and_update());
        let since = since.filter(|&since| feed.leads_from(since));
        let missed = since.map(|since| feed.after(since).cloned().collect::<VecDeque<_>>());
        let mut subscriber = Self {
            hub: hub.clone(),
            targets: targets.clone(),
            feed: receiver,
            id,
            client,
            seen: feed.seq(),
            control: VecDeque::new(),
            snapshot_due: missed.is_none().then_some(0),
            missed: missed.unwrap_or_default(),
            pending: BTreeMap::new(),
            left_out: BTreeSet::new(),
            selection: Selection::default(),
            min_interval: Duration::ZERO,
            updated: BTreeMap::new(),
            last_sent: Instant::now(),
            _place: place,
        };
        let hello = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "protocol": 1,
            "heartbeat": HEARTBEAT.as_secs(),
            "timezone": hub.0.zone.iana_name(),
            "resumed": since.is_some(),
        });
        subscriber.answer(Kind::Hello, &hello);
        subscriber
    }

    /// Sends `data` next.
    pub(super) fn answer(&mut self, kind: Kind, data: &Value) {
        let seq = self.feed.borrow().seq();
        let json = small_message(kind, seq, self.hub.0.clock.now(), &self.hub.0.zone, data);
        self.control.push_back(Outgoing { kind, seq, json });
    }

    /// From now on only this part of the plant, and each DTU at most once in `min_interval`. The
    /// answer is a snapshot of it.
    pub(super) fn select(&mut self, selection: Selection, min_interval: Duration) {
        self.selection = selection;
        self.min_interval = min_interval;
        self.updated.clear();
        self.start_over(0);
    }

    fn clear(&mut self) {
        self.missed.clear();
        self.pending.clear();
        self.left_out.clear();
    }

    fn start_over(&mut self, skipped: u64) {
        self.clear();
        self.snapshot_due = Some(self.snapshot_due.unwrap_or(0).saturating_add(skipped));
    }

    /// The next message, if there is one now.
    pub(super) fn next(&mut self) -> Option<Outgoing> {
        if let Some(control) = self.control.pop_front() {
            return Some(self.sent(control, 0));
        }
        let feed = self.collect();
        if let Some(skipped) = self.snapshot_due.take() {
            // It includes whatever waits.
            self.clear();
            let snapshot = self.snapshot(&feed);
            return Some(self.sent(snapshot, skipped));
        }
        if let Some(message) = self.missed.pop_front() {
            let skipped = self.skipped_before(message.seq);
            return Some(self.sent_message(&message, skipped));
        }
        let now = Instant::now();
        let ready =
            self.pending.iter().filter(|(slot, _)| self.held_until(slot.as_ref(), now).is_none());
        let next = ready.min_by_key(|(_, message)| message.seq).map(|(slot, _)| slot.clone());
        if let Some(message) = next.and_then(|slot| self.pending.remove(&slot)) {
            if let Some(dtu) = message.dtu.clone().filter(|_| !self.min_interval.is_zero()) {
                self.updated.insert(dtu, now);
            }
            let skipped = self.skipped_before(message.seq);
            return Some(self.sent_message(&message, skipped));
        }
        (self.last_sent.elapsed() >= HEARTBEAT).then(|| {
            let heartbeat = self.heartbeat();
            self.sent(heartbeat, 0)
        })
    }

    /// Waits until [`next`](Self::next) may have something.
    pub(super) async fn wait(&mut self) {
        let now = Instant::now();
        let held = self.pending.keys().filter_map(|slot| self.held_until(slot.as_ref(), now));
        let until = held.chain([self.last_sent + HEARTBEAT]).min().unwrap_or(now);
        tokio::select! {
            changed = self.feed.changed() => if changed.is_err() {
                std::future::pending::<()>().await;
            },
            () = sleep_until(until) => {}
        }
    }

    /// Takes what is new in the feed. Of one DTU only the newest message waits.
    fn collect(&mut self) -> Arc<Feed> {
        let feed = Arc::clone(&self.feed.borrow_and_update());
        if feed.seq() == self.seen {
            return feed;
        }
        if !feed.leads_from(self.seen) {
            let waiting = self.missed.len() + self.pending.len() + self.left_out.len();
            let skipped = feed.seq().saturating_sub(self.seen);
            self.start_over(skipped.saturating_add(u64::try_from(waiting).unwrap_or(0)));
            self.seen = feed.seq();
            return feed;
        }
        let now = Instant::now();
        for message in feed.after(self.seen) {
            if !message.concerns(&self.selection) {
                continue;
            }
            let slot = message.dtu.clone();
            let is_held = self.held_until(slot.as_ref(), now).is_some();
            let replaced = self.pending.insert(slot, Arc::clone(message));
            if let Some(replaced) = replaced.filter(|_| !is_held) {
                self.left_out.insert(replaced.seq);
            }
        }
        self.seen = feed.seq();
        feed
    }

    /// Until when the minimum interval holds back a DTU's next update.
    fn held_until(&self, slot: Option<&Arc<str>>, now: Instant) -> Option<Instant> {
        let until = *self.updated.get(slot?)? + self.min_interval;
        (until > now).then_some(until)
    }

    /// How many messages were left out before the one with this number.
    fn skipped_before(&mut self, seq: u64) -> u64 {
        let later = self.left_out.split_off(&seq);
        let skipped = std::mem::replace(&mut self.left_out, later);
        u64::try_from(skipped.len()).unwrap_or(0)
    }

    fn snapshot(&self, feed: &Feed) -> Outgoing {
        let super::Shared { clock, zone, .. } = &*self.hub.0;
        let targets = self.targets.statuses(zone);
        let json = feed.snapshot_message(&self.selection, &targets, clock.now(), zone);
        Outgoing { kind: Kind::Snapshot, seq: feed.seq(), json }
    }

    fn heartbeat(&self) -> Outgoing {
        let feed = self.feed.borrow();
        let super::Shared { clock, zone, .. } = &*self.hub.0;
        let now = clock.now();
        let newest = feed.snapshot().dtus().filter_map(|dtu| dtu.last_success).max();
        let age = newest.map(|newest| now.duration_since(newest).as_secs().max(0));
        let data = json!({ "data_age_seconds": age });
        let json = small_message(Kind::Heartbeat, feed.seq(), now, zone, &data);
        Outgoing { kind: Kind::Heartbeat, seq: feed.seq(), json }
    }

    fn sent_message(&mut self, message: &Message, skipped: u64) -> Outgoing {
        let json = message.json_for(&self.selection);
        self.sent(Outgoing { kind: message.kind, seq: message.seq, json }, skipped)
    }

    fn sent(&mut self, outgoing: Outgoing, skipped: u64) -> Outgoing {
        self.last_sent = Instant::now();
        let Client { messages, skipped: all_skipped, seq, last, .. } = &*self.client;
        messages.fetch_add(1, Ordering::Relaxed);
        all_skipped.fetch_add(skipped, Ordering::Relaxed);
        seq.fetch_max(outgoing.seq, Ordering::Relaxed);
        *last.lock().unwrap_or_else(PoisonError::into_inner) = Some(self.hub.0.clock.now());
        let json = if skipped > 0 {
            with_skipped(outgoing.kind, &outgoing.json, skipped)
        } else {
            outgoing.json
        };
        self.hub.0.metrics.stream_sent(json.len(), skipped);
        Outgoing { json, ..outgoing }
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.hub.leave(self.id, self.client.transport);
    }
}
