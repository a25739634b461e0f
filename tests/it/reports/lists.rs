//! What DTUs list, and who answers at their addresses.

use std::time::Duration;

use hoymiles_bridge::clock::WallClock;
use hoymiles_bridge::config::Protocol;
use hoymiles_bridge::dtu::protobuf::messages::{RealDataNewReq, SgsMo, TgsMo};
use hoymiles_bridge::dtu::{Dtu, PollError, Replies};
use hoymiles_bridge::plant::reading::{DtuReading, InverterReading, PortReading};
use hoymiles_bridge::plant::serial::InverterSerial;
use hoymiles_bridge::poller::Poller;
use hoymiles_bridge::poller::plant::PlantState;
use hoymiles_bridge::poller::publish::SnapshotPublisher;
use hoymiles_bridge::sim::plant::{PlantShape, SimulatedPlant};
use hoymiles_bridge::snapshot::health::is_healthy;
use hoymiles_bridge::snapshot::state::DtuState;
use hoymiles_bridge::store::Store;
use hoymiles_bridge::telemetry::metrics::Metrics;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::device::{Device, Polled, Record, Says, list, messages};
use super::totals::{NOON, info_of, live, says};
use crate::identity;
use crate::support::bridge::{Home, output};
use crate::support::pipeline::Pipeline;
use crate::support::plant::Plant;
use crate::support::simulated::{PlantClock, SimulatedDtu, Speaks};
use crate::support::within_guard;

const ONE: u64 = 0x1161_a000_0b41;

/// What `read` prints about the device, and its exit status.
async fn read(device: &Device) -> (i32, String) {
    let home = Home::new(&device.section());
    let config = home.config();
    let (status, table, errors) =
        output(&["read", "--config", config.to_str().unwrap()], None).await;
    (status, table + &errors)
}

pub(super) async fn unreached_three_phase_inverter() {
    const HMT: u64 = 0x1382_a000_0b06;
    let zeros = Record { alarm: 9, ..Record::unreached(HMT, 1) };
    let polled = Polled::start(list(&[zeros])).await;
    assert_eq!(polled.inverter("/0/inverter_type").await, "HMT-1800/2250");
    for key in ["pv_power", "grid_voltage", "temperature", "total_production"] {
        assert_eq!(polled.inverter(&format!("/0/{key}")).await, Value::Null, "{key}");
    }
    let live = Record::live(HMT, 1, 500, 60_000);
    polled.says(list(&[live])).await;
    polled.says(list(&[zeros])).await;
    assert_eq!(polled.inverter("/0/alarm_code").await, 0, "the code of before stays");
    polled.stop().await;

    let device = Device::start(list(&[zeros])).await;
    let (status, table) = read(&device).await;
    assert_eq!(status, 0, "{table}");
    assert!(table.contains("HMT-1800/2250") && !table.contains("ALARM"), "{table}");
}

pub(super) async fn letters_in_serial_numbers() {
    let ports = [0x1400_a000_0b07, 0x1164_a000_0b07].map(|one| Record::live(one, 1, 500, 60_000));
    let device = Device::start(list(&ports)).await;
    let home = Home::new(&format!("{}exclude = [\"1164A0000B07\"]\n", device.section()));
    let bridge = home.run().await;
    let all = bridge.inverters_when(|all| !all.as_array().unwrap().is_empty()).await;
    assert_eq!(all.as_array().unwrap().len(), 1, "{all}");
    for path in ["1400A0000B07", "1400a0000b07"] {
        let (status, inverter) = bridge.get(&format!("/api/inverters/{path}")).await;
        assert_eq!(status, 200, "{inverter}");
    }
    bridge.stop().await;
}

pub(super) async fn new_prefixes() {
    const UNKNOWN: [u64; 9] =
        [0x1163, 0x1165, 0x1167, 0x1381, 0x1422, 0x1423, 0x1531, 0x1600, 0x2831];
    const KNOWN: [u64; 23] = [
        0x1011, 0x1014, 0x1020, 0x1121, 0x1124, 0x1125, 0x1141, 0x1143, 0x1144, 0x114a, 0x1161,
        0x1164, 0x1166, 0x1222, 0x1361, 0x1382, 0x1400, 0x1403, 0x1410, 0x1412, 0x1420, 0x2801,
        0x2821,
    ];
    let all = UNKNOWN.iter().chain(&KNOWN);
    let ports: Vec<_> =
        all.map(|prefix| Record::live(prefix << 32 | 0x0b08, 1, 500, 60_000)).collect();
    let polled = Polled::start(list(&ports)).await;
    polled.device.polled(1).await;
    for prefix in UNKNOWN {
        let path = format!("/api/inverters/{prefix:04x}00000b08");
        let inverter = polled.pipeline.get(&path).await;
        let expected = json!(format!("Hoymiles {prefix:04X}, 1 port"));
        assert_eq!(inverter.get("inverter_type"), Some(&expected), "{inverter}");
    }
    assert_eq!(polled.serials().await.len(), ports.len());
    assert_eq!(polled.plant().await.get("total_production"), Some(&json!(32 * 60_000)));
    polled.stop().await;
}

