//! The JSON of the snapshot, key by key, as the contract has it: for HTTP and for targets.

mod inverter;

mod meter;

mod plant;

mod port;

#[cfg(test)]
mod tests;

use std::ops::Range;

use bytes::Bytes;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

pub use self::inverter::Inverter;
pub use self::meter::{Meter, Phase};
pub use self::plant::Plant;
pub use self::port::{Port, ports};
use super::health::Health;

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

/// The `update` message, and where in it the lists of inverters and meters are.
pub(super) fn update<'a>(
    (health, stats, plant): (&Health, &Stats, &Plant),
    inverters: impl Iterator<Item = &'a Bytes>,
    meters: impl Iterator<Item = &'a Bytes>,
) -> (Bytes, Range<usize>, Range<usize>) {
    let mut message = Vec::with_capacity(4096);
    message.extend_from_slice(br#"{"type":"update","data":{"health":"#);
    message.extend_from_slice(&to_bytes(health));
    message.extend_from_slice(br#","stats":"#);
    message.extend_from_slice(&to_bytes(stats));
    message.extend_from_slice(br#","plant":"#);
    message.extend_from_slice(&to_bytes(plant));
    message.extend_from_slice(br#","inverters":"#);
    let inverters = push_list(&mut message, inverters);
    message.extend_from_slice(br#","meters":"#);
    let meters = push_list(&mut message, meters);
    message.extend_from_slice(b"}}");
    (Bytes::from(message), inverters, meters)
}

fn push_list<'a>(message: &mut Vec<u8>, objects: impl Iterator<Item = &'a Bytes>) -> Range<usize> {
    let begin = message.len();
    message.push(b'[');
    for (place, object) in objects.enumerate() {
        if place > 0 {
            message.push(b',');
        }
        message.extend_from_slice(object);
    }
    message.push(b']');
    begin..message.len()
}

pub(super) fn to_bytes(value: &impl Serialize) -> Bytes {
    // These types have string keys and finite numbers only, so that this cannot fail; if it ever
    // did, null is still JSON.
    serde_json::to_vec(value).map_or_else(|_| Bytes::from_static(b"null"), Bytes::from)
}
