//! When a DTU may be asked, and whether its values are new: the gap between requests, the time that
//! the DTU needs to read its inverters, its uploads to the cloud, and repeated answers.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, sleep_until};

use super::messages::RealDataNewReq;

/// 2020-01-01, in Unix seconds: the clock of a DTU that is not synchronised yet is far behind.
const PLAUSIBLE: i32 = 1_577_836_800;
/// DTUs read their inverters every 30 to 120 s; this is safely longer.
const LONGEST_REFRESH: i64 = 900;

#[derive(Debug, Default)]
pub(super) struct Freshness {
    last: Option<RealDataNewReq>,
}

impl Freshness {
    /// Whether the answer repeats an earlier one: it has exactly the same values, or an earlier time
    /// although the clock is synchronised. At night, the same values are new if the time changes. A
    /// clock that stands still proves nothing: values that differ are new. The first answer is
    /// compared with `clock`, the time in the DTU's app info: one that hangs repeats itself for an
    /// hour.
    pub(super) fn is_stale(&self, data: &RealDataNewReq, clock: i64) -> bool {
        let is_synchronised = data.timestamp >= PLAUSIBLE;
        let Some(last) = &self.last else {
            let time = i64::from(data.timestamp);
            return is_synchronised && time < clock - LONGEST_REFRESH;
        };
        let has_same_time = data.timestamp == last.timestamp && data.timestamp != 0;
        let is_older = data.timestamp < last.timestamp && is_synchronised;
        is_older || (has_same_values(last, data) && (has_same_time || !is_dark(data)))
    }

    pub(super) fn remember(&mut self, data: RealDataNewReq) {
        self.last = Some(data);
    }
}

/// At night only the time changes.
fn is_dark(data: &RealDataNewReq) -> bool {
    data.single_phase.iter().all(|one| one.link_status == 0)
        && data.three_phase.iter().all(|one| one.link_status == 0)
        && data.ports.iter().all(|port| port.error_code == 0 && port.power == 0)
}

fn has_same_values(one: &RealDataNewReq, other: &RealDataNewReq) -> bool {
    one.ports == other.ports
        && one.single_phase == other.single_phase
        && one.three_phase == other.three_phase
        && one.meters == other.meters
}

#[derive(Debug)]
pub(super) struct Pace {
    gap: Duration,
    refresh: Duration,
    free_at: Option<Instant>,
    fresh_at: Option<Instant>,
    paused: Duration,
}

impl Pace {
    /// `gap` is the pause between two requests, `refresh` the least time between the requests for
    /// values of two polls.
    pub(super) const fn new(gap: Duration, refresh: Duration) -> Self {
        Self { gap, refresh, free_at: None, fresh_at: None, paused: Duration::ZERO }
    }

    pub(super) const fn with_gap(self, gap: Duration) -> Self {
        Self { gap, ..self }
    }

    pub(super) async fn wait(&mut self) {
        self.pause_until(self.free_at).await;
        // In case the poll is dropped before the request ends.
        self.request_ended();
    }

    pub(super) fn request_ended(&mut self) {
        self.free_at = Some(Instant::now() + self.gap);
    }

    /// Waits until the DTU can have read its inverters since the last request for values: an earlier
    /// request gets the old ones again, and restarts the DTU's own wait.
    pub(super) async fn begin_poll(&mut self) {
        self.paused = Duration::ZERO;
        self.pause_until(self.fresh_at).await;
    }

    pub(super) async fn pause(&mut self, time: Duration) {
        self.pause_until(Some(Instant::now() + time)).await;
    }

    pub(super) const fn paused(&self) -> Duration {
        self.paused
    }

    async fn pause_until(&mut self, end: Option<Instant>) {
        let Some(end) = end else { return };
        let started = Instant::now();
        sleep_until(end).await;
        self.paused += started.elapsed();
    }

    pub(super) fn values_requested(&mut self) {
        self.fresh_at = Some(Instant::now() + self.refresh);
    }
}

