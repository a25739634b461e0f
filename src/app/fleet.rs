//! The DTUs that are asked, each by tasks of its own that end with it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use jiff::tz::TimeZone;
use tokio::sync::oneshot;
use tracing::{debug, warn};

use super::{before, with_simulated_plant};
use crate::clock::WallClock;
use crate::config::DtuConfig;
use crate::dtu::AnyDtu;
use crate::poller::Poller;
use crate::poller::keeper::Keeper;
use crate::store::StoredPlant;
use crate::targets::Changes;
use crate::tasks::Tasks;
use crate::telemetry::metrics::Metrics;

/// How long the tasks of one DTU may take to end.
const GRACE: Duration = Duration::from_secs(5);

/// What pollers share.
pub(super) struct Parts {
    pub(super) keeper: Keeper,
    pub(super) metrics: Metrics,
    pub(super) clock: WallClock,
    pub(super) zone: TimeZone,
}

/// The DTUs that are asked.
pub(super) struct Fleet {
    tasks: Tasks,
    parts: Parts,
    running: Vec<Running>,
    /// DTUs that are not asked any more as they were configured.
    left: Vec<(DtuConfig, AnyDtu)>,
}

struct Running {
    config: DtuConfig,
    interval: Duration,
    tasks: Tasks,
    /// The DTU, once its tasks have ended.
    left: oneshot::Receiver<AnyDtu>,
}

impl Running {
    fn is(&self, config: &DtuConfig, interval: Duration) -> bool {
        self.config == *config && self.interval == config.interval_or(interval)
    }
}

impl Fleet {
    /// No DTU yet.
    pub(super) fn new(tasks: Tasks, parts: Parts) -> Self {
        Self { tasks, parts, running: Vec::new(), left: Vec::new() }
    }

    /// Asks these DTUs from now on, and no others. One that is the same as before notices nothing.
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
                warn!("{}: the polling of before did not end within {GRACE:?}", gone.config.name);
            }
            self.left.extend(gone.left.try_recv().ok().map(|dtu| (gone.config, dtu)));
            changes.stopped += 1;
        }
        self.note(&dtus, interval);
        for dtu in dtus {
            if self.running.iter().any(|one| one.is(&dtu, interval)) {
                changes.kept += 1;
            } else {
                self.start(dtu, interval).await?;
                changes.started += 1;
            }
        }
        self.left.clear();
        Ok(changes)
    }

    /// Tells the keeper of the book which DTUs there are.
    fn note(&self, dtus: &[DtuConfig], interval: Duration) {
        let nothing = StoredPlant::default();
        let states = dtus.iter().map(|dtu| before::state(dtu, interval, &nothing)).collect();
        let Parts { keeper, clock, .. } = &self.parts;
        keeper.reconfigure(states, |inverter| before::is_wanted(inverter, dtus), clock.now());
    }

    /// Starts the task that asks one DTU, and the DTU itself if it is a simulated one.
    pub(super) async fn start(
        &mut self,
        config: DtuConfig,
        interval: Duration,
    ) -> anyhow::Result<()> {
        let Parts { keeper, metrics, clock, zone } = &self.parts;
        let tasks = self.tasks.group();
        let asked = with_simulated_plant(&tasks, config.clone());
        let asked = asked.await.context("cannot simulate a plant")?;
        let interval = asked.interval_or(interval);
        let before = self.left.iter().position(|(before, _)| is_same_device(before, &asked));
        let mut dtu = match before.map(|place| self.left.swap_remove(place)) {
            Some((_, dtu)) => {
                debug!("{}: the DTU of before, asked at the pace of before", asked.name);
                dtu.reconfigured(&asked, zone.clone())
            }
            None => AnyDtu::new(&asked, clock.clone(), zone.clone()),
        };
        let name = Arc::from(asked.name.as_str());
        let (keeper, metrics, clock) = (keeper.clone(), metrics.clone(), clock.clone());
        let (stop, (leave, left)) = (tasks.stop(), oneshot::channel());
        tasks.spawn("poller", async move {
            let asked = Poller { name, interval, dtu: &mut dtu, keeper, metrics, clock };
            asked.run(stop).await;
            // Whoever does not wait for it does not want it.
            drop(leave.send(dtu));
        });
        self.running.push(Running { config, interval, tasks, left });
        Ok(())
    }
}

/// Whether both mean one device, which must not be asked more often because its configuration has
/// changed.
fn is_same_device(one: &DtuConfig, other: &DtuConfig) -> bool {
    (one.protocol, &one.host, one.port()) == (other.protocol, &other.host, other.port())
}
