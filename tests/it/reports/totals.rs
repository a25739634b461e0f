//! Counters: what the plant has produced never leaps and never falls.

use hoymiles_bridge::dtu::protobuf::messages::{AppInfoReq, PvInfo, PvMo, RealDataNewReq, SgsMo};
use prost::Message as _;
use serde_json::{Value, json};

use super::device::{Device, Polled, Record, Says, list, messages};
use crate::support::bridge::{Bridge, Home};
use crate::support::within_guard;

const ONE: u64 = 0x1161_a000_0b41;
const OTHER: u64 = 0x1161_a000_0b42;

/// As a number; a key that is missing is an error.
fn number(value: &Value, key: &str) -> Option<u64> {
    value.get(key).unwrap_or_else(|| panic!("no {key} in {value}")).as_u64()
}

pub(super) async fn first_poll_without_a_port() {
    let port = |number, total| Record::live(ONE, number, 500, total);
    let polled = Polled::start(list(&[port(1, 150_001), Record::unreached(ONE, 2)])).await;
    assert_eq!(polled.inverter("/0/ports/1/total_production").await, Value::Null);
    assert_eq!(polled.inverter("/0/total_production").await, Value::Null);
    assert_eq!(number(&polled.plant().await, "total_production"), None);
    polled.says(list(&[port(1, 150_002), port(2, 140_002)])).await;
    assert_eq!(polled.inverter("/0/total_production").await, 290_004);
    assert_eq!(number(&polled.plant().await, "total_production"), Some(290_004));
    polled.stop().await;
}

pub(super) async fn battery_fed_over_midnight() {
    let port =
        |grown: u16| list(&[Record::live(ONE, 1, 63_900 + grown, 2_000_000 + u32::from(grown))]);
    let polled = Polled::start_at("2026-06-10T23:20:00Z", port(0)).await;
    let today = async |polled: &Polled| number(&polled.plant().await, "today_production");
    assert_eq!(today(&polled).await, Some(0), "what it had by then is not known");
    polled.says_at("2026-06-10T23:59:00Z", port(80)).await;
    assert_eq!(today(&polled).await, Some(80));
    polled.says_at("2026-06-11T00:01:00Z", port(80)).await;
    assert_eq!(today(&polled).await, Some(0));
    polled.says_at("2026-06-11T01:30:00Z", port(260)).await;
    assert_eq!(today(&polled).await, Some(180));
    polled.stop().await;
}

pub(super) async fn restart_of_the_inverter_at_noon() {
    let port = |today, total| list(&[Record::live(ONE, 1, today, total)]);
    let polled = Polled::start(port(3_000, 60_000)).await;
    for (today, total, expected) in [(0, 60_000, 3_000), (0, 60_000, 3_000), (20, 60_020, 3_020)] {
        polled.says(port(today, total)).await;
        let plant = polled.plant().await;
        assert_eq!(number(&plant, "today_production"), Some(expected), "{plant}");
        assert_eq!(number(&plant, "total_production"), Some(u64::from(total)), "{plant}");
    }
    polled.stop().await;
}

