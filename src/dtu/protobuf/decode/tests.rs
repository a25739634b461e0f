//! Captured and computed answers, as readings.

use prost::Message;

use super::super::messages::{PvMo, RealDataNewReq, SgsMo, TgsMo};
use super::super::vectors::vectors;
use super::*;
use crate::plant::meter::MeterReading;
use crate::plant::reading::AcReading;
use crate::plant::units::{Celsius, WattHours, Watts};

fn read(name: &str) -> DtuReading {
    let data = RealDataNewReq::decode(vectors()[name].payload().unwrap()).unwrap();
    reading(&data, &AppInfo::default())
}

/// Voltage, current and power, and the two counters, in V, A, W and Wh.
type Port = (f64, f64, f64, u64, u64);

#[track_caller]
fn check_ports(inverter: &InverterReading, expected: &[Port]) {
    assert_eq!(inverter.ports.len(), expected.len(), "{inverter:?}");
    for ((port, expected), number) in inverter.ports.iter().zip(expected).zip(1..) {
        let got = (
            port.pv_voltage.unwrap().as_f64(),
            port.pv_current.unwrap().as_f64(),
            port.pv_power.unwrap().as_f64(),
            port.total.unwrap().get(),
            port.today.unwrap().get(),
        );
        assert_eq!((port.number, got), (number, *expected));
    }
}

/// Voltage, frequency, temperature, power, reactive power and power factor.
fn mains(inverter: &InverterReading) -> Vec<f64> {
    vec![
        inverter.values.grid_voltage.unwrap().as_f64(),
        inverter.values.grid_frequency.unwrap().as_f64(),
        inverter.values.temperature.unwrap().as_f64(),
        inverter.values.ac.active_power.unwrap().as_f64(),
        inverter.values.ac.reactive_power.unwrap().as_f64(),
        inverter.values.ac.power_factor.unwrap().as_f64(),
    ]
}

#[test]
fn the_captured_answer_of_three_inverters_has_the_published_values() {
    let reading = read("capture_real_data_reply_3xHM1500");
    assert_eq!(reading.dtu_serial.unwrap().to_string(), "10F8A0000001");
    assert_eq!(reading.dtu_time, Some(1_646_925_309));
    let [one, two, three] = reading.inverters.as_slice() else { panic!("{reading:?}") };
    assert_eq!(one.serial.to_string(), "1161a0000001");
    assert_eq!(mains(one), [240.6, 50.0, 8.6, 73.8, 22.5, 0.956]);
    assert_eq!(mains(two), [240.3, 50.0, 9.8, 107.8, 22.5, 0.979]);
    assert_eq!(mains(three), [240.5, 50.0, 11.8, 103.3, 22.6, 0.977]);
    let currents = [one, two, three].map(|inverter| inverter.values.ac.current.unwrap().as_f64());
    assert_eq!(currents.to_vec(), [0.31, 0.45, 0.43]);
    assert_eq!(
        [one, two, three].map(|inverter| inverter.values.ac.signal),
        [Some(100), Some(95), Some(99)]
    );
    for inverter in [one, two, three] {
        let codes = (
            inverter.values.link_status,
            inverter.values.operating_status,
            inverter.values.alarm_count,
        );
        assert_eq!(codes, (Some(1), Some(3), Some(2)));
        // Nothing in this answer is an alarm code, despite the counter's name.
        assert_eq!((inverter.values.alarm_code, inverter.values.ac.power_limit), (None, None));
    }
    check_ports(
        one,
        &[
            (35.6, 0.46, 16.4, 47_423, 1845),
            (35.6, 0.44, 15.5, 46_180, 1847),
            (35.4, 0.86, 30.6, 36_622, 1696),
            (35.4, 0.43, 15.1, 46_252, 1868),
        ],
    );
    check_ports(
        two,
        &[
            (35.7, 0.74, 26.5, 39_950, 1791),
            (35.7, 0.73, 26.2, 40_624, 1829),
            (36.0, 0.86, 31.1, 36_647, 1728),
            (36.0, 0.83, 29.8, 36_964, 1772),
        ],
    );
    check_ports(
        three,
        &[
            (35.6, 0.58, 20.6, 38_874, 1769),
            (35.6, 0.69, 24.4, 39_440, 1798),
            (36.8, 0.83, 30.6, 40_796, 1793),
            (36.8, 0.90, 33.1, 39_187, 1799),
        ],
    );
}

