//! The plant of `protocol = "simulated"`: a DTU of this very process, on loopback.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::TcpListener;

use super::modbus::Modbus;
use super::plant::{PlantShape, SimulatedPlant};
use super::server::serve;
use super::simulation::Simulation;
use crate::clock::WallClock;
use crate::tasks::Tasks;

/// Starts a simulated DTU for as long as the bridge runs; where it listens.
///
/// Its name decides its serial numbers, so that each has its own, and the same after a restart. Its
/// sun never sets: a demonstration at night shall show something.
pub async fn start(tasks: &Tasks, name: &str) -> io::Result<SocketAddr> {
    let seed =
        name.bytes().fold(1, |seed: u64, byte| seed.wrapping_mul(31).wrapping_add(u64::from(byte)));
    let shape = PlantShape {
        inverters: 19,
        ports_per_inverter: 2,
        total_ports: Some(37),
        seed,
        dtu_index: 0,
    };
    let plant = SimulatedPlant::new(&shape).where_it_is_always_day();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    let simulation = Simulation::new(plant, WallClock::system());
    tasks.spawn("simulated DTU", serve(listener, Modbus, simulation, tasks.stop()));
    Ok(address)
}
