//! A simulated DTU inside the test, which controls its clock and faults and reads its counts.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use hoymiles_bridge::clock::WallClock;
use hoymiles_bridge::config::Protocol;
use hoymiles_bridge::sim::Simulation;
use hoymiles_bridge::sim::modbus::Modbus;
use hoymiles_bridge::sim::plant::SimulatedPlant;
use hoymiles_bridge::sim::protobuf::{Protobuf, ProtobufOptions};
use hoymiles_bridge::sim::server::serve;
use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::within_guard;

/// The time of a simulated plant. Cheap to clone; all clones share it.
#[derive(Clone)]
pub(crate) struct PlantClock {
    second: Arc<AtomicI64>,
    started: Instant,
    /// A minute of the plant in milliseconds; 0 if its time is fixed.
    minute: u64,
}

impl PlantClock {
    /// Fixed at that time, such as `2026-06-10T19:45:00Z`.
    pub(crate) fn at(time: &str) -> Self {
        let clock = Self { second: Arc::default(), started: Instant::now(), minute: 0 };
        clock.set(time);
        clock
    }

    /// Runs from that time in steps of a minute, each of which takes `minute` milliseconds.
    pub(crate) fn running(time: &str, minute: u64) -> Self {
        Self { minute, ..Self::at(time) }
    }

    pub(crate) fn set(&self, time: &str) {
        let time: Timestamp = time.parse().unwrap();
        self.second.store(time.as_second(), Ordering::Relaxed);
    }

    /// From now on it is later by that.
    pub(crate) fn advance(&self, by: Duration) {
        self.second.fetch_add(i64::try_from(by.as_secs()).unwrap(), Ordering::Relaxed);
    }

    pub(crate) fn now(&self) -> Timestamp {
        let elapsed = u64::try_from(self.started.elapsed().as_millis()).unwrap();
        let minutes = elapsed.checked_div(self.minute).unwrap_or_default();
        let second = self.second.load(Ordering::Relaxed) + 60 * i64::try_from(minutes).unwrap();
        Timestamp::from_second(second).unwrap()
    }

    pub(crate) fn as_wall_clock(&self) -> WallClock {
        let clock = self.clone();
        WallClock::from_fn(move || clock.now())
    }
}

/// The protocol of a simulated DTU.
#[derive(Clone, Copy)]
pub(crate) enum Speaks {
    Modbus,
    Protobuf(ProtobufOptions),
}

/// A DTU on loopback.
pub(crate) struct SimulatedDtu {
    pub(crate) simulation: Simulation,
    pub(crate) address: SocketAddr,
    pub(crate) speaks: Speaks,
    stop: CancellationToken,
    server: TaskTracker,
}

impl SimulatedDtu {
    pub(crate) async fn start(plant: SimulatedPlant, clock: &PlantClock, speaks: Speaks) -> Self {
        let simulation = Simulation::new(plant, clock.as_wall_clock());
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut dtu = Self {
            simulation,
            address: any,
            speaks,
            stop: CancellationToken::new(),
            server: TaskTracker::new(),
        };
        dtu.switch_on().await;
        dtu
    }

    /// Power cycle: closes its connections, clears its state and starts again at the same address.
    pub(crate) async fn restart(&mut self) {
        self.switch_off().await;
        self.switch_on().await;
    }

    pub(crate) async fn switch_off(&mut self) {
        self.stop.cancel();
        self.server.close();
        within_guard("end of the simulated DTU", self.server.wait()).await;
    }

    pub(crate) async fn switch_on(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.address = listener.local_addr().unwrap();
        (self.stop, self.server) = (CancellationToken::new(), TaskTracker::new());
        let (simulation, stop) = (self.simulation.clone(), self.stop.clone());
        match self.speaks {
            Speaks::Modbus => drop(self.server.spawn(serve(listener, Modbus, simulation, stop))),
            Speaks::Protobuf(kind) => {
                let language = Protobuf::new(kind, &simulation);
                drop(self.server.spawn(serve(listener, language, simulation, stop)));
            }
        }
    }

    pub(crate) const fn protocol(&self) -> Protocol {
        match self.speaks {
            Speaks::Modbus => Protocol::Modbus,
            Speaks::Protobuf(_) => Protocol::Protobuf,
        }
    }

    /// The `[[dtu]]` section for it.
    pub(crate) fn dtu(&self, name: &str) -> String {
        let protocol = self.protocol();
        let interval = if protocol == Protocol::Modbus { "5s" } else { "35s" };
        format!(
            "[[dtu]]\nname = \"{name}\"\nprotocol = \"{protocol}\"\nhost = \"127.0.0.1\"\n\
             port = {}\ntimeout = \"1s\"\nretries = 1\ninterval = \"{interval}\"\n",
            self.address.port()
        )
    }
}
