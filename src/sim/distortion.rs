//! What faults make of the truth before it reaches any wire: sleeping inverters, lost counters.

use super::fault::Fault;
use super::faults::ActiveFaults;
use super::moment::PlantMoment;
use super::plant::SimulatedPlant;
use crate::plant::serial::InverterSerial;
use crate::plant::units::WattHours;

const QUARTER_HOUR: i64 = 900;

/// The moment as the DTU believes it to be.
pub(super) fn distorted(
    mut moment: PlantMoment,
    plant: &SimulatedPlant,
    faults: &ActiveFaults,
) -> PlantMoment {
    exchange_inverters(&mut moment, plant, faults);
    lower_totals(&mut moment, faults);
    let second = moment.time.as_second();
    let inverters = i64::try_from(moment.inverters.len()).unwrap_or(i64::MAX);
    // While it reports to its maker, a DTU has no time for some of its inverters; another one is
    // spared each time.
    let spared =
        if inverters > 1 { Some((second / QUARTER_HOUR).rem_euclid(inverters)) } else { None };
    let upload = faults
        .value(|fault| if let Fault::ZeroQuarterHours(by) = fault { Some(by) } else { None })
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
            inverter.serial = of_the_mi_series(inverter.serial, inverter.ports.len());
        }
    }
    if faults.has(Fault::EmptyList) {
        moment.inverters.clear();
    }
    if let Some(count) = faults
        .value(|fault| if let Fault::OnlyInverters(count) = fault { Some(count) } else { None })
    {
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
    let dip = faults.value(|fault| if let Fault::TotalDip(by) = fault { Some(by) } else { None });
    let Some(dip) = dip else { return };
    for port in moment.inverters.iter_mut().flat_map(|inverter| &mut inverter.ports) {
        port.total = port.total.saturating_sub(WattHours::new(dip));
    }
}

/// The MI series' number for the same device.
fn of_the_mi_series(serial: InverterSerial, ports: usize) -> InverterSerial {
    let [_, _, tail @ ..] = serial.bytes();
    let [a, b, c, d] = tail;
    let family = match ports {
        1 => 0x21,
        2 => 0x41,
        _ => 0x61,
    };
    InverterSerial::from_bytes([0x10, family, a, b, c, d])
}
