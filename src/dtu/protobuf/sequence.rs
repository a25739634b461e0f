//! The numbers of our requests: counted up, and never used twice with one key. Pure.

use jiff::Timestamp;

use super::crypto::EncRand;

/// How many numbers there are.
const NUMBERS: u32 = 1 << 16;

/// Gives each request its number, over all connections to one DTU.
#[derive(Debug)]
pub(super) struct Sequence {
    next: u16,
    key: Option<EncRand>,
    used: u32,
}

impl Sequence {
    /// The first number follows from the time, a step every two seconds, which is as fast as
    /// requests may follow each other: a bridge that restarts goes on behind the numbers that it
    /// used before, although it does not remember them. They go round in 36 hours, so after a longer
    /// run a restart may meet one of them.
    pub(super) fn starting_at(now: Timestamp) -> Self {
        let steps = now.as_second().div_euclid(2).rem_euclid(i64::from(NUMBERS));
        Self { next: u16::try_from(steps).unwrap_or_default(), key: None, used: 0 }
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
        let number = self.next;
        self.next = self.next.wrapping_add(1);
        self.used = self.used.saturating_add(1);
        number
    }

    /// Whether all numbers have been used with the present key: only a restart of the DTU makes a
    /// new one.
    pub(super) fn is_used_up(&self) -> bool {
        self.key.is_some() && self.used >= NUMBERS
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
    use super::*;

    #[test]
    fn no_number_is_used_twice_with_one_key() {
        let mut sequence = Sequence::starting_at(Timestamp::from_second(1_750_500_000).unwrap());
        sequence.take();
        sequence.set_key(Some([1; 16]));
        let mut seen = std::collections::HashSet::new();
        while !sequence.is_used_up() {
            // The app info is read again, with the same key.
            sequence.set_key(Some([1; 16]));
            assert!(seen.insert(sequence.take()));
        }
        assert_eq!(seen.len(), 65_536);
        sequence.set_key(Some([2; 16]));
        assert!(!sequence.is_used_up());
    }

    #[test]
    fn a_restarted_bridge_goes_on_behind_its_numbers() {
        let start = Timestamp::from_second(1_750_500_000).unwrap();
        let mut before = Sequence::starting_at(start);
        let last = (0..30).map(|_| before.take()).last().unwrap();
        let restart = Timestamp::from_second(1_750_500_060).unwrap();
        assert_eq!(Sequence::starting_at(restart).take(), last + 1);
    }
}
