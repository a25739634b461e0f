//! A plant under a simulated sun: what each of its ports does at any given instant. Pure and
//! deterministic: the same shape and the same instant give the same moment, in any order.

use std::f64::consts::TAU;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::moment::{InverterMoment, PlantMoment, PortMoment};
use super::sky::{Sky, whole};
use super::{random, random_share};
use crate::plant::serial::{DtuSerial, InverterSerial};
use crate::plant::units::{Amperes, Celsius, Hertz, Volts, WattHours, Watts};

/// The size of a plant, and its seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlantShape {
    /// Inverters behind the DTU.
    pub inverters: usize,
    /// PV inputs of each inverter.
    pub ports_per_inverter: usize,
    /// If given, the last inverters have fewer ports, so that this is the sum; each keeps at least
    /// one.
    pub total_ports: Option<usize>,
    /// Determines serial numbers, counters and clouds.
    pub seed: u64,
    /// Gives the DTUs of one seed, and their inverters, different serial numbers.
    pub dtu_index: usize,
}

impl Default for PlantShape {
    fn default() -> Self {
        Self { inverters: 3, ports_per_inverter: 4, total_ports: None, seed: 1, dtu_index: 0 }
    }
}

impl PlantShape {
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

    /// The last eight digits of a serial number: 12 bits of the seed, 6 of the DTU, 14 of the
    /// inverter.
    fn serial_tail(&self, nth: u64) -> u64 {
        let seed = random(self.seed, 0) & 0xfff;
        let dtu = self.dtu_index as u64 & 0x3f;
        seed << 20 | dtu << 14 | nth & 0x3fff
    }
}

/// A DTU and its inverters under a simulated sun.
#[derive(Clone, Debug)]
pub struct SimulatedPlant {
    sky: Sky,
    dtu_serial: DtuSerial,
    inverters: Vec<SimulatedInverter>,
}

#[derive(Clone, Debug)]
struct SimulatedInverter {
    serial: InverterSerial,
    seed: u64,
    ports: Vec<SimulatedPort>,
}

#[derive(Clone, Debug)]
struct SimulatedPort {
    number: u8,
    /// Energy of an ordinary day in Wh; whole, so that `today` and `total` grow in step.
    daily: i64,
    /// The counter on the first day, in Wh.
    base: i64,
    /// At half load, in V.
    voltage: f64,
    /// Where the port lies, in radians of a cloud's path.
    place: f64,
}

impl SimulatedPlant {
    /// A plant whose days begin at midnight UTC.
    pub fn new(shape: &PlantShape) -> Self {
        let seed = random(shape.seed, shape.dtu_index as u64);
        let inverters = shape
            .port_counts()
            .into_iter()
            .zip(1..)
            .map(|(ports, nth)| SimulatedInverter::new(shape, nth, ports))
            .collect();
        let sky = Sky { seed, timezone: TimeZone::UTC, endless_day: false };
        let dtu_serial = DtuSerial::from_u64((0x10f8 << 32) | shape.serial_tail(0));
        Self { sky, dtu_serial, inverters }
    }

    /// The same plant in another time zone, which sunrise, sunset and midnight follow.
    #[must_use]
    pub fn in_time_zone(mut self, timezone: TimeZone) -> Self {
        self.sky.timezone = timezone;
        self
    }

    /// The same plant with a sun that never sets.
    #[must_use]
    pub fn with_endless_day(mut self) -> Self {
        self.sky.endless_day = true;
        self
    }

    /// The same plant with three-phase inverters, recognisable by their serial numbers.
    #[must_use]
    pub fn with_three_phases(mut self) -> Self {
        for inverter in &mut self.inverters {
            inverter.make_three_phase();
        }
        self
    }

    /// The same plant behind a DTU with another serial number.
    #[must_use]
    pub fn with_dtu_serial(mut self, serial: DtuSerial) -> Self {
        self.dtu_serial = serial;
        self
    }

    /// The DTU's serial number.
    pub fn dtu_serial(&self) -> DtuSerial {
        self.dtu_serial
    }

    /// The number of inverters.
    pub fn inverter_count(&self) -> usize {
        self.inverters.len()
    }

    /// The number of ports of all inverters.
    pub fn port_count(&self) -> usize {
        self.inverters.iter().map(|inverter| inverter.ports.len()).sum()
    }

    /// The plant's state at `now`.
    pub fn at(&self, now: Timestamp) -> PlantMoment {
        let midnight = self.sky.midnight(now);
        let inverters =
            self.inverters.iter().map(|inverter| inverter.at(&self.sky, now, midnight)).collect();
        PlantMoment { time: now, dtu_serial: self.dtu_serial, inverters }
    }
}

