//! What this bridge has announced, in this run and in earlier ones. Pure.
//!
//! Home Assistant deletes an entity that is missing from a newer document, and with it its name,
//! its area and the way to its history. So what was announced once is announced again, also by a
//! bridge that starts at night and has heard nothing yet.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use serde_json::{Map, Value};

use crate::store::{Announced, Place};

/// What was announced.
#[derive(Debug)]
pub(super) struct Memory {
    /// Our name in what we publish.
    pub(super) bridge: String,
    documents: BTreeMap<Place, Bytes>,
    /// What the store does not know yet; `None` if it shall forget.
    changes: BTreeMap<Place, Option<Bytes>>,
}

impl Memory {
    pub(super) fn new(announced: Announced) -> Self {
        let Announced { bridge, documents } = announced;
        Self { bridge, documents, changes: BTreeMap::new() }
    }

    /// Each announced entity, as `device/key`.
    pub(super) fn entities(&self) -> BTreeSet<String> {
        let mut entities = BTreeSet::new();
        for document in self.documents.values().filter_map(parse) {
            let Some(id) = id(&document) else { continue };
            let children = document.get("child_devices").and_then(Value::as_array);
            let parts = children.into_iter().flatten().chain([&document]);
            let components = parts.filter_map(|part| part.get("components")?.as_object());
            entities.extend(components.flat_map(Map::keys).map(|key| format!("{id}/{key}")));
        }
        entities
    }

    /// The description of each announced device, by what names it.
    pub(super) fn descriptions(&self) -> BTreeMap<String, Value> {
        let documents = self.documents.values().filter_map(parse);
        documents
            .filter_map(|document| Some((id(&document)?, document.get("device")?.clone())))
            .collect()
    }

    /// What names the device that was announced there.
    pub(super) fn device_at(&self, place: &Place) -> Option<String> {
        id(&parse(self.documents.get(place)?)?)
    }

    /// Where something was announced, the present places aside.
    pub(super) fn leftovers(&self, present: &BTreeSet<Place>) -> Vec<Place> {
        self.documents.keys().filter(|place| !present.contains(place)).cloned().collect()
    }

    /// Notes what is announced now. Beyond what is kept, a leftover is forgotten for it.
    pub(super) fn note(&mut self, place: &Place, document: &Bytes, present: &BTreeSet<Place>) {
        if self.documents.get(place) == Some(document) {
            return;
        }
        if self.documents.len() >= Announced::MOST && !self.documents.contains_key(place) {
            match self.leftovers(present).first() {
                Some(leftover) => self.forget(leftover),
                None => return,
            }
        }
        self.documents.insert(place.clone(), document.clone());
        self.changes.insert(place.clone(), Some(document.clone()));
    }

    /// Forgets what is not there any more.
    pub(super) fn forget(&mut self, place: &Place) {
        if self.documents.remove(place).is_some() {
            self.changes.insert(place.clone(), None);
        }
    }

    /// What the store is to be told.
    pub(super) fn take_changes(&mut self) -> BTreeMap<Place, Option<Bytes>> {
        std::mem::take(&mut self.changes)
    }
}

fn parse(document: &Bytes) -> Option<Value> {
    serde_json::from_slice(document).ok()
}

fn id(document: &Value) -> Option<String> {
    document.pointer("/device/identifiers/0")?.as_str().map(ToOwned::to_owned)
}
