//! Whether what must survive a restart can be kept: by writing, not by looking at rights.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use tokio::time::Instant;

use super::super::daemon::AtPort;
use super::super::report::Step;

const STEP: &str = "state_dir";

/// Writes a file there, brings it onto the disk, and takes it away again.
pub(super) fn look(folder: &Path, at_port: &AtPort) -> Step {
    let began = Instant::now();
    let outcome = try_to_keep(folder);
    let shown = folder.display();
    let step = match outcome {
        Err(error) => Step::wrong(
            STEP,
            format!("cannot write in {shown}: {error}{}", owners(folder)),
            cure(&error),
        ),
        Ok(()) => writable(&shown.to_string(), at_port),
    };
    step.taking(began.elapsed())
}

fn writable(shown: &str, at_port: &AtPort) -> Step {
    let fine = Step::fine(STEP, format!("{shown} can be written"));
    let AtPort::Bridge(daemon) = at_port else { return fine };
    match &daemon.keeps_in {
        Ok(place) if place == "memory" => Step::wrong(
            STEP,
            format!("{shown} can be written, but the bridge that runs keeps all in memory"),
            "it could not write there when it started: restart it, and read its first log lines",
        ),
        Ok(_) => fine,
        Err(untold) => fine.hinting(format!(
            "the running bridge does not tell whether it keeps its state there: {}",
            untold.cause()
        )),
    }
}

fn try_to_keep(folder: &Path) -> io::Result<()> {
    let made = missing(folder);
    fs::create_dir_all(folder)?;
    let outcome = write_and_remove(&folder.join(format!(".doctor-{}", std::process::id())));
    // What was made only to try is taken away: made by another user, it would be in the way.
    for folder in made {
        drop(fs::remove_dir(folder));
    }
    outcome
}

/// The folders that would have to be made, the innermost first.
fn missing(folder: &Path) -> Vec<PathBuf> {
    let inside = folder.ancestors().filter(|folder| !folder.as_os_str().is_empty());
    inside.take_while(|folder| !folder.exists()).map(Path::to_path_buf).collect()
}

fn write_and_remove(path: &Path) -> io::Result<()> {
    let written = File::create_new(path).and_then(|mut file| {
        file.write_all(&[0; 4_096])?;
        file.sync_all()
    });
    let removed = fs::remove_file(path);
    written.and(removed)
}

/// Whose folder it is, and who asks, where that may be the reason.
fn owners(folder: &Path) -> String {
    let owner = fs::metadata(folder).map(|meta| meta.uid());
    let us = fs::metadata("/proc/self").map(|meta| meta.uid());
    match (owner, us) {
        (Ok(owner), Ok(us)) if owner != us => {
            format!("; it belongs to user {owner}, and this is user {us}")
        }
        _ => String::new(),
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the list is another's, and open")]
fn cure(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "give that folder to the user that runs the bridge (`chown`; in a container, the \
             folder that is mounted at /data), or set the container's user to its owner"
        }
        io::ErrorKind::ReadOnlyFilesystem => {
            "mount a folder there that can be written; in a container that is /data"
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "free some space on that disk",
        _ => "set state_dir to a folder that can be written",
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    #[test]
    fn a_folder_is_tried_by_writing_and_left_as_it_was() {
        let home = TempDir::new().unwrap();
        let inner = home.path().join("a/b");
        for folder in [home.path(), &inner] {
            let step = look(folder, &AtPort::Nobody);
            assert_eq!(step.ok, Some(true), "{step:?}");
            assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0, "nothing is left behind");
        }
    }

    #[test]
    fn a_folder_that_cannot_be_is_wrong_and_says_what_to_do() {
        let home = TempDir::new().unwrap();
        let file = home.path().join("file");
        fs::write(&file, "").unwrap();
        let step = look(&file.join("data"), &AtPort::Nobody);
        assert_eq!(step.ok, Some(false), "{step:?}");
        assert!(step.detail.contains("cannot write") && !step.cure.is_empty(), "{step:?}");
    }
}
