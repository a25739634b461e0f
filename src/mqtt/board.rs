//! What the broker shall hold, and what of it is not there yet. Pure.
//!
//! A notice board, not a queue: a topic has one present text, and after an outage only that is
//! sent. So memory does not grow, however long the broker is away.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use serde_json::Value;

use super::device::{Device, devices, is_known};
use super::document::{Form, document};
use super::topics::Topics;
use crate::plant::serial::InverterSerial;
use crate::snapshot::Snapshot;

/// A retained message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Where to.
    pub topic: String,
    /// The text; empty to remove what is there.
    pub payload: Bytes,
}

/// What the broker shall hold.
#[derive(Debug)]
pub struct Board {
    topics: Topics,
    form: Form,
    /// What the owner leaves out: removed, in case it was there before.
    excluded: Vec<InverterSerial>,
    /// Entities that appear with their first value, and did.
    seen: BTreeSet<String>,
    /// What was sent over this connection.
    sent: BTreeMap<String, Bytes>,
}

impl Board {
    pub(super) const fn new(topics: Topics, form: Form, excluded: Vec<InverterSerial>) -> Self {
        Self { topics, form, excluded, seen: BTreeSet::new(), sent: BTreeMap::new() }
    }

    /// Nothing that was sent can be relied on any more: a new connection, a broker that may have
    /// forgotten, a Home Assistant that has just started.
    pub fn forget_sent(&mut self) {
        self.sent.clear();
    }

    /// Where our last will lies.
    pub(super) fn availability(&self) -> String {
        self.topics.bridge_availability()
    }

    /// What is said before leaving, since who says good-bye leaves no will.
    pub(super) fn farewell(&self) -> Message {
        word(self.availability(), "offline")
    }

    /// How many devices the broker was told of over this connection.
    pub fn device_count(&self) -> usize {
        let is_document = |(topic, payload): &(&String, &Bytes)| {
            topic.ends_with("/config") && !payload.is_empty()
        };
        self.sent.iter().filter(is_document).count()
    }

    /// The messages that bring the broker from what was sent to what `snapshot` says; in such an
    /// order that nobody sees a device before its values, or hears that the bridge is there before
    /// its newest ones.
    pub fn news(&mut self, snapshot: &Snapshot) -> Vec<Message> {
        let update: Value = serde_json::from_slice(&snapshot.update_json).unwrap_or_default();
        // Without an update nothing is known, which is not the same as that nothing is there.
        let Some(data) = update.get("data") else { return Vec::new() };
        let devices = devices(data, &self.topics);
        let mut wanted = Vec::new();
        if self.sent.is_empty() {
            wanted.extend(self.removals(&devices));
        }
        let mut documents = Vec::new();
        for device in &devices {
            let shown = device.shown(&mut self.seen);
            let document = document(device, &shown, &self.topics, self.form);
            documents.push(message(self.topics.document(&device.id), &document));
            wanted.push(message(format!("{}/state", device.base), &device.state(&shown)));
            if !device.is_bridge {
                let known = if is_known(&shown) { "online" } else { "offline" };
                wanted.push(word(format!("{}/availability", device.base), known));
            }
        }
        wanted.append(&mut documents);
        wanted.push(word(self.availability(), "online"));
        let gone = self.gone(&wanted);
        wanted.retain(|message| self.sent.get(&message.topic) != Some(&message.payload));
        wanted.splice(0..0, gone);
        let sent = wanted.iter().map(|message| (message.topic.clone(), message.payload.clone()));
        self.sent.extend(sent);
        wanted
    }

    /// What takes away what was sent and is wanted no more: a device that left the configuration.
    fn gone(&self, wanted: &[Message]) -> Vec<Message> {
        let is_wanted = |topic: &String| wanted.iter().any(|message| message.topic == *topic);
        let there = self.sent.iter().filter(|(_, payload)| !payload.is_empty());
        let gone = there.filter(|(topic, _)| !is_wanted(topic));
        gone.map(|(topic, _)| word(topic.clone(), "")).collect()
    }

    /// What takes inverters away that the owner excludes now. One that another DTU reads stays.
    fn removals(&self, devices: &[Device<'_>]) -> Vec<Message> {
        let excluded = self.excluded.iter().map(ToString::to_string);
        let gone = excluded.filter(|serial| {
            let id = Topics::device_id(serial);
            !devices.iter().any(|device| device.id == id)
        });
        gone.flat_map(|serial| {
            let base = self.topics.base("inverter", &serial);
            let document = self.topics.document(&Topics::device_id(&serial));
            [document, format!("{base}/state"), format!("{base}/availability")]
                .map(|topic| word(topic, ""))
        })
        .collect()
    }
}

fn message(topic: String, value: &Value) -> Message {
    Message { topic, payload: Bytes::from(value.to_string()) }
}

fn word(topic: String, word: &'static str) -> Message {
    Message { topic, payload: Bytes::from_static(word.as_bytes()) }
}
