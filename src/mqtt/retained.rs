//! What the broker should retain, and what of it has to be sent.
//!
//! Not a queue: a topic has one present text, and after an outage only that is sent. So memory does
//! not grow, however long the broker is away.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use jiff::tz::TimeZone;
use serde::{Serialize, Serializer};

use super::discovery::{Device, DocumentOptions, Names, Shown, devices, document, makes_known};
use super::orphans::orphans;
use crate::config::{DtuConfig, MqttConfig};
use crate::entities::{State, Value};
use crate::snapshot::Snapshot;
use crate::snapshot::json::time;
use crate::store::{AnnouncedDevice, AnnouncedDevices, DeviceTopics};

/// A retained message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Where to.
    pub topic: String,
    /// The text; empty to remove what is there.
    pub payload: Bytes,
}

pub(super) fn message(topic: String, payload: impl Into<Bytes>) -> Message {
    Message { topic, payload: payload.into() }
}

/// What the broker should retain.
#[derive(Debug)]
pub struct RetainedState {
    names: Names,
    options: DocumentOptions,
    /// The ids of inverters that every DTU excludes.
    excluded: BTreeSet<String>,
    /// What was announced, in this run and in earlier ones. Home Assistant deletes an entity that is
    /// missing from a newer document, with its name, its area and the way to its history. So what was
    /// announced once is announced again, also by a bridge that starts at night.
    announced: AnnouncedDevices,
    /// The present documents by their topics.
    documents: BTreeMap<String, Document>,
    /// What was sent over this connection.
    sent: BTreeMap<String, Bytes>,
    /// Devices that the messages of the last [`changes`](Self::changes) remove.
    removed: Vec<DeviceTopics>,
    /// Announced devices that are not stored yet.
    unstored: AnnouncedDevices,
}

/// A discovery document, and what it is made from.
#[derive(Debug)]
struct Document {
    record: AnnouncedDevice,
    via: Option<String>,
    entities: Vec<Shown>,
    json: Bytes,
}

impl RetainedState {
    /// The state for this configuration; `announced` is what earlier runs announced.
    pub fn new(config: &MqttConfig, dtus: &[DtuConfig], announced: AnnouncedDevices) -> Self {
        Self {
            names: Names::new(config),
            options: DocumentOptions { qos: config.qos, has_child_devices: config.child_devices },
            excluded: excluded(dtus),
            announced,
            documents: BTreeMap::new(),
            sent: BTreeMap::new(),
            removed: Vec::new(),
            unstored: AnnouncedDevices::new(),
        }
    }

    /// Sends everything again: over a new connection, or when Home Assistant has started.
    pub fn forget_sent(&mut self) {
        self.sent.clear();
    }

    /// The topic of the last will.
    pub(super) fn availability(&self) -> String {
        self.names.bridge_availability()
    }

    /// The last message before a proper disconnect, after which the broker publishes no last will.
    pub(super) fn farewell(&self) -> Message {
        message(self.availability(), "offline")
    }

    /// How many devices are announced.
    pub fn device_count(&self) -> usize {
        self.documents.len()
    }

    /// The messages that bring the broker from what was sent to what `snapshot` says: no device is
    /// announced before its values, and the bridge is not online before its newest ones.
    pub fn changes(&mut self, snapshot: &Snapshot) -> Vec<Message> {
        let devices = devices(snapshot, &self.names);
        let present =
            devices.iter().map(|one| (one.topics.clone(), one.record.id.clone())).collect();
        let (mut wanted, removed) = orphans(&self.announced, &present, &self.excluded, snapshot);
        self.removed = removed;
        let (mut documents, mut known) = (Vec::new(), BTreeMap::new());
        for device in devices {
            let (topics, document) = self.document(device, snapshot.zone(), &mut wanted);
            documents.push(message(topics.clone(), document.json.clone()));
            known.insert(topics, document);
        }
        self.documents = known;
        wanted.append(&mut documents);
        wanted.push(message(self.availability(), "online"));
        wanted.retain(|message| self.sent.get(&message.topic) != Some(&message.payload));
        let sent = wanted.iter().map(|message| (message.topic.clone(), message.payload.clone()));
        self.sent.extend(sent);
        wanted
    }

