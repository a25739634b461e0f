//! Where a day begins and what belongs to it, independent of the device's own daily counter.

use jiff::{SignedDuration, Timestamp, Zoned};

use super::{Counters, PortLedger, WattHours, berlin};

fn at(text: &str) -> Timestamp {
    format!("{text}[Europe/Berlin]").parse::<Zoned>().unwrap().timestamp()
}

/// Readings (local time, lifetime and daily counter of the device) and today's production then.
#[track_caller]
fn check(rows: &[(&str, (u64, u64), u64)]) {
    let mut ledger = PortLedger::default();
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
fn the_first_day_starts_with_the_devices_own_counter() {
    check(&[
        ("2026-06-10T12:00", (60_633, 1_728), 1_728),
        ("2026-06-10T12:10", (60_643, 1_738), 1_738),
    ]);
    // A value higher than the sun can have produced since midnight is yesterday's.
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
    let mut ledger = PortLedger::default();
    let counters = Counters {
        total: Some(WattHours::new(5_000)),
        today: Some(WattHours::new(300)),
        is_live: true,
    };
    ledger.record(counters, at("2026-06-10T21:00"), &berlin());
    ledger.roll_over(at("2026-06-10T23:59:59"), &berlin());
    assert_eq!(ledger.today(), Some(WattHours::new(300)));
    ledger.roll_over(at("2026-06-11T00:00"), &berlin());
    assert_eq!(ledger.today(), Some(WattHours::new(0)));
    assert_eq!(ledger.today_since(&berlin()), Some(at("2026-06-11T00:00")));
    assert_eq!(ledger.total(), Some(WattHours::new(5_000)));
}

#[test]
fn after_an_outage_over_midnight_the_devices_daily_counter_is_used() {
    check(&[
        ("2026-06-10T16:00", (60_000, 1_000), 1_000),
        ("2026-06-11T12:00", (61_400, 900), 900),
    ]);
    // The device did not report today's energy: better too little than yesterday's energy.
    check(&[("2026-06-10T16:00", (60_000, 1_000), 1_000), ("2026-06-11T12:00", (61_400, 0), 0)]);
}

#[test]
fn an_outage_of_weeks_loses_no_energy() {
    let mut ledger = PortLedger::default();
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
fn an_unset_clock_or_one_set_back_starts_no_day() {
    let mut ledger = PortLedger::default();
    let counters =
        |total| Counters { total: Some(WattHours::new(total)), today: None, is_live: true };
    ledger.record(counters(60_000), Timestamp::UNIX_EPOCH, &berlin());
    ledger.record(counters(60_005), at("2026-06-10T12:00"), &berlin());
    let before = ledger.today();
    ledger.record(counters(60_006), at("2026-06-10T23:50"), &berlin());
    ledger.roll_over(at("2026-06-11T00:01"), &berlin());
    assert_eq!(ledger.today(), Some(WattHours::new(0)));
    ledger.record(counters(60_007), at("2026-06-10T23:58"), &berlin());
    assert_eq!(ledger.today(), Some(WattHours::new(1)), "set back by minutes: the same day");
    assert!(before.is_some());
}

/// The clock's local time, whether the bridge restarts before it, and today's production then. Each
/// row is a poll with one more watt hour; today starts with 5,000 Wh, and the clock is right in the
/// rows of the 10th.
#[track_caller]
fn check_leaps(rows: &[(&str, bool, u64)]) {
    let mut ledger = PortLedger::default();
    let mut total = 60_000;
    for (clock, today) in
        [("2026-06-09T21:00", 400), ("2026-06-10T00:00", 0), ("2026-06-10T14:00", 5_000)]
    {
        // The day rolls over each night, although nothing is read.
        ledger.roll_over(at(clock), &berlin());
        total += today;
        let seen = Counters {
            total: Some(WattHours::new(total)),
            today: Some(WattHours::new(today)),
            is_live: true,
        };
        ledger.record(seen, at(clock), &berlin());
    }
    assert_eq!(ledger.today(), Some(WattHours::new(5_000)));
    let mut device = 5_000;
    for &(clock, is_restarted, expected) in rows {
        if is_restarted {
            ledger = PortLedger::from_record(ledger.to_record());
        }
        (total, device) = (total + 1, device + 1);
        let today = Some(WattHours::new(device));
        let seen = Counters { total: Some(WattHours::new(total)), today, is_live: true };
        ledger.record(seen, at(clock), &berlin());
        assert_eq!(ledger.today().unwrap().get(), expected, "{clock} of {rows:?}");
        assert_eq!(ledger.total().unwrap().get(), total, "{clock} of {rows:?}");
    }
}

#[test]
fn a_day_continues_when_the_clock_returns_to_it() {
    for is_restarted in [false, true] {
        // Not set yet.
        check_leaps(&[
            ("1970-01-01T01:00", is_restarted, 5_001),
            ("2026-06-10T14:02", false, 5_002),
        ]);
        // Behind: the computer starts with the time it saved yesterday, or a month ago.
        for behind in ["2026-06-09T14:01", "2026-05-10T03:00"] {
            check_leaps(&[(behind, is_restarted, 5_001), ("2026-06-10T14:02", false, 5_002)]);
            check_leaps(&[(behind, false, 5_001), ("2026-06-10T14:02", is_restarted, 5_002)]);
        }
        // Ahead: a battery-backed clock that was set wrong.
        for ahead in ["2026-06-11T14:01", "2027-04-06T14:01", "2099-01-01T00:00"] {
            check_leaps(&[(ahead, is_restarted, 1), ("2026-06-10T14:02", false, 5_002)]);
            check_leaps(&[(ahead, false, 1), ("2026-06-10T14:02", is_restarted, 5_002)]);
        }
    }
    // One jump after the other.
    check_leaps(&[
        ("2026-06-11T14:01", false, 1),
        ("2026-06-09T14:02", false, 2),
        ("2025-05-06T14:03", false, 3),
        ("2099-06-01T12:00", false, 1),
        ("2026-06-10T14:05", false, 5_005),
        ("2026-06-09T14:06", false, 5_006),
        ("2026-06-10T14:07", false, 5_007),
    ]);
}

#[test]
fn a_day_announced_too_early_by_the_clock_starts_at_zero() {
    // From the 10th to the 11th and back; then midnight comes.
    let mut rows = vec![("2026-06-11T14:01", false, 1), ("2026-06-10T14:02", false, 5_002)];
    rows.extend([("2026-06-10T20:00", false, 5_003), ("2026-06-11T00:01", false, 1)]);
    check_leaps(&rows);
    // Behind until the night.
    check_leaps(&[
        ("2026-06-09T14:01", false, 5_001),
        ("2026-06-09T19:00", false, 5_002),
        ("2026-06-09T23:59", false, 5_003),
        ("2026-06-10T00:01", false, 1),
    ]);
}

#[test]
fn a_day_does_not_return_after_an_outage() {
    let mut ledger = PortLedger::default();
    let mut today_at = |clock: &str, total| {
        let total = Some(WattHours::new(total));
        ledger.record(Counters { total, today: None, is_live: true }, at(clock), &berlin());
        ledger.today().unwrap().get()
    };
    today_at("2026-06-10T14:00", 60_000);
    assert_eq!(today_at("2026-06-14T14:00", 60_100), 0);
    assert_eq!(today_at("2026-06-14T20:00", 60_200), 100);
    assert_eq!(today_at("2026-06-15T00:00", 60_200), 0, "by itself");
    assert_eq!(today_at("2026-06-15T06:00", 60_200), 0);
    // A computer without a clock starts with the time of the 10th.
    assert_eq!(today_at("2026-06-10T14:00", 60_201), 1);
    // Energy that arrives with the jump itself is assigned by the device's daily counter only.
    assert_eq!(today_at("2026-06-15T09:00", 60_202), 1);
    // Ahead for weeks: their production belongs to no single day.
    assert_eq!(today_at("2026-08-15T09:00", 60_203), 0);
    assert_eq!(today_at("2026-08-15T14:00", 70_203), 10_000);
    assert_eq!(today_at("2026-08-15T19:00", 80_203), 20_000);
    assert_eq!(today_at("2026-08-15T23:50", 90_203), 30_000);
    assert_eq!(today_at("2026-06-15T11:00", 90_204), 30_001, "one day does not have as much");
}

#[test]
fn a_year_has_as_many_days_as_the_calendar_including_clock_changes() {
    let (mut ledger, mut counter) = (PortLedger::default(), 100_000);
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