pub(super) async fn eight_ports_of_high_power() {
    let port = |number| Record {
        values: [780, 1420, 4000, 5000, 11_070],
        ..Record::live(0x1520_a000_0b09, number, 500, 60_000)
    };
    let polled = Polled::start(list(&(1..=8).map(port).collect::<Vec<_>>())).await;
    assert_eq!(polled.inverter("/0/grid_voltage").await, 400.0);
    for (key, expected) in [("pv_voltage", 78.0), ("pv_current", 14.2), ("pv_power", 1107.0)] {
        assert_eq!(polled.inverter(&format!("/0/ports/7/{key}")).await, expected, "{key}");
    }
    polled.stop().await;
}

pub(super) async fn signals_of_wireless_inverters() {
    for (signal, percent) in [(0x00ED_00FF, Value::Null), (0x0023_0022, json!(97))] {
        let data = live(NOON, 140, 60_000);
        let with_signal = |one: &SgsMo| SgsMo { signal, ..*one };
        let single_phase = data.single_phase.iter().map(with_signal).collect();
        let polled = Polled::start(says(&RealDataNewReq { single_phase, ..data })).await;
        assert_eq!(polled.inverter("/0/signal").await, percent);
        assert_eq!(polled.inverter("/0/active_power").await, 140.0);
        polled.stop().await;
    }
}

pub(super) async fn foreign_modbus_device() {
    let record = "000000010000000308fd020008fe13890309000c0000126700150003000000000100000000000000";
    let digits = record.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    let foreign = Says::Foreign(digits.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect());
    let ours = list(&[Record::live(ONE, 1, 500, 60_000)]);
    let polled = Polled::start(ours.clone()).await;
    polled.is_replaced(foreign.clone()).await;
    let health = polled.status("error").await;
    assert_eq!(health.get("last_error_cause"), Some(&json!("not_a_dtu")), "{health}");
    assert_eq!(polled.serials().await, ["1161A0000B41"]);
    assert_eq!(polled.plant().await.get("total_production"), Some(&json!(60_000)));
    polled.is_replaced(ours).await;
    polled.status("online").await;
    assert_eq!(polled.serials().await, ["1161A0000B41"]);
    polled.stop().await;

    let (status, table) = read(&Device::start(foreign).await).await;
    assert!(status == 1 && table.contains("is not a DTU"), "{table}");
}

pub(super) async fn another_dtu_at_the_address() {
    identity::another_dtu_at_the_address_is_refused().await;
    identity::another_dtu_is_refused_over_its_own_protocol().await;
}

pub(super) async fn one_unreadable_record() {
    for fault in ["silent-record=2", "refused-record=2"] {
        let plant =
            Plant::start(&["--inverters", "3", "--ports-per-inverter", "2", "--fault", fault])
                .await;
        let section = plant.dtu("Roof").replace("\"1s\"", "\"100ms\"");
        let bridge = Home::new(&section).run().await;
        bridge.logged("5 of 6 ports read").await;
        let (_, health) = bridge.get("/health").await;
        let dtu = health.pointer("/dtus/Roof").unwrap();
        assert_eq!(dtu.get("status"), Some(&json!("online")), "{fault}: {dtu}");
        assert_eq!(dtu.get("unread_records"), Some(&json!([2])), "{fault}: {dtu}");
        bridge.stop().await;
        plant.stop().await;
    }
}

pub(super) async fn more_power_to_the_mains_than_from_the_panels() {
    let data = live(NOON, 35, 60_000);
    let with_power = |one: &SgsMo| SgsMo { active_power: 4300, ..*one };
    let single_phase = data.single_phase.iter().map(with_power).collect();
    let polled = Polled::start(says(&RealDataNewReq { single_phase, ..data })).await;
    assert_eq!(polled.inverter("/0/active_power").await, 430.0);
    assert_eq!(polled.inverter("/0/pv_power").await, 35.0);
    polled.stop().await;
}

pub(super) async fn no_answer_about_itself() {
    let data = live(NOON, 140, 60_000);
    let device = Device::start(messages(None, Some(&data))).await;
    let (status, table) = read(&device).await;
    assert!(status == 1 && table.contains("nothing was read"), "{table}");
    assert!(table.contains("did not answer within"), "{table}");
}