#[test]
fn a_three_phase_inverter_has_voltages_and_currents_per_phase() {
    let reading = read("realdata_new_reply_3phase_with_meter");
    let [inverter] = reading.inverters.as_slice() else { panic!("{reading:?}") };
    assert_eq!(mains(inverter), [230.0, 50.02, -3.5, 942.0, -5.3, 0.999]);
    let volts: Vec<f64> =
        inverter.values.ac.phase_voltages.iter().map(|volts| volts.as_f64()).collect();
    let amperes: Vec<f64> =
        inverter.values.ac.phase_currents.iter().map(|one| one.as_f64()).collect();
    assert_eq!((volts, amperes), (vec![230.0, 230.2, 229.0], vec![1.37, 1.36, 1.38]));
    assert_eq!((inverter.values.ac.current, inverter.ports.len()), (None, 6));
    // Power is the sum of voltage times current, which distinguishes phases from lines.
    let phases = inverter.values.ac.phase_voltages.iter().zip(&inverter.values.ac.phase_currents);
    let product: f64 = phases.map(|(volts, amperes)| volts.as_f64() * amperes.as_f64()).sum();
    assert!((product - 942.0).abs() < 3.0, "{product}");
}

#[test]
fn a_meter_counts_in_tens() {
    let meter = read("realdata_new_reply_3phase_with_meter").meters.remove(0);
    assert_eq!((meter.serial.to_string().as_str(), meter.kind), ("10c0a0000001", Some(3)));
    let MeterReading { power, power_factor, exported, imported, phases, .. } = meter;
    assert_eq!((power.unwrap().as_f64(), power_factor.unwrap().as_f64()), (-280.0, -0.601));
    assert_eq!((exported.unwrap().get(), imported.unwrap().get()), (355_490, 717_730));
    let [first, second, third] = phases.as_slice() else { panic!("{phases:?}") };
    assert_eq!(
        [first, second, third].map(|phase| phase.power.unwrap().as_f64()).to_vec(),
        [-190.0, 0.0, -90.0]
    );
    let volts = [first, second, third].map(|phase| phase.voltage.unwrap().as_f64());
    assert_eq!(volts.to_vec(), [231.21, 230.9, 232.04]);
    // |P| = U * I * pf on a phase that carries something.
    let product = first.voltage.unwrap().as_f64()
        * first.current.unwrap().as_f64()
        * first.power_factor.unwrap().as_f64();
    assert!((product - first.power.unwrap().as_f64()).abs() < 10.0, "{product}");
}

#[test]
fn night_answers_have_counters_or_nothing_but_no_zeros() {
    for (name, total) in [
        ("realdata_new_reply_night_totals_kept", Some(329_150)),
        ("realdata_new_reply_night_all_zero", None),
    ] {
        let reading = read(name);
        let [inverter] = reading.inverters.as_slice() else { panic!("{reading:?}") };
        assert!(!inverter.is_live(), "{name}");
        assert_eq!(
            (inverter.values.link_status, inverter.values.operating_status),
            (Some(0), Some(0)),
            "{name}"
        );
        assert_eq!(
            (inverter.values.grid_voltage, inverter.values.temperature),
            (None, None),
            "{name}"
        );
        assert_eq!(inverter.ports.len(), 4, "{name}");
        let port = &inverter.ports[0];
        assert_eq!((port.pv_power, port.today), (None, None), "{name}");
        assert_eq!(port.total.map(WattHours::get), total, "{name}");
    }
}

#[test]
fn values_repeated_by_a_restarted_dtu_are_ignored_except_counters() {
    let reading = read("realdata_new_reply_partial_after_dtu_restart");
    let [inverter] = reading.inverters.as_slice() else { panic!("{reading:?}") };
    assert!(!inverter.is_live(), "{inverter:?}");
    let counters =
        |port: &PortReading| (port.total.map(WattHours::get), port.today.map(WattHours::get));
    let counters: Vec<_> = inverter.ports.iter().map(counters).collect();
    let known = [(Some(60_633), Some(1728)), (Some(59_240), Some(1696))];
    assert_eq!((&counters[..2], &counters[2..]), (&known[..], &[(None, None); 2][..]));
}

