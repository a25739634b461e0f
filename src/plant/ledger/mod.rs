//! Energy that can be trusted: what one port has produced, whatever the device's counters do.
//!
//! A device's lifetime counter runs along a *line*: published total = offset + counter. A reading
//! that does not lie on the line is refused, but kept in mind; only when three rising readings
//! agree with each other is the device taken to have been exchanged or reset, and a new offset
//! carries the total on. So the total never falls, and what is refused by mistake comes back with
//! the next good reading, because the device itself has counted it.
//!
//! Zero is never a counter's value: sleeping, waking and restarting DTUs send zeros.

mod candidate;
mod daily;
mod day;
mod leaps;
mod line;
mod meter;
mod record;
#[cfg(test)]
mod tests;
mod verdict;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use self::candidate::Candidate;
use self::daily::{Daily, Doubted};
use self::day::{CLOCK_IS_SET, Turn};
use self::leaps::{Leaps, Left};
use self::line::{Line, PORT, Reach};
pub use self::meter::MeterLedger;
pub use self::record::LedgerRecord;
pub use self::verdict::{Refusal, Verdict};
use super::units::WattHours;

/// No port has counted more, in Wh: it would take a module a thousand years.
const ABSURD: i64 = 1_000_000_000;
/// A first reading up to this is believed at once: a strong module's 25 years are half of it.
/// Above it, three rising readings are needed.
const COMMON: i64 = 50_000_000;
/// A step above this, in Wh, is not normal from one poll to the next, so the counter before it is
/// remembered until the counter goes on rising from there.
const STEP: i64 = 100;
/// A superseded line can be resumed until its successor has counted so many Wh: over a week's
/// production. Seen in the field: a device that stepped down by 400 kWh for a day.
const OLD_LINE_LASTS: i64 = 50_000;

/// A device's own two counters of one port, as read. `None`: not given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Lifetime counter.
    pub total: Option<WattHours>,
    /// Daily counter; it resets in the evening, at night, in the morning or when the inverter
    /// restarts, so it only serves to tell what share of a gap belongs to the present day.
    pub today: Option<WattHours>,
    /// Whether they are the inverter's own words of this moment; what a DTU repeats of one that it
    /// does not reach may be yesterday's.
    pub is_live: bool,
}

/// One port's ledger.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PortLedger {
    /// Highest position that a line has reached: what is published.
    total: Option<i64>,
    /// Where the device's counter stands.
    line: Option<Line>,
    /// The line before the last exchange.
    old: Option<Line>,
    /// The counter before an unusual step, until the step is confirmed.
    before: Option<i64>,
    /// Readings off the line that agree with each other.
    candidate: Option<Candidate>,
    /// The local day that `at_midnight` begins; `None` until the clock is right.
    date: Option<Date>,
    /// The published total at the beginning of the day.
    at_midnight: i64,
    /// Days that the clock has leapt from.
    leaps: Leaps,
    /// When the clock was last looked at; not written down.
    seen: Option<Timestamp>,
    /// What the device said of the present day and may have meant of yesterday.
    doubted: Option<Doubted>,
}

impl PortLedger {
    /// The ledger of a port that was never read.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes what the device says `at` this moment, as far as it can be true.
    pub fn record(&mut self, seen: Counters, at: Timestamp, zone: &TimeZone) -> Verdict {
        self.roll(at, zone);
        let daily = Daily { counter: seen.today.map(watt_hours), is_live: seen.is_live };
        let counter = match (seen.total.map(watt_hours), self.line) {
            (None, _) | (Some(0), None) => return Verdict::NotGiven,
            (Some(0), Some(line)) => return Verdict::Refused(Refusal::Zero { last: line.counter }),
            (Some(seen), _) if seen > ABSURD => return Verdict::Refused(Refusal::Absurd { seen }),
            (Some(seen), _) => seen,
        };
        let Some(line) = self.line else { return self.first(counter, daily, at, zone) };
        let verdict = self.judge(line, counter, daily.counter, at);
        self.settle(line.since, daily, at, zone);
        if verdict == Verdict::Accepted {
            self.catch_up(daily, at, zone);
        }
        verdict
    }

    /// Lets midnight pass although nothing is read: today's production is then 0.
    pub fn roll(&mut self, now: Timestamp, zone: &TimeZone) {
        if now < CLOCK_IS_SET {
            return;
        }
        let last = self.seen.replace(now).or(self.line.map(|line| line.since));
        let is_leap = leaps::is_leap(last, now);
        let total = self.total.unwrap_or(0);
        let left = |date| self.leaps.find(date, total).filter(|_| is_leap);
        match day::turn(self.date, left, now, zone) {
            Turn::Same => {}
            Turn::Named(date) => self.leave_for(date, is_leap),
            Turn::New(date) => {
                self.leave_for(date, is_leap);
                self.at_midnight = total;
                self.doubted = None;
            }
            Turn::Resumed(Left { date, at_midnight }) => {
                self.leaps.resume(date);
                self.date = Some(date);
                self.at_midnight = at_midnight;
                self.doubted = None;
            }
        }
    }