async fn total_when(bridge: &Bridge, total: u64) {
    within_guard("total", async {
        while number(&bridge.get("/api/plant").await.1, "total_production") != Some(total) {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

pub(super) async fn restart_of_the_bridge_at_night() {
    let live = |total| list(&[Record::live(ONE, 1, 500, total)]);
    let device = Device::start(live(62_642)).await;
    let home = Home::new(&device.section());
    let bridge = home.run().await;
    total_when(&bridge, 62_642).await;
    bridge.stop().await;
    device.says(list(&[Record::unreached(ONE, 1)]));
    let bridge = home.run().await;
    assert_eq!(number(&bridge.get("/api/plant").await.1, "total_production"), Some(62_642));
    bridge.logged("1 port of 1 inverter").await;
    let (_, plant) = bridge.get("/api/plant").await;
    assert_eq!(number(&plant, "total_production"), Some(62_642), "{plant}");
    device.says(live(62_650));
    total_when(&bridge, 62_650).await;
    bridge.stop().await;
}

/// Captured on 2022-03-18; serial numbers are made up.
const RESTARTED: [&str; 2] = [
    "0a0c31304638413030303042303410f5bbd29106180128014a1308c19680809aac04100158c0e101a00183800c5a1a\
     08c19680809aac04100118e60220bd0128a50530d9d90338c00d5a1a08c19680809aac04100218e60220f20128e406\
     30e8ce0338a00d5a1308c19680809aac04100318df0220f70128e4065a1308c19680809aac04100418df0220fe0128\
     fb06",
    "0a0c31304638413030303042303410b1bcd29106180128014a1e08c19680809aac04100118cc1220882728e41958c0\
     e1016001a00183800c5a1f08c19680809aac04100118e60220bd0128a50530e0d90338c70d40808080185a1f08c196\
     80809aac04100218e60220f20128e40630f0ce0338a80d40808080185a1f08c19680809aac04100318df0220f70128\
     e40630839b0338f30c40808080185a1f08c19680809aac04100418df0220fe0128fb0630a1a20338910d4080808018",
];

fn captured(hex: &str) -> RealDataNewReq {
    let digits: Vec<char> = hex.chars().collect();
    let byte = |pair: &[char]| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap();
    let bytes: Vec<u8> = digits.chunks(2).map(byte).collect();
    RealDataNewReq::decode(bytes.as_slice()).unwrap()
}

/// What the DTU of those values says of itself.
pub(super) fn info_of(data: &RealDataNewReq) -> AppInfoReq {
    let single = data.single_phase.iter().map(|one| one.serial);
    let serials = single.chain(data.three_phase.iter().map(|one| one.serial));
    let inverters: Vec<_> = serials.map(|serial| PvInfo { serial, ..PvInfo::default() }).collect();
    AppInfoReq {
        dtu_serial: data.dtu_serial.clone(),
        timestamp: data.timestamp.try_into().unwrap(),
        inverter_count: inverters.len().try_into().unwrap(),
        port_count: data.ports.len().try_into().unwrap(),
        package_count: 1,
        inverters,
        ..AppInfoReq::default()
    }
}

/// A DTU that says this, and of itself what belongs to it.
pub(super) fn says(data: &RealDataNewReq) -> Says {
    messages(Some(&info_of(data)), Some(data))
}

pub(super) async fn first_sight_of_a_restarted_dtu() {
    let [first, second] = RESTARTED.map(captured);
    let live = |number, total| Record::live(ONE, number, 1_700, total);
    let known = [live(1, 60_633), live(2, 59_240)];
    let unknown = [Record::unreached(ONE, 3), Record::unreached(ONE, 4)];
    let all = [live(1, 60_640), live(2, 59_248), live(3, 52_611), live(4, 53_537)];
    for (first, second) in
        [(says(&first), says(&second)), (list(&[known, unknown].concat()), list(&all))]
    {
        let polled = Polled::start_at("2022-03-18T14:57:58Z", first).await;
        assert_eq!(polled.inverter("/0/ports/0/total_production").await, 60_633);
        assert_eq!(polled.inverter("/0/ports/3/total_production").await, Value::Null);
        assert_eq!(polled.inverter("/0/total_production").await, Value::Null);
        assert_eq!(number(&polled.plant().await, "total_production"), None);
        polled.says(second).await;
        assert_eq!(polled.inverter("/0/total_production").await, 226_036);
        assert_eq!(number(&polled.plant().await, "total_production"), Some(226_036));
        polled.stop().await;
    }
}

pub(super) async fn inverters_that_turn_up_later() {
    let one = |n: u32| Record::live(ONE, 1, 500, 60_000 + n);
    let both = |n: u32| list(&[one(n), Record::live(OTHER, 1, 500, 900_000 + n)]);
    let polled = Polled::start(list(&[one(3)])).await;
    assert_eq!(number(&polled.plant().await, "total_production"), Some(60_003));
    for (says, total, sum) in [(both(4), 60_004, 960_008), (both(5), 60_006, 960_010)] {
        polled.says(says).await;
        polled.device.polled(2).await;
        let plant = polled.plant().await;
        assert_eq!(number(&plant, "total_production"), Some(total), "{plant}");
        assert_eq!(number(&plant, "lifetime_sum"), Some(sum), "{plant}");
    }
    polled.stop().await;
}

/// One inverter with one port that delivers, at that time of the DTU.
pub(super) fn live(timestamp: i32, watts: i32, total: i32) -> RealDataNewReq {
    let serial = 0x1121_a000_0b47;
    let inverter = SgsMo {
        serial,
        ver: 1,
        voltage: 2300,
        frequency: 5000,
        active_power: watts * 10,
        temperature: 250,
        link_status: 1,
        ..SgsMo::default()
    };
    let port = PvMo {
        serial,
        port: 1,
        voltage: 350,
        current: 400,
        power: watts * 10,
        energy_total: total,
        energy_daily: 500,
        error_code: 0x0300_0000,
    };
    RealDataNewReq {
        dtu_serial: "10F8A0000001".to_owned(),
        timestamp,
        ap: 1,
        single_phase: vec![inverter],
        ports: vec![port],
        ..RealDataNewReq::default()
    }
}

/// 2026-06-10, noon.
pub(super) const NOON: i32 = 1_781_092_800;

pub(super) async fn readings_of_zeros() {
    let info = info_of(&live(NOON, 140, 1));
    let polled = Polled::start(says(&live(NOON, 140, 60_000))).await;
    let zeros = |timestamp| {
        let all = live(timestamp, 0, 0);
        let serial = |one: &SgsMo| SgsMo { serial: one.serial, ..SgsMo::default() };
        let port = |one: &PvMo| PvMo { serial: one.serial, port: one.port, ..PvMo::default() };
        let only_serials = RealDataNewReq {
            single_phase: all.single_phase.iter().map(serial).collect(),
            ports: all.ports.iter().map(port).collect(),
            ..all.clone()
        };
        let no_blocks =
            RealDataNewReq { single_phase: Vec::new(), ports: Vec::new(), ..all.clone() };
        let linked = |one: &SgsMo| SgsMo { ver: 1, link_status: 1, ..serial(one) };
        let empty = |one: &PvMo| PvMo { error_code: 0x0300_0000, ..port(one) };
        let only_linked = RealDataNewReq {
            single_phase: all.single_phase.iter().map(linked).collect(),
            ports: all.ports.iter().map(empty).collect(),
            ..all
        };
        [only_serials, no_blocks, only_linked]
    };
    for (nth, timestamp) in (0_usize..3).zip((NOON + 60..).step_by(180)) {
        let total = 60_010 + 10 * i32::try_from(nth).unwrap();
        let reading = zeros(timestamp).into_iter().nth(nth).unwrap();
        polled.says(messages(Some(&info), Some(&reading))).await;
        let before = json!(total - 10);
        assert_eq!(polled.plant().await.get("total_production"), Some(&before), "{nth}");
        assert_eq!(polled.inverter("/0/ports/0/total_production").await, before, "{nth}");
        let power = polled.inverter("/0/ports/0/pv_power").await;
        assert_ne!(power, 0.0, "{nth}: it is a reading without values");
        polled
            .says(says(&live(timestamp + 60, 140 + 7 * i32::try_from(nth).unwrap(), total)))
            .await;
        assert_eq!(polled.plant().await.get("total_production"), Some(&json!(total)), "{nth}");
    }
    polled.stop().await;
}

pub(super) async fn wrong_clocks_of_dtus() {
    // An hour and five minutes ahead, then right: one poll is lost, no more.
    let polled = Polled::start(says(&live(NOON + 3_900, 140, 60_000))).await;
    for (timestamp, watts) in [(NOON + 60, 141), (NOON + 120, 142)] {
        polled.says(says(&live(timestamp, watts, 60_000 + watts))).await;
    }
    assert_eq!(polled.inverter("/0/ports/0/pv_power").await, 142.0);
    // Back to 901 for some polls, as after a restart without network.
    for (timestamp, watts) in [(901, 143), (961, 144), (NOON + 300, 145)] {
        polled.says(says(&live(timestamp, watts, 60_000 + watts))).await;
        assert_eq!(polled.inverter("/0/ports/0/pv_power").await, f64::from(watts));
    }
    polled.stop().await;
    // Standing still: values that differ are new, whatever the clock says.
    for timestamp in [1_735_488_002, 901, 0] {
        let info = info_of(&live(NOON, 140, 60_000));
        let says = |watts| messages(Some(&info), Some(&live(timestamp, watts, 60_000 + watts)));
        let polled = Polled::start(says(140)).await;
        for watts in [141, 142] {
            polled.says(says(watts)).await;
            let power = polled.inverter("/0/ports/0/pv_power").await;
            assert_eq!(power, f64::from(watts), "{timestamp}");
            let total = polled.plant().await.get("total_production").cloned();
            assert_eq!(total, Some(json!(60_000 + watts)), "{timestamp}");
        }
        polled.stop().await;
    }
}
