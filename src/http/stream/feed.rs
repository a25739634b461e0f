//! The newest messages of the live stream, numbered, and the state that they lead to.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::Write as _;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::json;

use crate::plant::serial::InverterSerial;
use crate::snapshot::Snapshot;
use crate::snapshot::json::{Json, push_list, time, to_bytes};
use crate::snapshot::state::{DtuState, InverterState, MeterState};
use crate::targets::TargetStatus;
use crate::targets::broker::BrokerStatus;

/// How much is kept for clients that lag or come back.
const MOST_MESSAGES: usize = 64;
const MOST_BYTES: usize = 1 << 20;

/// The type of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum Kind {
    Hello,
    Snapshot,
    Update,
    Status,
    Heartbeat,
    Pong,
    Error,
}

impl Kind {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Hello => "hello",
            Self::Snapshot => "snapshot",
            Self::Update => "update",
            Self::Status => "status",
            Self::Heartbeat => "heartbeat",
            Self::Pong => "pong",
            Self::Error => "error",
        }
    }
}

/// An `update` or a `status`, for all clients.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) seq: u64,
    pub(super) kind: Kind,
    /// Whose update it is.
    pub(super) dtu: Option<Arc<str>>,
    pub(super) json: Bytes,
    /// Where the list of inverters is in the JSON.
    list: Range<usize>,
    inverters: Vec<(InverterSerial, Bytes)>,
}

/// Which part of the plant a client wants. Absent: all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Selection {
    pub(super) dtus: Option<BTreeSet<String>>,
    pub(super) inverters: Option<BTreeSet<InverterSerial>>,
}

impl Selection {
    pub(super) fn has_dtu(&self, name: &str) -> bool {
        self.dtus.as_ref().is_none_or(|dtus| dtus.contains(name))
    }

    fn has_inverter(&self, serial: InverterSerial) -> bool {
        self.inverters.as_ref().is_none_or(|inverters| inverters.contains(&serial))
    }
}

impl Message {
    /// Whether it has something for this selection.
    pub(super) fn concerns(&self, selection: &Selection) -> bool {
        let Some(dtu) = &self.dtu else { return true };
        let has_inverters = selection.inverters.is_none()
            || self.inverters.iter().any(|(serial, _)| selection.has_inverter(*serial));
        selection.has_dtu(dtu) && has_inverters
    }

    /// Its JSON with the selected inverters; shared if all are.
    pub(super) fn json_for(&self, selection: &Selection) -> Bytes {
        if self.dtu.is_none() || selection.inverters.is_none() {
            return self.json.clone();
        }
        let (before, after) = (self.json.get(..self.list.start), self.json.get(self.list.end..));
        let mut json = Vec::with_capacity(self.json.len());
        json.extend_from_slice(before.unwrap_or_default());
        let selected = self.inverters.iter().filter(|(serial, _)| selection.has_inverter(*serial));
        push_list(&mut json, selected.map(|(_, json)| json));
        json.extend_from_slice(after.unwrap_or_default());
        json.into()
    }
}

/// The stream up to now. It is replaced as a whole with each message.
#[derive(Clone, Debug)]
pub(super) struct Feed {
    seq: u64,
    /// A client that has seen all up to this number can be brought up to date by messages.
    floor: u64,
    messages: VecDeque<Arc<Message>>,
    bytes: usize,
    snapshot: Arc<Snapshot>,
    broker: BrokerStatus,
}

impl Feed {
    pub(super) fn new(seq: u64, snapshot: Arc<Snapshot>, broker: BrokerStatus) -> Self {
        Self { seq, floor: seq, messages: VecDeque::new(), bytes: 0, snapshot, broker }
    }

    /// The number of the newest message.
    pub(super) const fn seq(&self) -> u64 {
        self.seq
    }

    /// Whether messages lead from `seen` to now.
    pub(super) fn leads_from(&self, seen: u64) -> bool {
        (self.floor..=self.seq).contains(&seen)
    }

    pub(super) fn after(&self, seen: u64) -> impl Iterator<Item = &Arc<Message>> {
        self.messages.iter().filter(move |message| message.seq > seen)
    }

    pub(super) fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// Goes on to `snapshot` without messages: nobody has asked for them lately.
    pub(super) fn skip_to(&mut self, snapshot: &Arc<Snapshot>) {
        self.snapshot = Arc::clone(snapshot);
        self.restart();
    }

