//! The daily counter of a sleeping inverter: at night it may still be yesterday's.

use jiff::{SignedDuration, Timestamp, Zoned};
use proptest::prelude::{ProptestConfig, any, prop_assert, proptest};

use super::{Counters, PortLedger, WattHours, berlin};

fn at(text: &str) -> Timestamp {
    format!("{text}[Europe/Berlin]").parse::<Zoned>().unwrap().timestamp()
}

const AWAKE: bool = true;
const ASLEEP: bool = false;

/// Local time, whether the inverter is awake, the device's lifetime and daily counter, and today's
/// production then.
type Row = (&'static str, bool, (u64, u64), u64);

#[track_caller]
fn check(rows: &[Row]) {
    let mut ledger = PortLedger::default();
    for &(time, is_live, (total, today), expected) in rows {
        // A zero of a sleeping inverter is a missing value.
        let today = (is_live || today > 0).then(|| WattHours::new(today));
        let counters = Counters { total: Some(WattHours::new(total)), today, is_live };
        ledger.record(counters, at(time), &berlin());
        assert_eq!(ledger.today().unwrap().get(), expected, "{time}");
        assert_eq!(ledger.total().unwrap().get(), total, "{time}");
    }
}

#[test]
fn a_first_reading_at_night_starts_the_day_at_zero() {
    check(&[
        ("2026-06-10T04:03", ASLEEP, (1_000_000, 9_000), 0),
        ("2026-06-10T06:10", AWAKE, (1_000_002, 2), 2),
        ("2026-06-10T12:00", AWAKE, (1_000_502, 502), 502),
    ]);
}

#[test]
fn a_counter_reset_after_waking_adds_no_energy_of_yesterday() {
    check(&[
        ("2026-06-10T04:03", ASLEEP, (1_000_000, 9_000), 0),
        ("2026-06-10T06:10", AWAKE, (1_000_002, 9_002), 2),
        ("2026-06-10T06:11", AWAKE, (1_000_003, 1), 3),
        ("2026-06-10T12:00", AWAKE, (1_000_502, 500), 502),
    ]);
}

#[test]
fn energy_produced_before_the_inverter_was_reached_is_added() {
    check(&[
        ("2026-06-10T10:00", ASLEEP, (60_000, 0), 0),
        ("2026-06-10T10:30", AWAKE, (60_050, 2_050), 2_050),
    ]);
    // It may be yesterday's in the morning; at noon it is not.
    check(&[
        ("2026-06-10T10:00", ASLEEP, (60_000, 2_000), 0),
        ("2026-06-10T10:30", AWAKE, (60_050, 2_050), 50),
        ("2026-06-10T11:59", AWAKE, (60_400, 2_400), 400),
        ("2026-06-10T12:00", AWAKE, (60_410, 2_410), 2_410),
        ("2026-06-10T18:00", AWAKE, (60_500, 0), 2_500),
    ]);
}

#[test]
fn a_first_reading_in_the_evening_takes_the_devices_daily_counter() {
    check(&[
        ("2026-06-10T22:00", ASLEEP, (60_000, 9_000), 9_000),
        ("2026-06-11T04:03", ASLEEP, (60_000, 9_000), 0),
        ("2026-06-11T06:10", AWAKE, (60_002, 9_002), 2),
    ]);
}

#[test]
fn a_gap_that_ends_at_night_adds_nothing_to_the_new_day() {
    check(&[
        ("2026-06-10T16:00", AWAKE, (60_000, 1_000), 1_000),
        ("2026-06-11T04:03", ASLEEP, (62_000, 3_000), 0),
        ("2026-06-11T06:10", AWAKE, (62_004, 4), 4),
    ]);
}

#[test]
fn the_new_day_gets_no_more_than_the_energy_of_the_gap() {
    check(&[
        ("2026-06-10T16:00", AWAKE, (60_000, 1_000), 1_000),
        ("2026-06-11T10:00", ASLEEP, (61_400, 900), 0),
        ("2026-06-11T12:00", AWAKE, (62_000, 1_500), 1_500),
    ]);
    check(&[
        ("2026-06-10T16:00", AWAKE, (60_000, 1_000), 1_000),
        ("2026-06-11T10:00", ASLEEP, (61_400, 900), 0),
        ("2026-06-11T12:00", AWAKE, (62_000, 9_000), 2_000),
    ]);
}

#[test]
fn an_unconfirmed_counter_is_dropped_at_the_end_of_the_day() {
    check(&[
        ("2026-06-10T10:00", ASLEEP, (60_000, 2_000), 0),
        ("2026-06-11T13:00", AWAKE, (60_700, 700), 700),
        ("2026-06-11T13:10", AWAKE, (60_710, 5_000), 710),
    ]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// The device keeps yesterday's counter until some minutes before or after it wakes.
    #[test]
    fn a_bridge_started_at_night_counts_no_energy_of_yesterday(
        first in 30_000_u64..3_000_000,
        yesterday in 0_u64..20_000,
        (start, wake) in (0_i64..240, 241_i64..420),
        reset_late in -240_i64..20,
        watts in 0_u64..700,
        restart in any::<Option<u8>>(),
    ) {
        let midnight = at("2026-06-10T00:00");
        let (mut ledger, mut energy, mut daily) = (PortLedger::default(), 0, yesterday);
        let reset = wake + reset_late;
        if reset < start {
            daily = 0;
        }
        for minute in start..24 * 60 {
            let is_live = (wake..20 * 60).contains(&minute);
            let produced = if is_live { watts * u64::try_from(minute - wake).unwrap() / 60 } else { energy };
            daily += produced - energy;
            energy = produced;
            if minute == reset {
                daily = 0;
            }
            let today = (is_live || daily > 0).then(|| WattHours::new(daily));
            let total = WattHours::new(first + energy);
            let now = midnight + SignedDuration::from_mins(minute);
            ledger.record(Counters { total: Some(total), today, is_live }, now, &berlin());
            if restart.is_some_and(|restart| i64::from(restart) == minute) {
                ledger = PortLedger::from_record(ledger.to_record());
            }
            let today = ledger.today().unwrap().get();
            prop_assert!(ledger.total() == Some(total) && today == energy, "{today} Wh, in truth {energy}, at {minute}");
        }
    }
}
