//! 100 inverters of 4 ports. A DTU-Pro lists 99 ports at most, so they hang on five of them.

use std::net::Ipv4Addr;

use hoymiles_bridge::clock::WallClock;
use hoymiles_bridge::config::{DtuConfig, Protocol};
use hoymiles_bridge::sim::Simulation;
use hoymiles_bridge::sim::plant::{PlantShape, SimulatedPlant};
use hoymiles_bridge::sim::server::WireProtocol;
use hoymiles_bridge::sim::server::serve;
use hoymiles_bridge::tasks::Tasks;
use tokio::net::TcpListener;

pub(crate) const INVERTERS: usize = 100;
pub(crate) const PORTS: usize = 4;
const DTUS: usize = 5;

/// Serves the plant until `tasks` end; returns a configuration for each of its DTUs.
pub(crate) async fn start(
    tasks: &Tasks,
    language: impl WireProtocol + Clone,
) -> std::io::Result<Vec<DtuConfig>> {
    let mut dtus = Vec::new();
    for dtu_index in 0..DTUS {
        let shape = PlantShape {
            inverters: INVERTERS / DTUS,
            ports_per_inverter: PORTS,
            dtu_index,
            ..PlantShape::default()
        };
        let plant = SimulatedPlant::new(&shape).with_endless_day();
        let simulation = Simulation::new(plant, WallClock::system());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        tasks.spawn_short(serve(listener, language.clone(), simulation, tasks.stop()));
        let name = format!("DTU {}", dtu_index + 1);
        let mut dtu = DtuConfig::new(&name, Protocol::Modbus, "127.0.0.1");
        dtu.port = Some(port);
        dtus.push(dtu);
    }
    Ok(dtus)
}
