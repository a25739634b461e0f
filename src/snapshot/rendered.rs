//! A state together with its JSON, which is made once and kept until the state changes.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use jiff::tz::TimeZone;

use super::state::{InverterState, MeterState};
use super::wire;

/// A state and its JSON. Changing the state drops the JSON.
#[derive(Clone, Debug)]
pub struct Rendered<T> {
    state: T,
    json: OnceLock<Bytes>,
}

impl Rendered<InverterState> {
    /// The inverter object of the API.
    pub fn json(&self, zone: &TimeZone) -> &Bytes {
        self.json.get_or_init(|| wire::to_bytes(&wire::Inverter::of(&self.state, zone)))
    }
}

impl Rendered<MeterState> {
    /// The meter object of the API.
    pub fn json(&self, zone: &TimeZone) -> &Bytes {
        self.json.get_or_init(|| wire::to_bytes(&wire::Meter::of(&self.state, zone)))
    }
}

impl<T> From<T> for Rendered<T> {
    fn from(state: T) -> Self {
        Self { state, json: OnceLock::new() }
    }
}

impl<T> Deref for Rendered<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.state
    }
}

impl<T> DerefMut for Rendered<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.json = OnceLock::new();
        &mut self.state
    }
}

impl<T: PartialEq> PartialEq for Rendered<T> {
    fn eq(&self, other: &Self) -> bool {
        self.state == other.state
    }
}

impl<T: Eq> Eq for Rendered<T> {}

/// States as a snapshot shares them.
pub fn shared<T>(states: impl IntoIterator<Item = T>) -> Vec<Arc<Rendered<T>>> {
    states.into_iter().map(|state| Arc::new(Rendered::from(state))).collect()
}