    fn leave_for(&mut self, next: Date, is_leap: bool) {
        let present = self.date.replace(next).filter(|_| self.total.is_some());
        if is_leap {
            let at_midnight = self.at_midnight;
            self.leaps.leap(present.map(|date| Left { date, at_midnight }), next);
        } else {
            self.leaps.pass(next);
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

    /// The first reading ever.
    fn first(&mut self, counter: i64, daily: Daily, at: Timestamp, zone: &TimeZone) -> Verdict {
        // A total without a line is a record that lost its other half: the total goes on.
        let position = self.total.unwrap_or(0);
        let base = self.total.map_or(0, |_| counter);
        if counter > COMMON {
            let candidate = Candidate::following(self.candidate, (counter, base), at, PORT);
            self.candidate = Some(candidate);
            if !candidate.is_confirmed() {
                return Verdict::Refused(Refusal::High { seen: counter, count: candidate.count });
            }
        }
        let line = Line { offset: position.saturating_sub(base), counter, since: at };
        self.line = Some(line);
        self.candidate = None;
        if self.total.is_none() {
            // More than there can be since midnight is not of this day; how much of it is, nobody knows.
            let most = counter.min(day::most(at, zone));
            let seed = daily.believed(at, zone).filter(|&today| today <= most);
            self.at_midnight = counter - seed.unwrap_or(0);
            self.doubted = daily.doubted(at, zone).map(|counter| Doubted { counter, at_least: 0 });
        }
        self.total = self.total.max(Some(line.position()));
        Verdict::Accepted
    }

    /// Finds the line on which the reading lies, or keeps it in mind.
    fn judge(&mut self, line: Line, counter: i64, today: Option<i64>, at: Timestamp) -> Verdict {
        let reach = PORT.between(line.since, at);
        let growth = counter - line.counter;
        if (0..=reach.usual).contains(&growth) {
            if growth > 0 {
                self.before = (growth > STEP).then_some(line.counter);
            }
            return self.follow(line.moved_to(counter, at));
        }
        if self.before.is_some_and(|before| (before..line.counter).contains(&counter)) {
            // The device goes on from before the step: the step was garbage, no exchange. The
            // total stays where it is until the truth has caught up.
            self.before = None;
            return self.follow(line.moved_to(counter, at));
        }
        // What this line could have reached in the time is no return to an older one.
        let is_beyond = !(0..=reach.at_most).contains(&growth);
        let resumed =
            self.old.filter(|old| is_beyond && self.is_resumed(*old, line, counter, reach));
        if let Some(old) = resumed {
            self.old = Some(line);
            self.before = None;
            return self.follow(Line { counter, since: at, ..old });
        }
        self.consider(line, counter, today, at)
    }

    fn follow(&mut self, line: Line) -> Verdict {
        self.candidate = None;
        self.line = Some(line);
        Verdict::Accepted
    }

    /// Whether the reading continues the superseded line, with no more growth than there can be.
    fn is_resumed(&self, old: Line, line: Line, counter: i64, reach: Reach) -> bool {
        let since = line.position().saturating_sub(old.position());
        let resumed = Line { counter, ..old }.position();
        since.saturating_abs() <= OLD_LINE_LASTS
            && counter >= old.counter
            && resumed <= self.total.unwrap_or(0).saturating_add(reach.usual)
    }

    /// Keeps a reading off the line in mind; three rising ones that agree begin a new line.
    fn consider(&mut self, line: Line, counter: i64, today: Option<i64>, at: Timestamp) -> Verdict {
        let growth = counter - line.counter;
        let base = if growth < 0 && candidate::is_new_device(counter, today) {
            0
        } else if growth > 0 && growth <= PORT.between(line.since, at).at_most {
            line.counter
        } else {
            counter
        };
        let candidate = Candidate::following(self.candidate, (counter, base), at, PORT);
        if !candidate.is_confirmed() {
            self.candidate = Some(candidate);
            let (seen, last, count) = (counter, line.counter, candidate.count);
            return Verdict::Refused(if growth < 0 {
                Refusal::Fell { seen, last, count }
            } else {
                Refusal::Jumped { seen, last, count }
            });
        }
        let offset = line.position().saturating_sub(candidate.base);
        let exchanged = offset != line.offset;
        if exchanged {
            self.old = Some(line);
        }
        self.before = (!exchanged).then_some(line.counter);
        let accepted = self.follow(Line { offset, counter, since: at });
        if exchanged { Verdict::Exchanged { last: line.counter, seen: counter } } else { accepted }
    }

    /// Publishes the line's growth, and gives the present day its share of it.
    fn settle(&mut self, since: Timestamp, daily: Daily, at: Timestamp, zone: &TimeZone) {
        let (Some(total), Some(line)) = (self.total, self.line) else { return };
        let growth = line.position().saturating_sub(total);
        if growth <= 0 {
            return;
        }
        self.total = Some(line.position());
        let share = if day::is_before(self.date, since, zone) {
            let at_least = self.at_midnight;
            self.doubted = daily.doubted(at, zone).map(|counter| Doubted { counter, at_least });
            day::share(growth, since, daily, at, zone)
        } else {
            growth
        };
        self.at_midnight = self.at_midnight.saturating_add(growth.saturating_sub(share));
    }

    /// Gives the present day what the device had counted of it before it could be believed.
    fn catch_up(&mut self, daily: Daily, at: Timestamp, zone: &TimeZone) {
        let (Some(doubted), Some(total)) = (self.doubted, self.total) else { return };
        let Some(today) = doubted.resolved(daily, at, zone) else { return };
        self.doubted = None;
        if today <= day::most(at, zone) {
            let at_midnight = total.saturating_sub(today).max(doubted.at_least);
            self.at_midnight = self.at_midnight.min(at_midnight);
        }
    }
}

fn watt_hours(energy: WattHours) -> i64 {
    i64::try_from(energy.get()).unwrap_or(i64::MAX)
}

fn published(energy: i64) -> WattHours {
    WattHours::new(u64::try_from(energy).unwrap_or(0))
}
