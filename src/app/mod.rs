//! Builds the daemon from its configuration, runs it and shuts it down. The only module that knows
//! all others.

pub mod listen_address_file;
mod open_files;
mod pollers;
mod reload;
mod restore;

use std::io;
use std::path::Path;
use std::time::Duration;

use jiff::tz::TimeZone;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use self::listen_address_file::ListenAddressFile;
use self::pollers::{Pollers, Shared};
use self::reload::Reloader;
use crate::addon::SupervisorClient;
use crate::clock::WallClock;
use crate::config::load::{ConfigError, Loaded};
use crate::config::{
    Config, DtuConfig, HistoryConfig, MdnsConfig, MqttConfig, PrivateNames, Protocol,
    SupervisorBroker, describe,
};
use crate::history::History;
use crate::http::{self, About, Sources};
use crate::mdns;
use crate::mqtt::MqttPublisher;
use crate::poller;
use crate::poller::publish::SnapshotPublisher;
use crate::push;
use crate::sim;
use crate::store::{Store, Stored};
use crate::targets::Directory;
use crate::targets::broker::BrokerStatus;
use crate::tasks::Tasks;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::recent::RecentLog;

/// How long all tasks together may take to stop.
const GRACE: Duration = Duration::from_millis(1_800);

/// Where what must survive a restart is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    /// In the state directory.
    StateDir,
    /// For a demonstration: nothing survives.
    InMemory,
}

/// How the daemon is controlled from outside.
#[derive(Debug)]
pub struct Orders {
    /// Cancelled when it shall stop.
    pub stop: CancellationToken,
    /// New configurations, or what is wrong with them.
    pub configurations: mpsc::Receiver<Result<Loaded, ConfigError>>,
    /// Where the newest lines of the log are kept.
    pub log: RecentLog,
}

fn announce(loaded: &Loaded) {
    info!("hoymiles-bridge {} with {}", env!("CARGO_PKG_VERSION"), loaded.file.display());
    if let Some(note) = loaded.note() {
        info!("{note}");
    }
    for warning in &loaded.warnings {
        warn!("{warning}");
    }
}

/// Runs the daemon until it is stopped or one of its tasks dies; whether it was stopped.
#[expect(clippy::too_many_lines, reason = "the whole start, in its order")]
pub async fn run(loaded: Loaded, storage: Storage, orders: Orders) -> anyhow::Result<bool> {
    let about = about(&loaded, orders.log);
    let started_with = loaded.config.clone();
    announce(&loaded);
    let Loaded { config, zone, supervisor_broker, ingress_proxy, .. } = loaded;
    let Config { state_dir, poll, dtus, targets, mqtt, mut http, mdns, history, .. } = config;
    open_files::limit_clients(&mut http, &dtus, targets.len());
    // Bind first: a port in use must end the start before anything else happens.
    let listener = http::listen(http.listen)?;

    // Build.
    let clock = WallClock::system();
    let Some(store) =
        restore::store(storage, state_dir.clone(), clock.clone(), &orders.stop).await?
    else {
        return Ok(true);
    };
    let Stored { targets: registered, plant, announced } = store.load();
    let plant_state = restore::plant(&dtus, poll.interval, plant, zone.clone());
    let (publisher, snapshot) = SnapshotPublisher::new(plant_state, store.clone(), clock.now());
    let history = record(&publisher, &history, (storage, &state_dir), &store, (&zone, &clock));
    let (tasks, metrics) = (Tasks::new(), Metrics::new());
    let directory =
        Directory::new(&targets, registered, &http.registration, store.clone(), clock.clone())?;
    let broker = BrokerStatus::new(clock.clone());
    let mqtt_publisher = MqttPublisher {
        dtus: dtus.clone(),
        announced,
        snapshots: snapshot.clone(),
        metrics: metrics.clone(),
        status: broker.clone(),
        store: store.clone(),
    };
    let sources = Sources {
        snapshot: snapshot.clone(),
        targets: directory.clone(),
        clock: clock.clone(),
        zone: zone.clone(),
        metrics: metrics.clone(),
        history: history.clone(),
        broker,
        about,
        ingress_proxy,
    };

    // Spawn.
    push::start(&tasks, directory.clone(), snapshot, clock.clone());
    start_mqtt(mqtt, supervisor_broker, &tasks, mqtt_publisher);
    let _listen_address_file = announce_address(storage, &state_dir, &listener)?;
    start_mdns(storage, &mdns, &tasks, &listener, &store)?;
    tasks.spawn("http", http::serve(listener, sources, http, tasks.stop()));
    let days = poller::turn_days(publisher.clone(), clock.clone(), zone.clone(), tasks.stop());
    tasks.spawn("midnight", days);
    stop_with_store(&tasks, store.clone(), history.clone());
    let shared = Shared { publisher: publisher.clone(), metrics, clock, zone };
    let mut pollers = Pollers::new(tasks.clone(), shared);
    pollers.start_all(dtus, poll.interval).await?;

    // Wait, and reload meanwhile.
    let reloader = Reloader { started_with, pollers, directory };
    let died = tasks.stop();
    let was_stopped = tokio::select! {
        () = orders.stop.cancelled() => true,
        () = died.cancelled() => false,
        never = reloader.run(orders.configurations) => match never {},
    };

    shut_down(tasks, &publisher, &store, &history).await;
    Ok(was_stopped)
}