/// Newer firmware uploads every five minutes of the clock, older one every fifteen (dtuGateway).
const UPLOAD_PERIOD: u64 = 300;
/// How long before and after that minute a connection disturbs the upload (the same source).
const BEFORE: u64 = 10;
const AFTER: u64 = 30;

/// The rest of the DTU's upload to the cloud at `now`, in which it should not be disturbed; `None`
/// outside of it.
pub(super) fn upload_pause(now: Timestamp) -> Option<Duration> {
    let second = u64::try_from(now.as_second()).ok()?;
    let since_window = (second + BEFORE) % UPLOAD_PERIOD;
    let left = (BEFORE + AFTER).checked_sub(since_window)?;
    (left > 0).then(|| Duration::from_secs(left))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtu::protobuf::messages::{PvMo, SgsMo};

    fn answer(timestamp: i32, power: i32) -> RealDataNewReq {
        let ports = vec![PvMo { power, ..PvMo::default() }];
        RealDataNewReq { timestamp, ports, ..RealDataNewReq::default() }
    }

    #[test]
    fn answer_is_fresh_if_time_and_values_change() {
        let check = |what: &str, last: (i32, i32), now: (i32, i32), expected: bool| {
            let mut freshness = Freshness::default();
            assert!(!freshness.is_stale(&answer(last.0, last.1), 0), "the first one is fresh");
            freshness.remember(answer(last.0, last.1));
            assert_eq!(freshness.is_stale(&answer(now.0, now.1), 0), expected, "{what}");
        };
        let noon = 1_750_500_000;
        check("both move", (noon, 100), (noon + 60, 101), false);
        check("the time stands", (noon, 100), (noon, 101), false);
        check("both stand", (noon, 100), (noon, 100), true);
        check("the values stand", (noon, 100), (noon + 60, 100), true);
        check("an old answer comes late", (noon, 100), (noon - 60, 99), true);
        check("the clock starts over", (noon, 100), (12, 101), false);
        check("the clock stands at 0", (0, 100), (0, 101), false);
    }

    #[test]
    fn answer_at_night_is_fresh_if_its_time_changes() {
        let night = |timestamp: i32| {
            let inverter = SgsMo { serial: 1, signal: 100, ..SgsMo::default() };
            let ports = vec![PvMo { energy_total: 47_423, ..PvMo::default() }];
            let single_phase = vec![inverter];
            RealDataNewReq { timestamp, single_phase, ports, ..RealDataNewReq::default() }
        };
        let mut freshness = Freshness::default();
        freshness.remember(night(1_750_550_000));
        assert!(!freshness.is_stale(&night(1_750_550_060), 0));
        assert!(freshness.is_stale(&night(1_750_550_000), 0));
    }

    #[test]
    fn first_answer_is_stale_if_the_dtus_clock_is_far_ahead() {
        let noon = 1_750_500_000;
        let check = |time: i32, clock: i64, expected: bool| {
            let is_stale = Freshness::default().is_stale(&answer(time, 100), clock);
            assert_eq!(is_stale, expected, "{time}, {clock}");
        };
        check(noon, 0, false);
        check(noon, 1_750_500_002, false);
        check(noon, 1_750_500_900, false);
        check(noon, 1_750_503_240, true);
        check(noon, 1_750_413_600, false);
        check(12, 1_750_500_000, false);
    }

    #[test]
    fn pauses_around_every_fifth_minute() {
        let check = |time: &str, expected: Option<u64>| {
            let now = format!("2026-08-22T{time}Z").parse().unwrap();
            assert_eq!(upload_pause(now), expected.map(Duration::from_secs), "{time}");
        };
        check("12:04:49", None);
        check("12:04:50", Some(40));
        check("12:05:00", Some(30));
        check("12:05:29", Some(1));
        check("12:05:30", None);
        check("23:59:55", Some(35));
    }
}
