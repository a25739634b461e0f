//! One simulated DTU with all that belongs to it, on whichever wire it is served.

use std::sync::Arc;
use std::time::Duration;

use super::distortion::distorted;
use super::faults::{ActiveFaults, Faults};
use super::moment::PlantMoment;
use super::observed::Observed;
use super::plant::SimulatedPlant;
use crate::clock::WallClock;

/// A plant, its clock, its faults and what it notices. Cheap to clone; all clones are the same DTU.
#[derive(Clone, Debug)]
pub struct Simulation {
    plant: Arc<SimulatedPlant>,
    clock: WallClock,
    faults: Faults,
    latency: Duration,
    observed: Observed,
}

impl Simulation {
    /// A DTU without faults that answers at once.
    pub fn new(plant: SimulatedPlant, clock: WallClock) -> Self {
        let faults = Faults::new(clock.clone());
        Self {
            plant: Arc::new(plant),
            clock,
            faults,
            latency: Duration::ZERO,
            observed: Observed::default(),
        }
    }

    /// The same DTU, which takes so long to answer a request.
    #[must_use]
    pub fn with_latency(mut self, latency: Duration) -> Self {
        self.latency = latency;
        self
    }

    /// The plant behind the DTU.
    pub fn plant(&self) -> &SimulatedPlant {
        &self.plant
    }

    /// What goes wrong; may be changed while it is served.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// What it notices of its clients.
    pub fn observed(&self) -> &Observed {
        &self.observed
    }

    /// How long it takes to answer a request.
    pub fn latency(&self) -> Duration {
        self.latency
    }

    /// What is true now.
    pub fn truth(&self) -> PlantMoment {
        self.plant.at(self.clock.now())
    }

    /// What the DTU believes under these faults.
    pub fn belief(&self, faults: &ActiveFaults) -> PlantMoment {
        distorted(self.truth(), &self.plant, faults)
    }
}
