//! Renames a database that is of no use, so that nothing is ever deleted at once.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tracing::warn;

use super::open::beside;

/// A file that breaks each night must not fill the disk.
const KEPT: usize = 3;
/// What SQLite puts beside a database, and which is a part of it.
const COMPANIONS: [&str; 3] = ["-wal", "-shm", "-journal"];

/// Renames `file` and what belongs to it, and returns the new name.
pub(super) fn set_aside(file: &Path, why: &str, now: Timestamp) -> io::Result<PathBuf> {
    let time = now.to_zoned(TimeZone::UTC).strftime("%Y%m%dT%H%M%SZ").to_string();
    let kept = free_name(file, &format!(".{why}-{time}"));
    fs::rename(file, &kept)?;
    for end in COMPANIONS {
        match fs::rename(beside(file, end), beside(&kept, end)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    forget_the_oldest(file, &kept);
    Ok(kept)
}

/// A name that no earlier file bears: a clock may have been set back, or not been set at all.
fn free_name(file: &Path, end: &str) -> PathBuf {
    let first = beside(file, end);
    if !first.exists() {
        return first;
    }
    let mut others = (2_u32..).map(|count| beside(file, &format!("{end}-{count}")));
    others.find(|name| !name.exists()).unwrap_or(first)
}

/// Of the damaged ones, keeps `newest` and the next by the time in their names. What a newer bridge
/// wrote is whole, and stays. What cannot be deleted stays, too.
fn forget_the_oldest(file: &Path, newest: &Path) {
    let (Some(directory), Some(name)) = (file.parent(), file.file_name().and_then(|n| n.to_str()))
    else {
        return;
    };
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let others: BTreeSet<(String, PathBuf)> = entries
        .filter_map(|entry| {
            let path = entry.path();
            let time = time_set_aside(path.file_name()?.to_str()?, name)?.to_owned();
            (path != newest).then_some((time, path))
        })
        .collect();
    for (_, path) in others.iter().rev().skip(KEPT - 1) {
        if fs::remove_file(path).is_ok() {
            warn!("{} is deleted: newer ones are kept", path.display());
        }
        for end in COMPANIONS {
            drop(fs::remove_file(beside(path, end)));
        }
    }
}

/// When a database was set aside as damaged, by its name; `None` for all other files.
fn time_set_aside<'a>(name: &'a str, of: &str) -> Option<&'a str> {
    let end = name.strip_prefix(of)?;
    let time = end.strip_prefix(".damaged-")?;
    let is_companion = COMPANIONS.iter().any(|companion| time.ends_with(companion));
    (!is_companion).then_some(time)
}
