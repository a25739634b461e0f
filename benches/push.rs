//! Latency of updates: from the last byte of a DTU to a target, and from one snapshot to a
//! thousand targets. DTUs, bridge and targets share this process and its two threads.
#![expect(clippy::print_stdout, reason = "a benchmark prints its results")]

mod support;

use std::fmt;
use std::future::pending;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hoymiles_bridge::cli::process;
use hoymiles_bridge::clock::WallClock;
use hoymiles_bridge::config::{RecordsPerRead, RegistrationConfig, TargetConfig};
use hoymiles_bridge::dtu::modbus::ModbusDtu;
use hoymiles_bridge::dtu::{Dtu, PollError};
use hoymiles_bridge::plant::reading::DtuReading;
use hoymiles_bridge::poller::Poller;
use hoymiles_bridge::poller::plant::PlantState;
use hoymiles_bridge::poller::publish::SnapshotPublisher;
use hoymiles_bridge::push;
use hoymiles_bridge::sim::Simulation;
use hoymiles_bridge::sim::faults::ActiveFaults;
use hoymiles_bridge::sim::modbus::Modbus;
use hoymiles_bridge::sim::server::{NotARequest, WireProtocol};
use hoymiles_bridge::snapshot::state::DtuState;
use hoymiles_bridge::snapshot::{Snapshot, SnapshotReader, channel};
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
/// From one snapshot to the last of all targets, for every other snapshot.
const MOST_FAN_OUT: Duration = Duration::from_millis(500);
const TARGETS: usize = 1_000;
const SNAPSHOTS: usize = 11;
/// Each target has two ends here; the rest is for everything else.
const OPEN_FILES: u64 = 2 * TARGETS as u64 + 100;
/// Other load on the machine delays everything, so the best of these tries counts.
const TRIES: usize = 5;

fn main() -> anyhow::Result<()> {
    // The log is written at its default level, and discarded.
    tracing_subscriber::fmt().with_writer(io::sink).init();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let snapshot = latency().await?;
        fan_out(snapshot).await
    })
}

/// Polls a large plant for one target; returns the last snapshot.
async fn latency() -> anyhow::Result<Snapshot> {
    let state_dir = tempfile::tempdir()?;
    let mut bridge = Bridge::start(state_dir.path()).await?;
    // The first poll of each DTU connects and reads its serial number.
    bridge.poll(bridge.turns.len()).await?;
    for _ in 0..TRIES {
        let took = bridge.poll(POLLS).await?;
        println!(
            "{INVERTERS} inverters x {PORTS} ports, DTU's last byte to a target's receipt, {POLLS} \
             polls: {took}; limit of 99 % {MOST_LATENCY:?}"
        );
        if took.within(99) <= MOST_LATENCY {
            let snapshot = Snapshot::clone(&bridge.snapshots.latest());
            let size = (snapshot.inverters().len(), snapshot.port_count());
            assert_eq!(size, (INVERTERS, INVERTERS * PORTS), "the whole plant");
            bridge.tasks.shut_down(Duration::from_secs(5)).await;
            return Ok(snapshot);
        }
    }
    anyhow::bail!("over the limit, {TRIES} times")
}

/// Publishes a snapshot to a thousand targets repeatedly.
async fn fan_out(snapshot: Snapshot) -> anyhow::Result<()> {
    let limit = process::raise_file_limit();
    anyhow::ensure!(
        limit.is_none_or(|limit| limit >= OPEN_FILES),
        "{TARGETS} targets need {OPEN_FILES} open files; the system allows {limit:?} (ulimit -Hn)"
    );
    let tasks = Tasks::new();
    let mut targets = Targets::start(&tasks).await?;
    let (writer, snapshots) = channel(snapshot.clone());
    let directory = directory(&targets, TARGETS, Store::in_memory())?;
    push::start(&tasks, directory.clone(), snapshots, WallClock::system());
    let bytes = targets.wait_for(TARGETS).await?.bytes;
    for _ in 0..TRIES {
        let mut took = Vec::new();
        for _ in 0..SNAPSHOTS {
            let snapshot = snapshot.clone();
            let begun = Instant::now();
            writer.publish(snapshot);
            took.push(targets.wait_for(TARGETS).await?.at.duration_since(begun));
        }
        let skipped: u64 =
            directory.statuses(&TimeZone::UTC).iter().map(|target| target.updates_skipped).sum();
        assert_eq!(skipped, 0, "each target got each update");
        let took = Took::from(took);
        println!(
            "{TARGETS} targets, an update of {bytes} bytes to the last of them, {SNAPSHOTS} \
             updates: {took}; limit of half {MOST_FAN_OUT:?}"
        );
        if took.within(50) <= MOST_FAN_OUT {
            tasks.shut_down(Duration::from_secs(5)).await;
            return Ok(());
        }
    }
    anyhow::bail!("over the limit, {TRIES} times")
}

