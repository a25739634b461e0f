//! Whether the DTU's values are new, or the same as before once more. Pure.

use super::messages::RealDataNewReq;

/// 2020-01-01, in Unix seconds. A DTU whose clock is not synchronised yet is far before it.
const PLAUSIBLE: i32 = 1_577_836_800;

/// No DTU reads its inverters more rarely than this, in seconds: every half minute or two minutes.
const LONGEST_REFRESH: i64 = 900;

/// Remembers the last answer of a DTU.
#[derive(Debug, Default)]
pub(super) struct Freshness {
    last: Option<RealDataNewReq>,
}

impl Freshness {
    /// Whether the answer repeats an earlier one: it bears the same time, or an earlier one although
    /// the clock is right, or it says exactly the same. Of the first answer ever, only the DTU's own
    /// clock can tell, as it was when the DTU said what it is: one that hangs repeats itself for
    /// an hour.
    pub(super) fn is_stale(&self, data: &RealDataNewReq, clock: i64) -> bool {
        let is_synchronised = data.timestamp >= PLAUSIBLE;
        let Some(last) = &self.last else {
            let time = i64::from(data.timestamp);
            return is_synchronised && time < clock - LONGEST_REFRESH;
        };
        let has_same_time = data.timestamp == last.timestamp && data.timestamp != 0;
        let is_older = data.timestamp < last.timestamp && is_synchronised;
        has_same_time || is_older || (has_same_values(last, data) && !is_dark(data))
    }

    /// Takes the answer as the last one.
    pub(super) fn remember(&mut self, data: RealDataNewReq) {
        self.last = Some(data);
    }
}

/// At night nothing moves but the time, and that is no fault.
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

#[cfg(test)]
mod tests {
    use super::super::messages::{PvMo, SgsMo};
    use super::*;

    fn answer(timestamp: i32, power: i32) -> RealDataNewReq {
        let ports = vec![PvMo { power, ..PvMo::default() }];
        RealDataNewReq { timestamp, ports, ..RealDataNewReq::default() }
    }

    #[test]
    fn an_answer_is_new_if_time_and_values_move() {
        let check = |what: &str, last: (i32, i32), now: (i32, i32), expected: bool| {
            let mut freshness = Freshness::default();
            assert!(!freshness.is_stale(&answer(last.0, last.1), 0), "the first one is new");
            freshness.remember(answer(last.0, last.1));
            assert_eq!(freshness.is_stale(&answer(now.0, now.1), 0), expected, "{what}");
        };
        let noon = 1_750_500_000;
        check("both move", (noon, 100), (noon + 60, 101), false);
        check("the time stands", (noon, 100), (noon, 101), true);
        check("the values stand", (noon, 100), (noon + 60, 100), true);
        check("an old answer comes late", (noon, 100), (noon - 60, 99), true);
        check("the clock starts over", (noon, 100), (12, 101), false);
        check("the clock stands at 0", (0, 100), (0, 101), false);
    }

    #[test]
    fn at_night_an_answer_is_new_as_long_as_its_time_moves() {
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
    fn the_first_answer_is_old_if_the_dtus_own_clock_has_gone_on_for_long() {
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
}
