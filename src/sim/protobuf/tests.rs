//! The simulated DTU against the bridge's own client, over loopback sockets, and against its
//! description of the messages.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use futures_util::future::join_all;
use jiff::tz::TimeZone;
use prost::Message as _;
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::*;
use crate::clock::WallClock;
use crate::dtu::dial::TcpDialer;
use crate::dtu::protobuf::messages::{
    AppInfoReq, CommandReq, HbReq, MeterMo, RealDataNewReq, WarnReq,
};
use crate::dtu::protobuf::{ProtobufDtu, Settings};
use crate::dtu::{Dtu, PollError};
use crate::plant::reading::{DtuReading, InverterReading};
use crate::plant::units::WattHours;
use crate::sim::faults::PlannedFault;
use crate::sim::moment::{InverterMoment, PlantMoment};
use crate::sim::plant::{PlantShape, SimulatedPlant};
use crate::sim::server::serve;

const GUARD: Duration = Duration::from_secs(5);
/// 2026-08-22, noon.
const NOON: i64 = 1_787_400_000;

/// A DTU and its client.
struct Pair {
    simulation: Simulation,
    seconds: Arc<AtomicI64>,
    client: ProtobufDtu,
    _stop: DropGuard,
}

impl Pair {
    async fn new(plant: SimulatedPlant, kind: ProtobufOptions) -> Self {
        Self::with(plant, kind, GUARD, Duration::ZERO).await
    }

