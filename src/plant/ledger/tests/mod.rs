//! The ledger with tables from the field, days of all lengths, and random events of a port.

mod days;
mod life;

mod meter;
mod night;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{Counters, LedgerRecord, PortLedger, Verdict};
use crate::plant::units::WattHours;

fn berlin() -> TimeZone {
    TimeZone::get("Europe/Berlin").unwrap()
}

/// A reading per minute from 10:00; each row is the device's value (0: zero; -1:
/// nothing) and the published total.
#[track_caller]
fn check(rows: &[(i64, u64)]) {
    let start: Timestamp = "2026-06-10T08:00:00Z".parse().unwrap();
    let mut ledger = PortLedger::default();
    for (row, &(seen, total)) in rows.iter().enumerate() {
        let at = start + jiff::SignedDuration::from_mins(i64::try_from(row).unwrap());
        let total_seen = u64::try_from(seen).ok().map(WattHours::new);
        ledger.record(Counters { total: total_seen, today: None, is_live: true }, at, &berlin());
        assert_eq!(ledger.total().unwrap_or_default().get(), total, "row {row}: {seen}");
        let again = PortLedger::from_record(ledger.to_record());
        assert_eq!(again, again_without_old_time(&ledger), "row {row} written down");
    }
}

/// Without the times that are not stored: those of superseded lines and of the last poll.
fn again_without_old_time(ledger: &PortLedger) -> PortLedger {
    let mut ledger = ledger.clone();
    ledger.seen = None;
    if let (Some(old), Some(line)) = (ledger.previous.as_mut(), ledger.segment) {
        old.since = line.since;
    }
    ledger
}

#[test]
fn zeros_and_gaps_do_not_count() {
    check(&[(0, 0), (60_633, 60_633), (0, 60_633), (-1, 60_633), (60_634, 60_634)]);
}

#[test]
fn a_new_device_counts_from_zero() {
    check(&[(1000, 1000), (1001, 1001), (0, 1001), (5, 1001), (6, 1001), (7, 1008), (8, 1009)]);
}

#[test]
fn an_empty_record_is_an_empty_ledger() {
    assert_eq!(PortLedger::from_record(LedgerRecord::default()), PortLedger::default());
    let mut ledger = PortLedger::default();
    let verdict = ledger.record(Counters::default(), Timestamp::UNIX_EPOCH, &TimeZone::UTC);
    assert_eq!((verdict, ledger.total(), ledger.today()), (Verdict::NotGiven, None, None));
}

#[test]
fn an_impossible_record_is_recognised_and_its_valid_parts_are_kept() {
    let good = LedgerRecord {
        total: Some(5_000),
        offset: Some(1_000),
        counter: Some(4_000),
        counter_since: Some(1_782_000_000),
        day: Some("2026-06-30".to_owned()),
        at_midnight: Some(4_500),
        ..LedgerRecord::default()
    };
    let with = |change: fn(&mut LedgerRecord)| {
        let mut record = good.clone();
        change(&mut record);
        record
    };
    for (record, total, today) in [
        (with(|record| record.total = Some(-5)), Some(5_000), 500),
        (with(|record| record.total = Some(i64::MAX)), Some(5_000), 500),
        (with(|record| record.offset = Some(i64::MAX)), Some(5_000), 500),
        (with(|record| (record.total, record.offset) = (Some(i64::MAX), Some(i64::MAX))), None, 0),
        (with(|record| record.counter = Some(i64::MIN)), Some(5_000), 500),
        (with(|record| record.at_midnight = Some(i64::MAX)), Some(5_000), 0),
        (with(|record| record.day = Some("zzz".to_owned())), Some(5_000), 500),
        (with(|record| record.left_days = Some("2026-06-29=-1,x".to_owned())), Some(5_000), 500),
    ] {
        assert!(good.is_sound() && !record.is_sound(), "{record:?}");
        let ledger = PortLedger::from_record(record.clone());
        assert_eq!(ledger.total().map(WattHours::get), total, "{record:?}");
        assert_eq!(ledger.today().unwrap_or_default().get(), today, "{record:?}");
    }
}

#[test]
fn zeros_and_stale_replies_of_a_restarting_dtu_do_not_count() {
    // A capture of a DTU-Pro, 2022-03-18: the same reply 54 times, ports of it at zero. The
    // lifetime counters are those of its ports 1.1 and 1.3.
    let mut rows = vec![(60_620, 60_620), (60_633, 60_633)];
    rows.extend([(60_633, 60_633); 54]);
    rows.extend([(0, 60_633), (60_700, 60_700)]);
    check(&rows);
    let mut rows = vec![(61_000, 61_000)];
    rows.extend([(0, 61_000); 54]);
    rows.push((61_040, 61_040));
    check(&rows);
}

#[test]
fn a_night_at_zero_or_at_the_last_value_changes_nothing() {
    // Captures: firmware V00.02.08 sends lifetime 0 at night, newer ones keep it.
    check(&[(52_611, 52_611), (0, 52_611), (0, 52_611), (0, 52_611), (52_612, 52_612)]);
    check(&[(52_611, 52_611), (52_611, 52_611), (52_611, 52_611), (52_612, 52_612)]);
}

#[test]
fn a_counter_that_drops_and_returns_is_not_counted_twice() {
    // Reported by a user: 400 kWh down for a day, then back.
    check(&[
        (912_345, 912_345),
        (512_345, 912_345),
        (512_350, 912_345),
        (512_355, 912_355),
        (512_360, 912_360),
        (912_380, 912_380),
        (912_385, 912_385),
    ]);
}

#[test]
fn a_single_garbage_value_does_not_count() {
    check(&[
        (5_000, 5_000),
        (4_000_000_000, 5_000),
        (16_777_216, 5_000),
        (5_001, 5_001),
        (3, 5_001),
        (5_002, 5_002),
        (900_000, 5_002),
        (900_000, 5_002),
        (900_000, 5_002),
        (5_003, 5_003),
    ]);
}

#[test]
fn garbage_after_a_long_gap_does_not_count() {
    let at = |text: &str| -> Timestamp { text.parse().unwrap() };
    let mut ledger = PortLedger::default();
    let mut total_after = |time: &str, seen: u64| {
        let counters = Counters { total: Some(WattHours::new(seen)), today: None, is_live: true };
        ledger.record(counters, at(time), &berlin());
        ledger.total().unwrap().get()
    };
    assert_eq!(total_after("2026-06-10T19:00:00Z", 100_000), 100_000);
    assert_eq!(total_after("2026-06-11T05:00:00Z", 124_000), 100_000, "24 kWh of a night");
    assert_eq!(total_after("2026-06-11T05:01:00Z", 100_005), 100_005);
    // The energy of a week without the bridge counts once three readings agree.
    assert_eq!(total_after("2026-06-18T12:00:00Z", 125_000), 100_005);
    assert_eq!(total_after("2026-06-18T12:01:00Z", 125_004), 100_005);
    assert_eq!(total_after("2026-06-18T12:02:00Z", 125_009), 125_009);
}

#[test]
fn a_used_device_counts_from_its_first_reading() {
    check(&[
        (70_000, 70_000),
        (30_000, 70_000),
        (30_004, 70_000),
        (30_009, 70_009),
        (30_015, 70_015),
    ]);
}

#[test]
fn an_implausible_first_value_needs_three_readings() {
    check(&[(60_000_000, 0), (60_000_004, 0), (60_000_009, 60_000_009)]);
    check(&[(60_000_000, 0), (5_000, 5_000), (5_001, 5_001)]);
}
