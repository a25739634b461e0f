//! The ledger against tables from the field.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{Counters, LedgerRecord, PortLedger, Verdict};
use crate::plant::units::WattHours;

fn berlin() -> TimeZone {
    TimeZone::get("Europe/Berlin").unwrap()
}

/// A reading a minute from ten in the morning; each row is what the device says (0: zero; -1:
/// nothing) and the total that is published then.
#[track_caller]
fn check(rows: &[(i64, u64)]) {
    let start: Timestamp = "2026-06-10T08:00:00Z".parse().unwrap();
    let mut ledger = PortLedger::new();
    for (row, &(seen, total)) in rows.iter().enumerate() {
        let at = start + jiff::SignedDuration::from_mins(i64::try_from(row).unwrap());
        let total_seen = u64::try_from(seen).ok().map(WattHours::new);
        ledger.record(Counters { total: total_seen, today: None }, at, &berlin());
        assert_eq!(ledger.total().unwrap_or_default().get(), total, "row {row}: {seen}");
        let again = PortLedger::from_record(ledger.to_record());
        assert_eq!(again, again_without_old_time(&ledger), "row {row} written down");
    }
}

/// The time of a superseded line is not written down: nothing reads it.
fn again_without_old_time(ledger: &PortLedger) -> PortLedger {
    let mut ledger = ledger.clone();
    if let (Some(old), Some(line)) = (ledger.old.as_mut(), ledger.line) {
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
    assert_eq!(PortLedger::from_record(LedgerRecord::default()), PortLedger::new());
    let mut ledger = PortLedger::new();
    let verdict = ledger.record(Counters::default(), Timestamp::UNIX_EPOCH, &TimeZone::UTC);
    assert_eq!((verdict, ledger.total(), ledger.today()), (Verdict::NotGiven, None, None));
}
