//! The JSON of the snapshot, key by key, as the contract has it: for HTTP, for targets, and on disk.

mod inverter;

mod meter;

mod plant;

mod port;

#[cfg(test)]
mod tests;

use bytes::Bytes;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

pub use self::inverter::Inverter;
pub use self::meter::{Meter, Phase};
pub use self::plant::Plant;
pub use self::port::{Port, ports};
use super::health::Health;
use super::state::{InverterState, MeterState};

/// RFC 3339 with the offset of `zone`, to the second.
pub fn time(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

/// The body of `GET /stats`, and a part of each update. No value is ever null.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// Size of the database file.
    pub database_size_bytes: u64,
    /// Rows in the database.
    pub total_records: u64,
    /// Known inverters.
    pub inverters_count: u64,
    /// Inverters with values.
    pub inverter_data_entries: u64,
    /// Ports with values.
    pub port_data_entries: u64,
    /// Ports with an energy ledger.
    pub production_cache_entries: u64,
    /// `sqlite`, or `memory` where the state directory cannot be written.
    pub database_type: &'static str,
}

/// The body of `GET /api/inverters`.
pub fn inverters(states: &[InverterState], zone: &TimeZone) -> Bytes {
    let objects: Vec<_> = states.iter().map(|state| Inverter::of(state, zone)).collect();
    to_bytes(&objects)
}

/// The body of `GET /api/meters`.
pub fn meters(states: &[MeterState], zone: &TimeZone) -> Bytes {
    let objects: Vec<_> = states.iter().map(|state| Meter::of(state, zone)).collect();
    to_bytes(&objects)
}

/// The `update` message, around the JSON of inverters and meters that was made before.
pub fn update(
    health: &Health,
    stats: &Stats,
    plant: &Plant,
    inverters: &Bytes,
    meters: &Bytes,
) -> Bytes {
    let mut message = Vec::with_capacity(inverters.len() + meters.len() + 2048);
    message.extend_from_slice(br#"{"type":"update","data":{"health":"#);
    message.extend_from_slice(&to_bytes(health));
    message.extend_from_slice(br#","stats":"#);
    message.extend_from_slice(&to_bytes(stats));
    message.extend_from_slice(br#","plant":"#);
    message.extend_from_slice(&to_bytes(plant));
    message.extend_from_slice(br#","inverters":"#);
    message.extend_from_slice(inverters);
    message.extend_from_slice(br#","meters":"#);
    message.extend_from_slice(meters);
    message.extend_from_slice(b"}}");
    Bytes::from(message)
}

fn to_bytes(value: &impl Serialize) -> Bytes {
    // These types have string keys and finite numbers only, so that this cannot fail; if it ever
    // did, null is still JSON.
    serde_json::to_vec(value).map_or_else(|_| Bytes::from_static(b"null"), Bytes::from)
}