    /// Goes on to `snapshot`, with an update for each DTU that was polled or whose values have
    /// changed, and a status if the state of one has.
    pub(super) fn advance(
        &mut self,
        snapshot: &Arc<Snapshot>,
        now: Timestamp,
        zone: &TimeZone,
        targets: impl FnOnce() -> Vec<TargetStatus>,
    ) {
        let previous = std::mem::replace(&mut self.snapshot, Arc::clone(snapshot));
        let names = |snapshot: &Snapshot| -> Vec<Arc<str>> {
            snapshot.dtus().map(|dtu| Arc::clone(&dtu.name)).collect()
        };
        if names(&previous) != names(snapshot) {
            // Updates cannot tell that a DTU is gone.
            self.restart();
            return;
        }
        let changed = changed_dtus(&previous, snapshot);
        for dtu in snapshot.dtus().filter(|dtu| changed.contains(&*dtu.name)) {
            self.push_update(dtu, now, zone);
        }
        let state = |snapshot: &Snapshot| snapshot.dtus().map(dtu_state).collect::<Vec<_>>();
        if state(&previous) != state(snapshot) {
            self.push_status(now, zone, &targets());
        }
    }

    fn restart(&mut self) {
        self.seq += 1;
        self.floor = self.seq;
        self.messages.clear();
        self.bytes = 0;
    }

