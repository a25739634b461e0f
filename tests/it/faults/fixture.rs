//! Three DTUs of both protocols that can be broken and repaired, and the bridge that polls them.

use std::collections::BTreeSet;

use hoymiles_bridge::sim::faults::Fault;
use hoymiles_bridge::sim::plant::{PlantShape, SimulatedPlant};
use hoymiles_bridge::sim::protobuf::ProtobufOptions;
use hoymiles_bridge::snapshot::state::DtuStatus;

use super::auditor::Auditor;
use crate::support::pipeline::{GAP, Pipeline};
use crate::support::simulated::{PlantClock, SimulatedDtu, Speaks};
use crate::support::target::{Received, Target};
use crate::support::within_guard;

const START: &str = "2026-06-10T00:00:00Z";
/// A minute of the plants in milliseconds: two minutes pass between two polls.
const MINUTE: u64 = 50;
pub(super) const NAMES: [&str; 3] = ["Pro", "Lite", "HMT"];

/// Three DTUs and the bridge that polls them.
pub(super) struct Fixture {
    pub(super) dtus: [SimulatedDtu; 3],
    clock: PlantClock,
    pub(super) pipeline: Pipeline,
    auditor: Auditor,
    targets: [Target; 2],
}

impl Fixture {
    pub(super) async fn new() -> Self {
        let clock = PlantClock::running(START, MINUTE);
        let plant = |seed, inverters, ports_per_inverter| {
            let shape = PlantShape { inverters, ports_per_inverter, seed, ..PlantShape::default() };
            SimulatedPlant::new(&shape).with_endless_day()
        };
        let plants = [plant(1, 3, 2), plant(2, 3, 4), plant(3, 2, 6).with_three_phases()];
        let plain = Speaks::Protobuf(ProtobufOptions {
            blocks_per_packet: 4,
            ..ProtobufOptions::default()
        });
        let kind = ProtobufOptions {
            encrypts: true,
            has_meter: true,
            blocks_per_packet: 4,
            ..ProtobufOptions::default()
        };
        let [pro, lite, hmt] = plants.clone();
        let dtus = [
            SimulatedDtu::start(pro, &clock, Speaks::Modbus).await,
            SimulatedDtu::start(lite, &clock, plain).await,
            SimulatedDtu::start(hmt, &clock, Speaks::Protobuf(kind)).await,
        ];
        let targets = [Target::start("secret").await, Target::start("secret").await];
        let urls = [("One", targets[0].url("secret")), ("Two", targets[1].url("secret"))];
        let named: Vec<_> = NAMES.into_iter().zip(&dtus).collect();
        let pipeline = Pipeline::start(&named, &urls, &clock).await;
        let auditor = Auditor::new(pipeline.snapshot.clone(), &plants, START.parse().unwrap());
        let mut fixture = Self { dtus, clock, pipeline, auditor, targets };
        fixture.recovered("the first reading").await;
        fixture
    }

    /// Audits every snapshot until `is_it` holds.
    pub(super) async fn until(&mut self, what: &str, is_it: impl Fn(&Pipeline) -> bool) {
        let Self { dtus, clock, pipeline, auditor, .. } = self;
        let news = || async {
            let [one, two, three] = &*dtus;
            let asked = |dtu: &SimulatedDtu| {
                let observed = dtu.simulation.stats().clone();
                async move {
                    let before = observed.counts();
                    observed.wait_until(|counts| *counts != before).await
                }
            };
            let mut snapshots = pipeline.snapshot.clone();
            snapshots.take_latest();
            tokio::select! {
                _ = snapshots.next() => {}
                _ = asked(one) => {}
                _ = asked(two) => {}
                _ = asked(three) => {}
            }
        };
        let waiting = async {
            loop {
                auditor.audit(clock.now());
                if is_it(pipeline) {
                    return;
                }
                news().await;
            }
        };
        within_guard(what, waiting).await;
    }

