//! Whether the machine knows what time it is, and the bridge where a day begins.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::super::report::Step;

/// A file that is so far in the future was written under another clock.
const SET_BACK: SignedDuration = SignedDuration::from_hours(1);
const CURE: &str =
    "let the machine set its clock (NTP); a Raspberry Pi without network starts with an old time";

/// Where a day begins.
pub(super) fn zone(name: &str, zone: &TimeZone, now: Timestamp) -> Step {
    let step = Step::fine("time_zone", format!("a day begins at midnight in {name}"));
    let is_utc = zone.to_offset(now).seconds() == 0;
    if name == "UTC" && is_utc {
        step.hinting("if you live elsewhere, set timezone, such as \"Europe/Berlin\"")
    } else {
        step
    }
}

/// Whether the clock can be right.
pub(super) fn look(state_dir: &Path, zone: &TimeZone, now: Timestamp) -> Step {
    let shown = now.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S %:z").to_string();
    if !crate::clock::is_set(now) {
        return Step::wrong("clock", format!("the clock of this machine says {shown}"), CURE);
    }
    match last_written(state_dir) {
        Some(written) if written.duration_since(now) > SET_BACK => Step::wrong(
            "clock",
            format!(
                "the clock of this machine says {shown}, which is before the bridge last wrote"
            ),
            CURE,
        ),
        Some(_) | None => Step::fine("clock", shown),
    }
}

/// When anything in that folder was last written.
fn last_written(folder: &Path) -> Option<Timestamp> {
    let entries = fs::read_dir(folder).ok()?;
    let times = entries.filter_map(|entry| {
        let seconds = entry.ok()?.metadata().ok()?.mtime();
        Timestamp::from_second(seconds).ok()
    });
    times.max()
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    /// Whether a clock is believed, over a folder that holds a file of just now.
    #[track_caller]
    fn check(now: &str, expected: bool) {
        let home = TempDir::new().unwrap();
        fs::write(home.path().join("hoymiles-bridge.db"), "").unwrap();
        let step = look(home.path(), &TimeZone::UTC, now.parse().unwrap());
        assert_eq!(step.ok, Some(expected), "{step:?}");
    }

    #[test]
    fn a_clock_that_was_never_set_or_set_back_is_not_believed() {
        check("1970-01-01T00:02:00Z", false);
        check("2025-02-01T00:00:00Z", false);
        check("2999-01-01T00:00:00Z", true);
    }

    #[test]
    fn who_names_no_zone_is_asked_whether_that_is_right() {
        let now = Timestamp::UNIX_EPOCH;
        assert!(zone("UTC", &TimeZone::UTC, now).cure.len() == 1);
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        assert!(zone("Europe/Berlin", &berlin, now).cure.is_empty());
    }
}
