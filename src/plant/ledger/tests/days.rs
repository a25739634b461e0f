//! Where a day begins and what belongs to it, whatever the device's own daily counter does.

use jiff::{SignedDuration, Timestamp, Zoned};

use super::{Counters, PortLedger, WattHours, berlin};

fn at(text: &str) -> Timestamp {
    format!("{text}[Europe/Berlin]").parse::<Zoned>().unwrap().timestamp()
}

/// Readings (local time, lifetime and daily counter of the device) and today's production then.
#[track_caller]
fn check(rows: &[(&str, (u64, u64), u64)]) {
    let mut ledger = PortLedger::new();
    for (time, (total, today), expected) in rows {
        let counters = Counters {
            total: Some(WattHours::new(*total)),
            today: Some(WattHours::new(*today)),
            is_live: true,
        };
        ledger.record(counters, at(time), &berlin());
        assert_eq!(ledger.today().unwrap().get(), *expected, "{time}");
        ledger = PortLedger::from_record(ledger.to_record());
    }
}

#[test]
fn the_first_day_begins_with_the_devices_own_counter() {
    check(&[
        ("2026-06-10T12:00", (60_633, 1_728), 1_728),
        ("2026-06-10T12:10", (60_643, 1_738), 1_738),
    ]);
    // More than the sun can have given since midnight is yesterday's value, all of it.
    check(&[("2026-06-10T00:10", (60_633, 1_728), 0)]);
    check(&[("2026-06-10T12:00", (700, 1_728), 0)]);
}

#[test]
fn a_reset_in_the_evening_at_noon_or_in_the_morning_changes_nothing() {
    check(&[
        ("2026-06-10T12:00", (60_000, 1_000), 1_000),
        ("2026-06-10T12:30", (60_100, 0), 1_100),
        ("2026-06-10T20:30", (61_000, 0), 2_000),
        ("2026-06-11T06:00", (61_000, 2_000), 0),
        ("2026-06-11T06:10", (61_004, 4), 4),
        ("2026-06-11T12:00", (61_504, 504), 504),
    ]);
}

#[test]
fn midnight_passes_without_a_reading() {
    let mut ledger = PortLedger::new();
    let counters = Counters {
        total: Some(WattHours::new(5_000)),
        today: Some(WattHours::new(300)),
        is_live: true,
    };
    ledger.record(counters, at("2026-06-10T21:00"), &berlin());
    ledger.roll(at("2026-06-10T23:59:59"), &berlin());
    assert_eq!(ledger.today(), Some(WattHours::new(300)));
    ledger.roll(at("2026-06-11T00:00"), &berlin());
    assert_eq!(ledger.today(), Some(WattHours::new(0)));
    assert_eq!(ledger.today_since(&berlin()), Some(at("2026-06-11T00:00")));
    assert_eq!(ledger.total(), Some(WattHours::new(5_000)));
}

#[test]
fn an_outage_over_midnight_gives_the_day_what_the_device_says_is_its() {
    check(&[
        ("2026-06-10T16:00", (60_000, 1_000), 1_000),
        ("2026-06-11T12:00", (61_400, 900), 900),
    ]);
    // The device that told nothing of today: better too little than yesterday's energy.
    check(&[("2026-06-10T16:00", (60_000, 1_000), 1_000), ("2026-06-11T12:00", (61_400, 0), 0)]);
}

#[test]
fn an_outage_of_weeks_loses_no_energy() {
    let mut ledger = PortLedger::new();
    let counters =
        |total| Counters { total: Some(WattHours::new(total)), today: None, is_live: true };
    ledger.record(counters(60_000), at("2026-05-01T16:00"), &berlin());
    for (minute, total) in [(0, 160_000), (1, 160_005), (2, 160_010)] {
        let now = at("2026-06-10T12:00") + SignedDuration::from_mins(minute);
        ledger.record(counters(total), now, &berlin());
    }
    assert_eq!(ledger.total(), Some(WattHours::new(160_010)));
}

#[test]
fn a_clock_that_was_not_set_or_is_set_back_makes_no_day() {
    let mut ledger = PortLedger::new();
    let counters =
        |total| Counters { total: Some(WattHours::new(total)), today: None, is_live: true };
    ledger.record(counters(60_000), Timestamp::UNIX_EPOCH, &berlin());
    ledger.record(counters(60_005), at("2026-06-10T12:00"), &berlin());
    let before = ledger.today();
    ledger.record(counters(60_006), at("2026-06-10T23:50"), &berlin());
    ledger.roll(at("2026-06-11T00:01"), &berlin());
    assert_eq!(ledger.today(), Some(WattHours::new(0)));
    ledger.record(counters(60_007), at("2026-06-10T23:58"), &berlin());
    assert_eq!(ledger.today(), Some(WattHours::new(1)), "set back by minutes: the same day");
    assert!(before.is_some());
}

#[test]
fn a_year_has_as_many_days_as_the_calendar_both_changes_of_the_clock_included() {
    let (mut ledger, mut counter) = (PortLedger::new(), 100_000);
    let mut now = at("2026-01-01T00:00");
    let end = at("2027-01-01T00:00");
    let (mut resets, mut lost) = (Vec::new(), 0_i64);
    let mut known = (ledger.today_since(&berlin()), 0);
    while now < end {
        let local = now.to_zoned(berlin());
        // Producing by day; the device resets its own counter at noon and restarts the bridge.
        counter += u64::from((8..18).contains(&local.hour())) * 7;
        let today = Some(WattHours::new(if local.hour() < 12 { counter % 50 } else { 0 }));
        let seen = Counters { total: Some(WattHours::new(counter)), today, is_live: true };
        ledger.record(seen, now, &berlin());
        if local.hour() == 13 {
            ledger = PortLedger::from_record(ledger.to_record());
        }
        let since = ledger.today_since(&berlin());
        let today = i64::try_from(ledger.today().unwrap().get()).unwrap();
        if since == known.0 {
            assert!(today >= known.1, "{local}: {today} after {}", known.1);
        } else {
            resets.push(since.unwrap());
            lost += today;
        }
        known = (since, today);
        now += SignedDuration::from_mins(20);
    }
    assert_eq!((resets.len(), lost), (365, 0), "the first of them begins the year");
    for reset in resets {
        let midnight = reset.to_zoned(berlin());
        assert_eq!(midnight.time(), jiff::civil::Time::midnight(), "{midnight}");
    }
}
