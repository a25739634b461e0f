//! The file that could not be opened at the start: all is kept in memory until it can be.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::Instant;
use tracing::{info, warn};

use super::database::Database;
use super::open::open_if_well;

/// Between two looks at the file.
const PAUSE: Duration = Duration::from_secs(60);

/// What became of the file.
#[derive(Debug)]
pub(super) enum Seen {
    /// Look again later.
    NothingNew,
    /// It holds energies that are not known here: to go on without them would be to lose them.
    Stranger,
    /// It can be written, and holds all.
    Ready(Box<Database>),
}

/// A file that cannot be written yet.
#[derive(Debug)]
pub(super) struct Awaited {
    directory: PathBuf,
    /// Whether the database in memory began with what the file held.
    is_known: bool,
    next_look: Instant,
}

impl Awaited {
    /// The file in `directory`.
    pub(super) fn new(directory: &Path, is_known: bool) -> Self {
        let next_look = Instant::now() + PAUSE;
        Self { directory: directory.to_path_buf(), is_known, next_look }
    }

    /// Opens the file if it is time to look and it can be written, and puts all into it that
    /// `present` holds.
    pub(super) fn look(&mut self, present: &Database) -> Seen {
        let now = Instant::now();
        if now < self.next_look {
            return Seen::NothingNew;
        }
        self.next_look = now + PAUSE;
        let Some(mut database) = open_if_well(&self.directory) else { return Seen::NothingNew };
        let place = self.directory.display();
        if !self.is_known && database.has_ledgers() {
            warn!(
                "{place} can be used now, and holds energies of before: restart the bridge to go on from them"
            );
            return Seen::Stranger;
        }
        if database.take_over(present).is_err() {
            return Seen::NothingNew;
        }
        info!("{place} can be used now: all is kept again");
        Seen::Ready(Box::new(database))
    }

    /// Makes the next look due, for tests.
    #[cfg(test)]
    pub(super) fn make_due(&mut self) {
        self.next_look = Instant::now();
    }
}
