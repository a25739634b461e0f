//! The numbers of our requests: counted up, and as far as the protocol allows never used twice with
//! one key. Pure.
//!
//! There are 65,536 of them, and only a restart of the DTU makes a new key. A bridge takes three
//! quarters of them, commands that ask beside it the rest, so that these two never meet. Nobody
//! remembers what was used before a restart; what the clock says takes the place of memory. So a
//! number may be met again by
//!
//! - a bridge that restarts when it, or one before it, has used the key for more than four and a half
//!   days, or that asks more often than every eight seconds on average;
//! - a bridge that runs on until its numbers are used up, after a month at one request a minute, which
//!   the log tells;
//! - two commands at the same time, or more than nine hours apart.

use jiff::Timestamp;

use super::crypto::EncRand;

/// A part of the numbers, and who may take them.
#[derive(Debug)]
struct Share {
    first: u16,
    count: u16,
    /// The first number of all follows from the time: one step in so many seconds.
    step: i64,
}

/// At the usual interval there is room for answers of seven packets, 70 inverters and ports; at the
/// shortest one for four.
const OF_A_BRIDGE: Share = Share { first: 0, count: 0xC000, step: 8 };

/// A command asks as fast as requests usually may follow each other.
const BESIDE_A_BRIDGE: Share = Share { first: 0xC000, count: 0x4000, step: 2 };

/// Gives each request its number, over all connections to one DTU.
#[derive(Debug)]
pub(super) struct Sequence {
    share: Share,
    /// Counted from the first one of the share.
    next: u16,
    key: Option<EncRand>,
    used: u16,
}

impl Sequence {
    /// Of a bridge that starts now, behind the numbers that it used before it restarted.
    pub(super) fn of_a_bridge(now: Timestamp) -> Self {
        Self::starting_at(now, OF_A_BRIDGE)
    }

    /// Of a command that is given now, behind the numbers of the one before.
    pub(super) fn beside_a_bridge(now: Timestamp) -> Self {
        Self::starting_at(now, BESIDE_A_BRIDGE)
    }

    fn starting_at(now: Timestamp, share: Share) -> Self {
        let steps = now.as_second().div_euclid(share.step).rem_euclid(i64::from(share.count));
        Self { share, next: u16::try_from(steps).unwrap_or_default(), key: None, used: 0 }
    }

    /// From now on, requests are encrypted with the key of `enc_rand`, or not at all.
    pub(super) fn set_key(&mut self, enc_rand: Option<EncRand>) {
        if self.key != enc_rand {
            self.key = enc_rand;
            self.used = 0;
        }
    }

    /// The number of the next request.
    pub(super) fn take(&mut self) -> u16 {
        let number = self.share.first + self.next;
        self.next = (self.next + 1) % self.share.count;
        self.used = self.used.saturating_add(1);
        number
    }

    /// Whether all numbers have been used with the present key: only a restart of the DTU makes a
    /// new one.
    pub(super) fn is_used_up(&self) -> bool {
        self.key.is_some() && self.used >= self.share.count
    }

    /// Lets the numbers be used once more: the one alternative, to be silent until somebody restarts
    /// the DTU, would be worse than a cipher that is weaker than it could be. The DTU tells everybody
    /// its key in plain text anyway.
    pub(super) fn start_over(&mut self) {
        self.used = 0;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_750_500_000 + second).unwrap()
    }

    fn all(mut sequence: Sequence) -> HashSet<u16> {
        sequence.take();
        sequence.set_key(Some([1; 16]));
        let mut seen = HashSet::new();
        while !sequence.is_used_up() {
            // The app info is read again, with the same key.
            sequence.set_key(Some([1; 16]));
            assert!(seen.insert(sequence.take()), "used twice");
        }
        sequence.set_key(Some([2; 16]));
        assert!(!sequence.is_used_up());
        seen
    }

    #[test]
    fn no_number_is_used_twice_with_one_key() {
        let [bridge, beside] = [Sequence::of_a_bridge(at(0)), Sequence::beside_a_bridge(at(0))];
        let [bridge, beside] = [bridge, beside].map(all);
        assert_eq!((bridge.len(), beside.len()), (49_152, 16_384));
        assert!(bridge.is_disjoint(&beside), "`read` beside `run`");
    }

    #[test]
    fn who_starts_again_goes_on_behind_the_numbers_of_before() {
        let mut used = HashSet::new();
        // A bridge that is restarted every 1000 s, four days long, at the shortest interval.
        for start in (0..4 * 86_400).step_by(1000) {
            let mut bridge = Sequence::of_a_bridge(at(start));
            for poll in (0..1000).step_by(35) {
                for _packet in 0..4 {
                    assert!(used.insert(bridge.take()), "{poll} s after {start} s");
                }
            }
        }
        used.clear();
        for start in (0..9 * 3600).step_by(20) {
            let mut command = Sequence::beside_a_bridge(at(start));
            for _packet in 0..10 {
                assert!(used.insert(command.take()), "{start} s");
            }
        }
    }
}
