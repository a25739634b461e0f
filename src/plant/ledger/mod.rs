//! Energy that can be trusted: what one port has produced, whatever the device's counters do.
//!
//! A device's lifetime counter runs in *segments*: published total = offset + counter. A reading
//! that does not continue the segment is refused, but kept in mind; only when three rising readings
//! agree with each other is the device taken to have been exchanged or reset, and a new segment's
//! offset carries the total on. So the total never falls, and what is refused by mistake comes back with
//! the next good reading, because the device itself has counted it.
//!
//! Zero is never a counter's value: sleeping, waking and restarting DTUs send zeros.

mod counter;
mod day;
mod meter;
mod record;
mod sum;
#[cfg(test)]
mod tests;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use self::counter::{
    Candidate, CounterSegment, PORT, PossibleGrowth, STEP, is_new_device, published, watt_hours,
};
pub use self::counter::{Refusal, Verdict};
use self::day::{DailyCounter, DayChange, LeftDay, LeftDays, UnconfirmedDaily};
pub use self::meter::MeterLedger;
pub use self::record::LedgerRecord;
pub use self::sum::{PortEnergy, PortKey, SumKey, SumLedger, SumRecord};
use super::units::WattHours;
use crate::clock;

/// No port has counted more, in Wh: it would take a module a thousand years.
const ABSURD: i64 = 1_000_000_000;
/// A first reading up to this is believed at once: a strong module's 25 years are half of it.
/// Above it, three rising readings are needed.
const COMMON: i64 = 50_000_000;
/// A superseded segment can be resumed until its successor has counted so many Wh: over a week's
/// production. Seen in the field: a device that stepped down by 400 kWh for a day.
const PREVIOUS_LASTS: i64 = 50_000;

/// A device's own two counters of one port, as read. `None`: not given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Lifetime counter.
    pub total: Option<WattHours>,
    /// Daily counter; it resets in the evening, at night, in the morning or when the inverter
    /// restarts, so it only shows what share of a gap belongs to the present day.
    pub today: Option<WattHours>,
    /// Whether the inverter reported them just now; what a DTU repeats of one that it does not
    /// reach may be yesterday's.
    pub is_live: bool,
}

/// One port's ledger.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PortLedger {
    /// Highest position that a segment has reached: what is published.
    total: Option<i64>,
    /// Where the device's counter stands.
    segment: Option<CounterSegment>,
    /// The segment before the last exchange.
    previous: Option<CounterSegment>,
    /// The counter before an unusual step, until the step is confirmed.
    before_step: Option<i64>,
    /// Readings off the segment that agree with each other.
    candidate: Option<Candidate>,
    /// The local day that `at_midnight` begins; `None` until the clock is right.
    date: Option<Date>,
    /// The published total at the beginning of the day.
    at_midnight: i64,
    /// Days from which the clock has jumped.
    left_days: LeftDays,
    /// When the clock was last looked at; not stored.
    seen: Option<Timestamp>,
    /// What the device said of the present day and may have meant of yesterday.
    unconfirmed: Option<UnconfirmedDaily>,
}

impl PortLedger {
    /// Takes what the device says `at` this moment, as far as it can be true.
    pub fn record(&mut self, seen: Counters, at: Timestamp, zone: &TimeZone) -> Verdict {
        self.roll_over(at, zone);
        let daily = DailyCounter { counter: seen.today.map(watt_hours), is_live: seen.is_live };
        let counter = match (seen.total.map(watt_hours), self.segment) {
            (None, _) | (Some(0), None) => return Verdict::NotGiven,
            (Some(0), Some(segment)) => {
                return Verdict::Refused(Refusal::Zero { last: segment.counter });
            }
            (Some(seen), _) if seen > ABSURD => return Verdict::Refused(Refusal::Absurd { seen }),
            (Some(seen), _) => seen,
        };
        let Some(segment) = self.segment else { return self.first(counter, daily, at, zone) };
        let verdict = self.judge(segment, counter, daily.counter, at);
        self.settle(segment.since, daily, at, zone);
        if verdict == Verdict::Accepted {
            self.catch_up(daily, at, zone);
        }
        verdict
    }

