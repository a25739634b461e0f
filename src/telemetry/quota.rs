//! How many log lines each of many strangers may cause: else one of them fills the log, and whatever
//! could tell what is wrong is rotated away. Pure.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use tokio::time::Instant;

/// So many at once.
pub const BURST: u32 = 300;
/// And then one each time that this has passed.
pub const PAUSE: Duration = Duration::from_millis(500);
/// So many strangers are told apart; the others share what one may cause.
const APART: usize = 32;

/// What each stranger has left.
#[derive(Debug)]
pub struct Quota<K> {
    apart: HashMap<K, Share>,
    others: Share,
}

/// What was not logged of one stranger; of those who are not told apart if there is no `who`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Untold<K> {
    /// The stranger.
    pub who: Option<K>,
    /// How many lines.
    pub count: u64,
}

#[derive(Clone, Copy, Debug)]
struct Share {
    /// When all of it is there again.
    whole_at: Instant,
    untold: u64,
}

impl<K: Eq + Hash> Quota<K> {
    /// Nobody has caused anything yet.
    pub fn new(now: Instant) -> Self {
        Self { apart: HashMap::new(), others: Share::whole(now) }
    }

    /// Whether a line that `who` causes is to be logged.
    pub fn admits(&mut self, who: K, now: Instant) -> bool {
        if !self.apart.contains_key(&who) && self.apart.len() >= APART {
            self.apart.retain(|_, share| !share.is_whole(now));
        }
        let has_room = self.apart.len() < APART;
        let share = match self.apart.get_mut(&who) {
            Some(share) => share,
            None if has_room => self.apart.entry(who).or_insert(Share::whole(now)),
            None => &mut self.others,
        };
        share.take(now)
    }

    /// What was not logged since this was asked last.
    pub fn untold(&mut self) -> Vec<Untold<K>>
    where
        K: Copy,
    {
        let apart = self.apart.iter_mut().map(|(who, share)| (Some(*who), share));
        let all = apart.chain([(None, &mut self.others)]);
        let untold =
            all.map(|(who, share)| Untold { who, count: std::mem::take(&mut share.untold) });
        untold.filter(|untold| untold.count > 0).collect()
    }
}

impl Share {
    const fn whole(now: Instant) -> Self {
        Self { whole_at: now, untold: 0 }
    }

    fn is_whole(&self, now: Instant) -> bool {
        self.whole_at <= now && self.untold == 0
    }

    fn take(&mut self, now: Instant) -> bool {
        let whole_at = self.whole_at.max(now) + PAUSE;
        let is_there = whole_at <= now + PAUSE.saturating_mul(BURST);
        if is_there {
            self.whole_at = whole_at;
        } else {
            self.untold = self.untold.saturating_add(1);
        }
        is_there
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of so many lines of `who` are logged.
    fn logged(quota: &mut Quota<u32>, who: u32, count: u32, now: Instant) -> u32 {
        let lines = (0..count).filter(|_| quota.admits(who, now));
        u32::try_from(lines.count()).unwrap()
    }

    #[test]
    fn who_causes_many_lines_is_told_of_in_few() {
        let start = Instant::now();
        let mut quota = Quota::new(start);
        assert_eq!(logged(&mut quota, 1, BURST + 50, start), BURST);
        assert_eq!(logged(&mut quota, 2, 1, start), 1, "another one has a share of its own");
        assert_eq!(quota.untold(), [Untold { who: Some(1), count: 50 }]);
        assert_eq!(quota.untold(), []);
        let later = start + PAUSE * 3;
        assert_eq!(logged(&mut quota, 1, 10, later), 3);
        assert_eq!(logged(&mut quota, 1, BURST * 2, later + PAUSE * BURST), BURST);
    }

    #[test]
    fn who_asks_now_and_then_is_told_of_for_ever() {
        let start = Instant::now();
        let mut quota = Quota::new(start);
        assert!((0..10_000).all(|number| quota.admits(1, start + PAUSE * number)));
    }

    #[test]
    fn a_crowd_of_strangers_shares_what_one_may_cause() {
        let start = Instant::now();
        let mut quota = Quota::new(start);
        let apart = u32::try_from(APART).unwrap();
        assert_eq!(logged(&mut quota, 0, BURST + 1, start), BURST);
        let come = (1..10_000).filter(|who| quota.admits(*who, start)).count();
        assert_eq!(u32::try_from(come).unwrap(), apart - 1 + BURST);
        assert_eq!(quota.apart.len(), APART);
        let untold: Vec<Option<u32>> = quota.untold().iter().map(|untold| untold.who).collect();
        assert_eq!(untold, [Some(0), None]);
        // Those who have come once make room as soon as they are quiet.
        let later = start + PAUSE;
        assert_eq!(logged(&mut quota, 20_000, BURST, later), BURST);
        assert!(quota.apart.len() <= 2);
    }
}
