//! `simulate`: a DTU for testing, with a plant behind it and faults by name.

mod args;

use std::net::SocketAddr;

use anyhow::{Context, ensure};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use self::args::{KindArgs, SimulateArgs};
use crate::sim::modbus::{MOST_PORTS, Modbus};
use crate::sim::protobuf::{Kind, Protobuf};
use crate::sim::server::serve;
use crate::sim::simulation::Simulation;

/// Serves the DTU until `stop`.
pub async fn simulate(args: SimulateArgs, stop: CancellationToken) -> anyhow::Result<()> {
    let simulation = args::simulation(&args)?;
    let ports = simulation.plant().port_count();
    ensure!(
        args.modbus.is_none() || ports <= MOST_PORTS,
        "a DTU lists {MOST_PORTS} ports over Modbus, not {ports}"
    );
    let sockets = Sockets::open(&args).await?;
    if let Some(listener) = &sockets.modbus {
        announce("Modbus-TCP", listener.local_addr()?, &simulation);
    }
    if let Some(listener) = &sockets.protobuf {
        announce("protobuf", listener.local_addr()?, &simulation);
    }
    sockets.serve(args::protobuf_kind(&args.kind), &simulation, &stop).await;
    Ok(())
}

/// Where one DTU listens: in one language, or in two.
#[derive(Debug)]
struct Sockets {
    modbus: Option<TcpListener>,
    protobuf: Option<TcpListener>,
}

impl Sockets {
    async fn open(args: &SimulateArgs) -> anyhow::Result<Self> {
        Ok(Self { modbus: listener(args.modbus).await?, protobuf: listener(args.protobuf).await? })
    }

    async fn serve(self, kind: Kind, simulation: &Simulation, stop: &CancellationToken) {
        let protobuf = Protobuf::new(kind, simulation);
        let serve_modbus = async {
            if let Some(listener) = self.modbus {
                serve(listener, Modbus, simulation.clone(), stop.clone()).await;
            }
        };
        let serve_protobuf = async {
            if let Some(listener) = self.protobuf {
                serve(listener, protobuf, simulation.clone(), stop.clone()).await;
            }
        };
        tokio::join!(serve_modbus, serve_protobuf);
    }
}

async fn listener(address: Option<SocketAddr>) -> anyhow::Result<Option<TcpListener>> {
    let Some(address) = address else { return Ok(None) };
    let bound = TcpListener::bind(address).await;
    bound.map(Some).with_context(|| format!("cannot listen on {address}"))
}

fn announce(protocol: &str, address: SocketAddr, simulation: &Simulation) {
    let plant = simulation.plant();
    tracing::info!(
        "Simulated DTU ({protocol}) listens on {address}: {} ports of {} inverters",
        plant.port_count(),
        plant.inverter_count(),
    );
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use jiff::tz::TimeZone;
    use tokio::time::timeout;

    use super::*;
    use crate::clock::WallClock;
    use crate::config::{DtuConfig, Protocol};
    use crate::dtu::Dtu;
    use crate::dtu::modbus::ModbusDtu;
    use crate::dtu::protobuf::ProtobufDtu;
    use crate::plant::reading::{DtuReading, InverterReading};

    const GUARD: Duration = Duration::from_secs(5);

    #[tokio::test]
    async fn more_ports_than_a_list_holds_are_refused() {
        let args = args::parsed("--modbus [::1]:0 --inverters 30").unwrap();
        let error = simulate(args, CancellationToken::new()).await.unwrap_err();
        assert_eq!(error.to_string(), "a DTU lists 99 ports over Modbus, not 120");
    }

    /// What both languages tell of each inverter and does not change within a moment.
    fn inverters(reading: &DtuReading) -> BTreeMap<String, (Vec<u8>, Option<u32>)> {
        let ports = |one: &InverterReading| one.ports.iter().map(|port| port.number).collect();
        let inverters = reading.inverters.iter();
        inverters
            .map(|one| (one.serial.to_string(), (ports(one), one.values.alarm_count)))
            .collect()
    }

    #[tokio::test]
    async fn one_dtu_speaks_two_languages_at_once() {
        let args = args::parsed(
            "--modbus 127.0.0.1:0 --protobuf 127.0.0.1:0 --always-day --encrypted --inverters 2 \
             --ports-per-inverter 2",
        );
        let args = args.unwrap();
        let sockets = Sockets::open(&args).await.unwrap();
        let port =
            |socket: &Option<TcpListener>| socket.as_ref().unwrap().local_addr().unwrap().port();
        let ports = (port(&sockets.modbus), port(&sockets.protobuf));
        let (simulation, stop) = (args::simulation(&args).unwrap(), CancellationToken::new());
        let serving = sockets.serve(args::protobuf_kind(&args.kind), &simulation, &stop);
        let asking = async {
            let config = |protocol, port| DtuConfig {
                port: Some(port),
                request_gap: Some(Duration::ZERO),
                ..DtuConfig::new("DTU", protocol, "127.0.0.1")
            };
            let mut modbus = ModbusDtu::new(&config(Protocol::Modbus, ports.0));
            let config = config(Protocol::Protobuf, ports.1);
            let mut protobuf = ProtobufDtu::new(&config, WallClock::system(), TimeZone::UTC);
            let readings = (modbus.poll().await.unwrap(), protobuf.poll().await.unwrap());
            stop.cancel();
            readings
        };
        let both = async { tokio::join!(serving, asking).1 };
        let (modbus, protobuf) = timeout(GUARD, both).await.unwrap();
        assert_eq!(modbus.dtu_serial, protobuf.dtu_serial);
        let (modbus, protobuf) = (inverters(&modbus), inverters(&protobuf));
        assert_eq!(modbus, protobuf);
    }
}
