//! What the broker shall hold, and what of it is not there yet. Pure.
//!
//! A notice board, not a queue: a topic has one present text, and after an outage only that is
//! sent. So memory does not grow, however long the broker is away.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use serde_json::Value;

use super::device::{Device, devices, is_known};
use super::document::{Form, document};
use super::leftovers::{Claim, Claims, Verdict, may_return};
use super::memory::Memory;
use super::topics::Topics;
use crate::snapshot::Snapshot;
use crate::store::{Announced, Place};

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
    /// What the owner leaves out of every DTU, by what names it: nothing can bring it back.
    excluded: BTreeSet<String>,
    /// Entities that appear with their first value, and did.
    seen: BTreeSet<String>,
    /// What was said of each device at last.
    descriptions: BTreeMap<String, Value>,
    memory: Memory,
    /// What was announced once and is not any more may still be there.
    claims: Claims,
    /// What was sent over this connection.
    sent: BTreeMap<String, Bytes>,
    /// What is to be asked of the broker.
    questions: Vec<String>,
}

impl Board {
    pub(super) fn new(
        topics: Topics,
        form: Form,
        excluded: BTreeSet<String>,
        announced: Announced,
    ) -> Self {
        let memory = Memory::new(announced);
        Self {
            topics,
            form,
            excluded,
            seen: memory.entities(),
            descriptions: memory.descriptions(),
            memory,
            claims: Claims::default(),
            sent: BTreeMap::new(),
            questions: Vec::new(),
        }
    }

    /// Nothing that was sent can be relied on any more: a new connection, a broker that may have
    /// forgotten, a Home Assistant that has just started.
    pub fn forget_sent(&mut self) {
        self.sent.clear();
        self.claims = Claims::default();
    }

    /// What is announced now and was not before, and what is not any more: to be kept.
    pub(super) fn take_changes(&mut self) -> BTreeMap<Place, Option<Bytes>> {
        self.memory.take_changes()
    }

    /// Topics whose retained messages tell whether something that was left there is still ours.
    pub(super) fn take_questions(&mut self) -> Vec<String> {
        std::mem::take(&mut self.questions)
    }

    /// Takes an answer.
    pub(super) fn heard(&mut self, claim: Claim) {
        self.claims.heard(claim);
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
        let update: Value = serde_json::from_slice(&snapshot.update_json()).unwrap_or_default();
        // Without an update nothing is known, which is not the same as that nothing is there.
        let Some(data) = update.get("data") else { return Vec::new() };
        let mut devices = devices(data, &self.topics);
        let mut wanted = Vec::new();
        let mut documents = Vec::new();
        for device in &mut devices {
            device.remember(&mut self.descriptions);
            let shown = device.shown(&mut self.seen);
            let document = document(device, &shown, &self.topics, self.form);
            documents.push(message(self.topics.document(&device.id), &document));
            let state = device.state(&shown, &self.memory.bridge);
            wanted.push(message(device.state_topic(), &state));
            if !device.is_bridge {
                let known = if is_known(&shown) { "online" } else { "offline" };
                wanted.push(word(format!("{}/availability", device.base), known));
            }
        }
        self.note(&devices, &documents);
        wanted.append(&mut documents);
        wanted.push(word(self.availability(), "online"));
        let gone = self.gone(&devices, &wanted, (data, snapshot));
        wanted.splice(0..0, gone);
        wanted.retain(|message| self.sent.get(&message.topic) != Some(&message.payload));
        let sent = wanted.iter().map(|message| (message.topic.clone(), message.payload.clone()));
        self.sent.extend(sent);
        wanted
    }

    /// Where each device is announced now.
    fn places(&self, devices: &[Device<'_>]) -> BTreeSet<Place> {
        let place = |device: &Device<'_>| Place {
            document: self.topics.document(&device.id),
            state: device.state_topic(),
        };
        devices.iter().map(place).collect()
    }

    /// Remembers what is announced now; `documents` are those of `devices`.
    fn note(&mut self, devices: &[Device<'_>], documents: &[Message]) {
        let present = self.places(devices);
        for (device, Message { topic, payload }) in devices.iter().zip(documents) {
            let place = Place { document: topic.clone(), state: device.state_topic() };
            self.memory.note(&place, payload, &present);
        }
    }

    /// What takes away what was announced and is wanted no more: a device that left the
    /// configuration, or one that has other topics now.
    fn gone(
        &mut self,
        devices: &[Device<'_>],
        wanted: &[Message],
        (data, snapshot): (&Value, &Snapshot),
    ) -> Vec<Message> {
        let in_use: BTreeSet<&str> = wanted.iter().map(|message| &*message.topic).collect();
        let is_in_use = |topic: &str| in_use.contains(topic);
        let mut gone = Vec::new();
        for place in self.memory.leftovers(&self.places(devices)) {
            let base = place.state.trim_end_matches("/state");
            let availability = format!("{base}/availability");
            let asked = [&place.document, &place.state].map(Clone::clone);
            self.questions.extend(self.claims.questions(asked));
            let id = self.memory.device_at(&place).unwrap_or_default();
            let is_back = devices.iter().any(|device| device.id == id);
            if !is_back && !self.excluded.contains(&id) && may_return(&place, data, snapshot) {
                if self.claims.is_ours(&place, &self.memory.bridge) {
                    gone.push(word(availability, "offline"));
                }
                continue;
            }
            match self.claims.verdict(&place, &self.memory.bridge, is_in_use) {
                Verdict::Wait => {}
                Verdict::TakeAway { document, values } => {
                    let document = document.then_some(place.document);
                    let values = [place.state, availability].into_iter().filter(|_| values);
                    let topics = document.into_iter().chain(values);
                    gone.extend(topics.map(|topic| word(topic, "")));
                }
                Verdict::Forget => self.memory.forget(&place),
            }
        }
        gone
    }
}

fn message(topic: String, value: &Value) -> Message {
    Message { topic, payload: Bytes::from(value.to_string()) }
}

fn word(topic: String, word: &'static str) -> Message {
    Message { topic, payload: Bytes::from_static(word.as_bytes()) }
}