fn about(loaded: &Loaded, log: RecentLog) -> About {
    let (configuration, private) = (describe(loaded), PrivateNames::of(&loaded.config));
    About { log, configuration, private }
}

/// Stops all tasks and writes what they left to the disk.
async fn shut_down(tasks: Tasks, publisher: &SnapshotPublisher, store: &Store, history: &History) {
    info!("stopping");
    if !tasks.shut_down(GRACE).await {
        warn!("some tasks did not stop within {GRACE:?}");
    }
    publisher.save();
    tokio::join!(store.flush(), history.flush());
    info!("stopped");
}

/// Says where the API is: in the log, and in the state directory as long as the result lives.
fn announce_address(
    storage: Storage,
    state_dir: &Path,
    listener: &TcpListener,
) -> io::Result<Option<ListenAddressFile>> {
    let address = listener.local_addr()?;
    info!("HTTP API on http://{address}");
    match storage {
        Storage::StateDir => Ok(ListenAddressFile::create(state_dir, address)),
        Storage::InMemory => Ok(None),
    }
}

/// Publishes at the configured broker, or at the one of Home Assistant's Supervisor as soon as the
/// Supervisor provides it.
fn start_mqtt(
    mqtt: Option<MqttConfig>,
    supervisor_broker: Option<Box<SupervisorBroker>>,
    tasks: &Tasks,
    publisher: MqttPublisher,
) {
    if let Some(mqtt) = mqtt {
        publisher.start(tasks, mqtt, None);
    } else if let Some(broker) = supervisor_broker {
        let (stop, later) = (tasks.stop(), tasks.clone());
        tasks.spawn_short(async move {
            let mut supervisor = SupervisorClient::new(broker);
            if let Some(mqtt) = stop.run_until_cancelled(supervisor.broker()).await {
                publisher.start(&later, mqtt, Some(supervisor));
            }
        });
    }
}

/// Announces the bridge by mDNS where that is wanted and useful. A demonstration is not announced.
fn start_mdns(
    storage: Storage,
    mdns: &MdnsConfig,
    tasks: &Tasks,
    listener: &TcpListener,
    store: &Store,
) -> io::Result<()> {
    let listen = listener.local_addr()?;
    if storage == Storage::StateDir
        && mdns::is_useful(listen, mdns.enabled)
        && let Some(instance) = store.instance().cloned()
    {
        let stop = tasks.stop();
        tasks.spawn("mdns", async move { mdns::announce(listen, &instance, stop).await });
    }
    Ok(())
}

