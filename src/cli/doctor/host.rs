//! The machine under the bridge: its state directory, its clock and its time zone.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use rustix::fs::statvfs;
use tokio::time::Instant;

use super::report::Step;
use crate::problem::Problem;

pub(super) const STATE_DIR: &str = "state_dir";
/// With less free space, in bytes, writing fails soon.
const LEAST_FREE: u64 = 16 << 20;
/// A file that is so far in the future was written before the clock was set back.
const SET_BACK: SignedDuration = SignedDuration::from_hours(1);

/// Whether the bridge can store its state. It is tested by writing, since permissions do not say
/// everything.
pub(super) fn state_dir(folder: &Path) -> Step {
    let began = Instant::now();
    let shown = folder.display();
    let step = match (try_to_write(folder), free_space(folder)) {
        (Err(error), _) => Step::failed(STATE_DIR, write_problem(folder, &error)),
        (Ok(()), Some(free)) if free < LEAST_FREE => {
            let cause = format!("the disk of {shown} has only {} MiB of free space", free >> 20);
            let remedy = "free some space on that disk";
            Step::failed(STATE_DIR, Problem::new("disk_full", cause, remedy))
        }
        (Ok(()), Some(free)) => {
            Step::passed(STATE_DIR, format!("{shown} is writable, {} MiB free", free >> 20))
        }
        (Ok(()), None) => Step::passed(STATE_DIR, format!("{shown} is writable")),
    };
    step.took(began.elapsed())
}

fn try_to_write(folder: &Path) -> io::Result<()> {
    let created: Vec<PathBuf> =
        ancestors(folder).take_while(|folder| !folder.exists()).map(Path::to_path_buf).collect();
    fs::create_dir_all(folder)?;
    let outcome = write_and_remove(&folder.join(format!(".doctor-{}", std::process::id())));
    // They would belong to this user, and the bridge may run as another.
    for folder in created {
        drop(fs::remove_dir(folder));
    }
    outcome
}

fn ancestors(folder: &Path) -> impl Iterator<Item = &Path> {
    folder.ancestors().filter(|folder| !folder.as_os_str().is_empty())
}

fn write_and_remove(path: &Path) -> io::Result<()> {
    let written = File::create_new(path).and_then(|mut file| {
        file.write_all(&[0; 4_096])?;
        file.sync_all()
    });
    let removed = fs::remove_file(path);
    written.and(removed)
}

/// In bytes, for users without privileges.
fn free_space(folder: &Path) -> Option<u64> {
    let existing = ancestors(folder).find(|folder| folder.exists()).unwrap_or(Path::new("."));
    let disk = statvfs(existing).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the list is another's, and open")]
fn write_problem(folder: &Path, error: &io::Error) -> Problem {
    let (label, remedy) = match error.kind() {
        io::ErrorKind::PermissionDenied => (
            "permission_denied",
            "make the user that runs the bridge the owner of that folder (`chown`; in a container, \
             of what is mounted at /data), or run the container as its present owner",
        ),
        io::ErrorKind::ReadOnlyFilesystem => (
            "disk_read_only",
            "mount it for writing (in a container: what is mounted at /data, without `:ro`)",
        ),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            ("disk_full", "free some space on that disk")
        }
        _ => ("not_writable", "set state_dir to a folder that can be written"),
    };
    let owner = fs::metadata(folder).map(|meta| meta.uid());
    let user = fs::metadata("/proc/self").map(|meta| meta.uid());
    let whose = match (owner, user) {
        (Ok(owner), Ok(user)) if owner != user => {
            format!(" (the owner is user {owner}, this is user {user})")
        }
        _ => String::new(),
    };
    Problem::new(label, format!("cannot write in {}: {error}{whose}", folder.display()), remedy)
}

/// Where a day begins.
pub(super) fn time_zone(name: &str, zone: &TimeZone, now: Timestamp) -> Step {
    let step = Step::passed("time_zone", format!("a day begins at midnight in {name}"));
    if name == "UTC" && zone.to_offset(now).seconds() == 0 {
        step.note("if you live in another time zone, set `timezone`, for example \"Europe/Berlin\"")
    } else {
        step
    }
}

/// Whether the clock can be right.
pub(super) fn clock(state_dir: &Path, zone: &TimeZone, now: Timestamp) -> Step {
    let shown = now.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S %:z").to_string();
    let is_set_back =
        last_written(state_dir).is_some_and(|written| written.duration_since(now) > SET_BACK);
    let wrong = if !crate::clock::is_set(now) {
        "it has not been set"
    } else if is_set_back {
        "the bridge has already written files at a later time"
    } else {
        return Step::passed("clock", shown);
    };
    let problem = Problem::new(
        "clock",
        format!("the clock of this machine shows {shown}: {wrong}"),
        "set the clock, or let NTP set it; a Raspberry Pi needs the network for that after each \
         start",
    );
    Step::failed("clock", problem)
}

/// When any file in the folder was last written.
fn last_written(folder: &Path) -> Option<Timestamp> {
    let times = fs::read_dir(folder).ok()?.filter_map(|entry| {
        let seconds = entry.ok()?.metadata().ok()?.mtime();
        Timestamp::from_second(seconds).ok()
    });
    times.max()
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    #[test]
    fn state_dir_is_left_as_it_was() {
        let home = TempDir::new().unwrap();
        let inner = home.path().join("a/b");
        for folder in [home.path(), &inner] {
            let step = state_dir(folder);
            assert!(step.has_passed() && step.detail().contains("MiB free"), "{step:?}");
            assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0, "nothing is left behind");
        }
    }

    #[test]
    fn state_dir_that_cannot_be_created_fails() {
        let home = TempDir::new().unwrap();
        let file = home.path().join("file");
        fs::write(&file, "").unwrap();
        let step = state_dir(&file.join("data"));
        assert!(step.has_failed() && step.detail().contains("cannot write"), "{step:?}");
    }

    #[test]
    fn clock_that_was_not_set_or_set_back_fails() {
        let home = TempDir::new().unwrap();
        fs::write(home.path().join("hoymiles-bridge.db"), "").unwrap();
        for (now, expected) in [
            ("1970-01-01T00:02:00Z", false),
            ("2025-02-01T00:00:00Z", false),
            ("2999-01-01T00:00:00Z", true),
        ] {
            let step = clock(home.path(), &TimeZone::UTC, now.parse().unwrap());
            assert_eq!(step.has_passed(), expected, "{step:?}");
        }
    }

    #[test]
    fn utc_has_a_note() {
        let now = Timestamp::UNIX_EPOCH;
        let in_utc = time_zone("UTC", &TimeZone::UTC, now);
        assert_ne!(in_utc, Step::passed("time_zone", in_utc.detail()));
        let berlin = time_zone("Europe/Berlin", &TimeZone::get("Europe/Berlin").unwrap(), now);
        assert_eq!(berlin, Step::passed("time_zone", berlin.detail()));
    }
}
