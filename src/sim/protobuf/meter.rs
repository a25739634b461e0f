//! The simulated energy meter: a house that uses the same power at any hour, and a plant.

use super::message::Message;
use crate::sim::moment::PlantMoment;

/// A meter on three phases.
const KIND: i64 = 3;

/// What the house uses, in W.
const HOUSE: i64 = 600;

/// 2020-01-01, in Unix seconds: since when the house stands.
const BUILT: i64 = 1_577_836_800;

/// What every working meter sends there.
const FAULT_CODE: i64 = 1;

/// In 0.01 V.
const VOLTAGE: i64 = 23_170;

/// The meter in front of `plant`. It counts what comes from the mains as positive.
pub(super) fn of(plant: &PlantMoment) -> Message {
    let [_, _, tail @ ..] = plant.dtu_serial.bytes();
    let [a, b, c, d] = tail;
    let serial = super::number([0x10, 0xC0, a, b, c, d]);
    // All in steps of ten, the meter's own.
    let power = (HOUSE - i64::from(plant.pv_power().steps()) / 10) / 10;
    let exported = i64::try_from(plant.total().get()).unwrap_or(i64::MAX) * 7 / 10 / 10;
    let imported = HOUSE / 2 * (plant.time.as_second() - BUILT).max(0) / 3600 / 10;
    // Of the ten watts of one step and the hundredths of a volt, hundredths of an ampere.
    let current = (power / 3).abs() * 10 * 100 * 100 / VOLTAGE;
    let meter = Message::default().int(1, KIND).int(2, serial).int(3, power);
    let meter = phases(meter, 4, power / 3, power - power / 3 * 2).int(7, factor(power));
    let meter = counters(meter, 8, exported);
    let meter = counters(meter, 12, imported);
    let meter = phases(meter.int(16, FAULT_CODE), 17, VOLTAGE, VOLTAGE);
    phases(phases(meter, 20, current, current), 23, factor(power), factor(power))
}

/// The three fields from that number on: two of one value, and the rest.
fn phases(meter: Message, first: u64, value: i64, last: i64) -> Message {
    meter.int(first, value).int(first + 1, value).int(first + 2, last)
}

/// A counter from that number on: of all phases, and of each. None of them ever falls.
fn counters(meter: Message, first: u64, all: i64) -> Message {
    let meter = meter.int(first, all).int(first + 1, all / 3);
    meter.int(first + 2, (all + 1) / 3).int(first + 3, (all + 2) / 3)
}

const fn factor(power: i64) -> i64 {
    if power < 0 { -1000 } else { 1000 }
}
