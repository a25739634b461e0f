//! From port records to inverters with their ports: what a record means, and what of it is not
//! to be believed. Pure: no socket, no clock, no log.

use super::decode::PortRecord;
use super::scale::{CurrentScale, Scales};
use crate::dtu::plausible;
use crate::plant::reading::{InverterReading, InverterValues, PortReading};
use crate::plant::units::{Celsius, Hertz, Volts, WattHours, Watts};

/// Groups records by inverter, in the order in which the DTU lists them, ports ascending.
///
/// A record that comes twice does no harm: one with live values wins over one without. One of a
/// port that no inverter has is left out.
pub fn inverters(records: &[PortRecord], scales: &mut Scales) -> Vec<InverterReading> {
    let records = || records.iter().filter(|record| plausible::is_port(record.port));
    for record in records() {
        scales.learn(record);
    }
    let mut inverters: Vec<InverterReading> = Vec::new();
    for record in records() {
        let port = port_reading(record, scales.of(record.serial));
        if let Some(known) = inverters.iter_mut().find(|known| known.serial == record.serial) {
            add(known, record, port);
        } else {
            inverters.push(InverterReading { ports: vec![port], ..inverter_reading(record) });
        }
    }
    inverters
}

/// Adds a further port to an inverter, and with the first live one the inverter's own values.
fn add(inverter: &mut InverterReading, record: &PortRecord, port: PortReading) {
    let was_live = inverter.is_live();
    match inverter.ports.binary_search_by_key(&port.number, |known| known.number) {
        Err(place) => inverter.ports.insert(place, port),
        Ok(place) if record.is_live() => {
            if let Some(known) = inverter.ports.get_mut(place) {
                *known = port;
            }
        }
        Ok(_) => {}
    }
    if record.is_live() && !was_live {
        let ports = std::mem::take(&mut inverter.ports);
        *inverter = InverterReading { ports, ..inverter_reading(record) };
    }
}

/// What a record says of the whole inverter.
fn inverter_reading(record: &PortRecord) -> InverterReading {
    let grid_voltage = Volts::from_tenths(record.grid_voltage.into());
    let grid_frequency = Hertz::from_hundredths(record.grid_frequency.into());
    let temperature = Celsius::from_tenths(record.temperature.into());
    let live = record.is_live();
    let values = InverterValues {
        link_status: Some(record.link_status.into()),
        operating_status: Some(record.operating_status),
        alarm_code: Some(record.alarm_code.into()),
        alarm_count: Some(record.alarm_count.into()),
        grid_voltage: plausible::grid_voltage(grid_voltage).filter(|_| live),
        grid_frequency: plausible::frequency(grid_frequency).filter(|_| live),
        temperature: plausible::temperature(temperature).filter(|_| live),
        ..InverterValues::default()
    };
    InverterReading { values, ..InverterReading::unknown(record.serial) }
}

/// What a record says of its port.
fn port_reading(record: &PortRecord, scale: CurrentScale) -> PortReading {
    let pv_voltage = Volts::from_tenths(record.pv_voltage.into());
    let pv_current = scale.current(record.pv_current);
    let pv_power = Watts::from_tenths(record.pv_power.into());
    let live = record.is_live();
    PortReading {
        number: record.port,
        pv_voltage: plausible::voltage(pv_voltage).filter(|_| live),
        pv_current: plausible::current(pv_current).filter(|_| live),
        pv_power: plausible::pv_power(pv_power).filter(|_| live),
        today: (live || record.today != 0).then(|| WattHours::new(record.today.into())),
        // A zero of one that is awake is for the ledger to refuse and to count.
        total: (live || record.total != 0).then(|| WattHours::new(record.total.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtu::modbus::fake::{asleep, record};

    fn read(records: &[PortRecord]) -> Vec<InverterReading> {
        inverters(records, &mut Scales::default())
    }

    #[test]
    fn records_become_inverters_in_order_with_ports_ascending() {
        let read = read(&[record(7, 2), record(7, 1), record(3, 1), record(7, 2)]);
        let listed: Vec<_> = read
            .iter()
            .map(|inverter| {
                let ports: Vec<_> = inverter.ports.iter().map(|port| port.number).collect();
                (inverter.serial.to_string(), ports)
            })
            .collect();
        assert_eq!(
            listed,
            [("1161a0000007".to_owned(), vec![1, 2]), ("1161a0000003".to_owned(), vec![1])]
        );
    }

    #[test]
    fn a_port_that_no_inverter_has_is_left_out() {
        assert_eq!(read(&[record(1, 77), record(1, 1), record(2, 17)]), read(&[record(1, 1)]));
    }

    #[test]
    fn live_values_win_over_the_lack_of_them() {
        for records in [[record(1, 1), asleep(1, 1)], [asleep(1, 1), record(1, 1)]] {
            assert_eq!(read(&records), read(&[record(1, 1)]));
        }
        let mixed = read(&[asleep(1, 1), record(1, 2)]);
        assert_eq!(mixed[0].values.link_status, Some(1));
        assert_eq!(mixed[0].values.grid_voltage, Some(Volts::from_tenths(2391)));
        assert_eq!(mixed[0].ports[0].pv_power, None);
    }

    #[test]
    fn a_sleeping_port_has_no_measurements_and_no_zero_energy() {
        let read = read(&[asleep(1, 1)]);
        assert!(!read[0].is_live());
        assert_eq!(read[0].values.temperature, None);
        assert_eq!(read[0].ports, [PortReading::unknown(1)]);
        let kept = PortRecord { today: 5, total: 900, ..asleep(1, 1) };
        let port = &inverters(&[kept], &mut Scales::default())[0].ports[0];
        assert_eq!((port.today, port.total), (Some(WattHours::new(5)), Some(WattHours::new(900))));
        assert_eq!(port.pv_power, None);
    }

    #[test]
    fn a_live_port_may_have_no_power_and_nothing_yet_today() {
        let dawn = PortRecord { pv_power: 0, pv_current: 0, today: 0, total: 0, ..record(1, 1) };
        let port = &read(&[dawn])[0].ports[0];
        assert_eq!(port.pv_power, Some(Watts::from_tenths(0)));
        assert_eq!((port.today, port.total), (Some(WattHours::new(0)), Some(WattHours::new(0))));
    }

    #[test]
    fn absurd_values_are_missing_values() {
        let absurd = PortRecord {
            pv_voltage: u16::MAX,
            pv_current: u16::MAX,
            pv_power: u16::MAX,
            grid_voltage: u16::MAX,
            grid_frequency: 100,
            temperature: i16::MAX,
            ..record(1, 1)
        };
        let inverter = &read(&[absurd])[0];
        let port = &inverter.ports[0];
        assert_eq!((inverter.values.grid_voltage, inverter.values.grid_frequency), (None, None));
        assert_eq!(inverter.values.temperature, None);
        assert_eq!((port.pv_voltage, port.pv_current, port.pv_power), (None, None, None));
        let unsettled = PortRecord { grid_voltage: 0, grid_frequency: 0, ..record(1, 1) };
        assert_eq!(read(&[unsettled])[0].values.grid_voltage, None);
    }
}
