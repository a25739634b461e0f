//! How fast news travels: from the last byte of a DTU to a target, and from one snapshot to a
//! thousand targets. DTUs, bridge and targets share this process and its two threads.
#![expect(clippy::print_stdout, reason = "the figures are what a benchmark is for")]

mod support;

use std::future::pending;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hoymiles_bridge::cli::open_files;
use hoymiles_bridge::clock::WallClock;
use hoymiles_bridge::config::{RegistrationConfig, TargetConfig};
use hoymiles_bridge::dtu::modbus::ModbusDtu;
use hoymiles_bridge::dtu::{Dtu, PollError};
use hoymiles_bridge::plant::reading::DtuReading;
use hoymiles_bridge::poller::Poller;
use hoymiles_bridge::poller::book::Book;
use hoymiles_bridge::poller::keeper::Keeper;
use hoymiles_bridge::push;
use hoymiles_bridge::sim::conversation::{Language, NotARequest};
use hoymiles_bridge::sim::faults::ActiveFaults;
use hoymiles_bridge::sim::modbus::Modbus;
use hoymiles_bridge::sim::simulation::Simulation;
use hoymiles_bridge::snapshot::state::DtuState;
use hoymiles_bridge::snapshot::{Snapshot, channel};
use hoymiles_bridge::store::Store;
use hoymiles_bridge::targets::Directory;
use hoymiles_bridge::tasks::Tasks;
use hoymiles_bridge::telemetry::metrics::Metrics;
use jiff::tz::TimeZone;
use support::plant::{self, INVERTERS, PORTS};
use support::target::Targets;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// From the DTU's last byte to a target, for 99 of 100 polls.
const MOST_LATENCY: Duration = Duration::from_millis(5);
const POLLS: usize = 600;
/// From one snapshot to the last of all targets.
const MOST_FAN_OUT: Duration = Duration::from_millis(500);
const TARGETS: usize = 1_000;
const ROUNDS: usize = 11;
/// Each target has two ends here; the rest is for everything else.
const OPEN_FILES: u64 = 2 * TARGETS as u64 + 100;

fn main() -> anyhow::Result<()> {
    // The daemon's log at its usual level is written, too, though to nobody.
    tracing_subscriber::fmt().with_writer(io::sink).init();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let snapshot = latency().await?;
        fan_out(snapshot).await
    })
}

/// Polls the DTUs of a large plant in turn, with one target that waits for it.
async fn latency() -> anyhow::Result<Snapshot> {
    let tasks = Tasks::new();
    let modbus = Stamping::default();
    let mut dtus = plant::start(&tasks, modbus.clone()).await?;
    let state_dir = tempfile::tempdir()?;
    let clock = WallClock::system();
    let store = Store::open(state_dir.path(), clock.now());
    let states = dtus
        .iter()
        .map(|dtu| DtuState::unknown(&dtu.name, dtu.protocol, Duration::from_secs(300)))
        .collect();
    let book = Book::new(TimeZone::UTC, states, [], []);
    let (keeper, snapshots) = Keeper::new(book, store.clone(), clock.now());
    let mut targets = Targets::start(&tasks).await?;
    let directory = directory(&targets, 1, store)?;
    push::start(&tasks, directory, snapshots.clone(), clock.clone());
    let mut turns = Vec::new();
    for config in &mut dtus {
        // To be done sooner; the last answer is none the easier for it.
        config.records_per_read = 6;
        let (turn, its_turns) = mpsc::channel(1);
        turns.push(turn);
        let poller = Poller {
            name: Arc::from(config.name.as_str()),
            dtu: InTurn { dtu: ModbusDtu::new(config), turns: its_turns },
            interval: Duration::from_millis(1),
            keeper: keeper.clone(),
            metrics: Metrics::new(),
            clock: clock.clone(),
        };
        tasks.spawn("poller", poller.run(tasks.stop()));
    }

    // The first poll of each DTU dials and asks for its serial number.
    let mut took = Vec::new();
    let mut bytes = 0;
    for nth in 0..dtus.len() + POLLS {
        let turn = turns.get(nth % dtus.len()).ok_or_else(|| anyhow::anyhow!("no DTU"))?;
        turn.send(()).await?;
        let update = targets.wait_for(1).await?;
        bytes = update.bytes;
        if nth >= dtus.len() {
            took.push(update.at.duration_since(modbus.last_byte()));
        }
    }
    let snapshot = Snapshot::clone(&snapshots.latest());
    assert_eq!((snapshot.inverters.len(), snapshot.port_count()), (INVERTERS, INVERTERS * PORTS));
    drop(turns);
    tasks.shut_down(Duration::from_secs(5)).await;

    took.sort();
    let at = |percent: usize| took.get(took.len() * percent / 100).copied().unwrap_or_default();
    println!(
        "DTU's last byte to a target's receipt, {INVERTERS} inverters x {PORTS} ports, {bytes} \
         bytes, {POLLS} polls: half within {:.2?}, 99 % within {:.2?}, slowest {:.2?}; limit of \
         99 % {MOST_LATENCY:?}",
        at(50),
        at(99),
        took.last().copied().unwrap_or_default()
    );
    assert!(at(99) <= MOST_LATENCY, "over the limit");
    Ok(snapshot)
}

