//! Builds the daemon from its configuration, runs it, ends it. The only file that knows every room.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use jiff::tz::TimeZone;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::clock::WallClock;
use crate::config::load::Loaded;
use crate::config::{Config, DtuConfig, Protocol};
use crate::dtu::any::AnyDtu;
use crate::http::{self, Api, Limits};
use crate::plant::ledger::PortLedger;
use crate::poller::book::Book;
use crate::poller::keeper::Keeper;
use crate::poller::{self, Poller, restore};
use crate::push;
use crate::sim;
use crate::snapshot::state::{DtuState, DtuStatus};
use crate::store::{Saved, Store};
use crate::targets::Directory;
use crate::tasks::Tasks;
use crate::telemetry::metrics::Metrics;

/// How long all tasks together may take to end.
const GRACE: Duration = Duration::from_millis(1_800);
/// A DTU without an answer for this long, or for three intervals, does not count as healthy.
const SILENCE_LIMIT: Duration = Duration::from_secs(300);

/// What pollers share.
struct Parts {
    keeper: Keeper,
    metrics: Metrics,
    clock: WallClock,
    zone: TimeZone,
}

/// Where what must survive a restart is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// In the state directory.
    Kept,
    /// Nowhere: a demonstration.
    Forgotten,
}

/// Runs the daemon until `ended` or until one of its tasks dies.
///
/// Returns whether it ended because it was told to.
pub async fn run(loaded: Loaded, memory: Memory, ended: CancellationToken) -> anyhow::Result<bool> {
    let Loaded { config, zone, warnings, file } = loaded;
    let Config { timezone: _, state_dir, poll, dtus, targets, http, log: _ } = config;
    info!("hoymiles-bridge {} with {}", env!("CARGO_PKG_VERSION"), file.display());
    for warning in warnings {
        warn!("{warning}");
    }
    // An error means that a provider is installed already, which is as good.
    drop(rustls::crypto::ring::default_provider().install_default());
    let listener = TcpListener::bind(http.listen).await.with_context(|| {
        format!("cannot listen on {} (http.listen); is another bridge running?", http.listen)
    })?;

    let clock = WallClock::system();
    let store = match memory {
        Memory::Kept => Store::open(&state_dir, clock.now()),
        Memory::Forgotten => Store::in_memory(),
    };
    let saved = store.load();
    let states = dtus.iter().map(|dtu| dtu_state(dtu, poll.interval, &saved)).collect();
    let book = book(&dtus, states, &saved, zone.clone());
    let (keeper, snapshot) = Keeper::new(book, store.clone(), clock.now());

    let tasks = Tasks::new();
    let metrics = Metrics::new();
    let directory =
        Directory::new(&targets, saved.targets, &http.registration, store.clone(), clock.clone())?;
    push::start(&tasks, directory.clone(), snapshot.clone(), clock.clone());
    let limits = Limits::from(&http);
    let api = Api {
        snapshot,
        targets: directory,
        clock: clock.clone(),
        zone: zone.clone(),
        token: http.token,
        metrics: metrics.clone(),
    };
    info!("HTTP API on http://{}", listener.local_addr()?);
    tasks.spawn("http", http::serve(listener, Arc::new(api), limits, tasks.stop()));
    tasks.spawn(
        "midnight",
        poller::turn_days(keeper.clone(), clock.clone(), zone.clone(), tasks.stop()),
    );
    let parts = Parts { keeper, metrics, clock, zone };
    for dtu in dtus {
        start_dtu(&tasks, &parts, dtu, poll.interval).await?;
    }

    let died = tasks.stop();
    let told_to = ended.run_until_cancelled(died.cancelled()).await.is_none();
    info!("stopping");
    if !tasks.shut_down(GRACE).await {
        warn!("not every task ended within {GRACE:?}");
    }
    store.flush().await;
    info!("stopped");
    Ok(told_to)
}

/// Starts the task that asks one DTU, and the DTU itself if it is a simulated one.
async fn start_dtu(
    tasks: &Tasks,
    parts: &Parts,
    config: DtuConfig,
    interval: Duration,
) -> anyhow::Result<()> {
    let config = with_simulated_plant(tasks, config).await.context("cannot simulate a plant")?;
    let poller = Poller {
        name: Arc::from(config.name.as_str()),
        interval: config.interval_or(interval),
        dtu: AnyDtu::new(&config, parts.clock.clone(), parts.zone.clone()),
        keeper: parts.keeper.clone(),
        metrics: parts.metrics.clone(),
        clock: parts.clock.clone(),
    };
    tasks.spawn("poller", poller.run(tasks.stop()));
    Ok(())
}

/// Gives a simulated DTU its plant: a real one on loopback, asked over Modbus-TCP as any other, so
/// that a demonstration shows the bridge at its real work.
pub async fn with_simulated_plant(tasks: &Tasks, mut dtu: DtuConfig) -> io::Result<DtuConfig> {
    if dtu.protocol == Protocol::Simulated {
        let address = sim::builtin::start(tasks, &dtu.name).await?;
        info!("{}: a simulated plant, asked over Modbus-TCP on {address}", dtu.name);
        dtu.protocol = Protocol::Modbus;
        dtu.host = address.ip().to_string();
        dtu.port = Some(address.port());
    }
    Ok(dtu)
}

fn dtu_state(config: &DtuConfig, interval: Duration, saved: &Saved) -> DtuState {
    let interval = config.interval_or(interval);
    DtuState {
        name: Arc::from(config.name.as_str()),
        protocol: config.protocol,
        serial: None,
        firmware: None,
        status: DtuStatus::Unknown,
        silence_limit: SILENCE_LIMIT.max(interval.saturating_mul(3)),
        last_success: saved.last_success.get(&config.name).copied(),
        query_count: 0,
        error_count: 0,
        last_error: None,
        last_error_time: None,
    }
}

/// What was known before the restart, without what the configuration leaves out now.
fn book(dtus: &[DtuConfig], states: Vec<DtuState>, saved: &Saved, zone: TimeZone) -> Book {
    let stored = saved.snapshot_json.as_deref().map(restore::inverters).unwrap_or_default();
    let known = stored.into_iter().filter(|inverter| {
        let serial = inverter.serial.to_string();
        dtus.iter().any(|dtu| {
            *dtu.name == *inverter.dtu_name
                && !dtu.exclude.iter().any(|excluded| excluded.eq_ignore_ascii_case(&serial))
        })
    });
    let ledgers =
        saved.ledgers.iter().map(|(key, record)| (*key, PortLedger::from_record(record.clone())));
    Book::new(zone, states, known, ledgers)
}
