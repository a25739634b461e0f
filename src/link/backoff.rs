//! How long to wait before the next attempt. Pure.

use std::time::Duration;

/// No peer is left alone for longer.
const LONGEST: Duration = Duration::from_secs(30);

/// The wait after the `failures`th failure in a row: 1, 2, 4, 8, 16, 30, 30 ... seconds.
///
/// There is no jitter: a bridge has a handful of targets, and a log whose waits can be foretold is
/// worth more to its reader.
pub fn wait_after(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(5);
    Duration::from_secs(1 << doublings).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_half_a_minute() {
        let waits: Vec<u64> = (0..=9).map(|failures| wait_after(failures).as_secs()).collect();
        assert_eq!(waits, [1, 1, 2, 4, 8, 16, 30, 30, 30, 30]);
        assert_eq!(wait_after(u32::MAX), LONGEST);
    }
}
