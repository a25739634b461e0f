//! When a DTU sends its values to its maker's cloud. Pure.

use std::time::Duration;

use jiff::Timestamp;

/// Newer programs send every five minutes of the clock, older ones every fifteen (dtuGateway).
const PERIOD: u64 = 300;

/// How long before that minute a connection disturbs already, and how long after it still does (the
/// same source).
const BEFORE: u64 = 10;
const AFTER: u64 = 30;

/// How long to leave the DTU alone from `now` on; `None` if it does not send.
///
/// Old programs are said to send a second time some minutes later; nobody has confirmed it, and it
/// is not waited for.
pub(super) fn pause(now: Timestamp) -> Option<Duration> {
    let second = u64::try_from(now.as_second()).ok()?;
    let since_window = (second + BEFORE) % PERIOD;
    let left = (BEFORE + AFTER).checked_sub(since_window)?;
    (left > 0).then(|| Duration::from_secs(left))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dtu_is_left_alone_around_every_fifth_minute() {
        let check = |time: &str, expected: Option<u64>| {
            let now = format!("2026-08-22T{time}Z").parse().unwrap();
            assert_eq!(pause(now), expected.map(Duration::from_secs), "{time}");
        };
        check("12:04:49", None);
        check("12:04:50", Some(40));
        check("12:05:00", Some(30));
        check("12:05:29", Some(1));
        check("12:05:30", None);
        check("23:59:55", Some(35));
    }
}