    /// Lets midnight pass although nothing is read: today's production is then 0.
    pub fn roll_over(&mut self, now: Timestamp, zone: &TimeZone) {
        if !clock::is_set(now) {
            return;
        }
        let last = self.seen.replace(now).or(self.segment.map(|segment| segment.since));
        let is_jump = day::is_jump(last, now);
        let total = self.total.unwrap_or(0);
        let left = |date| self.left_days.find(date, total).filter(|_| is_jump);
        match day::change(self.date, left, now, zone) {
            DayChange::Same => {}
            DayChange::Renamed(date) => self.leave_for(date, is_jump),
            DayChange::New(date) => {
                self.leave_for(date, is_jump);
                self.at_midnight = total;
                self.unconfirmed = None;
            }
            DayChange::Resumed(LeftDay { date, at_midnight }) => {
                self.left_days.resume(date);
                self.date = Some(date);
                self.at_midnight = at_midnight;
                self.unconfirmed = None;
            }
        }
    }

    fn leave_for(&mut self, next: Date, is_jump: bool) {
        let present = self.date.replace(next).filter(|_| self.total.is_some());
        if is_jump {
            let at_midnight = self.at_midnight;
            self.left_days.jump(present.map(|date| LeftDay { date, at_midnight }), next);
        } else {
            self.left_days.pass(next);
        }
    }

    /// PV side. Produced since the device was installed; never falls. `None` until first known.
    pub fn total(&self) -> Option<WattHours> {
        self.total.map(published)
    }

    /// PV side. The growth of the total since local midnight. `None` until first known.
    pub fn today(&self) -> Option<WattHours> {
        self.total.map(|total| published(total.saturating_sub(self.at_midnight)))
    }

    /// The local midnight since which [`today`](Self::today) counts. `None` until first known, or
    /// while the clock is not set.
    pub fn today_since(&self, zone: &TimeZone) -> Option<Timestamp> {
        self.total.and_then(|_| day::begin(self.date?, zone))
    }

    /// What it adds to sums.
    pub fn energy(&self) -> PortEnergy {
        let today = self.total.map_or(0, |total| total.saturating_sub(self.at_midnight));
        PortEnergy { total: self.total, today: today.max(0) }
    }

    /// Takes over what was published after the record of this ledger was written.
    pub fn catch_up_with(&mut self, total: u64, today: u64) {
        let [total, today] = [total, today].map(|energy| watt_hours(WattHours::new(energy)));
        if total <= ABSURD && self.total.is_none_or(|known| known < total) {
            self.total = Some(total);
            self.at_midnight = total.saturating_sub(today).max(0);
        }
    }

    fn first(
        &mut self,
        counter: i64,
        daily: DailyCounter,
        at: Timestamp,
        zone: &TimeZone,
    ) -> Verdict {
        // A total without a segment is a record that lost its other half: the total goes on.
        let position = self.total.unwrap_or(0);
        let base = self.total.map_or(0, |_| counter);
        if counter > COMMON {
            let candidate = Candidate::following(self.candidate, (counter, base), at, PORT);
            self.candidate = Some(candidate);
            if !candidate.is_confirmed() {
                return Verdict::Refused(Refusal::High { seen: counter, count: candidate.count });
            }
        }
        let segment = CounterSegment { offset: position.saturating_sub(base), counter, since: at };
        self.segment = Some(segment);
        self.candidate = None;
        if self.total.is_none() {
            // More than there can be since midnight is not of this day; how much of it is, nobody knows.
            let most = counter.min(day::most(at, zone));
            let seed = daily.believed(at, zone).filter(|&today| today <= most);
            self.at_midnight = counter - seed.unwrap_or(0);
            self.unconfirmed = daily
                .unconfirmed(at, zone)
                .map(|counter| UnconfirmedDaily { counter, at_least: 0 });
        }
        self.total = self.total.max(Some(segment.position()));
        Verdict::Accepted
    }

