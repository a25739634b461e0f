//! A simulated plant: DTUs under a day's sun, deterministic by seed, in the real wire formats, with
//! faults by name.
//!
//! `simulate` serves one to test other clients; `demo` and `protocol = "simulated"` show the bridge
//! at work without hardware. Nothing here uses the bridge's own client, so that a mistake in one is
//! not hidden by the same mistake in the other.

pub mod faults;
pub mod modbus;
pub mod moment;
pub mod plant;
mod plant_faults;
pub mod protobuf;
pub mod server;
mod sky;
pub mod stats;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::net::TcpListener;

use self::faults::{ActiveFaults, Fault, Faults};
use self::modbus::Modbus;
use self::moment::PlantMoment;
use self::plant::{PlantShape, SimulatedPlant};
use self::plant_faults::apply_plant_faults;
use self::stats::ClientStats;
use crate::clock::WallClock;
use crate::tasks::Tasks;

/// One simulated DTU: its plant, clock, faults and client statistics. Cheap to clone; all clones
/// are the same DTU.
#[derive(Clone, Debug)]
pub struct Simulation {
    plant: Arc<SimulatedPlant>,
    clock: WallClock,
    faults: Faults,
    latency: Duration,
    stats: ClientStats,
}

impl Simulation {
    /// A DTU without faults that answers at once.
    pub fn new(plant: SimulatedPlant, clock: WallClock) -> Self {
        let faults = Faults::new(clock.clone());
        let stats = ClientStats::default();
        Self { plant: Arc::new(plant), clock, faults, latency: Duration::ZERO, stats }
    }

    /// The same DTU with this delay before each reply.
    #[must_use]
    pub fn with_latency(mut self, latency: Duration) -> Self {
        self.latency = latency;
        self
    }

    /// The plant behind the DTU.
    pub fn plant(&self) -> &SimulatedPlant {
        &self.plant
    }

    /// The faults; may be changed while the DTU is served.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// What the DTU's clients have done so far.
    pub fn stats(&self) -> &ClientStats {
        &self.stats
    }

    /// The delay before each reply.
    pub fn latency(&self) -> Duration {
        self.latency
    }

    /// The plant's time.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The true state of the plant now, whatever the DTU reports.
    pub fn truth(&self) -> PlantMoment {
        self.plant.at(self.clock.now())
    }

    fn reported(&self, truth: PlantMoment, faults: &ActiveFaults) -> PlantMoment {
        apply_plant_faults(truth, &self.plant, faults)
    }

    /// Whether the DTU is powered by its panels and they give nothing.
    fn is_without_power(&self, faults: &ActiveFaults) -> bool {
        faults.has(Fault::PanelPowered)
            && self.reported(self.truth(), faults).inverters.iter().all(|inverter| !inverter.awake)
    }
}

/// Starts the DTU of `protocol = "simulated"` on loopback for as long as `tasks` run, and returns
/// its address.
///
/// Its serial numbers follow from `name`, so that they are unique and survive a restart. Its sun
/// never sets, so that a demonstration at night shows something.
pub async fn start_builtin(tasks: &Tasks, name: &str) -> io::Result<SocketAddr> {
    let seed =
        name.bytes().fold(1, |seed: u64, byte| seed.wrapping_mul(31).wrapping_add(u64::from(byte)));
    let shape = PlantShape {
        inverters: 19,
        ports_per_inverter: 2,
        total_ports: Some(37),
        seed,
        dtu_index: 0,
    };
    let plant = SimulatedPlant::new(&shape).with_endless_day();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    let simulation = Simulation::new(plant, WallClock::system());
    tasks.spawn("simulated DTU", server::serve(listener, Modbus, simulation, tasks.stop()));
    Ok(address)
}

/// Pseudo-random numbers without state: a hash of a seed and a subject, the same in every run.
///
/// Mixing steps of `SplitMix64` (Steele, Lea, Flood: Fast splittable pseudorandom number
/// generators, 2014).
fn random(seed: u64, subject: u64) -> u64 {
    let mut mixed = seed ^ subject.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for factor in [0xbf58_476d_1ce4_e5b9_u64, 0x94d0_49bb_1331_11eb] {
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(factor);
        mixed ^= mixed >> 27;
    }
    mixed ^ (mixed >> 31)
}

#[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
fn random_share(seed: u64, subject: u64) -> f64 {
    (random(seed, subject) >> 11) as f64 / (1_u64 << 53) as f64
}
