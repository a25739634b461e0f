//! The one table of what the bridge shows of a plant: each entity's key, name, unit and classes,
//! and where its value stands in the bridge's own JSON.
//!
//! MQTT documents, help texts of `/metrics`, headings of `read` and docs/entities.md are made
//! from it or tested against it; `entities.json`, beside this file, is the same table for the
//! Home Assistant integration, whose own is tested against that.

mod entity;

mod lookup;

mod number;

mod bridge;

mod dtu;

mod inverter;

mod meter;

mod port;

mod value;

#[cfg(test)]
mod documents;

pub use self::entity::{
    Choice, Entity, Given, Kind, LONGEST_TEXT, Number, On, StateClass, Subject,
};
pub use self::lookup::{about, of, unit};

/// All entities, subject by subject, in the order in which a person wants to read them.
pub fn all() -> impl Iterator<Item = &'static Entity> {
    Subject::ALL.into_iter().flat_map(of)
}
