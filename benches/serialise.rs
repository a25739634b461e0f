//! Cost of serialising a plant of 100 inverters with 4 ports each to JSON and passing it to its
//! readers: the same for one and for a hundred of them, because it is serialised once.
#![expect(clippy::print_stdout, reason = "a benchmark prints its results")]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hoymiles_bridge::plant::reading::{InverterValues, PortReading};
use hoymiles_bridge::plant::serial::InverterSerial;
use hoymiles_bridge::plant::units::{Amperes, Celsius, Hertz, Volts, WattHours, Watts};
use hoymiles_bridge::snapshot::json::shared;
use hoymiles_bridge::snapshot::state::{Energy, InverterState, PortState};
use hoymiles_bridge::snapshot::{Contents, Snapshot, SnapshotReader, channel};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::time::Instant;

const INVERTERS: u64 = 100;
const PORTS: u8 = 4;
const READERS: usize = 100;
/// Enough that each kind of round has a run without other load on the machine.
const ROUNDS: usize = 200;
/// With all readers, in multiples of the time with one.
const MOST_FOR_READERS: f64 = 1.1;
/// From the state to the messages, in multiples of what `serde_json` takes for the same values as
/// `Value`s. What is above 1 are the times in the local zone, the texts of
/// the codes and the sums.
const MOST_FOR_STATE: f64 = 3.0;

fn main() {
    let zone = TimeZone::get("Europe/Berlin").unwrap_or(TimeZone::UTC);
    let inverters: Vec<InverterState> = (0..INVERTERS).map(inverter).collect();
    let json = snapshot(&inverters, &zone).inverters_json();
    let objects: serde_json::Value = serde_json::from_slice(&json).unwrap_or_default();

    let (writer, reader) = channel(snapshot(&inverters, &zone));
    let mut readers: Vec<SnapshotReader> = vec![reader; READERS];
    let (mut plain, mut alone, mut all) = (Duration::MAX, Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        plain = plain.min(time(|| serde_json::to_vec(black_box(&objects)).is_ok()));
        alone = alone.min(time(|| {
            writer.publish(snapshot(black_box(&inverters), &zone));
            readers.iter_mut().take(1).map(take).collect::<Vec<_>>()
        }));
        all = all.min(time(|| {
            writer.publish(snapshot(black_box(&inverters), &zone));
            readers.iter_mut().map(take).collect::<Vec<_>>()
        }));
    }

    writer.publish(snapshot(&inverters, &zone));
    let messages: Vec<Bytes> = readers.iter_mut().map(take).collect();
    let first = messages.first().map(|message| message.as_ptr());
    assert!(messages.iter().all(|message| Some(message.as_ptr()) == first), "one copy for all");

    let size = messages.first().map_or(0, Bytes::len);
    println!("{INVERTERS} inverters of {PORTS} ports: an update of {size} bytes");
    println!("serde_json alone, of ready values: {plain:.2?}");
    let ratio = |time: Duration, of: Duration| time.as_secs_f64() / of.as_secs_f64();
    let for_state = ratio(alone, plain);
    println!("from the state to 1 reader: {alone:.2?}, {for_state:.2} x; limit {MOST_FOR_STATE}");
    let for_readers = ratio(all, alone);
    println!("to {READERS} readers: {all:.2?}, {for_readers:.3} x; limit {MOST_FOR_READERS}");
    assert!(for_state <= MOST_FOR_STATE, "over the limit");
    assert!(for_readers <= MOST_FOR_READERS, "over the limit");
}

fn time<T>(work: impl FnOnce() -> T) -> Duration {
    let begun = Instant::now();
    drop(black_box(work()));
    begun.elapsed()
}

/// What a target does when a snapshot is published.
fn take(reader: &mut SnapshotReader) -> Bytes {
    reader.take_latest().update_json()
}

/// What the poller does after a poll in which all inverters changed.
fn snapshot(inverters: &[InverterState], zone: &TimeZone) -> Snapshot {
    Snapshot::new(Contents {
        inverters: shared(inverters.iter().cloned()),
        zone: zone.clone(),
        ..Contents::empty(Timestamp::UNIX_EPOCH)
    })
}

fn inverter(nth: u64) -> InverterState {
    let read_at = Timestamp::UNIX_EPOCH + Duration::from_secs(1_782_800_000 + nth);
    let port = |number: u8| PortState {
        timestamp: read_at,
        reading: PortReading {
            number,
            pv_voltage: Some(Volts::from_tenths(341 + i32::from(number))),
            pv_current: Some(Amperes::from_hundredths(605)),
            pv_power: Some(Watts::from_tenths(2_063)),
            today: Some(WattHours::new(936 + nth)),
            total: Some(WattHours::new(456_172 + nth)),
        },
        energy: Energy {
            today: Some(WattHours::new(936 + nth)),
            today_since: None,
            total: Some(WattHours::new(456_172 + nth)),
        },
    };
    let serial = InverterSerial::from_u64(0x1161_a000_0000 + nth);
    InverterState {
        values: InverterValues {
            link_status: Some(1),
            operating_status: Some(3),
            alarm_code: Some(0),
            alarm_count: Some(0),
            grid_voltage: Some(Volts::from_tenths(2_334)),
            grid_frequency: Some(Hertz::from_hundredths(4_998)),
            temperature: Some(Celsius::from_tenths(315)),
            ..InverterValues::default()
        },
        ports: (1..=PORTS).map(|number| (number, port(number))).collect::<BTreeMap<_, _>>(),
        ..InverterState::new(serial, Arc::from("DTU"), read_at)
    }
    .with_sum_of_ports()
}
