//! Answers of real devices of which only the decoded text was published, as readings. The numbers
//! behind serial prefixes are made up.

use super::super::messages::{MeterMo, PvMo, RealDataNewReq, SgsMo, TgsMo};
use super::*;
use crate::plant::units::{Amperes, Celsius, Hertz, PowerFactor, Vars, Volts, WattHours, Watts};

fn serial(prefix: i64, number: i64) -> i64 {
    prefix << 32 | number
}

fn read(data: &RealDataNewReq) -> DtuReading {
    reading(data, &AppInfo::default())
}

fn single_phase(message: SgsMo) -> InverterReading {
    let single_phase = vec![SgsMo { serial: serial(0x1164, 1), ver: 1, link_status: 1, ..message }];
    read(&RealDataNewReq { single_phase, ..RealDataNewReq::default() }).inverters.remove(0)
}

/// Voltage, frequency, active and reactive power, current, power factor, temperature, signal.
type Mains = (f64, f64, f64, f64, f64, f64, f64, Option<u8>);

#[track_caller]
fn check_mains(message: SgsMo, alarms: u32, expected: Mains) {
    let inverter = single_phase(message);
    let ac = &inverter.values.ac;
    let got = (
        inverter.values.grid_voltage.unwrap().as_f64(),
        inverter.values.grid_frequency.unwrap().as_f64(),
        ac.active_power.map(Watts::as_f64).unwrap(),
        ac.reactive_power.map(Vars::as_f64).unwrap(),
        ac.current.map(Amperes::as_f64).unwrap(),
        ac.power_factor.map(PowerFactor::as_f64).unwrap(),
        inverter.values.temperature.unwrap().as_f64(),
        ac.signal,
    );
    assert_eq!(got, expected);
    assert_eq!((inverter.values.alarm_count, inverter.values.alarm_code), (Some(alarms), None));
    assert!(inverter.is_live());
}

#[test]
fn single_phase_inverters_on_dtu_lite_s_wlite_and_pro_s() {
    let lite_s = SgsMo {
        voltage: 2375,
        frequency: 5000,
        active_power: 1317,
        reactive_power: 1886,
        current: 55,
        power_factor: 572,
        temperature: 157,
        warning_number: 4,
        crc: 28_864,
        signal: 100,
        ..SgsMo::default()
    };
    check_mains(lite_s, 4, (237.5, 50.0, 131.7, 188.6, 0.55, 0.572, 15.7, Some(100)));
    let pro_s = SgsMo {
        voltage: 2297,
        frequency: 5001,
        active_power: 1740,
        reactive_power: 1,
        current: 75,
        power_factor: 999,
        temperature: 105,
        warning_number: 808,
        crc: 48_367,
        signal: 11_730_975,
        ..SgsMo::default()
    };
    check_mains(pro_s, 808, (229.7, 50.01, 174.0, 0.1, 0.75, 0.999, 10.5, Some(17)));
    let wlite =
        SgsMo { voltage: 2422, frequency: 4999, active_power: 6924, reactive_power: 5, ..pro_s };
    check_mains(wlite, 808, (242.2, 49.99, 692.4, 0.5, 0.75, 0.999, 10.5, Some(17)));
    // Dusk: the link stands, and nothing is delivered.
    let dusk = SgsMo { voltage: 2384, active_power: 0, reactive_power: 0, current: 0, ..pro_s };
    check_mains(dusk, 808, (238.4, 50.01, 0.0, 0.0, 0.0, 0.999, 10.5, Some(17)));
}

#[test]
fn a_three_phase_inverter_that_does_not_deliver() {
    let three_phase = vec![TgsMo {
        serial: serial(0x1382, 1),
        voltage_a: 2300,
        voltage_b: 2302,
        voltage_c: 2290,
        voltage_ab: 3988,
        voltage_bc: 3980,
        voltage_ca: 3969,
        frequency: 4999,
        temperature: 252,
        warning_number: 3,
        link_status: 1,
        signal: 100,
        ..TgsMo::default()
    }];
    let data = RealDataNewReq { three_phase, ..RealDataNewReq::default() };
    let inverter = read(&data).inverters.remove(0);
    let volts: Vec<f64> =
        inverter.values.ac.phase_voltages.iter().map(|volts| volts.as_f64()).collect();
    assert_eq!(volts, [230.0, 230.2, 229.0]);
    assert_eq!(inverter.values.grid_frequency.map(Hertz::as_f64), Some(49.99));
    assert_eq!(inverter.values.temperature.map(Celsius::as_f64), Some(25.2));
    assert_eq!(
        inverter.values.ac.active_power.map(Watts::as_f64),
        Some(0.0),
        "it is linked: 0 is a value"
    );
    assert_eq!((inverter.values.alarm_count, inverter.values.ac.signal), (Some(3), Some(100)));
}

