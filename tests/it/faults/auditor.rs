//! Checks each snapshot for values that were never true, and for missing ones.

use std::collections::{BTreeMap, BTreeSet};

use hoymiles_bridge::plant::serial::InverterSerial;
use hoymiles_bridge::plant::units::{WattHours, Watts};
use hoymiles_bridge::sim::plant::SimulatedPlant;
use hoymiles_bridge::snapshot::SnapshotReader;
use hoymiles_bridge::snapshot::state::PortState;
use jiff::{SignedDuration, Timestamp};

/// The true powers and energies of each port in all minutes so far.
type Truths = BTreeMap<(InverterSerial, u8), (BTreeSet<Watts>, BTreeSet<WattHours>)>;

/// Checks each snapshot for values that were never true, and for known ones that are missing.
pub(super) struct Auditor {
    snapshots: SnapshotReader,
    plants: Vec<SimulatedPlant>,
    truths: Truths,
    known_until: Timestamp,
    totals: BTreeMap<(InverterSerial, u8), WattHours>,
}

impl Auditor {
    pub(super) fn new(
        snapshots: SnapshotReader,
        plants: &[SimulatedPlant],
        start: Timestamp,
    ) -> Self {
        Self {
            snapshots,
            plants: plants.to_vec(),
            truths: Truths::new(),
            known_until: start,
            totals: BTreeMap::new(),
        }
    }

    fn learn(&mut self, now: Timestamp) {
        while self.known_until <= now {
            for plant in &self.plants {
                for (inverter, port) in plant.at(self.known_until).ports() {
                    let key = (inverter.serial, port.number);
                    let (powers, totals) = self.truths.entry(key).or_default();
                    powers.insert(port.pv_power);
                    totals.insert(port.total);
                }
            }
            self.known_until += SignedDuration::from_mins(1);
        }
    }

    /// Checks the newest snapshot, which is not newer than `now`.
    pub(super) fn audit(&mut self, now: Timestamp) {
        self.learn(now);
        for inverter in self.snapshots.latest().inverters() {
            for (&number, port) in &inverter.ports {
                let key = (inverter.serial, number);
                let (powers, totals) = self.truths.get(&key).expect("no port is invented");
                let PortState { reading, energy, .. } = port;
                let pv_power = reading.pv_power;
                assert!(pv_power.is_none_or(|power| powers.contains(&power)), "{key:?}: {port:?}");
                let Some(total) = energy.total else {
                    assert!(!self.totals.contains_key(&key), "{key:?} lost its total");
                    continue;
                };
                assert!(totals.contains(&total), "{key:?}: {port:?}");
                let last = self.totals.insert(key, total);
                assert!(last.is_none_or(|last| last <= total), "{key:?} fell from {last:?}");
            }
        }
    }
}
