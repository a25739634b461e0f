//! One simulated DTU with all that belongs to it, on whichever wire it is served.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::distortion::distorted;
use super::fault::Fault;
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

    /// What time it is for the plant.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// What is true now.
    pub fn truth(&self) -> PlantMoment {
        self.plant.at(self.clock.now())
    }

    /// What the DTU believes under these faults.
    pub fn belief(&self, faults: &ActiveFaults) -> PlantMoment {
        self.belief_of(self.truth(), faults)
    }

    /// What the DTU believes of that moment under these faults.
    pub fn belief_of(&self, truth: PlantMoment, faults: &ActiveFaults) -> PlantMoment {
        distorted(truth, &self.plant, faults)
    }

    /// Whether the DTU lives off panels that give nothing.
    pub(super) fn is_without_power(&self, faults: &ActiveFaults) -> bool {
        faults.has(Fault::PanelPowered)
            && self.belief(faults).inverters.iter().all(|inverter| !inverter.awake)
    }
}
