//! Whether what an earlier run or another configuration left at the broker may be taken away. Pure.
//!
//! Only what we announced is ever asked for, and only what is still ours by the broker's own word is
//! taken away: another bridge may read the device by now, and its document has the same topic.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::snapshot::Snapshot;
use crate::store::Place;

/// Successful polls after which a DTU has named all its inverters: it takes two to believe in one.
const ENOUGH_POLLS: u64 = 3;
/// A longer word is nobody's name.
const LONGEST_WORD: usize = 1_024;

/// Whose a message is, by its own word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) topic: String,
    /// Where the values of a document's device are, or which bridge wrote these values; empty if
    /// there is no message any more.
    owner: String,
}

impl Claim {
    /// What a message says.
    pub(super) fn of(topic: String, payload: &[u8]) -> Self {
        let word = |value: &Value| -> Option<String> {
            let word = value.get("state_topic").or_else(|| value.get("bridge"))?.as_str()?;
            (1..=LONGEST_WORD).contains(&word.len()).then(|| word.to_owned())
        };
        let owner = if payload.is_empty() {
            String::new()
        } else {
            let value = serde_json::from_slice(payload).ok();
            value.as_ref().and_then(word).unwrap_or_else(|| "somebody".to_owned())
        };
        Self { topic, owner }
    }
}

/// What the broker has told over this connection of what it was asked for.
#[derive(Debug, Default)]
pub(super) struct Claims {
    /// By topic; `None` while unanswered.
    owners: BTreeMap<String, Option<String>>,
}

/// What is to be done about a leftover.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The broker has not told enough.
    Wait,
    /// Take away the document, the values or both.
    TakeAway {
        /// Whether the document is there and ours.
        document: bool,
        /// Whether the values are there and ours.
        values: bool,
    },
    /// It is not there any more, or another's.
    Forget,
}

impl Claims {
    /// Which of these topics were not asked for yet.
    pub(super) fn questions(&mut self, topics: [String; 2]) -> Vec<String> {
        let is_new = |topic: &String| !self.owners.contains_key(topic);
        let new: Vec<String> = topics.into_iter().filter(is_new).collect();
        self.owners.extend(new.iter().map(|topic| (topic.clone(), None)));
        new
    }

    /// Notes an answer, if the question was ours.
    pub(super) fn heard(&mut self, claim: Claim) {
        if let Some(owner) = self.owners.get_mut(&claim.topic) {
            *owner = Some(claim.owner);
        }
    }

    /// Whether these values are ours.
    pub(super) fn is_ours(&self, place: &Place, bridge: &str) -> bool {
        !bridge.is_empty() && self.owner(&place.state) == Some(bridge)
    }

    /// What to do about a leftover, whose topics may be `in_use` all the same.
    pub(super) fn verdict(
        &self,
        place: &Place,
        bridge: &str,
        in_use: impl Fn(&str) -> bool,
    ) -> Verdict {
        let Some(values_of) = self.owner(&place.state) else { return Verdict::Wait };
        let is_ours = self.is_ours(place, bridge);
        let values = is_ours && !in_use(&place.state);
        let document_of =
            if in_use(&place.document) { Some("") } else { self.owner(&place.document) };
        // The values may be gone already; only another's would mean that the device is another's.
        let document = document_of == Some(&place.state) && (is_ours || values_of.is_empty());
        match (values || document, document_of) {
            (true, _) => Verdict::TakeAway { document, values },
            (false, Some(_)) => Verdict::Forget,
            (false, None) => Verdict::Wait,
        }
    }

    fn owner(&self, topic: &str) -> Option<&str> {
        self.owners.get(topic)?.as_deref()
    }
}

/// Whether a device may be an inverter or a meter that one of the DTUs has yet to name.
pub(super) fn may_return(place: &Place, data: &Value, snapshot: &Snapshot) -> bool {
    let mut parts = place.state.rsplit('/').skip(2);
    let is_read = matches!(parts.next(), Some("inverter" | "meter"));
    is_read && !has_each_dtu_told(data, snapshot)
}

/// Whether each DTU has named its inverters and meters in this run, be it that all of them are shown
/// elsewhere. One that lists none at all may not have found them yet.
fn has_each_dtu_told(data: &Value, snapshot: &Snapshot) -> bool {
    let has_all_elsewhere = |dtu: &str| {
        let states = snapshot.dtus().filter(|state| *state.name == *dtu);
        states.filter_map(|state| state.listed).any(|listed| listed.is_all_elsewhere)
    };
    let dtus = data.pointer("/health/dtus").and_then(Value::as_object);
    let named = |dtu: &str| {
        let lists = ["inverters", "meters"].into_iter().filter_map(|list| data.get(list));
        let mut devices = lists.filter_map(Value::as_array).flatten();
        devices.any(|device| device.get("dtu_name").and_then(Value::as_str) == Some(dtu))
    };
    let count = |dtu: &Value, key: &str| dtu.get(key).and_then(Value::as_u64).unwrap_or_default();
    dtus.is_some_and(|dtus| {
        dtus.iter().all(|(name, dtu)| {
            let successes = count(dtu, "query_count").saturating_sub(count(dtu, "error_count"));
            successes >= ENOUGH_POLLS && (named(name) || has_all_elsewhere(name))
        })
    })
}
