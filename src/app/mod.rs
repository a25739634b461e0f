//! Builds the daemon from its configuration, runs it, ends it. The only room that knows all others.

mod before;

pub mod doorplate;

mod fixed;

mod fleet;

mod reload;

use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use self::doorplate::Doorplate;
use self::fixed::Fixed;
use self::fleet::{Fleet, Parts};
use self::reload::House;
use crate::addon::Adviser;
use crate::clock::WallClock;
use crate::config::load::{ConfigError, Loaded, OfferedBroker};
use crate::config::{Config, DtuConfig, MqttConfig, Protocol};
use crate::http::{self, Api, Limits};
use crate::mqtt::Announcer;
use crate::poller;
use crate::poller::keeper::Keeper;
use crate::push;
use crate::sim;
use crate::store::{Store, Stored};
use crate::targets::Directory;
use crate::tasks::Tasks;
use crate::telemetry::metrics::Metrics;

/// How long all tasks together may take to end.
const GRACE: Duration = Duration::from_millis(1_800);

/// Where what must survive a restart is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// In the state directory.
    Kept,
    /// Nowhere: a demonstration.
    Forgotten,
}

/// What the daemon is told from outside.
#[derive(Debug)]
pub struct Orders {
    /// To end.
    pub ended: CancellationToken,
    /// To go on with another configuration, or what is wrong with it.
    pub configurations: mpsc::Receiver<Result<Loaded, ConfigError>>,
}

/// Runs the daemon until it is told to end or until one of its tasks dies.
///
/// Returns whether it ended because it was told to.
pub async fn run(loaded: Loaded, memory: Memory, orders: Orders) -> anyhow::Result<bool> {
    let fixed = Fixed::of(&loaded.config);
    let Loaded { config, zone, warnings, file, offered } = loaded;
    let Config { timezone: _, state_dir, poll, dtus, targets, mqtt, http, log: _ } = config;
    info!("hoymiles-bridge {} with {}", env!("CARGO_PKG_VERSION"), file.display());
    for warning in warnings {
        warn!("{warning}");
    }
    let listener = http::listen(http.listen)?;

    let clock = WallClock::system();
    let Some(store) =
        before::store(memory, state_dir.clone(), clock.clone(), &orders.ended).await?
    else {
        return Ok(true);
    };
    let Stored { targets: registered, plant, announced } = store.load();
    let book = before::book(&dtus, poll.interval, plant, zone.clone());
    let (keeper, snapshot) = Keeper::new(book, store.clone(), clock.now());

    let tasks = Tasks::new();
    let metrics = Metrics::new();
    let directory =
        Directory::new(&targets, registered, &http.registration, store.clone(), clock.clone())?;
    push::start(&tasks, directory.clone(), snapshot.clone(), clock.clone());
    let announcer = Announcer {
        dtus: dtus.clone(),
        announced,
        snapshots: snapshot.clone(),
        metrics: metrics.clone(),
        store: store.clone(),
    };
    publish_at(mqtt, offered, &tasks, announcer);
    let limits = Limits::from(&http);
    let api = Api {
        snapshot,
        targets: directory.clone(),
        clock: clock.clone(),
        zone: zone.clone(),
        token: http.token,
        metrics: metrics.clone(),
    };
    let _doorplate = announce(memory, &state_dir, &listener)?;
    tasks.spawn("http", http::serve(listener, Arc::new(api), limits, tasks.stop()));
    tasks.spawn(
        "midnight",
        poller::turn_days(keeper.clone(), clock.clone(), zone.clone(), tasks.stop()),
    );
    watch(&tasks, store.clone());
    let parts = Parts { keeper: keeper.clone(), metrics, clock, zone };
    let mut fleet = Fleet::new(tasks.clone(), parts);
    for dtu in dtus {
        fleet.start(dtu, poll.interval).await?;
    }

    let Orders { ended, configurations } = orders;
    let work = take_over_all(House { fixed, fleet, directory }, configurations);
    let told_to = is_told_to_end(ended, tasks.stop(), work).await;
    end(tasks, &keeper, &store).await;
    Ok(told_to)
}

/// Tells where the API is found: in the state directory as long as the result lives, and in the log.
fn announce(
    memory: Memory,
    state_dir: &Path,
    listener: &TcpListener,
) -> io::Result<Option<Doorplate>> {
    let address = listener.local_addr()?;
    let doorplate = Doorplate::put_up(memory, state_dir, address);
    info!("HTTP API on http://{address}");
    Ok(doorplate)
}