    /// Finds the segment that the reading continues, or keeps it in mind.
    fn judge(
        &mut self,
        segment: CounterSegment,
        counter: i64,
        today: Option<i64>,
        at: Timestamp,
    ) -> Verdict {
        let reach = PORT.between(segment.since, at);
        let growth = counter - segment.counter;
        if (0..=reach.usual).contains(&growth) {
            if growth > 0 {
                self.before_step = (growth > STEP).then_some(segment.counter);
            }
            return self.follow(segment.moved_to(counter, at));
        }
        if self.before_step.is_some_and(|before| (before..segment.counter).contains(&counter)) {
            // The device goes on from before the step: the step was garbage, no exchange. The
            // total stays where it is until the truth has caught up.
            self.before_step = None;
            return self.follow(segment.moved_to(counter, at));
        }
        // What this segment could have reached in the time is no return to an older one.
        let is_beyond = !(0..=reach.at_most).contains(&growth);
        let resumed =
            self.previous.filter(|old| is_beyond && self.is_resumed(*old, segment, counter, reach));
        if let Some(old) = resumed {
            self.previous = Some(segment);
            self.before_step = None;
            return self.follow(CounterSegment { counter, since: at, ..old });
        }
        self.consider(segment, counter, today, at)
    }

    fn follow(&mut self, segment: CounterSegment) -> Verdict {
        self.candidate = None;
        self.segment = Some(segment);
        Verdict::Accepted
    }

    /// Whether the reading continues the superseded segment, with no more growth than there can be.
    fn is_resumed(
        &self,
        old: CounterSegment,
        segment: CounterSegment,
        counter: i64,
        reach: PossibleGrowth,
    ) -> bool {
        let since = segment.position().saturating_sub(old.position());
        let resumed = CounterSegment { counter, ..old }.position();
        since.saturating_abs() <= PREVIOUS_LASTS
            && counter >= old.counter
            && resumed <= self.total.unwrap_or(0).saturating_add(reach.usual)
    }

    /// Keeps a reading off the segment in mind; three rising ones that agree begin a new segment.
    fn consider(
        &mut self,
        segment: CounterSegment,
        counter: i64,
        today: Option<i64>,
        at: Timestamp,
    ) -> Verdict {
        let growth = counter - segment.counter;
        let base = if growth < 0 && is_new_device(counter, today) {
            0
        } else if growth > 0 && growth <= PORT.between(segment.since, at).at_most {
            segment.counter
        } else {
            counter
        };
        let candidate = Candidate::following(self.candidate, (counter, base), at, PORT);
        if !candidate.is_confirmed() {
            self.candidate = Some(candidate);
            let (seen, last, count) = (counter, segment.counter, candidate.count);
            return Verdict::Refused(if growth < 0 {
                Refusal::Fell { seen, last, count }
            } else {
                Refusal::Jumped { seen, last, count }
            });
        }
        let offset = segment.position().saturating_sub(candidate.base);
        let exchanged = offset != segment.offset;
        if exchanged {
            self.previous = Some(segment);
        }
        self.before_step = (!exchanged).then_some(segment.counter);
        let accepted = self.follow(CounterSegment { offset, counter, since: at });
        if exchanged {
            Verdict::Exchanged { last: segment.counter, seen: counter }
        } else {
            accepted
        }
    }

    /// Publishes the segment's growth, and gives the present day its share of it.
    fn settle(&mut self, since: Timestamp, daily: DailyCounter, at: Timestamp, zone: &TimeZone) {
        let (Some(total), Some(segment)) = (self.total, self.segment) else { return };
        let growth = segment.position().saturating_sub(total);
        if growth <= 0 {
            return;
        }
        self.total = Some(segment.position());
        let share = if day::is_before(self.date, since, zone) {
            let at_least = self.at_midnight;
            self.unconfirmed =
                daily.unconfirmed(at, zone).map(|counter| UnconfirmedDaily { counter, at_least });
            day::share(growth, since, daily, at, zone)
        } else {
            growth
        };
        self.at_midnight = self.at_midnight.saturating_add(growth.saturating_sub(share));
    }

    /// Gives the present day what the device had counted of it before it could be believed.
    fn catch_up(&mut self, daily: DailyCounter, at: Timestamp, zone: &TimeZone) {
        let (Some(unconfirmed), Some(total)) = (self.unconfirmed, self.total) else { return };
        let Some(today) = unconfirmed.resolved(daily, at, zone) else { return };
        self.unconfirmed = None;
        if today <= day::most(at, zone) {
            let at_midnight = total.saturating_sub(today).max(unconfirmed.at_least);
            self.at_midnight = self.at_midnight.min(at_midnight);
        }
    }
}
