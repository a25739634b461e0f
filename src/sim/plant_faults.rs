//! The faults that change what a DTU reports of its plant: sleeping inverters, lost counters.

use super::faults::{ActiveFaults, Fault, fault_value};
use super::moment::PlantMoment;
use super::plant::SimulatedPlant;
use crate::plant::serial::InverterSerial;
use crate::plant::units::WattHours;

const QUARTER_HOUR: i64 = 900;

pub(super) fn apply_plant_faults(
    mut moment: PlantMoment,
    plant: &SimulatedPlant,
    faults: &ActiveFaults,
) -> PlantMoment {
    exchange_inverters(&mut moment, plant, faults);
    lower_totals(&mut moment, faults);
    let second = moment.time.as_second();
    let inverters = i64::try_from(moment.inverters.len()).unwrap_or(i64::MAX);
    // During its upload to the cloud a DTU reads only some of its inverters, not always the same.
    let spared =
        if inverters > 1 { Some((second / QUARTER_HOUR).rem_euclid(inverters)) } else { None };
    let upload = fault_value!(faults, ZeroQuarterHours)
        .and_then(|length| i64::try_from(length.as_secs()).ok());
    let uploads = upload.is_some_and(|length| second.rem_euclid(QUARTER_HOUR) < length);
    for (inverter, index) in moment.inverters.iter_mut().zip(0..) {
        if faults.has(Fault::Night) || (uploads && spared != Some(index)) {
            inverter.go_blank();
        } else if faults.has(Fault::NightTotalsKept) {
            inverter.fall_asleep();
            for port in &mut inverter.ports {
                port.today = WattHours::default();
            }
        }
        if faults.has(Fault::MiScale) {
            inverter.serial = mi_series_serial(inverter.serial, inverter.ports.len());
        }
    }
    if faults.has(Fault::HalfThePorts) {
        let mut is_left_out = [false, true].into_iter().cycle();
        for inverter in &mut moment.inverters {
            inverter.ports.retain(|_| is_left_out.next() == Some(false));
        }
    }
    if faults.has(Fault::EmptyList) {
        moment.inverters.clear();
    }
    if let Some(count) = fault_value!(faults, OnlyInverters) {
        moment.inverters.truncate(count);
    }
    moment
}

/// The new inverters count from the moment of the exchange.
fn exchange_inverters(moment: &mut PlantMoment, plant: &SimulatedPlant, faults: &ActiveFaults) {
    let Some(exchanged) = faults.since(Fault::EnergyReset) else { return };
    let before = plant.at(exchanged);
    for (inverter, old) in moment.inverters.iter_mut().zip(&before.inverters) {
        for (port, old) in inverter.ports.iter_mut().zip(&old.ports) {
            port.total = port.total.saturating_sub(old.total);
            port.today = port.today.min(port.total);
        }
    }
}

fn lower_totals(moment: &mut PlantMoment, faults: &ActiveFaults) {
    let Some(dip) = fault_value!(faults, TotalDip) else { return };
    for port in moment.inverters.iter_mut().flat_map(|inverter| &mut inverter.ports) {
        port.total = port.total.saturating_sub(WattHours::new(dip));
    }
}

/// The serial number of the same device in the MI series.
fn mi_series_serial(serial: InverterSerial, ports: usize) -> InverterSerial {
    let [_, _, tail @ ..] = serial.bytes();
    let [a, b, c, d] = tail;
    let family = match ports {
        1 => 0x21,
        2 => 0x41,
        _ => 0x61,
    };
    InverterSerial::from_bytes([0x10, family, a, b, c, d])
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::clock::WallClock;
    use crate::plant::units::Watts;
    use crate::sim::faults::Faults;
    use crate::sim::plant::PlantShape;

    const EXCHANGED: &str = "2026-08-22T11:00:00Z";

    /// The truth at `time`, and what is reported under a fault that began at `EXCHANGED`.
    fn at(time: &str, fault: Fault) -> (PlantMoment, PlantMoment) {
        let plant = SimulatedPlant::new(&PlantShape::default());
        let faults = Faults::new(WallClock::from_fn(|| EXCHANGED.parse().unwrap()));
        faults.set(fault);
        let truth = plant.at(time.parse::<Timestamp>().unwrap());
        (truth.clone(), apply_plant_faults(truth, &plant, &faults.active()))
    }

    const NOON: &str = "2026-08-22T12:00:30Z";

    #[test]
    fn totals_are_lost_or_kept_at_night() {
        let (truth, reported) = at(NOON, Fault::NightTotalsKept);
        assert_eq!((reported.pv_power(), reported.today().get()), (Watts::default(), 0));
        assert_eq!(reported.total(), truth.total());
        let (_, reported) = at(NOON, Fault::Night);
        assert_eq!(reported.total().get(), 0);
        assert!(reported.inverters.iter().all(|inverter| !inverter.awake));
    }

    #[test]
    fn all_inverters_but_one_read_zero_at_a_quarter_hour() {
        let fault = Fault::ZeroQuarterHours(std::time::Duration::from_secs(60));
        let (truth, reported) = at(NOON, fault);
        let same = truth.inverters.iter().zip(&reported.inverters).filter(|(a, b)| a == b).count();
        assert_eq!(same, 1);
        let (truth, reported) = at("2026-08-22T12:01:00Z", fault);
        assert_eq!(truth, reported);
    }

    #[test]
    fn exchanged_inverters_start_from_zero() {
        let (truth, reported) = at(NOON, Fault::EnergyReset);
        let (before, zero) = at(EXCHANGED, Fault::EnergyReset);
        assert_eq!((zero.total().get(), zero.today().get()), (0, 0));
        assert_eq!(reported.total(), truth.total().saturating_sub(before.total()));
        assert_eq!(reported.today(), reported.total());
    }

    #[test]
    fn dip_lowers_every_port() {
        let (truth, reported) = at(NOON, Fault::TotalDip(1000));
        assert_eq!(reported.total().get(), truth.total().get() - 12 * 1000);
        assert_eq!(reported.today(), truth.today());
    }

    #[test]
    fn inverters_change_series_or_disappear() {
        let (_, reported) = at(NOON, Fault::MiScale);
        assert_eq!(reported.inverters[0].serial.prefix(), 0x1061);
        let (truth, reported) = at(NOON, Fault::OnlyInverters(2));
        assert_eq!(reported.inverters, truth.inverters[..2]);
        assert!(at(NOON, Fault::EmptyList).1.inverters.is_empty());
    }
}