/// Publishes a snapshot to a thousand targets, again and again.
async fn fan_out(snapshot: Snapshot) -> anyhow::Result<()> {
    let limit = open_files::raise_limit();
    anyhow::ensure!(
        limit.is_none_or(|limit| limit >= OPEN_FILES),
        "{TARGETS} targets need {OPEN_FILES} open files; the system allows {limit:?} (ulimit -Hn)"
    );
    let tasks = Tasks::new();
    let mut targets = Targets::start(&tasks).await?;
    let (writer, snapshots) = channel(snapshot.clone());
    let directory = directory(&targets, TARGETS, Store::in_memory())?;
    let begun = Instant::now();
    push::start(&tasks, directory.clone(), snapshots, WallClock::system());
    let first = targets.wait_for(TARGETS).await?;
    let connecting = first.at.duration_since(begun);

    let mut took = Vec::new();
    for _ in 0..ROUNDS {
        let snapshot = snapshot.clone();
        let begun = Instant::now();
        writer.publish(snapshot);
        took.push(targets.wait_for(TARGETS).await?.at.duration_since(begun));
    }
    let skipped: u64 = directory.statuses().iter().map(|target| target.updates_skipped).sum();
    assert_eq!(skipped, 0, "each target got each update");
    tasks.shut_down(Duration::from_secs(5)).await;

    took.sort();
    let half = took.get(ROUNDS / 2).copied().unwrap_or_default();
    println!(
        "one snapshot of {} bytes to {TARGETS} targets, {ROUNDS} times: half within {half:.2?}, \
         slowest {:.2?}; limit {MOST_FAN_OUT:?}. Connecting them took {connecting:.2?}",
        first.bytes,
        took.last().copied().unwrap_or_default()
    );
    assert!(half <= MOST_FAN_OUT, "over the limit");
    Ok(())
}

fn directory(targets: &Targets, count: usize, store: Store) -> anyhow::Result<Directory> {
    let configured: Result<Vec<TargetConfig>, _> = (0..count)
        .map(|nth| toml::from_str(&format!("name = 'Target {nth}'\nurl = '{}'", targets.url(nth))))
        .collect();
    let registration = RegistrationConfig::default();
    Ok(Directory::new(&configured?, Vec::new(), &registration, store, WallClock::system())?)
}

/// A DTU that is polled when it is its turn.
struct InTurn {
    dtu: ModbusDtu,
    turns: mpsc::Receiver<()>,
}

impl Dtu for InTurn {
    async fn poll(&mut self) -> Result<DtuReading, PollError> {
        match self.turns.recv().await {
            Some(()) => self.dtu.poll().await,
            None => pending().await,
        }
    }
}

/// Modbus that takes note of when it has answered; nothing but sending the bytes comes after.
#[derive(Clone, Default)]
struct Stamping {
    modbus: Modbus,
    answered: Arc<Mutex<Option<Instant>>>,
}

impl Stamping {
    fn last_byte(&self) -> Instant {
        let answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        answered.unwrap_or_else(Instant::now)
    }
}

impl Language for Stamping {
    fn request_length(&self, begun: &[u8]) -> Result<Option<usize>, NotARequest> {
        self.modbus.request_length(begun)
    }

    fn reply(&self, request: &[u8], simulation: &Simulation, faults: &ActiveFaults) -> Vec<u8> {
        let reply = self.modbus.reply(request, simulation, faults);
        *self.answered.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        reply
    }
}