impl SimulatedInverter {
    fn new(shape: &PlantShape, nth: u64, ports: usize) -> Self {
        let tail = shape.serial_tail(nth);
        let serial = InverterSerial::from_u64((u64::from(serial_prefix(ports)) << 32) | tail);
        let seed = random(shape.seed, tail);
        let ports = (1..).take(ports).map(|number| SimulatedPort::new(seed, number, nth)).collect();
        Self { serial, seed, ports }
    }

    fn make_three_phase(&mut self) {
        let family = if self.ports.len() > 4 { [0x13, 0x82] } else { [0x13, 0x61] };
        let mut serial = self.serial.bytes();
        serial.iter_mut().zip(family).for_each(|(digits, family)| *digits = family);
        self.serial = InverterSerial::from_bytes(serial);
    }

    fn at(&self, sky: &Sky, now: Timestamp, midnight: Timestamp) -> InverterMoment {
        let ports: Vec<PortMoment> =
            self.ports.iter().map(|port| port.at(sky, now, midnight)).collect();
        let awake = ports.iter().any(|port| port.pv_power > Watts::default());
        let load = ports.iter().map(|port| port.pv_power.as_f64()).fold(0.0, f64::max) / 350.0;
        // Slow swings, out of phase between inverters: neighbours agree, but not to a digit.
        let swing = |minutes: i64, subject: u64| {
            let period = minutes * 60_000;
            let elapsed = now.as_millisecond().rem_euclid(period);
            #[expect(clippy::cast_precision_loss, reason = "milliseconds of some hours")]
            let turn = elapsed as f64 / period as f64;
            (TAU * (turn + 0.1 * random_share(self.seed, subject))).sin()
        };
        let mut moment = InverterMoment {
            serial: self.serial,
            awake,
            alarm_code: 0,
            alarm_count: u16::try_from(random(self.seed, 3) % 9).unwrap_or_default(),
            grid_voltage: Volts::nearest(230.0 + 3.0 * swing(97, 1) + 2.0 * load),
            grid_frequency: Hertz::nearest(50.0 + 0.03 * swing(11, 2)),
            temperature: Celsius::nearest(12.0 + 6.0 * swing(720, 4) + 27.0 * load),
            ports,
        };
        if !awake {
            moment.fall_asleep();
        }
        moment
    }
}

impl SimulatedPort {
    fn new(seed: u64, number: u8, nth: u64) -> Self {
        let random_between = |subject: u64, least: f64, most: f64| {
            let share = random_share(seed, u64::from(number) << 8 | subject);
            least + share * (most - least)
        };
        Self {
            number,
            daily: whole(random_between(1, 1600.0, 2000.0)),
            base: whole(random_between(2, 100_000.0, 900_000.0)),
            voltage: random_between(3, 30.0, 36.0),
            // A cloud passes one inverter after another, but the ports of one almost together.
            place: TAU * random_share(nth, 0) / 8.0 + f64::from(number) / 50.0,
        }
    }

    fn at(&self, sky: &Sky, now: Timestamp, midnight: Timestamp) -> PortMoment {
        #[expect(clippy::cast_precision_loss, reason = "some thousand watt hours")]
        let power = self.daily as f64 * sky.rate(now, self.place);
        let pv_power = Watts::nearest(power);
        // A panel's voltage falls a little as its current rises.
        let pv_voltage = Volts::nearest(self.voltage + 1.5 - power / 120.0);
        let pv_current = Amperes::nearest(pv_power.as_f64() / pv_voltage.as_f64().max(1.0));
        let total = self.total(sky, now);
        let today = total.saturating_sub(self.total(sky, midnight));
        PortMoment { number: self.number, pv_voltage, pv_current, pv_power, today, total }
    }

    fn total(&self, sky: &Sky, now: Timestamp) -> WattHours {
        let (days, part) = sky.gathered(now, self.place);
        // At dusk `part` approaches 1 and stays there: rounding must not make the counter flicker.
        #[expect(clippy::cast_precision_loss, reason = "some thousand watt hours")]
        let begun = whole(part * self.daily as f64 + 1e-6);
        let total = self.base + days.saturating_mul(self.daily) + begun;
        WattHours::new(u64::try_from(total).unwrap_or_default())
    }
}