#[test]
fn every_known_answer_is_read_whole() {
    for (name, inverters, ports) in [
        ("realdata_new_reply_2port_single_phase", 1, 2),
        ("realdata_new_reply_encrypted", 1, 2),
        ("realdata_new_reply_over_1024_bytes", 6, 24),
        ("realdata_new_2packet_reply_cp0", 3, 7),
    ] {
        let reading = read(name);
        assert_eq!((reading.inverters.len(), reading.port_count()), (inverters, ports), "{name}");
        assert!(reading.inverters.iter().all(InverterReading::is_live), "{name}");
    }
}

#[test]
fn a_linked_inverter_without_an_answer_has_no_grid_values() {
    let serial = 0x1164_A000_0001;
    let single = SgsMo { serial, ver: 1, link_status: 1, signal: 100, ..SgsMo::default() };
    let three = TgsMo { serial: serial + 1, link_status: 1, signal: 100, ..TgsMo::default() };
    // One that has answered: two dead phases are two values.
    let answered = TgsMo { serial: serial + 2, voltage_b: 2301, frequency: 5000, ..three };
    let no_voltage = SgsMo { serial: serial + 3, frequency: 5000, temperature: 91, ..single };
    let data = RealDataNewReq {
        single_phase: vec![single, no_voltage],
        three_phase: vec![three, answered],
        ..RealDataNewReq::default()
    };
    let inverters = reading(&data, &AppInfo::default()).inverters;
    let [single, no_voltage, three, answered] = inverters.as_slice() else {
        panic!("{inverters:?}")
    };
    for inverter in [single, three] {
        let ac = AcReading { signal: Some(100), ..AcReading::default() };
        assert_eq!((inverter.values.link_status, &inverter.values.ac), (Some(1), &ac));
        let values = (
            inverter.values.grid_voltage,
            inverter.values.grid_frequency,
            inverter.values.temperature,
        );
        assert_eq!(values, (None, None, None));
    }
    assert_eq!(no_voltage.values.grid_voltage, None, "0 V is no voltage of the mains");
    assert_eq!(no_voltage.values.temperature.map(Celsius::as_f64), Some(9.1));
    let volts: Vec<f64> =
        answered.values.ac.phase_voltages.iter().map(|volts| volts.as_f64()).collect();
    assert_eq!(
        (volts, answered.values.ac.active_power),
        (vec![0.0, 230.1, 0.0], Some(Watts::default()))
    );
}

#[test]
fn zeros_of_an_inverter_without_mains_are_no_values() {
    let serial = 0x1121_A000_0001;
    let zeros = PvMo { serial, port: 1, error_code: 0x0300_0000, ..PvMo::default() };
    let read = |frequency, port| {
        let single = SgsMo { serial, ver: 1, link_status: 1, frequency, ..SgsMo::default() };
        let (single_phase, ports) = (vec![single], vec![port]);
        let data = RealDataNewReq { single_phase, ports, ..RealDataNewReq::default() };
        let port = reading(&data, &AppInfo::default()).inverters.remove(0).ports.remove(0);
        (port.pv_power.map(Watts::as_f64), port.total.map(WattHours::get))
    };
    assert_eq!(read(0, zeros), (None, None), "a reading without values");
    assert_eq!(read(5000, zeros), (Some(0.0), Some(0)), "in the morning");
    let without_mains = PvMo { voltage: 400, energy_total: 7, ..zeros };
    assert_eq!(read(0, without_mains), (Some(0.0), Some(7)), "the mains have failed");
}

#[test]
fn an_impossible_port_number_is_ignored() {
    let number = |port| port_number(&PvMo { port, ..PvMo::default() });
    assert_eq!([1, 8, -1, 0, 77, 257].map(number), [Some(1), Some(8), None, None, None, None]);
}

#[test]
fn signal_is_the_share_of_answered_requests() {
    let check = |raw: i32, expected: Option<u8>| {
        assert_eq!(signal_percent(raw), expected, "{raw:#010x}");
    };
    check(0x061D_0619, Some(100));
    check(0x0667_0617, Some(95));
    check(0x0071_0070, Some(99));
    check(0x0402_0000, Some(0));
    check(100, Some(100));
    check(0, None);
    check(101, None);
    check(0x0001_0002, None);
    check(-1, None);
}