    fn push_update(&mut self, dtu: &DtuState, now: Timestamp, zone: &TimeZone) {
        let snapshot = Arc::clone(&self.snapshot);
        let inverters: Vec<(InverterSerial, Bytes)> = snapshot
            .inverters()
            .zip(snapshot.inverter_objects())
            .filter(|(inverter, _)| inverter.dtu_name == dtu.name)
            .map(|(inverter, json)| (inverter.serial, json.clone()))
            .collect();
        let seq = self.seq + 1;
        let mut json = begin(Kind::Update, seq, now, zone);
        json.extend_from_slice(br#"{"dtu":"#);
        json.extend_from_slice(&to_bytes(&&*dtu.name));
        json.push(b',');
        self.push_health(&mut json, now, zone);
        json.extend_from_slice(br#","inverters":"#);
        let list = push_list(&mut json, inverters.iter().map(|(_, json)| json));
        push_meters(&mut json, &snapshot, |meter| meter.dtu_name == dtu.name);
        json.extend_from_slice(b"}}");
        self.push(Message {
            seq,
            kind: Kind::Update,
            dtu: Some(Arc::clone(&dtu.name)),
            json: json.into(),
            list,
            inverters,
        });
    }

    /// A status with all DTUs and these targets.
    pub(super) fn push_status(
        &mut self,
        now: Timestamp,
        zone: &TimeZone,
        targets: &[TargetStatus],
    ) {
        let seq = self.seq + 1;
        let health = self.snapshot.health(now, zone);
        let mut json = begin(Kind::Status, seq, now, zone);
        json.extend_from_slice(&to_bytes(&json!({
            "dtus": health.dtus(),
            "targets": targets,
            "mqtt": self.broker.status(zone),
        })));
        json.push(b'}');
        self.push(Message {
            seq,
            kind: Kind::Status,
            dtu: None,
            json: json.into(),
            list: 0..0,
            inverters: Vec::new(),
        });
    }

    fn push(&mut self, message: Message) {
        self.seq = message.seq;
        self.bytes += message.json.len();
        self.messages.push_back(Arc::new(message));
        while self.messages.len() > MOST_MESSAGES || self.bytes > MOST_BYTES {
            let Some(oldest) = self.messages.pop_front() else { break };
            self.bytes -= oldest.json.len();
            self.floor = oldest.seq;
        }
    }

    fn push_health(&self, json: &mut Vec<u8>, now: Timestamp, zone: &TimeZone) {
        let health = self.snapshot.health(now, zone).with_mqtt(json!(self.broker.status(zone)));
        json.extend_from_slice(br#""health":"#);
        json.extend_from_slice(&to_bytes(&health));
        json.extend_from_slice(br#","stats":"#);
        json.extend_from_slice(&to_bytes(self.snapshot.stats()));
        json.extend_from_slice(br#","plant":"#);
        json.extend_from_slice(&to_bytes(&Json(&self.snapshot.totals(), zone)));
    }

    /// The `snapshot` message of a selection.
    pub(super) fn snapshot_message(
        &self,
        selection: &Selection,
        targets: &[TargetStatus],
        now: Timestamp,
        zone: &TimeZone,
    ) -> Bytes {
        let snapshot = &self.snapshot;
        let mut json = begin(Kind::Snapshot, self.seq, now, zone);
        json.push(b'{');
        self.push_health(&mut json, now, zone);
        json.extend_from_slice(br#","inverters":"#);
        let is_selected = |inverter: &InverterState| {
            selection.has_dtu(&inverter.dtu_name) && selection.has_inverter(inverter.serial)
        };
        let inverters = snapshot.inverters().zip(snapshot.inverter_objects());
        let inverters = inverters.filter(|(inverter, _)| is_selected(inverter));
        push_list(&mut json, inverters.map(|(_, json)| json));
        push_meters(&mut json, snapshot, |meter| selection.has_dtu(&meter.dtu_name));
        json.extend_from_slice(br#","targets":"#);
        json.extend_from_slice(&to_bytes(&targets));
        json.extend_from_slice(b"}}");
        json.into()
    }
}

/// A message without the two braces at its end: `data` follows.
fn begin(kind: Kind, seq: u64, now: Timestamp, zone: &TimeZone) -> Vec<u8> {
    let mut json = Vec::with_capacity(4096);
    let (kind, time) = (kind.as_str(), time(now, zone));
    // Writing to memory cannot fail.
    let _written = write!(json, r#"{{"type":"{kind}","seq":{seq},"time":"{time}","data":"#);
    json
}

/// A whole message with this data.
pub(super) fn small_message(
    kind: Kind,
    seq: u64,
    now: Timestamp,
    zone: &TimeZone,
    data: &serde_json::Value,
) -> Bytes {
    let mut json = begin(kind, seq, now, zone);
    json.extend_from_slice(&to_bytes(data));
    json.push(b'}');
    json.into()
}

/// The same message that says how many before it were left out.
pub(super) fn with_skipped(kind: Kind, json: &Bytes, skipped: u64) -> Bytes {
    let (begin, end) = json
        .split_at_checked(br#"{"type":"","#.len() + kind.as_str().len() - 1)
        .unwrap_or_default();
    [begin, format!(r#","skipped":{skipped}"#).as_bytes(), end].concat().into()
}

fn push_meters(json: &mut Vec<u8>, snapshot: &Snapshot, is_wanted: impl Fn(&MeterState) -> bool) {
    json.extend_from_slice(br#","meters":"#);
    let meters = snapshot.meters().zip(snapshot.meter_objects());
    push_list(json, meters.filter(|(meter, _)| is_wanted(meter)).map(|(_, json)| json));
}

/// The DTUs that were polled between the two snapshots, or of which an inverter or a meter differs.
fn changed_dtus<'a>(previous: &'a Snapshot, next: &'a Snapshot) -> BTreeSet<&'a str> {
    let polls: BTreeMap<&str, u64> =
        previous.dtus().map(|dtu| (&*dtu.name, dtu.query_count)).collect();
    let mut changed: BTreeSet<&str> = next
        .dtus()
        .filter(|dtu| polls.get(&*dtu.name) != Some(&dtu.query_count))
        .map(|dtu| &*dtu.name)
        .collect();
    let inverters = |snapshot: &'a Snapshot| {
        snapshot.inverters().map(|one| (one.serial, one)).collect::<BTreeMap<_, _>>()
    };
    let (old, new) = (inverters(previous), inverters(next));
    changed.extend(differing(&old, &new).flat_map(|one| [&*one.dtu_name]));
    let meters = |snapshot: &'a Snapshot| {
        snapshot.meters().map(|one| (one.reading.serial, one)).collect::<BTreeMap<_, _>>()
    };
    let (old, new) = (meters(previous), meters(next));
    changed.extend(differing(&old, &new).map(|one| &*one.dtu_name));
    changed
}

/// What is in only one of the maps, or differs. Unchanged states are the same object in both.
fn differing<'a, K: Ord, T: PartialEq>(
    old: &BTreeMap<K, &'a T>,
    new: &BTreeMap<K, &'a T>,
) -> impl Iterator<Item = &'a T> {
    let is_same = |one: &T, other: &T| std::ptr::eq(one, other) || one == other;
    let changed = new
        .iter()
        .filter(move |(key, one)| !old.get(key).is_some_and(|other| is_same(one, other)))
        .flat_map(|(key, one)| [Some(*one), old.get(key).copied()])
        .flatten();
    let gone = old.iter().filter(|(key, _)| !new.contains_key(key)).map(|(_, one)| *one);
    changed.chain(gone).collect::<Vec<_>>().into_iter()
}

/// What a change of makes a status message; counters and times do not.
fn dtu_state(dtu: &DtuState) -> impl PartialEq + use<> {
    let error = dtu.failing.and(dtu.last_error.as_ref()).map(|error| error.label);
    (
        dtu.status.as_str(),
        error,
        dtu.stale_since.is_some(),
        dtu.missing.clone(),
        dtu.lists_none,
        dtu.shared.clone(),
    )
}
