//! How soon a target is dialled that is registered again and again. Pure.

use std::time::Duration;

use tokio::time::Instant;

/// So many times at once: each restart of Home Assistant is one.
const AT_ONCE: u32 = 20;
/// And then one each time that this has passed. Whoever registers without end would otherwise have
/// us connect to somebody, and log it, hundreds of times a second.
pub(super) const PAUSE: Duration = Duration::from_secs(10);

/// When one target was given new places or tokens.
#[derive(Debug)]
pub(super) struct Pace {
    /// When all of `AT_ONCE` are there again.
    whole_at: Instant,
}

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        Self { whole_at: now }
    }

    /// How long the one that is given now must wait, if at all.
    pub(super) fn wait(&mut self, now: Instant) -> Option<Duration> {
        self.whole_at = self.whole_at.max(now) + PAUSE;
        let ahead = self.whole_at.saturating_duration_since(now);
        ahead.checked_sub(PAUSE * AT_ONCE).filter(|wait| !wait.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_that_is_registered_without_end_is_dialled_now_and_then() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        let at_once = (0..AT_ONCE).filter(|_| pace.wait(start).is_none()).count();
        assert_eq!(u32::try_from(at_once).unwrap(), AT_ONCE);
        assert_eq!(pace.wait(start), Some(PAUSE));
        let waited = start + PAUSE;
        assert_eq!(pace.wait(waited), Some(PAUSE), "after the wait it is the same again");
        assert_eq!(pace.wait(waited + PAUSE * 2), None);
    }

    #[test]
    fn a_target_that_is_registered_now_and_then_never_waits() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        assert!((0..1_000).all(|nth| pace.wait(start + PAUSE * nth).is_none()));
    }
}
