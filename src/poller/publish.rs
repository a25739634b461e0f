//! Applies the outcome of each poll to the plant, publishes the snapshot, and stores the plant.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tracing::debug;

use super::plant::{PlantState, RejectedReading};
use super::restore;
use crate::clock::Start;
use crate::dtu::PollError;
use crate::history::{History, Poll, Values};
use crate::plant::identity::Identity;
use crate::plant::reading::DtuReading;
use crate::snapshot::state::{DtuState, DtuStatus, InverterState, Stats};
use crate::snapshot::{Contents, Snapshot, SnapshotReader, SnapshotWriter, channel};
use crate::store::Store;

/// The only writer of the snapshot, shared by all pollers. Cheap to clone.
#[derive(Clone, Debug)]
pub struct SnapshotPublisher(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    store: Store,
    history: OnceLock<History>,
    writer: SnapshotWriter,
    // A std mutex: held for pure computing only, never over an await.
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    plant: PlantState,
    start: Start,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wake {
    /// Targets and MQTT get an update.
    Everyone,
    /// Nobody, unless a value has changed.
    IfChanged,
}

impl SnapshotPublisher {
    /// Starts with what was known before, and publishes it. If midnight passed while the bridge was
    /// off, a new day has begun: yesterday's production must not be shown as today's.
    pub fn new(
        mut plant: PlantState,
        store: Store,
        started_at: Timestamp,
    ) -> (Self, SnapshotReader) {
        plant.roll_over(started_at);
        let start = Start::at(started_at);
        let (writer, reader) = channel(snapshot(&plant, &store, start, started_at));
        let state = Mutex::new(State { plant, start });
        (Self(Arc::new(Shared { store, history: OnceLock::new(), writer, state })), reader)
    }

    /// Records every poll from now on. The first history counts.
    pub fn record_in(&self, history: History) {
        drop(self.0.history.set(history));
    }

    /// Records what a poll that was applied has read.
    fn record(&self, dtu: &str, now: Timestamp) {
        let Some(history) = self.0.history.get().filter(|history| history.is_on()) else { return };
        let poll = {
            let state = self.lock();
            let inverters = state.plant.inverters().filter(|state| &*state.dtu_name == dtu);
            let values = inverters.flat_map(|inverter| fresh_values(inverter, now)).collect();
            Poll { dtu: Arc::from(dtu), at: now, values }
        };
        if !poll.values.is_empty() {
            history.record(poll);
        }
    }

    /// Whether a reading, of which nothing was applied yet, is that DTU's.
    pub fn identify(&self, dtu: &str, reading: &DtuReading) -> Identity {
        self.lock().plant.identify(dtu, reading)
    }

    /// Applies a poll that reached its end; returns how many values were not believed.
    pub fn succeeded(&self, dtu: &str, reading: &DtuReading, now: Timestamp) -> usize {
        let rejected = self.apply(now, |plant| {
            let rejected = plant.succeeded(dtu, reading, now);
            plant.note_power(now);
            (rejected, Wake::Everyone)
        });
        self.save_poll(dtu);
        self.record(dtu, now);
        rejected
    }

    /// Stores what a DTU's ports have produced, which must not fall if the process is killed.
    fn save_poll(&self, dtu: &str) {
        let stored = {
            let plant = &self.lock().plant;
            plant.dtu(dtu).and_then(|dtu| restore::stored_dtu(plant, dtu))
        };
        if let Some((name, dtu)) = stored {
            self.0.store.save_poll(name, dtu);
        }
    }

    /// Notes that a DTU has answered during a poll that goes on. Nobody is woken.
    pub fn replied(&self, dtu: &str, now: Timestamp) {
        self.apply(now, |plant| {
            plant.replied(dtu, now);
            (Vec::new(), Wake::IfChanged)
        });
    }

    /// Notes how long a successful poll took, for the snapshot that follows.
    pub fn poll_took(&self, dtu: &str, interval: Duration, took: Duration) {
        self.lock().plant.poll_took(dtu, interval, took);
    }

    /// Applies a poll that failed; returns how many values were not believed. Readers are woken if
    /// something was read, or the status or any value changed.
    pub fn failed(&self, dtu: &str, failure: &PollError, now: Timestamp) -> usize {
        let rejected = self.apply(now, |plant| {
            let was_failing = has_status(plant, dtu, DtuStatus::Error);
            let read_nothing = failure.partial.inverters.is_empty();
            let rejected = plant.failed(dtu, failure.error.problem(), &failure.partial, now);
            if !read_nothing {
                plant.note_power(now);
            }
            let is_old = was_failing && read_nothing;
            (rejected, if is_old { Wake::IfChanged } else { Wake::Everyone })
        });
        if failure.partial.is_live() {
            self.save_poll(dtu);
        }
        self.record(dtu, now);
        rejected
    }

    /// Applies that a DTU did not answer, if that is sleep. Whether it is.
    pub fn fell_asleep(&self, dtu: &str, now: Timestamp) -> bool {
        let mut is_asleep = false;
        self.apply(now, |plant| {
            let was_asleep = has_status(plant, dtu, DtuStatus::Asleep);
            is_asleep = plant.fell_asleep(dtu, now);
            let is_new = is_asleep && !was_asleep;
            (Vec::new(), if is_new { Wake::Everyone } else { Wake::IfChanged })
        });
        is_asleep
    }

    /// Whether a DTU that does not answer now may be asleep.
    pub fn may_sleep(&self, dtu: &str, now: Timestamp) -> bool {
        self.lock().plant.may_sleep(dtu, now)
    }

    /// What is known of a DTU.
    pub fn dtu(&self, name: &str) -> Option<Arc<DtuState>> {
        self.lock().plant.dtu(name).map(Arc::clone)
    }

    /// Takes over another list of DTUs, and of their inverters those that `stays` lets.
    pub fn reconfigure(
        &self,
        dtus: Vec<DtuState>,
        stays: impl Fn(&InverterState) -> bool,
        now: Timestamp,
    ) {
        self.apply(now, |plant| {
            plant.roll_over(now);
            plant.reconfigure(dtus, stays);
            (Vec::new(), Wake::Everyone)
        });
    }

    /// Forgets measurements of DTUs that fail once they have outlived their time.
    pub fn expire_failing(&self, now: Timestamp) {
        let is_any = self.lock().plant.expire_failing(now);
        if is_any {
            self.apply(now, |_| (Vec::new(), Wake::Everyone));
        }
    }

    /// Lets a new day begin.
    pub fn roll_over(&self, now: Timestamp) {
        self.apply(now, |plant| {
            plant.roll_over(now);
            (Vec::new(), Wake::Everyone)
        });
        self.save();
    }

    /// Stores energies and readings now.
    pub fn save(&self) {
        self.0.store.save_plant(restore::to_store(&self.lock().plant));
    }

    fn apply(
        &self,
        now: Timestamp,
        change: impl FnOnce(&mut PlantState) -> (Vec<RejectedReading>, Wake),
    ) -> usize {
        let Shared { store, writer, .. } = &*self.0;
        let mut state = self.lock();
        let (rejected, wake) = change(&mut state.plant);
        state.start = state.start.corrected(now);
        let snapshot = snapshot(&state.plant, store, state.start, now);
        // Still under the lock, so that of two pollers the later one has the last word. None of
        // these waits.
        match wake {
            Wake::IfChanged if writer.has_same_values(&snapshot) => {
                writer.replace_quietly(snapshot);
            }
            Wake::Everyone | Wake::IfChanged => writer.publish(snapshot),
        }
        if store.is_plant_due(state.plant.has_unsaved_sums(), state.plant.ledgers().len()) {
            state.plant.sums_are_saved();
            store.save_plant(restore::to_store(&state.plant));
        }
        drop(state);
        for reading in &rejected {
            debug!("{reading}");
        }
        rejected.len()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A poller that panicked while holding it stops the daemon anyway.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What was read `now` of an inverter: of its ports and, if it has any, of its mains side.
fn fresh_values(inverter: &InverterState, now: Timestamp) -> Vec<Values> {
    let serial = inverter.serial.to_string();
    let ports = inverter.ports.values().filter(|port| port.timestamp == now);
    let mut values: Vec<_> = ports
        .map(|port| Values {
            serial: serial.clone(),
            port: port.reading.number,
            power: port.reading.pv_power,
            total: port.energy.total,
            voltage: port.reading.pv_voltage,
            current: port.reading.pv_current,
            temperature: None,
        })
        .collect();
    if !values.is_empty() && inverter.timestamp == now {
        values.push(Values {
            serial,
            port: 0,
            power: inverter.values.ac.active_power,
            voltage: inverter.values.grid_voltage,
            temperature: inverter.values.temperature,
            ..Values::default()
        });
    }
    values
}

fn has_status(plant: &PlantState, dtu: &str, status: DtuStatus) -> bool {
    plant.dtu(dtu).is_some_and(|state| state.status == status)
}

fn snapshot(plant: &PlantState, store: &Store, start: Start, now: Timestamp) -> Snapshot {
    let inverters: Vec<_> = plant.inverters().map(Arc::clone).collect();
    let usage = store.usage();
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    let stats = Stats {
        database_size_bytes: usage.size_bytes,
        total_records: usage.records,
        inverters_count: count(inverters.len()),
        inverter_data_entries: count(inverters.len()),
        port_data_entries: count(inverters.iter().map(|inverter| inverter.ports.len()).sum()),
        production_cache_entries: count(plant.ledgers().len()),
        database_type: usage.kind,
    };
    Snapshot::new(Contents {
        inverters,
        meters: plant.meters().map(Arc::clone).collect(),
        dtus: plant.dtus().map(Arc::clone).collect(),
        energy: plant.energy(),
        day_curve: Arc::clone(plant.day_curve()),
        stats,
        instance: store.instance().cloned(),
        storage_problem: store.problem(),
        start,
        at: now,
        zone: plant.zone().clone(),
    })
}
