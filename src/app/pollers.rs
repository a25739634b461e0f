//! One poller per configured DTU, each a group of tasks that can be stopped alone.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use jiff::tz::TimeZone;
use tokio::sync::oneshot;
use tracing::{debug, warn};

use super::{restore, with_simulated_plant};
use crate::clock::WallClock;
use crate::config::DtuConfig;
use crate::dtu::AnyDtu;
use crate::poller::Poller;
use crate::poller::publish::SnapshotPublisher;
use crate::store::StoredPlant;
use crate::targets::Changes;
use crate::tasks::Tasks;
use crate::telemetry::metrics::Metrics;

/// How long the tasks of one DTU may take to stop.
const GRACE: Duration = Duration::from_secs(5);

/// What pollers share.
pub(super) struct Shared {
    pub(super) publisher: SnapshotPublisher,
    pub(super) metrics: Metrics,
    pub(super) clock: WallClock,
    pub(super) zone: TimeZone,
}

/// The running pollers.
pub(super) struct Pollers {
    tasks: Tasks,
    shared: Shared,
    running: Vec<Running>,
    /// DTUs whose pollers were stopped, for reuse by new ones.
    stopped: Vec<(DtuConfig, AnyDtu)>,
}

struct Running {
    config: DtuConfig,
    interval: Duration,
    tasks: Tasks,
    /// The DTU, once its tasks have stopped.
    dtu: oneshot::Receiver<AnyDtu>,
}

impl Running {
    fn is(&self, config: &DtuConfig, interval: Duration) -> bool {
        self.config == *config && self.interval == config.interval_or(interval)
    }
}

impl Pollers {
    /// No poller yet.
    pub(super) fn new(tasks: Tasks, shared: Shared) -> Self {
        Self { tasks, shared, running: Vec::new(), stopped: Vec::new() }
    }

    /// Polls these DTUs from now on, and no others. A DTU whose settings are the same is not
    /// interrupted.
    pub(super) async fn reconfigure(
        &mut self,
        dtus: Vec<DtuConfig>,
        interval: Duration,
    ) -> anyhow::Result<Changes> {
        let mut changes = Changes::default();
        let is_wanted = |one: &Running| dtus.iter().any(|dtu| one.is(dtu, interval));
        let (kept, gone): (Vec<_>, Vec<_>) = self.running.drain(..).partition(is_wanted);
        self.running = kept;
        for mut gone in gone {
            // A DTU serves one client: the connection must be closed before the next is opened.
            if !gone.tasks.shut_down(GRACE).await {
                warn!("{}: the previous poller did not stop within {GRACE:?}", gone.config.name);
            }
            self.stopped.extend(gone.dtu.try_recv().ok().map(|dtu| (gone.config, dtu)));
            changes.stopped += 1;
        }
        self.publish_dtus(&dtus, interval);
        for dtu in dtus {
            if self.running.iter().any(|one| one.is(&dtu, interval)) {
                changes.kept += 1;
            } else {
                self.start(dtu, interval).await?;
                changes.started += 1;
            }
        }
        self.stopped.clear();
        Ok(changes)
    }

    /// Updates the plant to these DTUs.
    fn publish_dtus(&self, dtus: &[DtuConfig], interval: Duration) {
        let nothing = StoredPlant::default();
        let states = dtus.iter().map(|dtu| restore::dtu_state(dtu, interval, &nothing)).collect();
        let Shared { publisher, clock, .. } = &self.shared;
        publisher.reconfigure(states, |inverter| restore::is_wanted(inverter, dtus), clock.now());
    }

    /// Starts the pollers of these DTUs.
    pub(super) async fn start_all(
        &mut self,
        dtus: Vec<DtuConfig>,
        interval: Duration,
    ) -> anyhow::Result<()> {
        for dtu in dtus {
            self.start(dtu, interval).await?;
        }
        Ok(())
    }

    /// Starts the poller of one DTU, and the DTU itself if it is simulated.
    pub(super) async fn start(
        &mut self,
        config: DtuConfig,
        interval: Duration,
    ) -> anyhow::Result<()> {
        let Shared { publisher, metrics, clock, zone } = &self.shared;
        let tasks = self.tasks.group();
        let effective = with_simulated_plant(&tasks, config.clone()).await;
        let effective = effective.context("cannot simulate a plant")?;
        let interval = effective.interval_or(interval);
        let previous = self.stopped.iter().position(|(old, _)| is_same_device(old, &effective));
        let mut dtu = match previous.map(|index| self.stopped.swap_remove(index)) {
            Some((_, dtu)) => {
                debug!("{}: same device as before; keeping its request pacing", effective.name);
                dtu.reconfigured(&effective, zone.clone())
            }
            None => AnyDtu::new(&effective, clock.clone(), zone.clone()),
        };
        let name = Arc::from(effective.name.as_str());
        let (publisher, metrics, clock) = (publisher.clone(), metrics.clone(), clock.clone());
        let (stop, (give_back, returned)) = (tasks.stop(), oneshot::channel());
        tasks.spawn("poller", async move {
            let poller = Poller { name, interval, dtu: &mut dtu, publisher, metrics, clock };
            poller.run(stop).await;
            // Nobody waits for it when the whole daemon stops.
            drop(give_back.send(dtu));
        });
        self.running.push(Running { config, interval, tasks, dtu: returned });
        Ok(())
    }
}

/// Whether both are one device, which must not be polled more often because its settings changed.
fn is_same_device(one: &DtuConfig, other: &DtuConfig) -> bool {
    (one.protocol, &one.host, one.port()) == (other.protocol, &other.host, other.port())
}
