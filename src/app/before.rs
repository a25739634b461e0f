//! What is known of DTUs and plant before the first poll.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use jiff::tz::TimeZone;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::Memory;
use crate::clock::WallClock;
use crate::config::DtuConfig;
use crate::plant::ledger::PortLedger;
use crate::poller::book::Book;
use crate::poller::restore;
use crate::snapshot::state::{DtuState, InverterState};
use crate::store::{Store, StoredDtu, StoredPlant};

/// A DTU without an answer for this long, or for three intervals, does not count as healthy.
const SILENCE_LIMIT: Duration = Duration::from_secs(300);

/// Opens what was kept; `None` if told to end meanwhile.
///
/// Opening waits for a bridge that has not quite ended yet, so it must hold up no signal.
pub(super) async fn store(
    memory: Memory,
    state_dir: PathBuf,
    clock: WallClock,
    ended: &CancellationToken,
) -> anyhow::Result<Option<Store>> {
    match memory {
        Memory::Kept => {
            let opening = tokio::task::spawn_blocking(move || Store::open(&state_dir, clock));
            ended.run_until_cancelled(opening).await.transpose().context("cannot open the store")
        }
        Memory::Forgotten => Ok(Some(Store::in_memory())),
    }
}

/// A DTU of which nothing is known but what was kept.
pub(super) fn state(config: &DtuConfig, interval: Duration, stored: &StoredPlant) -> DtuState {
    let interval = config.interval_or(interval);
    let silence_limit = SILENCE_LIMIT.max(interval.saturating_mul(3));
    DtuState {
        last_success: stored.dtus.get(&config.name).map(|dtu: &StoredDtu| dtu.last_success),
        ..DtuState::unknown(&config.name, config.protocol, silence_limit)
    }
}

/// What was known before the restart, without what the configuration leaves out now.
pub(super) fn book(
    dtus: &[DtuConfig],
    interval: Duration,
    stored: StoredPlant,
    zone: TimeZone,
) -> Book {
    let states = dtus.iter().map(|dtu| state(dtu, interval, &stored)).collect();
    tell_unsound(&stored);
    let StoredPlant { ledgers, inverters, meters, dtus: _ } = stored;
    let known = restore::inverters(inverters).into_iter();
    let known = known.filter(|inverter| is_wanted(inverter, dtus));
    let mut meters = restore::meters(meters);
    meters.retain(|meter| dtus.iter().any(|dtu| *dtu.name == *meter.dtu_name));
    let ledgers = ledgers.into_iter().map(|(key, record)| (key, PortLedger::from_record(record)));
    Book::new(zone, states, known, ledgers).with_meters(meters)
}

/// Tells of energies that cannot be, in one line however many there are.
fn tell_unsound(stored: &StoredPlant) {
    let unsound = stored.ledgers.iter().filter(|(_, record)| !record.is_sound());
    let ports: Vec<String> =
        unsound.map(|((serial, port), _)| format!("{serial} port {port}")).collect();
    let Some((first, others)) = ports.split_first() else { return };
    let others =
        if others.is_empty() { String::new() } else { format!(" and {} more", others.len()) };
    warn!(
        "energies in the database make no sense, of {first}{others}: what cannot be is left out, and \
         their totals may begin with what the devices count; to have them back, stop the bridge, put a \
         backup of state_dir in place, and check the disk or SD card"
    );
}

/// Whether the configuration has the inverter's DTU, and does not leave the inverter out.
pub(super) fn is_wanted(inverter: &InverterState, dtus: &[DtuConfig]) -> bool {
    let serial = inverter.serial.to_string();
    dtus.iter().any(|dtu| {
        *dtu.name == *inverter.dtu_name
            && !dtu.exclude.iter().any(|excluded| excluded.eq_ignore_ascii_case(&serial))
    })
}
