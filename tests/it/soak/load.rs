//! DTUs that fail in turn, targets that flap, registrations, and clients of the API, all at once.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hoymiles_bridge::sim::Simulation;
use hoymiles_bridge::sim::faults::Fault as DtuFault;
use serde_json::json;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::support::bridge::Bridge;
use crate::support::client;
use crate::support::simulated::SimulatedDtu;
use crate::targets::faulty::{Fault, Faulty};
use crate::targets::step::Step;

const DTU_FAULTS: [DtuFault; 10] = [
    DtuFault::Silence,
    DtuFault::Close,
    DtuFault::CloseMidFrame,
    DtuFault::Reset,
    DtuFault::HalfAnswer(Duration::from_millis(300)),
    DtuFault::LateAnswer,
    DtuFault::Garbage,
    DtuFault::NewKey,
    DtuFault::BadCrc,
    DtuFault::OneByteAtATime(Duration::from_millis(1)),
];
/// How long a DTU has a fault, and how soon the next DTU has one.
const FAULT_EVERY: Duration = Duration::from_millis(700);

/// What flapping targets do; each new token makes the bridge connect to one of them at once.
const FLAPPING: [&[Step]; 6] = [
    &[Step::Upgrade, Step::Welcome, Step::Disconnect],
    &[Step::Upgrade, Step::Welcome, Step::Reset],
    &[Step::Upgrade, Step::Welcome, Step::Take(2_000), Step::Close(1001, "going away")],
    &[Step::Request, Step::Send(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")],
    &[Step::Upgrade, Step::Text(r#"{"error": "Invalid authentication token"}"#), Step::Disconnect],
    &[Step::Disconnect],
];
const REGISTRATION_EVERY: Duration = Duration::from_millis(100);

const PATHS: [&str; 8] = [
    "/health",
    "/ready",
    "/stats",
    "/metrics",
    "/api/inverters",
    "/api/ports",
    "/api/targets",
    "/nothing",
];
/// Half of the clients keep their connection, the others make one for each request.
const CLIENTS: usize = 4;
const REQUEST_EVERY: Duration = Duration::from_millis(20);

/// Counts of faults, registrations and requests.
#[derive(Debug, Default)]
pub(super) struct Counts {
    faults: AtomicU64,
    registrations: AtomicU64,
    requests: AtomicU64,
}

impl Counts {
    /// Checks that there was as much load as a slow machine can produce.
    #[track_caller]
    pub(super) fn check(&self, lasted: Duration) {
        let seconds = lasted.as_secs();
        assert!(self.faults.load(Ordering::Relaxed) >= seconds / 2, "{self}");
        assert!(self.registrations.load(Ordering::Relaxed) >= seconds, "{self}");
        assert!(self.requests.load(Ordering::Relaxed) >= 10 * seconds, "{self}");
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [faults, registrations, requests] =
            [&self.faults, &self.registrations, &self.requests].map(|c| c.load(Ordering::Relaxed));
        write!(f, "{faults} faults, {registrations} registrations, {requests} requests")
    }
}

/// The tasks that produce the load until they are stopped.
pub(super) struct Load {
    targets: Arc<Vec<Faulty>>,
    counts: Arc<Counts>,
    bridge: Arc<Bridge>,
}

impl Load {
    pub(super) fn start(
        bridge: Arc<Bridge>,
        dtus: &[SimulatedDtu],
        tasks: &TaskTracker,
        stop: &CancellationToken,
    ) -> Self {
        let targets = FLAPPING.iter().map(|script| Faulty::start(Fault::plain(script))).collect();
        let (targets, counts) = (Arc::new(targets), Arc::<Counts>::default());
        let run = |task: std::pin::Pin<Box<dyn Future<Output = ()> + Send>>| {
            let stop = stop.clone();
            drop(tasks.spawn(async move {
                stop.run_until_cancelled(task).await;
            }));
        };
        let simulations = dtus.iter().map(|dtu| dtu.simulation.clone()).collect();
        run(Box::pin(break_dtus(simulations, Arc::clone(&counts))));
        run(Box::pin(register(Arc::clone(&bridge), Arc::clone(&targets), Arc::clone(&counts))));
        for number in 0..CLIENTS {
            run(Box::pin(ask(bridge.api.clone(), number, Arc::clone(&counts))));
        }
        Self { targets, counts, bridge }
    }

    pub(super) fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Deletes the targets after the tasks have ended, and returns the counts.
    pub(super) async fn end(self) -> Arc<Counts> {
        for number in 0..FLAPPING.len() {
            let url = format!("{}/api/targets/flapping-{number}", self.bridge.api);
            let status = client().delete(url).send().await.unwrap().status().as_u16();
            assert!([204, 404].contains(&status), "{status}");
        }
        let targets = Arc::into_inner(self.targets).expect("the tasks have ended");
        for target in targets {
            target.stop().await;
        }
        self.counts
    }
}

async fn break_dtus(dtus: Vec<Simulation>, counts: Arc<Counts>) {
    let mut ticks = interval(FAULT_EVERY);
    for (dtu, fault) in dtus.iter().cycle().zip(DTU_FAULTS.iter().cycle()) {
        dtu.faults().set(*fault);
        counts.faults.fetch_add(1, Ordering::Relaxed);
        ticks.tick().await;
        dtu.faults().clear_all();
    }
}

async fn register(bridge: Arc<Bridge>, targets: Arc<Vec<Faulty>>, counts: Arc<Counts>) {
    let mut ticks = interval(REGISTRATION_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let numbered = targets.iter().enumerate();
    for (token, (number, target)) in (0_u64..).zip(numbered.cycle()) {
        ticks.tick().await;
        let url = format!("ws://{}/ws?token={token}", target.address);
        let body = json!({"websocket_url": url, "name": format!("flapping-{number}")});
        assert_eq!(bridge.post("/api/websocket/register", &body).await.0, 200);
        counts.registrations.fetch_add(1, Ordering::Relaxed);
    }
}

async fn ask(api: String, number: usize, counts: Arc<Counts>) {
    drop(client());
    let kept = usize::from(number.is_multiple_of(2));
    let client = reqwest::Client::builder().pool_max_idle_per_host(kept).build().unwrap();
    let mut ticks = interval(REQUEST_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for path in PATHS.iter().cycle() {
        ticks.tick().await;
        let response = client.get(format!("{api}{path}")).send().await.unwrap();
        let expected = if *path == "/nothing" { 404 } else { 200 };
        assert_eq!(response.status().as_u16(), expected, "{path}");
        drop(response.bytes().await.unwrap());
        counts.requests.fetch_add(1, Ordering::Relaxed);
    }
}
