//! A plant under a simulated sun: what each of its ports does at any given instant. Pure and
//! deterministic: the same shape and the same instant give the same moment, in any order.

mod inverter;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use self::inverter::SimulatedInverter;
use super::chance;
use super::moment::PlantMoment;
use super::sky::Sky;
use crate::plant::serial::DtuSerial;

/// How big a plant is, and which one of its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlantShape {
    /// Inverters behind the DTU.
    pub inverters: usize,
    /// PV inputs of each inverter.
    pub ports_per_inverter: usize,
    /// If given, the last inverters have fewer ports, so that all together have so many; each
    /// keeps one at least.
    pub total_ports: Option<usize>,
    /// Decides serial numbers, counters and clouds.
    pub seed: u64,
    /// Tells DTUs of one seed apart: their serial numbers, and those of their inverters, differ.
    pub dtu_index: usize,
}

impl Default for PlantShape {
    fn default() -> Self {
        Self { inverters: 3, ports_per_inverter: 4, total_ports: None, seed: 1, dtu_index: 0 }
    }
}

impl PlantShape {
    /// How many ports each inverter has.
    fn port_counts(&self) -> Vec<usize> {
        let inverters = self.inverters;
        let mut left =
            self.total_ports.unwrap_or(inverters.saturating_mul(self.ports_per_inverter));
        (1..=inverters)
            .map(|nth| {
                let kept_for_others = inverters - nth;
                let ports =
                    left.saturating_sub(kept_for_others).clamp(1, self.ports_per_inverter.max(1));
                left = left.saturating_sub(ports);
                ports
            })
            .collect()
    }
}

/// A DTU and its inverters under a simulated sun.
#[derive(Clone, Debug)]
pub struct SimulatedPlant {
    sky: Sky,
    dtu_serial: DtuSerial,
    inverters: Vec<SimulatedInverter>,
}

impl SimulatedPlant {
    /// A plant where days begin as in UTC.
    pub fn new(shape: &PlantShape) -> Self {
        let seed = chance::draw(shape.seed, shape.dtu_index as u64);
        let inverters = shape
            .port_counts()
            .into_iter()
            .zip(1..)
            .map(|(ports, nth)| SimulatedInverter::new(shape, nth, ports))
            .collect();
        let sky = Sky { seed, timezone: TimeZone::UTC, always_day: false };
        let dtu_serial = DtuSerial::from_u64((0x10f8 << 32) | serial_tail(shape, 0));
        Self { sky, dtu_serial, inverters }
    }

    /// The same plant elsewhere: sunrise, sunset and midnight follow this zone.
    #[must_use]
    pub fn in_time_zone(mut self, timezone: TimeZone) -> Self {
        self.sky.timezone = timezone;
        self
    }

    /// The same plant where the sun never sets: something to see at any hour.
    #[must_use]
    pub fn where_it_is_always_day(mut self) -> Self {
        self.sky.always_day = true;
        self
    }

    /// The same plant with three-phase inverters, as their serial numbers tell.
    #[must_use]
    pub fn with_three_phases(mut self) -> Self {
        for inverter in &mut self.inverters {
            inverter.make_three_phase();
        }
        self
    }

    /// Names the DTU.
    pub fn dtu_serial(&self) -> DtuSerial {
        self.dtu_serial
    }

    /// How many inverters there are.
    pub fn inverter_count(&self) -> usize {
        self.inverters.len()
    }

    /// How many ports all inverters have together.
    pub fn port_count(&self) -> usize {
        self.inverters.iter().map(|inverter| inverter.ports.len()).sum()
    }

    /// What is true at `now`.
    pub fn at(&self, now: Timestamp) -> PlantMoment {
        let midnight = self.sky.midnight(now);
        let inverters =
            self.inverters.iter().map(|inverter| inverter.at(&self.sky, now, midnight)).collect();
        PlantMoment { time: now, dtu_serial: self.dtu_serial, inverters }
    }
}

/// The last eight digits: 12 bits of the seed, 6 of the DTU, 14 of the inverter.
fn serial_tail(shape: &PlantShape, nth: u64) -> u64 {
    let seed = chance::draw(shape.seed, 0) & 0xfff;
    let dtu = shape.dtu_index as u64 & 0x3f;
    seed << 20 | dtu << 14 | nth & 0x3fff
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn at(plant: &SimulatedPlant, time: &str) -> PlantMoment {
        plant.at(time.parse().unwrap())
    }

    fn berlin() -> SimulatedPlant {
        let timezone = TimeZone::get("Europe/Berlin").unwrap();
        SimulatedPlant::new(&PlantShape::default()).in_time_zone(timezone)
    }

    #[test]
    fn the_same_seed_and_instant_give_the_same_moment() {
        let noon = "2026-08-22T11:00:00Z";
        assert_eq!(at(&berlin(), noon), at(&berlin(), noon));
        let other = SimulatedPlant::new(&PlantShape { seed: 2, ..PlantShape::default() });
        assert_ne!(at(&berlin(), noon).inverters, at(&other, noon).inverters);
    }

    #[track_caller]
    fn check_ports(
        inverters: usize,
        ports_per_inverter: usize,
        total: Option<usize>,
        want: &[u16],
    ) {
        let shape = PlantShape {
            inverters,
            ports_per_inverter,
            total_ports: total,
            ..PlantShape::default()
        };
        let plant = SimulatedPlant::new(&shape);
        let prefixes: Vec<u16> = plant.inverters.iter().map(|each| each.serial.prefix()).collect();
        assert_eq!(prefixes, want);
        assert_eq!(plant.port_count(), total.unwrap_or(inverters * ports_per_inverter));
    }

    #[test]
    fn the_serial_number_tells_how_many_ports_an_inverter_has() {
        check_ports(2, 1, None, &[0x1121, 0x1121]);
        check_ports(2, 6, None, &[0x1382, 0x1382]);
        check_ports(3, 2, Some(5), &[0x1141, 0x1141, 0x1121]);
        check_ports(3, 4, Some(6), &[0x1161, 0x1121, 0x1121]);
    }

    #[test]
    fn serial_numbers_are_unique_among_the_dtus_of_one_seed() {
        let mut serials = BTreeSet::new();
        let mut dtus = BTreeSet::new();
        for dtu_index in 0..3 {
            let shape = PlantShape { inverters: 100, dtu_index, ..PlantShape::default() };
            let plant = SimulatedPlant::new(&shape);
            dtus.insert(plant.dtu_serial().to_string());
            serials.extend(plant.inverters.iter().map(|inverter| inverter.serial));
        }
        assert_eq!(serials.len(), 300);
        assert_eq!(dtus.len(), 3);
        assert!(dtus.iter().all(|serial| serial.starts_with("10F8")), "{dtus:?}");
    }
}