/// Durations in ascending order.
struct Took(Vec<Duration>);

impl From<Vec<Duration>> for Took {
    fn from(mut times: Vec<Duration>) -> Self {
        times.sort();
        Self(times)
    }
}

impl Took {
    /// The given percentile.
    fn within(&self, percent: usize) -> Duration {
        let last = self.0.len().saturating_sub(1);
        self.0.get((self.0.len() * percent / 100).min(last)).copied().unwrap_or(Duration::MAX)
    }
}

impl fmt::Display for Took {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (half, most, all) = (self.within(50), self.within(99), self.within(100));
        write!(f, "half within {half:.2?}, 99 % within {most:.2?}, all within {all:.2?}")
    }
}

/// A large plant, the bridge without its HTTP API, and one target.
struct Bridge {
    tasks: Tasks,
    modbus: Stamping,
    targets: Targets,
    turns: Vec<mpsc::Sender<()>>,
    snapshots: SnapshotReader,
}

impl Bridge {
    async fn start(state_dir: &Path) -> anyhow::Result<Self> {
        let (tasks, modbus, clock) = (Tasks::new(), Stamping::default(), WallClock::system());
        let dtus = plant::start(&tasks, modbus.clone()).await?;
        let store = Store::open(state_dir, clock.clone());
        let states = dtus
            .iter()
            .map(|dtu| DtuState::unknown(&dtu.name, dtu.protocol, Duration::from_secs(300)))
            .collect();
        let plant = PlantState::new(TimeZone::UTC, states, [], []);
        let (publisher, snapshots) = SnapshotPublisher::new(plant, store.clone(), clock.now());
        let targets = Targets::start(&tasks).await?;
        push::start(&tasks, directory(&targets, 1, store)?, snapshots.clone(), clock.clone());
        let mut turns = Vec::new();
        for mut config in dtus {
            // Shortens the run without making the last answer any easier.
            config.records_per_read = RecordsPerRead::Number(6);
            let (turn, its_turns) = mpsc::channel(1);
            turns.push(turn);
            let poller = Poller {
                name: Arc::from(config.name.as_str()),
                dtu: InTurn { dtu: ModbusDtu::new(&config), turns: its_turns },
                interval: Duration::from_millis(1),
                publisher: publisher.clone(),
                metrics: Metrics::new(),
                clock: clock.clone(),
            };
            tasks.spawn("poller", poller.run(tasks.stop()));
        }
        Ok(Self { tasks, modbus, targets, turns, snapshots })
    }

    /// Polls the DTUs in turn; returns the times from the last byte of each to the target.
    async fn poll(&mut self, count: usize) -> anyhow::Result<Took> {
        let mut took = Vec::new();
        for turn in self.turns.iter().cycle().take(count) {
            turn.send(()).await?;
            let update = self.targets.wait_for(1).await?;
            took.push(update.at.duration_since(self.modbus.last_byte()));
        }
        Ok(Took::from(took))
    }
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

/// Modbus that records when it has answered; only sending the bytes comes after.
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

impl WireProtocol for Stamping {
    fn request_length(&self, begun: &[u8]) -> Result<Option<usize>, NotARequest> {
        self.modbus.request_length(begun)
    }

    fn reply(&self, request: &[u8], simulation: &Simulation, faults: &ActiveFaults) -> Vec<u8> {
        let reply = self.modbus.reply(request, simulation, faults);
        *self.answered.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        reply
    }
}