#[test]
fn meters_of_one_and_of_three_phases() {
    let single = MeterMo {
        device_type: 1,
        serial: serial(0x10C0, 1),
        power: 261,
        power_a: 261,
        power_factor: 983,
        exported: 1959,
        exported_a: 1959,
        imported: 1972,
        imported_a: 1972,
        fault_code: 1,
        voltage_a: 23_170,
        current_a: 1149,
        power_factor_a: 983,
        ..MeterMo::default()
    };
    let three = MeterMo {
        device_type: 3,
        serial: serial(0x10C0, 2),
        power: -28,
        power_a: -19,
        power_c: -9,
        power_factor: -601,
        exported: 35_549,
        exported_a: 265,
        exported_b: 3165,
        exported_c: 32_119,
        imported: 71_773,
        ..MeterMo::default()
    };
    let meters = vec![single, three];
    let read = read(&RealDataNewReq { meters, ..RealDataNewReq::default() });
    let [single, three] = read.meters.as_slice() else { panic!("{read:?}") };
    let [phase] = single.phases.as_slice() else { panic!("{single:?}") };
    assert_eq!((single.kind, single.power.map(Watts::as_f64)), (Some(1), Some(2610.0)));
    assert_eq!(single.exported.map(WattHours::get), Some(19_590));
    assert_eq!(single.imported.map(WattHours::get), Some(19_720));
    // |P| = U * I * pf to one step of ten watts: this is what settles the meter's scales.
    let product = phase.voltage.unwrap().as_f64()
        * phase.current.unwrap().as_f64()
        * phase.power_factor.unwrap().as_f64();
    assert!((product - 2610.0).abs() < 10.0, "{product}");
    let powers: Vec<_> = three.phases.iter().map(|one| one.power.unwrap().as_f64()).collect();
    assert_eq!((three.kind, powers), (Some(3), vec![-190.0, 0.0, -90.0]));
    let exported: Vec<_> = three.phases.iter().map(|phase| phase.exported.get()).collect();
    assert_eq!(exported, [2_650, 31_650, 321_190]);
    assert_eq!(three.exported.map(WattHours::get), Some(355_490));
    assert_eq!(three.power_factor.map(PowerFactor::as_f64), Some(-0.601));
}

/// Port, voltage, current, power, lifetime and daily counter.
const FROZEN: [[i32; 6]; 12] = [
    [1, 358, 189, 677, 60_633, 1728],
    [2, 358, 242, 868, 59_240, 1696],
    [3, 351, 247, 868, 0, 0],
    [4, 351, 254, 891, 0, 0],
    [1, 353, 247, 872, 52_611, 1651],
    [2, 353, 250, 884, 53_537, 1681],
    [3, 354, 243, 858, 0, 0],
    [4, 354, 245, 868, 0, 0],
    [1, 353, 245, 865, 51_434, 0],
    [2, 353, 249, 879, 0, 0],
    [3, 0, 0, 0, 0, 0],
    [4, 0, 0, 0, 0, 0],
];

#[test]
fn a_dtu_that_froze_after_its_restart_gives_counters_and_no_power() {
    let inverter = |number| SgsMo {
        serial: serial(0x1161, number),
        ver: 1,
        crc: 28_864,
        signal: 0x0003_0003,
        ..SgsMo::default()
    };
    let ports = FROZEN.iter().zip(0..).map(|(&row, index)| {
        let [port, voltage, current, power, energy_total, energy_daily] = row;
        let serial = serial(0x1161, 1 + index / 4);
        let error_code = 0;
        PvMo { serial, port, voltage, current, power, energy_total, energy_daily, error_code }
    });
    let data = RealDataNewReq {
        timestamp: 1_647_615_477,
        single_phase: (1..=3).map(inverter).collect(),
        ports: ports.collect(),
        ..RealDataNewReq::default()
    };
    let read = read(&data);
    assert!(!read.is_live());
    let given = |raw: i32| u64::try_from(raw).ok().filter(|&raw| raw > 0);
    let ports: Vec<_> = read.inverters.iter().flat_map(|one| &one.ports).collect();
    assert_eq!((read.inverters.len(), ports.len()), (3, 12));
    for (port, [.., total, today]) in ports.into_iter().zip(FROZEN) {
        assert_eq!((port.pv_voltage, port.pv_current, port.pv_power), (None, None, None));
        assert_eq!(port.total.map(WattHours::get), given(total));
        assert_eq!(port.today.map(WattHours::get), given(today));
    }
    let none: [Option<Volts>; 3] = [None; 3];
    assert_eq!([0, 1, 2].map(|index: usize| read.inverters[index].values.grid_voltage), none);
}