pub(super) async fn no_values_from_an_old_program() {
    let info = info_of(&live(NOON, 140, 60_000));
    let device = Device::start(messages(Some(&info), None)).await;
    let (status, table) = read(&device).await;
    assert!(status == 1 && table.contains("did not answer within"), "{table}");
    assert!(table.contains("`protocol`") && table.contains("`timeout`"), "{table}");
}

pub(super) async fn refused_for_a_while() {
    let clock = PlantClock::at("2026-06-10T12:00:00Z");
    let shape = PlantShape { inverters: 1, ports_per_inverter: 2, ..PlantShape::default() };
    let mut dtu = SimulatedDtu::start(SimulatedPlant::new(&shape), &clock, Speaks::Modbus).await;
    let pipeline = Pipeline::start(&[("Roof", &dtu)], &[], &clock).await;
    let logged = async |text: &str| {
        within_guard(text, async {
            while !pipeline.log.lines(0).iter().any(|line| line.contains(text)) {
                tokio::task::yield_now().await;
            }
        })
        .await;
    };
    logged("2 ports of 1 inverter").await;
    dtu.switch_off().await;
    within_guard("more failed polls", async {
        while pipeline.dtu("Roof").failing.is_none_or(|failing| failing.polls < 4) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    dtu.switch_on().await;
    logged("the DTU answers again").await;
    let lines = pipeline.log.lines(0);
    let failures = lines.iter().filter(|line| line.contains("poll failed")).count();
    assert_eq!(failures, 1, "one line for each outage: {lines:#?}");
    pipeline.stop().await;
    dtu.switch_off().await;

    let three_phase = vec![TgsMo {
        serial: 0x1382_a000_0b46,
        ver: 1,
        voltage_a: 2300,
        voltage_b: 2302,
        voltage_c: 2290,
        frequency: 4999,
        link_status: 1,
        ..TgsMo::default()
    }];
    let data = live(NOON, 140, 60_000);
    let polled = Polled::start(says(&RealDataNewReq { three_phase, ..data })).await;
    assert_eq!(polled.inverter("/1/phase_voltages").await, json!([230.0, 230.2, 229.0]));
    polled.stop().await;
}

pub(super) async fn shade_until_noon() {
    let polled = Polled::start_at("2026-06-10T20:30:00Z", says(&live(NOON, 2, 60_000))).await;
    polled.is_off_at("2026-06-11T05:00:00Z");
    polled.status("asleep").await;
    polled.is_off_at("2026-06-11T10:30:00Z");
    polled.status("error").await;
    polled.stop().await;
}

/// Answers only who asks every 20 s.
struct SlowDtu(Replies);

impl Dtu for SlowDtu {
    async fn poll(&mut self) -> Result<DtuReading, PollError> {
        for _record in 0..19 {
            tokio::time::sleep(Duration::from_secs(20)).await;
            self.0.add();
        }
        let serial = InverterSerial::from_u64(ONE);
        let ports = (1..=18).map(PortReading::unknown).collect();
        let inverters = vec![InverterReading { ports, ..InverterReading::unknown(serial) }];
        Ok(DtuReading { inverters, ..DtuReading::default() })
    }

    fn replies(&self) -> Replies {
        self.0.clone()
    }
}

/// In paused time, and so without sockets.
pub(super) async fn only_slow_requests_are_answered() {
    tokio::time::pause();
    let began = tokio::time::Instant::now();
    let clock = WallClock::from_fn(move || {
        Timestamp::from_second(i64::from(NOON)).unwrap() + began.elapsed()
    });
    let state = DtuState::unknown("Roof", Protocol::Modbus, Duration::from_mins(5));
    let plant = PlantState::new(TimeZone::UTC, vec![state], [], []);
    let (publisher, snapshot) = SnapshotPublisher::new(plant, Store::in_memory(), clock.now());
    let (interval, metrics) = (Duration::from_mins(1), Metrics::new());
    let dtu = SlowDtu(Replies::default());
    let poller =
        Poller { name: "Roof".into(), dtu, interval, publisher, metrics, clock: clock.clone() };
    let is_healthy_for_13_minutes = async {
        tokio::time::sleep(Duration::from_secs(61)).await;
        while began.elapsed() < Duration::from_mins(13) {
            assert!(is_healthy(snapshot.latest().dtus(), clock.now()), "{:?}", began.elapsed());
            tokio::time::sleep(Duration::from_secs(10)).await;
        }
    };
    tokio::select! {
        () = poller.run(CancellationToken::new()) => {}
        () = is_healthy_for_13_minutes => {}
    }
    let ports = snapshot.latest().inverters().map(|one| one.ports.len()).sum::<usize>();
    assert_eq!(ports, 18);
}