/// The first four digits of the serial number of an inverter with so many ports.
const fn serial_prefix(ports: usize) -> u16 {
    match ports {
        1 => 0x1121,
        2 => 0x1141,
        3 | 4 => 0x1161,
        5 | 6 => 0x1382,
        _ => 0x1520,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use jiff::SignedDuration;

    use super::*;

    const NOON: &str = "2026-08-22T11:00:00Z";

    fn at(plant: &SimulatedPlant, time: &str) -> PlantMoment {
        plant.at(time.parse().unwrap())
    }

    fn berlin() -> SimulatedPlant {
        let timezone = TimeZone::get("Europe/Berlin").unwrap();
        SimulatedPlant::new(&PlantShape::default()).in_time_zone(timezone)
    }

    #[test]
    fn same_seed_and_instant_give_the_same_moment() {
        assert_eq!(at(&berlin(), NOON), at(&berlin(), NOON));
        let other = SimulatedPlant::new(&PlantShape { seed: 2, ..PlantShape::default() });
        assert_ne!(at(&berlin(), NOON).inverters, at(&other, NOON).inverters);
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
    fn serial_prefix_follows_the_number_of_ports() {
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

    /// Follows each port minute by minute and compares its counters with the sum of its power.
    #[track_caller]
    fn check_energy(plant: &SimulatedPlant, from: &str, hours: i64) {
        let start = at(plant, from);
        let mut last = start.clone();
        let mut sums = vec![0.0; plant.port_count()];
        for minute in 1..=hours * 60 {
            let now = plant.at(start.time + SignedDuration::from_mins(minute));
            for (((_, new), (_, old)), sum) in now.ports().zip(last.ports()).zip(&mut sums) {
                assert!(new.total >= old.total, "falls at {}", now.time);
                *sum += (new.pv_power.as_f64() + old.pv_power.as_f64()) / 120.0;
            }
            last = now;
        }
        for (((_, new), (_, old)), sum) in last.ports().zip(start.ports()).zip(&sums) {
            let grown = f64::from(u32::try_from(new.total.get() - old.total.get()).unwrap());
            // Both counters are cut to whole watt hours.
            assert!((grown - sum).abs() < 2.0, "{grown} Wh, but the power's sum is {sum} Wh");
        }
    }

    #[test]
    fn energy_never_falls_and_is_the_sum_of_power() {
        check_energy(&berlin(), "2026-08-22T02:00:00Z", 14);
        check_energy(&berlin(), "2026-10-24T13:00:00Z", 52);
        check_energy(&berlin().with_endless_day(), "2026-08-22T20:00:00Z", 30);
    }

    #[track_caller]
    fn check_midnight(plant: &SimulatedPlant, before: &str, after: &str) {
        let (before, after) = (at(plant, before), at(plant, after));
        for ((_, before), (_, after)) in before.ports().zip(after.ports()) {
            assert!(before.today.get() > 1000, "{before:?}");
            assert!(after.today.get() <= 1, "{after:?}");
            assert!(after.total.get() - before.total.get() <= 1, "{before:?} {after:?}");
        }
    }

    #[test]
    fn days_begin_at_local_midnight() {
        check_midnight(&berlin(), "2026-08-22T21:59:59Z", "2026-08-22T22:00:00Z");
        check_midnight(&berlin(), "2026-12-22T22:59:59Z", "2026-12-22T23:00:00Z");
        let endless = berlin().with_endless_day();
        check_midnight(&endless, "2026-10-25T22:59:59Z", "2026-10-25T23:00:00Z");
    }

    #[test]
    fn measurements_at_noon_are_plausible() {
        for (inverter, port) in at(&berlin(), NOON).ports() {
            assert!(inverter.awake);
            assert!((215.0..245.0).contains(&inverter.grid_voltage.as_f64()), "{inverter:?}");
            assert!((49.9..50.1).contains(&inverter.grid_frequency.as_f64()), "{inverter:?}");
            assert!((20.0..60.0).contains(&inverter.temperature.as_f64()), "{inverter:?}");
            assert!((150.0..420.0).contains(&port.pv_power.as_f64()), "{port:?}");
            assert!((26.0..38.0).contains(&port.pv_voltage.as_f64()), "{port:?}");
            let product = port.pv_voltage.as_f64() * port.pv_current.as_f64();
            // Half a step of the current at this voltage.
            assert!((product - port.pv_power.as_f64()).abs() < 0.2, "{port:?}");
        }
    }

    #[test]
    fn inverters_sleep_at_night_and_keep_their_counters() {
        let (dusk, night) =
            (at(&berlin(), "2026-08-22T18:00:00Z"), at(&berlin(), "2026-08-22T21:00:00Z"));
        assert!(night.inverters.iter().all(|inverter| !inverter.awake));
        assert_eq!(night.pv_power(), Watts::default());
        assert_eq!((night.today(), night.total()), (dusk.today(), dusk.total()));
        let endless = at(&berlin().with_endless_day(), "2026-08-22T21:00:00Z");
        assert!(endless.pv_power().as_f64() > 999.0);
    }
}