    async fn with(
        plant: SimulatedPlant,
        kind: ProtobufOptions,
        limit: Duration,
        gap: Duration,
    ) -> Self {
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

fn encrypted() -> ProtobufOptions {
    ProtobufOptions { encrypts: true, ..ProtobufOptions::default() }
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
async fn client_reads_the_truth_from_every_kind_of_dtu() {
    let one_block = ProtobufOptions { blocks_per_packet: 1, ..ProtobufOptions::default() };
    let all_at_once = ProtobufOptions { blocks_per_packet: 500, ..ProtobufOptions::default() };
    for (what, plant, kind) in [
        ("one port", plant(1, 1), ProtobufOptions::default()),
        ("two ports", plant(2, 2), ProtobufOptions::default()),
        ("four ports", plant(3, 4), encrypted()),
        ("six ports", plant(2, 6), ProtobufOptions::default()),
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
    let mut pair = Pair::new(plant(1, 6), ProtobufOptions::default()).await;
    let reading = pair.poll().await.unwrap();
    let ac = &reading.inverters[0].values.ac;
    assert_eq!((ac.phase_voltages.len(), ac.phase_currents.len(), ac.current), (3, 3, None));
}

#[tokio::test]
async fn a_meter_adds_up() {
    let mut pair = Pair::new(plant(1, 2), ProtobufOptions { has_meter: true, ..encrypted() }).await;
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
async fn meter_counters_never_fall_and_equal_the_sum_of_phases() {
    let mut pair =
        Pair::new(plant(1, 2), ProtobufOptions { has_meter: true, ..ProtobufOptions::default() })
            .await;
    let mut before = [WattHours::default(); 3];
    for _ in 0..5 {
        // Ten watt hours of the household's 300 W.
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
async fn early_requests_get_old_values_unless_refresh_is_0() {
    let mut pair = Pair::new(plant(1, 2), ProtobufOptions::default()).await;
    pair.poll_truth("first").await;
    pair.seconds.fetch_sub(31, Ordering::Relaxed);
    assert!(pair.poll().await.unwrap().stale, "29 s later");
    let settled = ProtobufOptions { refresh: Duration::ZERO, ..ProtobufOptions::default() };
    let mut pair = Pair::new(plant(1, 2), settled).await;
    pair.poll_truth("first").await;
    pair.seconds.fetch_sub(59, Ordering::Relaxed);
    pair.poll_truth("a second later").await;
}

#[tokio::test]
async fn requests_keep_their_gap() {
    let gap = Duration::from_millis(50);
    let few = ProtobufOptions { blocks_per_packet: 2, ..encrypted() };
    let mut pair = Pair::with(plant(1, 4), few, GUARD, gap).await;
    pair.poll_truth("three packets").await;
    pair.poll_truth("three packets").await;
    let counts = pair.simulation.stats().counts();
    assert_eq!((counts.requests, counts.max_open, counts.max_outstanding), (7, 1, 1));
    assert!(counts.shortest_pause.is_some_and(|pause| pause >= gap), "{counts:?}");
}

/// With and without encryption, the poll under each fault ends as expected, and the next one after it
/// is cleared reads the truth.
async fn check_faults(faults: &[&str], limit: Duration, is_survived: bool) {
    let kinds = [ProtobufOptions::default(), encrypted()];
    let cases = faults.iter().flat_map(|fault| kinds.map(|kind| (*fault, kind)));
    join_all(cases.map(|(fault, kind)| check_fault(fault, kind, limit, is_survived))).await;
}

async fn check_fault(fault: &str, kind: ProtobufOptions, limit: Duration, is_survived: bool) {
    let mut pair = Pair::with(plant(3, 4), kind, limit, Duration::ZERO).await;
    pair.poll_truth(fault).await;
    pair.simulation.faults().set(fault.parse::<PlannedFault>().unwrap());
    let outcome = pair.poll().await;
    match &outcome {
        Ok(reading) => check_same(reading, &pair.simulation.truth(), fault),
        Err(failed) => assert_eq!(failed.partial, DtuReading::default(), "{fault}"),
    }
    assert_eq!(outcome.is_ok(), is_survived, "{fault}: {outcome:?}");
    pair.simulation.faults().clear_all();
    pair.poll_truth(fault).await;
}

#[tokio::test]
async fn survivable_faults_change_nothing() {
    let of_the_line = ["one-byte-at-a-time", "half-answer=30"];
    check_faults(&of_the_line, GUARD, true).await;
    let of_the_frames = ["unsolicited", "several-frames", "old-reply", "big-reply"];
    check_faults(&of_the_frames, GUARD, true).await;
    check_faults(&["new-key", "plain-text"], Duration::from_secs(1), true).await;
}

#[tokio::test]
async fn other_faults_invent_nothing_and_end_when_cleared() {
    let damaged = ["bad-crc", "wrong-length=9", "wrong-length=40", "zero-bytes", "garbage"];
    check_faults(&damaged, GUARD, false).await;
    check_faults(&["close", "close-mid-frame", "reset"], GUARD, false).await;
    let silent = ["silence", "wrong-command", "wrong-length", "late-answer"];
    check_faults(&silent, Duration::from_millis(500), false).await;
}

#[tokio::test]
async fn errors_say_what_came_instead_of_an_answer() {
    for kind in [ProtobufOptions::default, encrypted] {
        for (fault, expected) in [
            ("wrong-length", "sent only part of its answer within 500ms ("),
            ("wrong-length", " of 65535 bytes)"),
            ("wrong-command", "sent only answers to other requests within 500ms ("),
            ("close-mid-frame", "closed the connection (in the middle of an answer)"),
            ("silence", "did not answer within 500ms"),
        ] {
            let limit = Duration::from_millis(500);
            let mut pair = Pair::with(plant(1, 2), kind(), limit, Duration::ZERO).await;
            pair.simulation.faults().set(fault.parse::<PlannedFault>().unwrap());
            let error = pair.poll().await.unwrap_err().error.to_string();
            assert!(error.contains(expected), "{fault}: {error}");
        }
    }
}

#[tokio::test]
async fn counters_are_kept_or_lost_at_night() {
    for (fault, keeps_totals) in [(Fault::Night, false), (Fault::NightTotalsKept, true)] {
        let mut pair = Pair::new(plant(2, 2), encrypted()).await;
        pair.poll_truth("by day").await;
        pair.simulation.faults().set(fault);
        let reading = pair.poll().await.unwrap();
        for inverter in &reading.inverters {
            assert_eq!(
                (inverter.values.link_status, inverter.values.operating_status),
                (Some(0), Some(0))
            );
            assert_eq!((inverter.values.ac.active_power, inverter.is_live()), (None, false));
            for port in &inverter.ports {
                assert_eq!(
                    (port.pv_power, port.total.is_some()),
                    (None, keeps_totals),
                    "{fault:?}"
                );
            }
        }
    }
}

#[tokio::test]
async fn panel_powered_dtu_is_off_at_night() {
    let mut pair = Pair::new(plant(1, 2), ProtobufOptions::default()).await;
    pair.simulation.faults().set(Fault::PanelPowered);
    pair.poll_truth("by day").await;
    pair.seconds.store(NOON + 12 * 3600, Ordering::Relaxed);
    assert!(pair.poll().await.is_err());
    pair.seconds.store(NOON + 24 * 3600, Ordering::Relaxed);
    pair.poll_truth("the next day").await;
}

#[tokio::test]
async fn clock_that_starts_at_0_makes_no_reading_stale() {
    let mut pair = Pair::new(plant(1, 2), encrypted()).await;
    pair.poll_truth("before").await;
    for fault in [Fault::NewKey, Fault::ClockAtZero] {
        pair.simulation.faults().set(fault);
    }
    for expected in [60, 120] {
        let reading = pair.poll().await.unwrap();
        assert_eq!((reading.dtu_time, reading.stale), (Some(expected), false));
    }
    pair.simulation.faults().clear(Fault::ClockAtZero);
    pair.poll_truth("synchronised").await;
}

#[tokio::test]
async fn missing_ports_are_missing_and_not_zero() {
    let mut pair = Pair::new(plant(2, 4), ProtobufOptions::default()).await;
    pair.simulation.faults().set(Fault::HalfThePorts);
    let reading = pair.poll().await.unwrap();
    for inverter in &reading.inverters {
        let numbers: Vec<u8> = inverter.ports.iter().map(|port| port.number).collect();
        assert_eq!(numbers, [1, 3]);
        assert!(inverter.ports.iter().all(|port| port.total.is_some()));
    }
}

const ASKED: u16 = 7;

/// The frames with which a DTU answers, and their payloads.
fn answers(command: u16, message: Message, faults: &[Fault]) -> Vec<(u16, u16, Vec<u8>)> {
    let clock = WallClock::from_fn(|| Timestamp::from_second(NOON).unwrap());
    let simulation = Simulation::new(plant(2, 6), clock);
    for fault in faults {
        simulation.faults().set(*fault);
    }
    let dtu = Protobuf::new(
        ProtobufOptions { has_meter: true, ..ProtobufOptions::default() },
        &simulation,
    );
    let request = frame::encode(command, ASKED, &message.into_bytes(), &[]);
    let mut reply = dtu.reply(&request, &simulation, &simulation.faults().active());
    let mut frames = Vec::new();
    while let Ok(Some(end)) = frame::length(&reply, false) {
        let rest = reply.split_off(end);
        let frame = Frame::read(&reply).unwrap();
        frames.push((frame.command, frame.sequence, frame.payload.to_vec()));
        reply = rest;
    }
    assert!(reply.is_empty());
    frames
}

/// What is decoded is as long as what was sent: nothing was skipped.
#[track_caller]
fn check_whole<M: prost::Message + Default>(payload: &[u8]) -> M {
    let message = M::decode(payload).unwrap();
    assert_eq!(message.encoded_len(), payload.len());
    message
}

#[test]
fn every_reply_parses_with_the_field_numbers_of_the_protocol() {
    let reply = |command, message| answers(command, message, &[]).remove(0);
    let (command, sequence, payload) = reply(frame::APP_INFO, Message::default());
    assert_eq!((command, sequence), (0xA201, ASKED));
    let info: AppInfoReq = check_whole(&payload);
    assert_eq!((info.inverters.len(), info.inverter_count, info.port_count), (2, 2, 12));
    let (command, _, payload) = reply(frame::REAL_DATA, Message::default());
    let data: RealDataNewReq = check_whole(&payload);
    assert_eq!((command, data.ap, data.cp, data.three_phase.len()), (0xA211, 2, 0, 2));
    let meter: &MeterMo = &data.meters[0];
    assert_eq!(meter.power, meter.power_a + meter.power_b + meter.power_c);
    let (_, _, payload) = reply(frame::REAL_DATA, Message::default().int(2, 1));
    let data: RealDataNewReq = check_whole(&payload);
    assert_eq!((data.ap, data.cp, data.ports.len()), (2, 1, 5));
    let (command, _, payload) = reply(frame::COMMAND, Message::default().int(2, 33));
    assert_eq!((command, check_whole::<CommandReq>(&payload).action), (0xA205, 33));
    let (command, _, payload) = reply(frame::HEARTBEAT, Message::default());
    assert_eq!((command, check_whole::<HbReq>(&payload).csq), (0xA202, 78));
}

#[test]
fn unsolicited_frames_surround_the_reply() {
    let faults = [Fault::Unsolicited, Fault::SeveralFrames, Fault::BigReply];
    let frames = answers(frame::REAL_DATA, Message::default(), &faults);
    let commands: Vec<u16> = frames.iter().map(|(command, ..)| *command).collect();
    assert_eq!(commands, [0x2202, 0x220B, 0x2202, 0xA211, 0x2202, 0x220B]);
    assert!(frames[3].2.len() >= 8192);
    check_whole::<RealDataNewReq>(&frames[3].2);
    check_whole::<WarnReq>(&frames[1].2);
    // The meaning of its sixth field is unknown.
    assert_eq!(HbReq::decode(frames[0].2.as_slice()).unwrap().csq, 78);
}

#[test]
fn unknown_requests_are_not_answered() {
    for (command, message) in [
        (0xA399, Message::default()),
        (frame::COMMAND, Message::default().int(2, 8)),
        (frame::REAL_DATA, Message::default().int(2, 2)),
        (frame::REAL_DATA, Message::default().int(2, -1)),
    ] {
        assert_eq!(answers(command, message, &[]), [], "{command:04x}");
    }
}

/// Pairs of seconds: of a request, and of its values.
#[track_caller]
fn check_refresh(state: &mut DtuState, asked: &[(i64, i64)]) {
    for &(now, expected) in asked {
        let now = Timestamp::from_second(now).unwrap();
        let values_of = state.refresh_values(now, Duration::from_secs(30));
        assert_eq!(values_of.as_second(), expected, "asked at {now}");
        assert_eq!(state.values_of, Some(values_of));
    }
}

#[test]
fn frequent_requests_get_old_values() {
    let mut state = DtuState { seed: 1, ..DtuState::default() };
    check_refresh(&mut state, &[(100, 100), (120, 100), (140, 100), (160, 100), (190, 190)]);
    state.reads_continuously = true;
    check_refresh(&mut state, &[(191, 191), (192, 192)]);
    state.restart_with_new_key(Some(Timestamp::UNIX_EPOCH));
    check_refresh(&mut state, &[(193, 193), (194, 193)]);
}

#[test]
fn each_start_has_its_own_key() {
    let mut state = DtuState { seed: 1, ..DtuState::default() };
    let first = state.enc_rand();
    state.restart_with_new_key(None);
    assert_eq!(state.enc_rand(), first);
    state.restart_with_new_key(Some(Timestamp::UNIX_EPOCH));
    let second = state.enc_rand();
    state.restart_with_new_key(None);
    assert_ne!(second, first);
    let other = DtuState { seed: 2, ..DtuState::default() };
    assert!(![first, second, other.enc_rand()].contains(&state.enc_rand()));
}
