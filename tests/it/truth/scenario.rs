//! Two inverters with one port each, polled by a script, and the values of all outputs.

use std::time::Duration;

use hoymiles_bridge::clock::WallClock;
use hoymiles_bridge::config::HttpConfig;
use hoymiles_bridge::dtu::{DtuError, PollError};
use hoymiles_bridge::http::{self, About, Sources};
use hoymiles_bridge::net::error::ConnectError;
use hoymiles_bridge::plant::reading::{DtuReading, InverterReading};
use hoymiles_bridge::plant::units::WattHours;
use hoymiles_bridge::poller::plant::PlantState;
use hoymiles_bridge::poller::publish::SnapshotPublisher;
use hoymiles_bridge::poller::restore;
use hoymiles_bridge::snapshot::SnapshotReader;
use hoymiles_bridge::store::Store;
use hoymiles_bridge::targets::Directory;
use hoymiles_bridge::targets::broker::BrokerStatus;
use hoymiles_bridge::tasks::Tasks;
use hoymiles_bridge::telemetry::metrics::Metrics;
use jiff::{Timestamp, ToSpan as _};
use tokio::net::TcpListener;

use super::outputs;
use super::readings::{DTU, dtu, live, unreached, zone};
use crate::support::{client, within_guard};

/// The result of a poll, or another event.
#[derive(Clone, Copy, Debug)]
pub(super) enum Event {
    /// Both inverters produce this power; counters in Wh.
    Both { watts: i32, today: u64, total: u64 },
    /// Both produce this power, without counters.
    NoCounters { watts: i32 },
    /// The DTU does not reach the first inverter.
    OneMissing { watts: i32, today: u64, total: u64 },
    /// It reaches neither.
    NoneReached,
    /// It does not answer.
    NoAnswer,
    /// It is midnight.
    Midnight,
    /// The bridge restarts with its stored state.
    Restart,
}

/// The published values of the first inverter and of the plant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Seen {
    pub(super) power: Option<f64>,
    pub(super) voltage: Option<f64>,
    pub(super) temperature: Option<f64>,
    pub(super) reachable: Option<&'static str>,
    pub(super) today: u64,
    pub(super) since: &'static str,
    pub(super) total: u64,
    pub(super) plant_power: Option<f64>,
    pub(super) plant_today: u64,
    pub(super) plant_total: u64,
}

/// A running script.
pub(super) struct Scenario {
    began: Timestamp,
    now: Timestamp,
    store: Store,
    publisher: SnapshotPublisher,
    snapshot: SnapshotReader,
}

impl Scenario {
    /// A bridge that starts at that time without stored state.
    pub(super) fn new(time: &str) -> Self {
        let began = time.parse().unwrap();
        let store = Store::in_memory();
        let plant = PlantState::new(zone(), vec![dtu(None)], [], []);
        let (publisher, snapshot) = SnapshotPublisher::new(plant, store.clone(), began);
        Self { began, now: began, store, publisher, snapshot }
    }

    /// Applies an event so many minutes after the start.
    pub(super) fn then(self, minutes: i64, event: Event) -> Self {
        let at = self.began + minutes.minutes();
        self.happens(at, event)
    }

    /// Applies an event at that time.
    pub(super) fn at(self, time: &str, event: Event) -> Self {
        self.happens(time.parse().unwrap(), event)
    }

    fn happens(mut self, at: Timestamp, event: Event) -> Self {
        self.now = at;
        let counters = |today, total| (Some(WattHours::new(today)), Some(WattHours::new(total)));
        match event {
            Event::Both { watts, today, total } => {
                let counters = counters(today, total);
                self.answers(&[live(1, watts, counters), live(2, watts, counters)]);
            }
            Event::NoCounters { watts } => {
                self.answers(&[live(1, watts, (None, None)), live(2, watts, (None, None))]);
            }
            Event::OneMissing { watts, today, total } => {
                self.answers(&[unreached(1), live(2, watts, counters(today, total))]);
            }
            Event::NoneReached => self.answers(&[unreached(1), unreached(2)]),
            Event::NoAnswer => self.does_not_answer(),
            Event::Midnight => self.publisher.roll_over(at),
            Event::Restart => self.restarts(),
        }
        self
    }

    fn answers(&self, inverters: &[InverterReading]) {
        let reading = DtuReading { inverters: inverters.to_vec(), ..DtuReading::default() };
        self.publisher.succeeded(DTU, &reading, self.now);
    }

    /// As the poller reports it.
    fn does_not_answer(&self) {
        if !self.publisher.fell_asleep(DTU, self.now) {
            let error = DtuError::Unreachable {
                error: ConnectError::Refused(([10, 0, 0, 1], 502).into()),
                remedy: "is it on?".into(),
            };
            self.publisher.failed(DTU, &PollError::from(error), self.now);
        }
    }

    fn restarts(&mut self) {
        self.publisher.save();
        let stored = self.store.load().plant;
        let ledgers = restore::ledgers(&stored);
        let known = restore::inverters(stored.inverters);
        let dtu = dtu(stored.dtus.get(DTU).map(|dtu| dtu.last_success));
        let plant = PlantState::new(zone(), vec![dtu], known, ledgers).with_sums(stored.sums);
        (self.publisher, self.snapshot) =
            SnapshotPublisher::new(plant, self.store.clone(), self.now);
    }

    /// The number of published snapshots.
    pub(super) fn sequence(&self) -> u64 {
        self.snapshot.latest().sequence()
    }

    /// Checks that JSON, metrics and MQTT all have these values.
    pub(super) async fn shows(self, what: &str, expected: &Seen) {
        let seen = [
            ("update", outputs::update(&self.snapshot.latest())),
            ("API", self.api().await),
            ("metrics", outputs::metrics(&self.get("/metrics").await, expected)),
            ("MQTT", outputs::mqtt(&self.snapshot.latest())),
        ];
        for (output, seen) in seen {
            assert_eq!(seen, *expected, "{what}: {output}");
        }
    }

    async fn api(&self) -> Seen {
        outputs::api(&self.get("/api/inverters").await, &self.get("/api/plant").await)
    }

    async fn get(&self, path: &str) -> String {
        // A client needs a TLS provider even if it does not use TLS.
        let client = client();
        let now = self.now;
        let clock = WallClock::from_fn(move || now);
        let http = HttpConfig::default();
        let targets =
            Directory::new(&[], Vec::new(), &http.registration, self.store.clone(), clock.clone());
        let sources = Sources {
            snapshot: self.snapshot.clone(),
            targets: targets.unwrap(),
            clock,
            zone: zone(),
            metrics: Metrics::new(),
            history: hoymiles_bridge::history::History::off(),
            broker: BrokerStatus::new(WallClock::system()),
            about: About::new(WallClock::system()),
            ingress_proxy: None,
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}{path}", listener.local_addr().unwrap());
        let tasks = Tasks::new();
        let serving = http::serve(listener, sources, http, tasks.stop());
        tasks.spawn("http", serving);
        let text = client.get(url).send().await.unwrap().text().await.unwrap();
        within_guard("end of the API", tasks.shut_down(Duration::from_secs(5))).await;
        text
    }
}