    /// The document of a device with its topic, made anew only if it says something else than
    /// before. State and availability go to `wanted`.
    fn document(
        &mut self,
        mut device: Device<'_>,
        zone: &TimeZone,
        wanted: &mut Vec<Message>,
    ) -> (String, Document) {
        let before = self
            .announced
            .get(&device.topics)
            .or_else(|| self.announced.values().find(|announced| announced.id == device.record.id));
        if let Some(before) = before {
            complete(&mut device.record, before);
        }
        let mut appeared = std::mem::take(&mut device.record.appeared);
        let entities = device.entities(&mut appeared);
        device.record.appeared = appeared;
        let values = Values { device: &device, entities: &entities, zone };
        wanted.push(message(device.topics.state(), to_json(&values)));
        if device.topics.availability() != self.names.bridge_availability() {
            let known = if values.is_known() { "online" } else { "offline" };
            wanted.push(message(device.topics.availability(), known));
        }
        if self.announced.get(&device.topics) != Some(&device.record) {
            self.announced.insert(device.topics.clone(), device.record.clone());
            self.unstored.insert(device.topics.clone(), device.record.clone());
        }
        let topic = device.topics.document.clone();
        let json = match self.documents.remove(&topic) {
            Some(old) if old.is_of(&device, &entities) => old.json,
            Some(_) | None => to_json(&document(&device, &entities, &self.names, self.options)),
        };
        let Device { record, via, .. } = device;
        (topic, Document { record, via, entities, json })
    }

    /// What was announced for the first time, or differently, since the last call: to be stored
    /// before it is sent.
    pub(super) fn take_announced(&mut self) -> AnnouncedDevices {
        std::mem::take(&mut self.unstored)
    }

    /// The broker has acknowledged all messages: what they removed can be forgotten.
    pub(super) fn acknowledged(&mut self) -> Vec<DeviceTopics> {
        for topics in &self.removed {
            self.announced.remove(topics);
        }
        std::mem::take(&mut self.removed)
    }
}

impl Document {
    /// Whether it is the document of this device with these entities.
    fn is_of(&self, device: &Device<'_>, entities: &[Shown]) -> bool {
        self.record == device.record && self.via == device.via && self.entities == entities
    }
}

/// Adds what a device has reported in earlier runs, but not yet in this one.
fn complete(record: &mut AnnouncedDevice, before: &AnnouncedDevice) {
    let AnnouncedDevice { id: _, model, serial_number, sw_version, appeared } = before;
    record.model = record.model.take().or_else(|| model.clone());
    record.serial_number = record.serial_number.take().or_else(|| serial_number.clone());
    record.sw_version = record.sw_version.take().or_else(|| sw_version.clone());
    record.appeared.clone_from(appeared);
}

/// The state message of a device: all values under their keys.
struct Values<'a> {
    device: &'a Device<'a>,
    entities: &'a [Shown],
    zone: &'a TimeZone,
}

impl Values<'_> {
    /// Whether anything is known of the device. Once something is, its energies stand, so that this
    /// only turns at the very beginning; what is unknown later is so value by value.
    fn is_known(&self) -> bool {
        let unknown = Value::from("unknown");
        self.each().any(|(shown, state)| {
            makes_known(shown.entity)
                && shown.entity.value(state).is_some_and(|value| value != unknown)
        })
    }

    fn each(&self) -> impl Iterator<Item = (&Shown, State<'_>)> {
        self.entities
            .iter()
            .filter_map(|shown| self.device.parts.get(shown.part).map(|state| (shown, *state)))
    }
}

impl Serialize for Values<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let since = self.device.parts.first().and_then(State::today_since);
        let since = since.map(|at| Value::from(time(at, self.zone)));
        let values =
            self.each().map(|(shown, state)| (shown.key(), shown.entity.shown(state, self.zone)));
        serializer.collect_map(values.chain([("today_since".into(), since)]))
    }
}

fn to_json(value: &impl Serialize) -> Bytes {
    // Texts as keys and finite numbers cannot fail. An empty message would remove the topic.
    serde_json::to_vec(value).map_or_else(|_| Bytes::from_static(b"{}"), Bytes::from)
}

/// The ids of the inverters that every DTU excludes.
fn excluded(dtus: &[DtuConfig]) -> BTreeSet<String> {
    let ids = |dtu: &DtuConfig| -> BTreeSet<String> {
        dtu.exclude.iter().map(|serial| Names::device_id(&serial.to_ascii_lowercase())).collect()
    };
    dtus.iter().map(ids).reduce(|all, these| &all & &these).unwrap_or_default()
}
