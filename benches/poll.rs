//! Duration of a poll of 37 ports from a DTU that needs 150 ms per answer: hardly more than the DTU
//! itself needs, and with six records per answer a fifth of that.
#![expect(clippy::print_stdout, reason = "a benchmark prints its results")]

use std::time::Duration;

use anyhow::Context;
use hoymiles_bridge::clock::WallClock;
use hoymiles_bridge::config::DtuConfig;
use hoymiles_bridge::dtu::Dtu;
use hoymiles_bridge::dtu::modbus::ModbusDtu;
use hoymiles_bridge::sim::Simulation;
use hoymiles_bridge::sim::modbus::Modbus;
use hoymiles_bridge::sim::plant::{PlantShape, SimulatedPlant};
use hoymiles_bridge::sim::server::serve;
use hoymiles_bridge::tasks::Tasks;
use tokio::net::TcpListener;
use tokio::time::Instant;

/// Measured latency of a DTU-Pro.
const LATENCY: Duration = Duration::from_millis(150);
const INVERTERS: usize = 19;
const PORTS: usize = 37;
/// Of a poll, in multiples of the DTU's own latency.
const MOST_OVERHEAD: f64 = 1.05;
/// Of a poll with six records in one answer, as a share of one with a single record.
const MOST_SHARE: f64 = 0.2;
/// The first one connects, reads the DTU's serial number and tries out long answers.
const POLLS: usize = 2;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let single = polls(1).await?;
    let several = polls(6).await?;
    let share = several.as_secs_f64() / single.as_secs_f64();
    println!("six records in one answer take {share:.3} of the time of one; limit {MOST_SHARE}");
    assert!(share <= MOST_SHARE, "over the limit");
    Ok(())
}

/// Polls a fresh DTU a few times; returns how long the last poll took.
async fn polls(records_per_read: u8) -> anyhow::Result<Duration> {
    let shape = PlantShape {
        inverters: INVERTERS,
        ports_per_inverter: 2,
        total_ports: Some(PORTS),
        ..PlantShape::default()
    };
    let plant = SimulatedPlant::new(&shape).with_endless_day();
    let simulation = Simulation::new(plant, WallClock::system()).with_latency(LATENCY);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    let tasks = Tasks::new();
    tasks.spawn_short(serve(listener, Modbus, simulation.clone(), tasks.stop()));

    let config: DtuConfig = toml::from_str(&format!(
        "name = 'DTU'\nprotocol = 'modbus'\nhost = '127.0.0.1'\nport = {port}\n\
         records_per_read = {records_per_read}"
    ))?;
    let mut dtu = ModbusDtu::new(&config);
    let mut took = Duration::MAX;
    for nth in 1..=POLLS {
        let requests_before = simulation.stats().counts().requests;
        let begun = Instant::now();
        let reading = dtu.poll().await.map_err(|failure| failure.error).context("a poll")?;
        took = begun.elapsed();
        let ports: usize = reading.inverters.iter().map(|inverter| inverter.ports.len()).sum();
        assert_eq!((reading.inverters.len(), ports), (INVERTERS, PORTS), "the whole plant");
        let requests = u32::try_from(simulation.stats().counts().requests - requests_before)?;
        let overhead = took.as_secs_f64() / (LATENCY * requests).as_secs_f64();
        println!(
            "records_per_read = {records_per_read}, poll {nth}: {requests} requests, {took:.2?}, \
             {overhead:.3} x 150 ms each; limit {MOST_OVERHEAD}"
        );
        assert!(overhead <= MOST_OVERHEAD, "over the limit");
    }
    tasks.shut_down(Duration::from_secs(5)).await;
    Ok(took)
}
