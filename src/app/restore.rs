//! Restores what the previous run knew of DTUs and plant.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use jiff::tz::TimeZone;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::Storage;
use crate::clock::WallClock;
use crate::config::DtuConfig;
use crate::poller::plant::PlantState;
use crate::poller::restore;
use crate::snapshot::health::silence_limit;
use crate::snapshot::state::{DtuState, InverterState};
use crate::store::{Store, StoredPlant};

/// Opens the state; `None` if the bridge is stopped meanwhile.
///
/// It waits for a previous bridge that has not quite ended, which must not delay a signal.
pub(super) async fn store(
    storage: Storage,
    state_dir: PathBuf,
    clock: WallClock,
    stop: &CancellationToken,
) -> anyhow::Result<Option<Store>> {
    match storage {
        Storage::StateDir => {
            let opening = tokio::task::spawn_blocking(move || Store::open(&state_dir, clock));
            stop.run_until_cancelled(opening).await.transpose().context("cannot open the store")
        }
        Storage::InMemory => Ok(Some(Store::in_memory())),
    }
}

/// The state of a DTU before its first poll.
pub(super) fn dtu_state(config: &DtuConfig, interval: Duration, stored: &StoredPlant) -> DtuState {
    let interval = config.interval_or(interval);
    let silence_limit = silence_limit(interval);
    let known = stored.dtus.get(&config.name);
    let configured_serial = config.dtu_serial();
    let serial = known.and_then(|dtu| dtu.serial.as_ref()?.parse().ok());
    DtuState {
        interval: Some(interval),
        last_success: known.map(|dtu| dtu.last_success),
        // One that the configuration does not accept any more is forgotten.
        serial: serial.filter(|_| configured_serial.is_none() || configured_serial == serial),
        configured_serial,
        ..DtuState::unknown(&config.name, config.protocol, silence_limit)
    }
}

/// The plant as it was before the restart, without what the configuration now leaves out.
pub(super) fn plant(
    dtus: &[DtuConfig],
    interval: Duration,
    stored: StoredPlant,
    zone: TimeZone,
) -> PlantState {
    let states = dtus.iter().map(|dtu| dtu_state(dtu, interval, &stored)).collect();
    warn_of_unsound_energies(&stored);
    let ledgers = restore::ledgers(&stored);
    let StoredPlant { ledgers: _, sums, inverters, meters, dtus: _, mut departed, day_curve } =
        stored;
    let (known, gone): (Vec<_>, Vec<_>) =
        restore::inverters(inverters).into_iter().partition(|inverter| is_wanted(inverter, dtus));
    departed.extend(gone.into_iter().map(|inverter| (inverter.serial, inverter.first_seen)));
    let mut meters = restore::meters(meters);
    meters.retain(|meter| dtus.iter().any(|dtu| *dtu.name == *meter.dtu_name));
    PlantState::new(zone, states, known, ledgers)
        .with_sums(sums)
        .with_meters(meters)
        .with_departed(departed)
        .with_day_curve(restore::day_curve(day_curve))
}

/// One line about impossible energies, however many there are.
fn warn_of_unsound_energies(stored: &StoredPlant) {
    let unsound = stored.ledgers.iter().filter(|(_, record)| !record.is_sound());
    let ports: Vec<String> =
        unsound.map(|((serial, port), _)| format!("{serial} port {port}")).collect();
    let Some((first, others)) = ports.split_first() else { return };
    let others =
        if others.is_empty() { String::new() } else { format!(" and {} more", others.len()) };
    warn!(
        "the database has impossible energies for {first}{others}; ignoring them, so that these totals \
         may start over from the devices' own counters. To get them back, stop the bridge, restore a \
         backup of state_dir, and check the disk or SD card"
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
