//! One simulated inverter and its ports.

use std::f64::consts::TAU;

use jiff::Timestamp;

use super::{PlantShape, serial_tail};
use crate::plant::serial::InverterSerial;
use crate::plant::units::{Amperes, Celsius, Hertz, Volts, WattHours, Watts};
use crate::sim::chance;
use crate::sim::moment::{InverterMoment, PortMoment};
use crate::sim::sky::{Sky, whole};

#[derive(Clone, Debug)]
pub(super) struct SimulatedInverter {
    pub(super) serial: InverterSerial,
    seed: u64,
    pub(super) ports: Vec<SimulatedPort>,
}

#[derive(Clone, Debug)]
pub(super) struct SimulatedPort {
    number: u8,
    /// What an ordinary day brings; whole, so that `today` and `total` grow in step.
    daily: i64,
    /// The counter on the first day.
    base: i64,
    /// At half load.
    voltage: f64,
    place: f64,
}

impl SimulatedInverter {
    pub(super) fn new(shape: &PlantShape, nth: u64, ports: usize) -> Self {
        let tail = serial_tail(shape, nth);
        let serial = InverterSerial::from_u64((u64::from(prefix(ports)) << 32) | tail);
        let seed = chance::draw(shape.seed, tail);
        let ports = (1..).take(ports).map(|number| SimulatedPort::new(seed, number, nth)).collect();
        Self { serial, seed, ports }
    }

    /// Another serial number; all else stays.
    pub(super) fn make_three_phase(&mut self) {
        let family = if self.ports.len() > 4 { [0x13, 0x82] } else { [0x13, 0x61] };
        let mut serial = self.serial.bytes();
        serial.iter_mut().zip(family).for_each(|(digits, family)| *digits = family);
        self.serial = InverterSerial::from_bytes(serial);
    }

    pub(super) fn at(&self, sky: &Sky, now: Timestamp, midnight: Timestamp) -> InverterMoment {
        let ports: Vec<PortMoment> =
            self.ports.iter().map(|port| port.at(sky, now, midnight)).collect();
        let awake = ports.iter().any(|port| port.pv_power > Watts::default());
        let load = ports.iter().map(|port| port.pv_power.as_f64()).fold(0.0, f64::max) / 350.0;
        // Slow swings, each inverter at its own point of them: neighbours agree, but not to a digit.
        let swing = |minutes: i64, subject: u64| {
            let period = minutes * 60_000;
            let elapsed = now.as_millisecond().rem_euclid(period);
            #[expect(clippy::cast_precision_loss, reason = "milliseconds of some hours")]
            let turn = elapsed as f64 / period as f64;
            (TAU * (turn + 0.1 * chance::share(self.seed, subject))).sin()
        };
        let mut moment = InverterMoment {
            serial: self.serial,
            awake,
            alarm_code: 0,
            alarm_count: u16::try_from(chance::draw(self.seed, 3) % 9).unwrap_or_default(),
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
        let drawn = |subject: u64, least: f64, most: f64| {
            let share = chance::share(seed, u64::from(number) << 8 | subject);
            least + share * (most - least)
        };
        // Clouds reach an inverter after its neighbour, and ports of one inverter nearly at once.
        let place = TAU * chance::share(nth, 0) / 8.0 + f64::from(number) / 50.0;
        Self {
            number,
            daily: whole(drawn(1, 1600.0, 2000.0)),
            base: whole(drawn(2, 100_000.0, 900_000.0)),
            voltage: drawn(3, 30.0, 36.0),
            place,
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
        // At dusk the part draws near to 1 and stays there: what rounding takes must not make the
        // counter flicker.
        #[expect(clippy::cast_precision_loss, reason = "some thousand watt hours")]
        let begun = whole(part * self.daily as f64 + 1e-6);
        let total = self.base + days.saturating_mul(self.daily) + begun;
        WattHours::new(u64::try_from(total).unwrap_or_default())
    }
}

/// The first four digits of an inverter with so many ports.
const fn prefix(ports: usize) -> u16 {
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
    use jiff::SignedDuration;
    use jiff::tz::TimeZone;

    use super::*;
    use crate::sim::moment::PlantMoment;
    use crate::sim::plant::SimulatedPlant;

    fn at(plant: &SimulatedPlant, time: &str) -> PlantMoment {
        plant.at(time.parse().unwrap())
    }

    fn berlin() -> SimulatedPlant {
        let timezone = TimeZone::get("Europe/Berlin").unwrap();
        SimulatedPlant::new(&PlantShape::default()).in_time_zone(timezone)
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
        check_energy(&berlin().where_it_is_always_day(), "2026-08-22T20:00:00Z", 30);
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
    fn the_day_begins_at_local_midnight() {
        check_midnight(&berlin(), "2026-08-22T21:59:59Z", "2026-08-22T22:00:00Z");
        check_midnight(&berlin(), "2026-12-22T22:59:59Z", "2026-12-22T23:00:00Z");
        let always_day = berlin().where_it_is_always_day();
        check_midnight(&always_day, "2026-10-25T22:59:59Z", "2026-10-25T23:00:00Z");
    }

    #[test]
    fn what_is_measured_at_noon_is_what_a_panel_can_do() {
        for (inverter, port) in at(&berlin(), "2026-08-22T11:00:00Z").ports() {
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
    fn at_night_inverters_sleep_and_keep_their_counters() {
        let (dusk, night) =
            (at(&berlin(), "2026-08-22T18:00:00Z"), at(&berlin(), "2026-08-22T21:00:00Z"));
        assert!(night.inverters.iter().all(|inverter| !inverter.awake));
        assert_eq!(night.pv_power(), Watts::default());
        assert_eq!((night.today(), night.total()), (dusk.today(), dusk.total()));
        assert!(
            at(&berlin().where_it_is_always_day(), "2026-08-22T21:00:00Z").pv_power().as_f64()
                > 999.0
        );
    }
}
