//! The daemon from DTU to target inside the test process, polling more often than any configuration
//! allows: a day of a real plant takes seconds.

use std::sync::Arc;
use std::time::Duration;

use hoymiles_bridge::clock::WallClock;
use hoymiles_bridge::config::{DtuConfig, HttpConfig, Protocol, TargetConfig};
use hoymiles_bridge::dtu::Dtu;
use hoymiles_bridge::dtu::dial::TcpDialer;
use hoymiles_bridge::dtu::modbus::ModbusDtu;
use hoymiles_bridge::dtu::protobuf::{ProtobufDtu, Settings};
use hoymiles_bridge::http::{self, About, Sources};
use hoymiles_bridge::poller::Poller;
use hoymiles_bridge::poller::plant::PlantState;
use hoymiles_bridge::poller::publish::SnapshotPublisher;
use hoymiles_bridge::push;
use hoymiles_bridge::snapshot::SnapshotReader;
use hoymiles_bridge::snapshot::state::DtuState;
use hoymiles_bridge::store::Store;
use hoymiles_bridge::targets::Directory;
use hoymiles_bridge::targets::broker::BrokerStatus;
use hoymiles_bridge::tasks::Tasks;
use hoymiles_bridge::telemetry::metrics::Metrics;
use jiff::tz::TimeZone;
use serde_json::Value;
use tokio::net::TcpListener;
use tracing::subscriber::DefaultGuard;

use super::log::Log;
use super::simulated::{PlantClock, SimulatedDtu};
use super::{client, within_guard};

/// From the start of one poll to the start of the next.
pub(crate) const INTERVAL: Duration = Duration::from_millis(100);
/// Pause between an answer and the next request.
pub(crate) const GAP: Duration = Duration::from_millis(10);
/// For one request, on a busy machine as well.
const TIMEOUT: Duration = Duration::from_millis(500);

/// All modules from DTU to target.
pub(crate) struct Pipeline {
    pub(crate) snapshot: SnapshotReader,
    pub(crate) log: Log,
    api: String,
    tasks: Tasks,
    _listening: DefaultGuard,
}

/// What each poller needs.
#[derive(Clone)]
struct Helpers {
    publisher: SnapshotPublisher,
    metrics: Metrics,
    clock: WallClock,
}

impl Pipeline {
    /// Polls these DTUs and serves these targets (names and URLs).
    pub(crate) async fn start<'a>(
        dtus: &[(&'a str, &SimulatedDtu)],
        targets: &[(&str, String)],
        clock: &PlantClock,
    ) -> Self {
        let dtu =
            |&(name, dtu): &(&'a str, &SimulatedDtu)| (name, dtu.protocol(), dtu.address.port());
        Self::polling(&dtus.iter().map(dtu).collect::<Vec<_>>(), targets, clock).await
    }

    /// Polls these DTUs, each with its name, protocol and port.
    pub(crate) async fn polling(
        dtus: &[(&str, Protocol, u16)],
        targets: &[(&str, String)],
        clock: &PlantClock,
    ) -> Self {
        // A client needs a TLS provider even if it does not use TLS.
        drop(client());
        let (log, listening) = Log::listening();
        let (clock, zone) = (clock.as_wall_clock(), TimeZone::UTC);
        let (store, metrics, tasks) = (Store::in_memory(), Metrics::new(), Tasks::new());
        let states = dtus
            .iter()
            .map(|(name, protocol, _)| DtuState::unknown(name, *protocol, Duration::from_secs(300)))
            .collect();
        let plant = PlantState::new(zone.clone(), states, [], []);
        let (publisher, snapshot) = SnapshotPublisher::new(plant, store.clone(), clock.now());
        let http = HttpConfig::default();
        let configured: Vec<_> = targets.iter().map(|(name, url)| target(name, url)).collect();
        let directory =
            Directory::new(&configured, Vec::new(), &http.registration, store, clock.clone());
        let directory = directory.unwrap();
        push::start(&tasks, directory.clone(), snapshot.clone(), clock.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let sources = Sources {
            snapshot: snapshot.clone(),
            targets: directory,
            clock: clock.clone(),
            zone: zone.clone(),
            metrics: metrics.clone(),
            history: hoymiles_bridge::history::History::off(),
            broker: BrokerStatus::new(clock.clone()),
            about: About::new(clock.clone()),
            ingress_proxy: None,
        };
        let url = format!("http://{}", listener.local_addr().unwrap());
        let serving = http::serve(listener, sources, http, tasks.stop());
        tasks.spawn("http", serving);
        let pipeline = Self { snapshot, log, api: url, tasks, _listening: listening };
        let helpers = Helpers { publisher, metrics, clock };
        for &(name, protocol, port) in dtus {
            match protocol {
                Protocol::Modbus | Protocol::Simulated => {
                    pipeline.poll(name, modbus(name, port), helpers.clone());
                }
                Protocol::Protobuf => {
                    let dialer = TcpDialer::new("127.0.0.1", port, "is it started?");
                    let clock = helpers.clock.clone();
                    let dtu = ProtobufDtu::with_dialer(dialer, settings(name), clock);
                    pipeline.poll(name, dtu, helpers.clone());
                }
            }
        }
        pipeline
    }

    fn poll(&self, name: &str, dtu: impl Dtu + 'static, helpers: Helpers) {
        let Helpers { publisher, metrics, clock } = helpers;
        let name = Arc::from(name);
        let poller = Poller { name, dtu, interval: INTERVAL, publisher, metrics, clock };
        self.tasks.spawn("poller", poller.run(self.tasks.stop()));
    }

    /// GET: the body.
    pub(crate) async fn get(&self, path: &str) -> Value {
        let response = client().get(format!("{}{path}", self.api)).send().await.unwrap();
        serde_json::from_str(&response.text().await.unwrap()).unwrap()
    }

    /// The state of the DTU with that name.
    pub(crate) fn dtu(&self, name: &str) -> DtuState {
        let snapshot = self.snapshot.latest();
        snapshot.dtus().find(|dtu| &*dtu.name == name).unwrap().clone()
    }

    /// Ends all tasks.
    pub(crate) async fn stop(self) {
        within_guard("end of the pipeline", self.tasks.shut_down(Duration::from_secs(5))).await;
    }
}

fn target(name: &str, url: &str) -> TargetConfig {
    TargetConfig {
        name: name.to_owned(),
        url: url.into(),
        token: None,
        token_file: None,
        connect_timeout: Duration::from_secs(10),
        heartbeat: Duration::from_secs(30),
        max_message_bytes: 1 << 20,
        ca_file: None,
    }
}

fn modbus(name: &str, port: u16) -> ModbusDtu {
    ModbusDtu::new(&DtuConfig {
        port: Some(port),
        timeout: TIMEOUT,
        retries: 0,
        request_gap: Some(GAP),
        ..DtuConfig::new(name, Protocol::Modbus, "127.0.0.1")
    })
}

fn settings(name: &str) -> Settings {
    Settings {
        name: name.to_owned(),
        timeout: TIMEOUT,
        retries: 1,
        request_gap: GAP,
        refresh: Duration::ZERO,
        performance_mode: false,
        avoid_cloud_upload: false,
        exclude: Vec::new(),
        zone: TimeZone::UTC,
    }
}
