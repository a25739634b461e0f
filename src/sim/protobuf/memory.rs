//! What a simulated DTU remembers from one request to the next.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::sim::chance;

/// What it remembers.
#[derive(Debug)]
pub(super) struct Memory {
    /// Mixed into every key: each start has its own.
    seed: u64,
    starts: u64,
    new_key_since: Option<Timestamp>,
    reads_all_the_time: bool,
    asked: Option<Timestamp>,
    values_of: Option<Timestamp>,
    unasked: u16,
    /// The last reply, as it went out.
    pub(super) last_reply: Vec<u8>,
}

impl Memory {
    /// Just switched on.
    pub(super) fn new(seed: u64) -> Self {
        Self {
            seed,
            starts: 0,
            new_key_since: None,
            reads_all_the_time: false,
            asked: None,
            values_of: None,
            unasked: 0,
            last_reply: Vec::new(),
        }
    }

    /// The fault of a new key has begun then, or does not show: each change is a restart.
    pub(super) fn notice_new_key(&mut self, since: Option<Timestamp>) {
        if self.new_key_since != since {
            let starts = self.starts + 1;
            *self = Self { starts, new_key_since: since, ..Self::new(self.seed) };
        }
    }

    /// What the key is made from until the next start.
    pub(super) fn enc_rand(&self) -> [u8; 16] {
        let half = |nth| u128::from(chance::draw(self.seed, 2 * self.starts + nth));
        (half(0) << 64 | half(1)).to_be_bytes()
    }

    /// It was told to read its inverters all the time, which it does until the next start.
    pub(super) fn read_all_the_time(&mut self) {
        self.reads_all_the_time = true;
    }

    /// Of which moment the values are that it gives now. If it is asked again before `refresh` has
    /// passed, it gives the old ones, and the wait begins anew: so do real ones.
    pub(super) fn asked_for_values(&mut self, now: Timestamp, refresh: Duration) -> Timestamp {
        let refresh = SignedDuration::try_from(refresh).unwrap_or(SignedDuration::MAX);
        let last = self.asked.replace(now);
        let is_due = last.is_none_or(|last| now.duration_since(last) >= refresh);
        match self.values_of {
            Some(values_of) if !is_due && !self.reads_all_the_time => values_of,
            _ => *self.values_of.insert(now),
        }
    }

    /// Of which moment the values are of which the first packet was given last.
    pub(super) fn values_of(&self, now: Timestamp) -> Timestamp {
        self.values_of.unwrap_or(now)
    }

    /// The number of the next frame that nobody asked for.
    pub(super) fn next_unasked(&mut self) -> u16 {
        self.unasked = self.unasked.wrapping_add(1);
        self.unasked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asked at these seconds, it gives the values of these.
    #[track_caller]
    fn check(memory: &mut Memory, asked: &[(i64, i64)]) {
        for &(now, expected) in asked {
            let now = Timestamp::from_second(now).unwrap();
            let values_of = memory.asked_for_values(now, Duration::from_secs(30));
            assert_eq!(values_of.as_second(), expected, "asked at {now}");
            assert_eq!(memory.values_of(now), values_of);
        }
    }

    #[test]
    fn who_asks_too_often_gets_old_values_for_ever() {
        let mut memory = Memory::new(1);
        check(&mut memory, &[(100, 100), (120, 100), (140, 100), (160, 100), (190, 190)]);
        memory.read_all_the_time();
        check(&mut memory, &[(191, 191), (192, 192)]);
        memory.notice_new_key(Some(Timestamp::UNIX_EPOCH));
        check(&mut memory, &[(193, 193), (194, 193)]);
    }

    #[test]
    fn each_start_has_its_own_key() {
        let mut memory = Memory::new(1);
        let first = memory.enc_rand();
        memory.notice_new_key(None);
        assert_eq!(memory.enc_rand(), first);
        memory.notice_new_key(Some(Timestamp::UNIX_EPOCH));
        let second = memory.enc_rand();
        memory.notice_new_key(None);
        assert_ne!(second, first);
        assert!(![first, second, Memory::new(2).enc_rand()].contains(&memory.enc_rand()));
    }
}
