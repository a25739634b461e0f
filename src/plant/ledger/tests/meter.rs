//! The counters of a meter with drops, jumps and random events.

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::{Just, prop_oneof};
use proptest::prelude::{ProptestConfig, Strategy, any, prop_assert, prop_assert_eq, proptest};

use crate::plant::ledger::MeterLedger;
use crate::plant::units::WattHours;

fn noon() -> Timestamp {
    "2026-06-10T12:00:00Z".parse().unwrap()
}

/// Each row: minutes since the start, the meter's value, and the published value.
#[track_caller]
fn check(rows: &[(i64, u64, u64)]) {
    let (mut ledger, mut at) = (MeterLedger::default(), noon());
    for (row, &(minutes, seen, published)) in rows.iter().enumerate() {
        at += SignedDuration::from_mins(minutes);
        ledger.record(Some(WattHours::new(seen)), at);
        assert_eq!(ledger.total().unwrap_or_default().get(), published, "row {row}: {seen}");
    }
}

#[test]
fn a_value_that_falls_once_is_refused() {
    check(&[(0, 355_490, 355_490), (1, 0, 355_490), (1, 90, 355_490), (1, 355_500, 355_500)]);
    check(&[(0, 355_490, 355_490), (1, 350, 355_490), (1, 350, 355_490), (9, 350, 355_490)]);
}

#[test]
fn a_reset_meter_is_accepted_after_three_rising_values() {
    check(&[
        (0, 355_490, 355_490),
        (1, 10, 355_490),
        (1, 20, 355_490),
        (1, 20, 355_490),
        (1, 40, 40),
        (1, 50, 50),
    ]);
}

#[test]
fn a_jump_beyond_what_a_household_can_draw_is_refused() {
    // 250 kW for a minute are 4166 Wh.
    check(&[(0, 1_000, 1_000), (1, 5_170, 5_170)]);
    check(&[(0, 1_000, 1_000), (1, 5_200, 1_000), (1, 1_010, 1_010)]);
    check(&[(0, 1_000, 1_000), (1, 9_999_999_990, 1_000), (1, 21_474_836_470, 1_000)]);
}

#[test]
fn an_accepted_jump_that_is_reverted_is_kept_until_the_counter_catches_up() {
    check(&[(0, 1_000, 1_000), (1, 4_000, 4_000), (1, 1_020, 4_000), (60, 3_000, 4_000)]);
    check(&[(0, 1_000, 1_000), (1, 4_000, 4_000), (1, 1_020, 4_000), (60, 4_010, 4_010)]);
}

#[test]
fn energy_of_a_long_outage_is_accepted_after_three_values() {
    let outage = 30 * 24 * 60;
    check(&[(0, 1_000, 1_000), (outage, 41_000, 41_000)]);
    check(&[
        (0, 1_000, 1_000),
        (outage, 301_000, 1_000),
        (1, 301_010, 1_000),
        (1, 301_020, 301_020),
    ]);
    // There is no feed-in at night, so the counter is constant.
    let rows = [(outage, 301_000, 1_000), (1, 301_000, 1_000), (1, 301_000, 301_000)];
    check(&[&[(0, 1_000, 1_000)][..], &rows].concat());
}

#[test]
fn an_unusually_high_first_value_needs_two_more() {
    check(&[(0, 700_000_000, 0), (1, 355_490, 355_490)]);
    check(&[(0, 700_000_000, 0), (1, 700_000_010, 0), (1, 700_000_020, 700_000_020)]);
}

/// What happens from one poll to the next.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// A good reading after so many seconds at so many watts.
    Reading { seconds: u16, watts: u16 },
    /// The DTU reports 0, which counts as no value.
    Zero,
    /// The DTU leaves the meter out.
    Missing,
    /// A value far off, so many times in a row.
    Garbage { value: u32, times: u8 },
    /// A value from some time ago.
    Drop(u32),
    /// The bridge restarts.
    Restart,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        20 => (20_u16..4_000, 0_u16..20_000).prop_map(|(seconds, watts)| Event::Reading { seconds, watts }),
        2 => Just(Event::Zero),
        2 => Just(Event::Missing),
        2 => (any::<u32>(), 1_u8..6).prop_map(|(value, times)| Event::Garbage { value, times }),
        2 => any::<u32>().prop_map(Event::Drop),
        1 => Just(Event::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn garbage_never_lowers_the_counter_and_the_end_value_is_true(
        first in 1_u64..50_000,
        events in proptest::collection::vec(event(), 1..200),
    ) {
        let (mut ledger, mut now) = (MeterLedger::default(), noon());
        // In mWh, of which the meter shows tens of Wh.
        let mut truth = first * 10_000;
        let shown = |truth: u64| truth / 10_000 * 10;
        ledger.record(Some(WattHours::new(shown(truth))), now);
        let mut published = shown(truth);
        for event in events {
            let mut pass = |seconds: u16, watts: u16| {
                now += SignedDuration::from_secs(i64::from(seconds));
                truth += u64::from(seconds) * u64::from(watts) * 1_000 / 3_600;
                (truth, now)
            };
            match event {
                Event::Reading { seconds, watts } => {
                    let (truth, now) = pass(seconds, watts);
                    ledger.record(Some(WattHours::new(shown(truth))), now);
                    prop_assert_eq!(ledger.total().unwrap().get(), shown(truth));
                }
                Event::Zero => drop(ledger.record(Some(WattHours::new(0)), pass(60, 100).1)),
                Event::Missing => drop(ledger.record(None, pass(60, 100).1)),
                Event::Garbage { value, times } => {
                    let value = u64::from(value) * 10;
                    for _ in 0..times {
                        let (truth, now) = pass(60, 100);
                        // A value near the truth cannot be recognised as garbage.
                        if value > truth / 1_000 + 500_000 {
                            ledger.record(Some(WattHours::new(value)), now);
                        }
                    }
                }
                Event::Drop(below) => {
                    let (truth, now) = pass(60, 100);
                    let value = shown(truth).saturating_sub(u64::from(below).max(10_000));
                    ledger.record(Some(WattHours::new(value)), now);
                }
                Event::Restart => {
                    ledger = MeterLedger::resumed(ledger.total().unwrap(), now);
                }
            }
            let total = ledger.total().unwrap().get();
            prop_assert!(total >= published, "it fell from {published} to {total}");
            published = total;
        }
        for _ in 0..3 {
            now += SignedDuration::from_mins(1);
            truth += 20_000;
            ledger.record(Some(WattHours::new(shown(truth))), now);
        }
        prop_assert_eq!(ledger.total().unwrap().get(), shown(truth));
    }
}