    /// Waits until each DTU has been polled `count` more times.
    async fn polls(&mut self, what: &str, count: u64) {
        let counts = NAMES.map(|name| self.pipeline.dtu(name).query_count + count);
        let are_done = |pipeline: &Pipeline| {
            NAMES.iter().zip(counts).all(|(name, count)| pipeline.dtu(name).query_count >= count)
        };
        self.until(what, are_done).await;
    }

    /// Waits until everything is read again, and checks that it took one interval, not counting a
    /// poll in progress.
    pub(super) async fn recovered(&mut self, what: &str) {
        let since = self.clock.now();
        let counts = NAMES.map(|name| self.pipeline.dtu(name).query_count);
        for (name, before) in NAMES.into_iter().zip(counts) {
            let inverters = if name == "HMT" { 2 } else { 3 };
            let is_fresh = |pipeline: &Pipeline| {
                let snapshot = pipeline.snapshot.latest();
                let fresh = snapshot.inverters().filter(|inverter| {
                    &*inverter.dtu_name == name && {
                        let mut times = inverter.ports.values().map(|port| port.timestamp);
                        inverter.timestamp > since && times.all(|time| time > since)
                    }
                });
                let is_online = pipeline.dtu(name).status == DtuStatus::Online;
                is_online && fresh.count() == inverters
            };
            self.until(&format!("{what}: recovery of {name}"), is_fresh).await;
            let polls = self.pipeline.dtu(name).query_count - before;
            // Another DTU may have taken longer, while this one was polled more often.
            if name == NAMES[0] {
                assert!(polls <= 2, "{what}: {name} took {polls} polls");
            }
        }
    }

    /// Breaks all DTUs in this way and repairs them again.
    pub(super) async fn break_and_repair(&mut self, fault: Fault, does_it_fail: [bool; 3]) {
        let what = fault.name();
        let before = self.pipeline.log.lines(0).len();
        for dtu in &self.dtus {
            dtu.simulation.faults().set(fault);
        }
        self.polls(what, 2).await;
        for dtu in &self.dtus {
            dtu.simulation.faults().clear_all();
        }
        self.recovered(what).await;
        for (name, fails) in NAMES.into_iter().zip(does_it_fail) {
            self.check_log(what, name, before, fails);
        }
    }

    /// Each failure was logged once, and its end once.
    #[track_caller]
    pub(super) fn check_log(&self, what: &str, name: &str, before: usize, fails: bool) {
        let lines = self.pipeline.log.lines(before);
        let about = |text: &str| -> Vec<String> {
            let start = format!("{name}: {text}");
            lines.iter().filter(|line| line.contains(&start)).cloned().collect()
        };
        let failures = about("poll failed");
        let different: BTreeSet<_> = failures.iter().map(|line| without_numbers(line)).collect();
        assert_eq!(failures.len(), different.len(), "{what}: {failures:#?}");
        assert_eq!(!failures.is_empty(), fails, "{what}: {name}: {lines:#?}");
        assert_eq!(about("the DTU answers again").len(), usize::from(fails), "{what}: {lines:#?}");
        assert!(about("the DTU is asleep").is_empty(), "{what}: {lines:#?}");
    }

    /// Checks that the pushed values equal the served ones, and that both are correct.
    pub(super) async fn ends(self) {
        for (path, key) in [("/api/inverters", "inverters"), ("/api/meters", "meters")] {
            let served = self.pipeline.get(path).await;
            assert!(!served.as_array().unwrap().is_empty(), "{path}");
            for target in &self.targets {
                let is_there =
                    |received: &Received| received.updates().iter().any(|data| data[key] == served);
                target.received("update equal to what is served", is_there).await;
            }
        }
        for dtu in &self.dtus {
            let counts = dtu.simulation.stats().counts();
            assert!(counts.shortest_pause >= Some(GAP), "{counts:?}");
        }
        self.pipeline.stop().await;
        for mut dtu in self.dtus {
            dtu.switch_off().await;
        }
        for target in self.targets {
            target.stop().await;
        }
    }
}

fn without_numbers(line: &str) -> String {
    let text = line.split(" (failure").next().unwrap_or_default();
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.chars().all(|c| c.is_ascii_hexdigit()))
        .collect()
}