/// Opens the history and records every poll. Not if another bridge has the state: its history is in
/// the same folder.
fn record(
    publisher: &SnapshotPublisher,
    config: &HistoryConfig,
    (storage, state_dir): (Storage, &Path),
    store: &Store,
    (zone, clock): (&TimeZone, &WallClock),
) -> History {
    if store.problem().is_some_and(|problem| problem.label == "database_in_use") {
        return History::off();
    }
    let folder = (storage == Storage::StateDir).then_some(state_dir);
    let history = History::open(config, folder, zone.clone(), clock.clone());
    publisher.record_in(history.clone());
    history
}

/// Stops the daemon when the thread of the database or of the history ends.
fn stop_with_store(tasks: &Tasks, store: Store, history: History) {
    let stop = tasks.stop();
    tasks.spawn("store", async move {
        stop.run_until_cancelled(store.died()).await;
    });
    let stop = tasks.stop();
    tasks.spawn("history", async move {
        stop.run_until_cancelled(history.died()).await;
    });
}

/// Gives a simulated DTU its plant: a Modbus-TCP server on loopback that is polled like a real DTU.
pub async fn with_simulated_plant(tasks: &Tasks, mut dtu: DtuConfig) -> io::Result<DtuConfig> {
    if dtu.protocol == Protocol::Simulated {
        let address = sim::start_builtin(tasks, &dtu.name).await?;
        info!("{}: simulated plant, polled over Modbus-TCP at {address}", dtu.name);
        dtu.protocol = Protocol::Modbus;
        dtu.host = address.ip().to_string();
        dtu.port = Some(address.port());
    }
    Ok(dtu)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::TcpListener;
    use std::sync::{Arc, Mutex};

    use tracing::Dispatch;
    use tracing_subscriber::util::SubscriberInitExt as _;

    use super::*;
    use crate::config::load::load_builtin;

    const GUARD: Duration = Duration::from_secs(30);

    /// A log that panics in the first task that logs how much it has read.
    #[derive(Clone, Default)]
    struct Trap(Arc<Mutex<String>>);

    impl Write for Trap {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let line = String::from_utf8_lossy(bytes);
            let mut log = self.0.lock().unwrap();
            let is_first = !log.contains(READ);
            log.push_str(&line);
            drop(log);
            assert!(!(is_first && line.contains(READ)), "planted");
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    const READ: &str = "ports of 19 inverters";

    #[tokio::test]
    async fn a_panicking_task_shuts_the_daemon_down_in_order() {
        let trap = Trap::default();
        let listener = || {
            let trap = trap.clone();
            tracing_subscriber::fmt().with_writer(move || trap.clone())
        };
        // With one subscriber only, threads without one could disable the callsites for all.
        let (_second, _listening) = (Dispatch::new(listener().finish()), listener().set_default());
        let toml = "[[dtu]]\nname = \"DTU\"\nprotocol = \"simulated\"\n\
                    [http]\nlisten = \"127.0.0.1:0\"\n";
        let loaded = load_builtin("test", toml, []).unwrap();
        let (_reload, configurations) = mpsc::channel(1);
        let log = RecentLog::new(WallClock::system());
        let orders = Orders { stop: CancellationToken::new(), configurations, log };
        let daemon = Box::pin(run(loaded, Storage::InMemory, orders));
        let was_stopped = tokio::time::timeout(GUARD, daemon).await;
        assert!(!was_stopped.unwrap().unwrap(), "nobody stopped it");

        let log = trap.0.lock().unwrap().clone();
        let line =
            log.lines().find(|line| line.contains("ended unexpectedly; stopping the bridge"));
        assert!(
            line.is_some_and(|line| line.contains("ERROR") && line.contains("task poller")),
            "{log}"
        );
        assert!(log.trim_end().ends_with("stopped"), "{log}");
        let api = log.split("HTTP API on http://").nth(1).unwrap().lines().next().unwrap();
        assert!(TcpListener::bind(api).is_ok(), "the port {api} is free again");
    }
}
