//! One lifetime counter of an energy meter, as far as it can be believed.
//!
//! What is published is what stands on the meter, so nothing is carried over an exchange as it is
//! with a port. But a value that falls, or that rises faster than there can be energy, is refused
//! until three rising readings agree (of a step that a long outage explains, three equal ones will do);
//! so no garbage makes the energy fall, and a meter that really starts anew is followed after some
//! tens of watt hours.

use jiff::Timestamp;

use super::counter::{
    Candidate, CounterSegment, METER, Refusal, STEP, Verdict, published, watt_hours,
};
use crate::plant::units::WattHours;

/// In Wh: 100 kW without a pause for eleven years. A DTU could write down twice as much.
const ABSURD: i64 = 10_000_000_000;
/// A first reading up to this is believed at once: a large house's 25 years. Above it, three rising
/// readings are needed.
const COMMON: i64 = 500_000_000;

/// One counter of a meter.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MeterLedger {
    total: Option<i64>,
    segment: Option<CounterSegment>,
    /// The counter before an unusual step, until the step is confirmed.
    before_step: Option<i64>,
    /// Readings off the segment that agree with each other.
    candidate: Option<Candidate>,
}

impl MeterLedger {
    /// The ledger of a counter that stood there at that moment, before the bridge started. Readings
    /// that were in doubt are forgotten: whatever is true comes again.
    pub fn resumed(total: WattHours, since: Timestamp) -> Self {
        let counter = watt_hours(total);
        let segment = (counter > 0).then_some(CounterSegment { offset: 0, counter, since });
        Self { total: Some(counter), segment, ..Self::default() }
    }

    /// Takes what the meter says `at` this moment, as far as it can be true. Zero is never a counter's
    /// value: on the wire it is the same as a missing one.
    pub fn record(&mut self, seen: Option<WattHours>, at: Timestamp) -> Verdict {
        let seen = match seen.map(watt_hours) {
            None | Some(0) => return Verdict::NotGiven,
            Some(seen) if seen > ABSURD => return Verdict::Refused(Refusal::Absurd { seen }),
            Some(seen) => seen,
        };
        let Some(segment) = self.segment else { return self.first(seen, at) };
        let growth = seen - segment.counter;
        let reach = METER.between(segment.since, at);
        if (0..=reach.usual).contains(&growth) {
            if growth > 0 {
                self.before_step = (growth > STEP).then_some(segment.counter);
            }
            return self.follow(segment.moved_to(seen, at));
        }
        if self.before_step.is_some_and(|before| (before..segment.counter).contains(&seen)) {
            // The meter goes on from before the step: the step was garbage. What is published waits
            // until the truth has caught up.
            self.before_step = None;
            return self.follow(segment.moved_to(seen, at));
        }
        let mut candidate = Candidate::following(self.candidate, (seen, seen), at, METER);
        // After a long outage the step is as large as it must be; who feeds in rarely would wait for
        // weeks until the counter rises.
        let is_possible = (0..=reach.at_most).contains(&growth);
        if is_possible && self.candidate.is_some_and(|known| known.counter == seen) {
            candidate.count = candidate.count.saturating_add(1);
        }
        let (last, count) = (segment.counter, candidate.count);
        if !candidate.is_confirmed() {
            self.candidate = Some(candidate);
            return Verdict::Refused(if growth < 0 {
                Refusal::Fell { seen, last, count }
            } else {
                Refusal::Jumped { seen, last, count }
            });
        }
        self.begin(seen, at);
        if growth < 0 { Verdict::Exchanged { last, seen } } else { Verdict::Accepted }
    }

    /// Lifetime. `None` until first known.
    pub fn total(&self) -> Option<WattHours> {
        self.total.map(published)
    }

    fn first(&mut self, seen: i64, at: Timestamp) -> Verdict {
        if seen > COMMON {
            let candidate = Candidate::following(self.candidate, (seen, seen), at, METER);
            self.candidate = Some(candidate);
            if !candidate.is_confirmed() {
                return Verdict::Refused(Refusal::High { seen, count: candidate.count });
            }
        }
        self.begin(seen, at);
        Verdict::Accepted
    }

    fn follow(&mut self, segment: CounterSegment) -> Verdict {
        self.candidate = None;
        self.segment = Some(segment);
        self.total = self.total.max(Some(segment.counter));
        Verdict::Accepted
    }

    /// The counter stands there, wherever it stood before.
    fn begin(&mut self, counter: i64, since: Timestamp) {
        let segment = Some(CounterSegment { offset: 0, counter, since });
        *self = Self { total: Some(counter), segment, before_step: None, candidate: None };
    }
}
