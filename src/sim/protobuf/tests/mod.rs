//! The bridge's own client against simulated DTUs, over loopback sockets.

mod faults;
mod fields;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::*;
use crate::clock::WallClock;
use crate::dtu::dial::TcpDialer;
use crate::dtu::protobuf::{ProtobufDtu, Settings};
use crate::dtu::{Dtu, PollError};
use crate::plant::reading::{DtuReading, InverterReading};
use crate::plant::units::WattHours;
use crate::sim::moment::{InverterMoment, PlantMoment};
use crate::sim::plant::{PlantShape, SimulatedPlant};
use crate::sim::server::serve;

const GUARD: Duration = Duration::from_secs(5);

/// 2026-08-22, noon.
const NOON: i64 = 1_787_400_000;

/// A DTU, and the client that asks it.
struct Pair {
    simulation: Simulation,
    seconds: Arc<AtomicI64>,
    client: ProtobufDtu,
    _stop: DropGuard,
}

impl Pair {
    async fn new(plant: SimulatedPlant, kind: Kind) -> Self {
        Self::with(plant, kind, GUARD, Duration::ZERO).await
    }

    async fn with(plant: SimulatedPlant, kind: Kind, limit: Duration, gap: Duration) -> Self {
        let seconds = Arc::new(AtomicI64::new(NOON));
        let now = Arc::clone(&seconds);
        let now = move || Timestamp::from_second(now.load(Ordering::Relaxed)).unwrap();
        let clock = WallClock::from_fn(now);
        let simulation = Simulation::new(plant, clock.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let stop = CancellationToken::new();
        let language = Protobuf::new(kind, &simulation);
        let server = serve(listener, language, simulation.clone(), stop.clone());
        drop(TaskTracker::new().spawn(server));
        let settings = Settings {
            name: "Roof".to_owned(),
            timeout: limit,
            retries: 0,
            request_gap: gap,
            refresh: Duration::ZERO,
            performance_mode: false,
            avoid_cloud_upload: false,
            exclude: Vec::new(),
            zone: TimeZone::UTC,
        };
        let dialer = TcpDialer::new("127.0.0.1", port, "is it started?");
        let client = ProtobufDtu::with_dialer(dialer, settings, clock);
        Self { simulation, seconds, client, _stop: stop.drop_guard() }
    }

    /// A minute later, the next poll.
    async fn poll(&mut self) -> Result<DtuReading, PollError> {
        self.seconds.fetch_add(60, Ordering::Relaxed);
        timeout(2 * GUARD, self.client.poll()).await.unwrap()
    }

    async fn poll_truth(&mut self, what: &str) {
        let reading = self.poll().await.unwrap();
        check_same(&reading, &self.simulation.truth(), what);
    }
}

fn plant(inverters: usize, ports_per_inverter: usize) -> SimulatedPlant {
    SimulatedPlant::new(&PlantShape { inverters, ports_per_inverter, ..PlantShape::default() })
}

fn encrypted() -> Kind {
    Kind { encrypts: true, ..Kind::default() }
}

#[track_caller]
fn check_same(reading: &DtuReading, truth: &PlantMoment, what: &str) {
    assert_eq!(reading.dtu_serial, Some(truth.dtu_serial), "{what}");
    assert_eq!(reading.dtu_time, Some(truth.time.as_second()), "{what}");
    assert!(!reading.stale, "{what}");
    assert_eq!(reading.inverters.len(), truth.inverters.len(), "{what}");
    for (got, truth) in reading.inverters.iter().zip(&truth.inverters) {
        assert_eq!((got.serial, got.values.link_status), (truth.serial, Some(1)), "{what}");
        assert_eq!(got.values.operating_status, Some(3), "{what}");
        assert_eq!(got.values.alarm_count, Some(truth.alarm_count.into()), "{what}");
        assert_eq!(got.values.grid_voltage, Some(truth.grid_voltage), "{what}");
        assert_eq!(got.values.grid_frequency, Some(truth.grid_frequency), "{what}");
        assert_eq!(got.values.temperature, Some(truth.temperature), "{what}");
        assert_eq!(got.values.ac.firmware_version.as_deref(), Some("V01.00.12"), "{what}");
        check_ports(got, truth, what);
        check_ac(got, truth, what);
    }
}

#[track_caller]
fn check_ports(got: &InverterReading, truth: &InverterMoment, what: &str) {
    assert_eq!(got.ports.len(), truth.ports.len(), "{what}");
    for (got, truth) in got.ports.iter().zip(&truth.ports) {
        assert_eq!(got.number, truth.number, "{what}");
        assert_eq!(got.pv_voltage, Some(truth.pv_voltage), "{what}");
        assert_eq!(got.pv_current, Some(truth.pv_current), "{what}");
        assert_eq!(got.pv_power, Some(truth.pv_power), "{what}");
        assert_eq!((got.today, got.total), (Some(truth.today), Some(truth.total)), "{what}");
    }
}

/// Power is voltage times current times power factor, and a little less than comes from the panels.
#[track_caller]
fn check_ac(got: &InverterReading, truth: &InverterMoment, what: &str) {
    let pv_power: f64 = truth.ports.iter().map(|port| port.pv_power.as_f64()).sum();
    let power = got.values.ac.active_power.unwrap().as_f64();
    assert!((0.9 * pv_power..pv_power).contains(&power), "{what}: {power} W of {pv_power} W");
    let phases = got.values.ac.phase_voltages.iter().zip(&got.values.ac.phase_currents);
    let product: f64 = match got.values.ac.current {
        Some(current) => got.values.grid_voltage.unwrap().as_f64() * current.as_f64(),
        None => phases.map(|(volts, amperes)| volts.as_f64() * amperes.as_f64()).sum(),
    };
    let factor = got.values.ac.power_factor.unwrap().as_f64();
    assert!((product * factor - power).abs() < 8.0, "{what}: {product} VA, {power} W");
}

#[tokio::test]
async fn a_client_reads_the_truth_from_every_kind_of_dtu() {
    let one_block = Kind { blocks_per_packet: 1, ..Kind::default() };
    let all_at_once = Kind { blocks_per_packet: 500, ..Kind::default() };
    for (what, plant, kind) in [
        ("one port", plant(1, 1), Kind::default()),
        ("two ports", plant(2, 2), Kind::default()),
        ("four ports", plant(3, 4), encrypted()),
        ("six ports", plant(2, 6), Kind::default()),
        ("three phases", plant(2, 4).with_three_phases(), encrypted()),
        ("a block per packet", plant(2, 4), one_block),
        ("a hundred ports in one packet", plant(25, 4), all_at_once),
        ("many packets", plant(25, 4), encrypted()),
    ] {
        let mut pair = Pair::new(plant, kind).await;
        pair.poll_truth(what).await;
        pair.poll_truth(what).await;
    }
}

#[tokio::test]
async fn a_six_port_inverter_has_three_phases() {
    let mut pair = Pair::new(plant(1, 6), Kind::default()).await;
    let reading = pair.poll().await.unwrap();
    let ac = &reading.inverters[0].values.ac;
    assert_eq!((ac.phase_voltages.len(), ac.phase_currents.len(), ac.current), (3, 3, None));
}

#[tokio::test]
async fn a_meter_adds_up() {
    let mut pair = Pair::new(plant(1, 2), Kind { has_meter: true, ..encrypted() }).await;
    let before = pair.poll().await.unwrap().meters.remove(0);
    let truth = pair.simulation.truth();
    assert!(before.serial.to_string().starts_with("10c0"), "{before:?}");
    let power = before.power.unwrap().as_f64();
    assert!((power + truth.pv_power().as_f64() - 600.0).abs() <= 10.0, "{before:?}");
    assert_eq!(before.phases.len(), 3);
    for phase in &before.phases {
        let product = phase.voltage.unwrap().as_f64()
            * phase.current.unwrap().as_f64()
            * phase.power_factor.unwrap().as_f64();
        assert!((product - phase.power.unwrap().as_f64()).abs() < 30.0, "{phase:?}");
    }
    pair.seconds.fetch_add(3600, Ordering::Relaxed);
    let after = pair.poll().await.unwrap().meters.remove(0);
    assert!(after.exported > before.exported && after.imported > before.imported, "{after:?}");
}

#[tokio::test]
async fn no_counter_of_a_meter_falls_and_the_phases_make_the_whole() {
    let mut pair = Pair::new(plant(1, 2), Kind { has_meter: true, ..Kind::default() }).await;
    let mut before = [WattHours::default(); 3];
    for _ in 0..5 {
        // Ten watt hours of the house's 300 W.
        pair.seconds.fetch_add(60, Ordering::Relaxed);
        let meter = pair.poll().await.unwrap().meters.remove(0);
        let now: Vec<WattHours> = meter.phases.iter().map(|phase| phase.imported).collect();
        let sum = now.iter().copied().reduce(WattHours::saturating_add);
        assert_eq!(sum, meter.imported);
        assert!(now.iter().zip(before).all(|(now, before)| *now >= before), "{before:?} {now:?}");
        before = now.try_into().unwrap();
    }
}

#[tokio::test]
async fn who_asks_too_early_gets_the_old_values_unless_they_are_always_read() {
    let mut pair = Pair::new(plant(1, 2), Kind::default()).await;
    pair.poll_truth("first").await;
    pair.seconds.fetch_sub(31, Ordering::Relaxed);
    assert!(pair.poll().await.unwrap().stale, "29 s later");
    let settled = Kind { refresh: Duration::ZERO, ..Kind::default() };
    let mut pair = Pair::new(plant(1, 2), settled).await;
    pair.poll_truth("first").await;
    pair.seconds.fetch_sub(59, Ordering::Relaxed);
    pair.poll_truth("a second later").await;
}

#[tokio::test]
async fn requests_keep_their_gap_as_the_dtu_sees_it() {
    let gap = Duration::from_millis(50);
    let few = Kind { blocks_per_packet: 2, ..encrypted() };
    let mut pair = Pair::with(plant(1, 4), few, GUARD, gap).await;
    pair.poll_truth("three packets").await;
    pair.poll_truth("three packets").await;
    let counts = pair.simulation.observed().counts();
    assert_eq!((counts.requests, counts.most_open, counts.most_outstanding), (7, 1, 1));
    assert!(counts.shortest_pause.is_some_and(|pause| pause >= gap), "{counts:?}");
}
