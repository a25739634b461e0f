//! A ledger as plain values, for a database that need not know how it works.

use jiff::Timestamp;
use jiff::civil::Date;

use super::counter::{Candidate, CounterSegment};
use super::day::LeftDays;
use super::{ABSURD, PortLedger};

/// All that a ledger must keep over a restart. Energies in Wh, times in Unix seconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LedgerRecord {
    /// What is published.
    pub total: Option<i64>,
    /// What is published less the device's counter.
    pub offset: Option<i64>,
    /// The device's counter as last accepted.
    pub counter: Option<i64>,
    /// When the counter was first read with this value.
    pub counter_since: Option<i64>,
    /// The offset before the last exchange of the device.
    pub old_offset: Option<i64>,
    /// The counter before the last exchange of the device.
    pub old_counter: Option<i64>,
    /// The counter before a step that is not confirmed yet.
    pub before_step: Option<i64>,
    /// Of readings that may be those of an exchanged device: from where they count.
    pub candidate_base: Option<i64>,
    /// The newest of these readings.
    pub candidate_counter: Option<i64>,
    /// When it was first read with this value.
    pub candidate_since: Option<i64>,
    /// How many of them there are.
    pub candidate_count: Option<i64>,
    /// The local day, as `2026-06-30`.
    pub day: Option<String>,
    /// The published total at the beginning of the day.
    pub at_midnight: Option<i64>,
    /// Days from which the clock has jumped and to which it may come back, each with the published total at its
    /// beginning, as `2026-06-29=1873,2026-06-30=2412`.
    pub left_days: Option<String>,
}

impl LedgerRecord {
    /// Whether all of it can be: what makes no sense is not taken over.
    pub fn is_sound(&self) -> bool {
        PortLedger::from_record(self.clone()).to_record() == *self
    }
}

impl PortLedger {
    /// The ledger as it is stored.
    pub fn to_record(&self) -> LedgerRecord {
        let (segment, previous, candidate) = (self.segment, self.previous, self.candidate);
        LedgerRecord {
            total: self.total,
            offset: segment.map(|segment| segment.offset),
            counter: segment.map(|segment| segment.counter),
            counter_since: segment.map(|segment| segment.since.as_second()),
            old_offset: previous.map(|previous| previous.offset),
            old_counter: previous.map(|previous| previous.counter),
            before_step: self.before_step,
            candidate_base: candidate.map(|candidate| candidate.base),
            candidate_counter: candidate.map(|candidate| candidate.counter),
            candidate_since: candidate.map(|candidate| candidate.since.as_second()),
            candidate_count: candidate.map(|candidate| i64::from(candidate.count)),
            day: self.date.map(|date| date.to_string()),
            at_midnight: self.total.map(|_| self.at_midnight),
            left_days: self.left_days.to_text(),
        }
    }

    /// The ledger that was stored. What is missing or cannot be is left out; the total stands
    /// as long as it is there, or follows from the device's counter.
    pub fn from_record(record: LedgerRecord) -> Self {
        let since = time(record.counter_since);
        let segment = |offset: Option<i64>, counter: Option<i64>| {
            let offset = offset.filter(|offset| (-ABSURD..=ABSURD).contains(offset))?;
            let counter = counter.filter(|counter| (1..=ABSURD).contains(counter))?;
            Some(CounterSegment { offset, counter, since })
        };
        let known = segment(record.offset, record.counter);
        let is_possible = |total: &i64| (0..=ABSURD).contains(total);
        let position = || known.map(CounterSegment::position).filter(|_| record.total.is_some());
        let total = record.total.filter(is_possible).or_else(|| position().filter(is_possible));
        let at_midnight = record.at_midnight.or(total).unwrap_or(0);
        Self {
            total,
            segment: known.filter(|_| total.is_some()),
            previous: segment(record.old_offset, record.old_counter),
            before_step: record.before_step,
            candidate: candidate(&record),
            date: record.day.and_then(|day| day.parse::<Date>().ok()),
            at_midnight: at_midnight.clamp(0, total.unwrap_or(0)),
            left_days: LeftDays::from_text(
                &record.left_days.unwrap_or_default(),
                total.unwrap_or(0),
            ),
            seen: None,
            unconfirmed: None,
        }
    }
}

fn candidate(record: &LedgerRecord) -> Option<Candidate> {
    Some(Candidate {
        base: record.candidate_base?,
        counter: record.candidate_counter?,
        since: time(record.candidate_since),
        count: u8::try_from(record.candidate_count?).ok()?,
    })
}

/// An unknown time counts as an unset clock.
fn time(seconds: Option<i64>) -> Timestamp {
    seconds
        .and_then(|seconds| Timestamp::from_second(seconds).ok())
        .unwrap_or(Timestamp::UNIX_EPOCH)
}
