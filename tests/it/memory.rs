//! Memory of the daemon with fifty DTUs.

use hoymiles_bridge::sim::plant::{PlantShape, SimulatedPlant};
use hoymiles_bridge::sim::protobuf::ProtobufOptions;

use crate::support::bridge::Home;
use crate::support::simulated::{PlantClock, SimulatedDtu, Speaks};
use crate::support::target::Target;

const DTUS: usize = 50;
const INVERTERS: usize = 4;
/// In KiB. A release build takes less than this one.
const MOST: u64 = 40 * 1024;

#[tokio::test]
async fn fifty_protobuf_dtus_of_sixteen_ports_fit_into_forty_mebibytes() {
    let clock = PlantClock::at("2026-06-10T12:00:00Z");
    let target = Target::start("secret").await;
    let mut config = format!("[[target]]\nname = \"One\"\nurl = \"{}\"\n", target.url("secret"));
    let mut dtus = Vec::new();
    for index in 0..DTUS {
        let shape = PlantShape {
            inverters: INVERTERS,
            ports_per_inverter: 4,
            dtu_index: index,
            ..PlantShape::default()
        };
        let is_new = index % 2 == 1;
        let kind =
            ProtobufOptions { encrypts: is_new, has_meter: is_new, ..ProtobufOptions::default() };
        let plant = SimulatedPlant::new(&shape);
        let dtu = SimulatedDtu::start(plant, &clock, Speaks::Protobuf(kind)).await;
        config += &dtu.dtu(&format!("DTU {index}"));
        dtus.push(dtu);
    }
    let home = Home::new(&config);
    let bridge = home.run().await;
    target
        .received("update with all inverters", |received| {
            let updates = received.updates();
            let inverters = updates.last().and_then(|data| data["inverters"].as_array());
            inverters.is_some_and(|inverters| inverters.len() == DTUS * INVERTERS)
        })
        .await;
    for path in ["/health", "/stats", "/metrics", "/api/inverters", "/api/meters", "/api/ports"] {
        assert_eq!(bridge.get(path).await.0, 200, "{path}");
    }
    let status = std::fs::read_to_string(format!("/proc/{}/status", bridge.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    let peak: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!(peak <= MOST, "{line}");
    bridge.stop().await;
    for mut dtu in dtus {
        dtu.switch_off().await;
    }
    target.stop().await;
}