/// Starts to publish at the broker of the configuration, or at the one that Home Assistant's
/// Supervisor tells, as soon as it does; or nowhere.
fn publish_at(
    mqtt: Option<MqttConfig>,
    offered: Option<Box<OfferedBroker>>,
    tasks: &Tasks,
    announcer: Announcer,
) {
    if let Some(mqtt) = mqtt {
        announcer.start(tasks, &mqtt, None);
    } else if let Some(offered) = offered {
        let (stop, later) = (tasks.stop(), tasks.clone());
        tasks.spawn_short(async move {
            let mut adviser = Adviser::new(offered);
            if let Some(mqtt) = stop.run_until_cancelled(adviser.broker()).await {
                announcer.start(&later, &mqtt, Some(adviser));
            }
        });
    }
}

/// Ends the daemon with the database's thread.
fn watch(tasks: &Tasks, store: Store) {
    let stop = tasks.stop();
    tasks.spawn("store", async move {
        stop.run_until_cancelled(store.died()).await;
    });
}

/// Ends all tasks, and brings what they left onto the disk.
async fn end(tasks: Tasks, keeper: &Keeper, store: &Store) {
    info!("stopping");
    if !tasks.shut_down(GRACE).await {
        warn!("not every task ended within {GRACE:?}");
    }
    keeper.save();
    store.flush().await;
    info!("stopped");
}

/// Takes over each configuration that comes.
async fn take_over_all(
    mut house: House,
    mut configurations: mpsc::Receiver<Result<Loaded, ConfigError>>,
) -> Infallible {
    while let Some(configuration) = configurations.recv().await {
        house.take_over(configuration).await;
    }
    pending().await
}

/// Waits for the end, and works meanwhile; whether the end was ordered.
async fn is_told_to_end(
    ended: CancellationToken,
    died: CancellationToken,
    work: impl Future<Output = Infallible>,
) -> bool {
    tokio::select! {
        () = ended.cancelled() => true,
        () = died.cancelled() => false,
        never = work => match never {},
    }
}

/// Gives a simulated DTU its plant: a real one on loopback, asked over Modbus-TCP as any other, so
/// that a demonstration shows the bridge at its real work.
pub async fn with_simulated_plant(tasks: &Tasks, mut dtu: DtuConfig) -> io::Result<DtuConfig> {
    if dtu.protocol == Protocol::Simulated {
        let address = sim::start_builtin(tasks, &dtu.name).await?;
        info!("{}: a simulated plant, asked over Modbus-TCP on {address}", dtu.name);
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
    use std::sync::Mutex;

    use tracing::Dispatch;
    use tracing_subscriber::util::SubscriberInitExt as _;

    use super::*;
    use crate::config::load::load_builtin;

    const GUARD: Duration = Duration::from_secs(30);

    /// A log that brings down the first task that says how much it has read.
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
    async fn a_task_that_panics_ends_the_whole_daemon_in_order() {
        let trap = Trap::default();
        let listener = || {
            let trap = trap.clone();
            tracing_subscriber::fmt().with_writer(move || trap.clone())
        };
        // If only one listened, threads without any could decide that nobody wants to hear it.
        let (_second, _listening) = (Dispatch::new(listener().finish()), listener().set_default());
        let toml = "[[dtu]]\nname = \"DTU\"\nprotocol = \"simulated\"\n\
                    [http]\nlisten = \"127.0.0.1:0\"\n";
        let loaded = load_builtin("test", toml, []).unwrap();
        let (_reload, configurations) = mpsc::channel(1);
        let orders = Orders { ended: CancellationToken::new(), configurations };
        let daemon = Box::pin(run(loaded, Memory::Forgotten, orders));
        let told_to = tokio::time::timeout(GUARD, daemon).await;
        assert!(!told_to.unwrap().unwrap(), "nobody told it to end");

        let log = trap.0.lock().unwrap().clone();
        let line = log.lines().find(|line| line.contains("ended unexpectedly; the bridge stops"));
        assert!(
            line.is_some_and(|line| line.contains("ERROR") && line.contains("task poller")),
            "{log}"
        );
        assert!(log.trim_end().ends_with("stopped"), "{log}");
        let api = log.split("HTTP API on http://").nth(1).unwrap().lines().next().unwrap();
        assert!(TcpListener::bind(api).is_ok(), "the port {api} is free again");
    }
}
