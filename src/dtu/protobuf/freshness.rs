//! Whether the DTU's values are new, or the same as before once more. Pure.

use super::messages::RealDataNewReq;

/// 2020-01-01, in Unix seconds. A DTU whose clock is not synchronised yet is far before it.
const PLAUSIBLE: i32 = 1_577_836_800;

/// Remembers the last answer of a DTU.
#[derive(Debug, Default)]
pub(super) struct Freshness {
    last: Option<RealDataNewReq>,
}

impl Freshness {
    /// Whether the answer repeats an earlier one: it bears the same time, or an earlier one although
    /// the clock is right, or it says exactly the same.
    pub(super) fn is_stale(&self, data: &RealDataNewReq) -> bool {
        let Some(last) = &self.last else { return false };
        let has_same_time = data.timestamp == last.timestamp && data.timestamp != 0;
        let is_older = data.timestamp < last.timestamp && data.timestamp >= PLAUSIBLE;
        has_same_time || is_older || has_same_values(last, data)
    }

    /// Takes the answer as the last one.
    pub(super) fn remember(&mut self, data: RealDataNewReq) {
        self.last = Some(data);
    }
}

fn has_same_values(one: &RealDataNewReq, other: &RealDataNewReq) -> bool {
    one.ports == other.ports
        && one.single_phase == other.single_phase
        && one.three_phase == other.three_phase
        && one.meters == other.meters
}

#[cfg(test)]
mod tests {
    use super::super::messages::PvMo;
    use super::*;

    fn answer(timestamp: i32, power: i32) -> RealDataNewReq {
        let ports = vec![PvMo { power, ..PvMo::default() }];
        RealDataNewReq { timestamp, ports, ..RealDataNewReq::default() }
    }

    #[test]
    fn an_answer_is_new_if_time_and_values_move() {
        let check = |what: &str, last: (i32, i32), now: (i32, i32), expected: bool| {
            let mut freshness = Freshness::default();
            assert!(!freshness.is_stale(&answer(last.0, last.1)), "the first one is new");
            freshness.remember(answer(last.0, last.1));
            assert_eq!(freshness.is_stale(&answer(now.0, now.1)), expected, "{what}");
        };
        let noon = 1_750_500_000;
        check("both move", (noon, 100), (noon + 60, 101), false);
        check("the time stands", (noon, 100), (noon, 101), true);
        check("the values stand", (noon, 100), (noon + 60, 100), true);
        check("an old answer comes late", (noon, 100), (noon - 60, 99), true);
        check("the clock starts over", (noon, 100), (12, 101), false);
        check("the clock stands at 0", (0, 100), (0, 101), false);
    }
}
