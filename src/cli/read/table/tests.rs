//! The table of `read` as printed.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::*;
use crate::cli::read::{Answer, polled};
use crate::clock::WallClock;
use crate::config::{DtuConfig, Protocol};
use crate::dtu::{DtuError, PollError};
use crate::plant::meter::{MeterPhase, MeterReading};
use crate::plant::reading::{AcReading, DtuReading, InverterReading, InverterValues, PortReading};
use crate::plant::serial::{InverterSerial, MeterSerial};
use crate::plant::units::{
    Amperes, Celsius, Hertz, MeterVolts, PowerFactor, Volts, WattHours, Watts,
};

fn port(number: u8, watts: i32, total: u64) -> PortReading {
    PortReading {
        pv_voltage: Some(Volts::from_tenths(352)),
        pv_current: Some(Amperes::from_hundredths(451)),
        pv_power: Some(Watts::from_tenths(watts * 10)),
        today: Some(WattHours::new(7)),
        total: Some(WattHours::new(total)),
        ..PortReading::unknown(number)
    }
}

fn inverter(prefix: u16, ports: Vec<PortReading>) -> InverterReading {
    let [high, low] = prefix.to_be_bytes();
    InverterReading {
        values: InverterValues {
            link_status: Some(1),
            operating_status: Some(3),
            alarm_code: Some(0),
            alarm_count: Some(2),
            grid_voltage: Some(Volts::from_tenths(2301)),
            grid_frequency: Some(Hertz::from_hundredths(4998)),
            temperature: Some(Celsius::from_tenths(-35)),
            ..InverterValues::default()
        },
        ports,
        ..InverterReading::unknown(InverterSerial::from_bytes([high, low, 0, 0, 0, 1]))
    }
}

fn answer(name: &str, outcome: Result<DtuReading, PollError>) -> Answer {
    let dtu = DtuConfig::new(name, Protocol::Modbus, "192.0.2.1");
    Answer { dtu, taken: Duration::from_millis(3_140), outcome }
}

fn rendered(answers: &[Answer], clock: &WallClock, max_width: usize) -> String {
    let output = polled(answers, &TimeZone::UTC, clock);
    render(&serde_json::from_str(&output.json).unwrap(), &output.headings, max_width)
}

#[track_caller]
fn check(answers: &[Answer], expected: &[&str]) {
    let noon = Timestamp::from_second(1_750_500_000).unwrap();
    let clock = WallClock::from_fn(move || noon);
    let text = rendered(answers, &clock, usize::MAX);
    assert_eq!(text.lines().collect::<Vec<_>>(), expected, "\n{text}");
}

#[test]
fn inverters_have_a_line_each_with_ports_and_alarms_below() {
    let mut shaded = inverter(0x1141, vec![port(1, 20, 1_000), port(2, 200, 1_234_567)]);
    shaded.values.alarm_code = Some(95);
    let mut dark = inverter(0x1121, vec![PortReading::unknown(1)]);
    dark.values.link_status = Some(0);
    // Not of now.
    dark.values.alarm_code = Some(9);
    dark.ports[0].total = Some(WattHours::new(1_234));
    dark.values.grid_voltage = None;
    dark.values.grid_frequency = None;
    dark.values.temperature = None;
    let reading = DtuReading {
        dtu_serial: Some("10F8A0000001".parse().unwrap()),
        inverters: vec![shaded, dark],
        ..DtuReading::default()
    };
    check(
        &[answer("House", Ok(reading))],
        &[
            "House (10F8A0000001, DTU-Pro): 3 ports of 2 inverters in 3.1 s",
            "  Inverter      Model           Port  PV V  PV A   PV W  Today kWh  Total kWh  Grid V     Hz    °C  Events  Status",
            "  112100000001  HM-300/350/400     1     -     -      -      0.000      1.234       -      -     -       2  not reached",
            "  114100000001  HM-600/700/800                    220.0      0.014   1235.567   230.1  49.98  -3.5       2  ALARM 95",
            "                                   1  35.2  4.51   20.0      0.007      1.000",
            "                                   2  35.2  4.51  200.0      0.007   1234.567",
            "  ALARM 95 of 114100000001: PV1: module probably shaded",
            "Plant: 220.0 W from the panels, 0.014 kWh today, 1236.801 kWh in total",
        ],
    );
}

#[test]
fn meters_and_three_phase_inverters_show_each_phase() {
    let mut hmt = inverter(0x1382, vec![port(1, 300, 5_000)]);
    hmt.values.ac = AcReading {
        active_power: Some(Watts::from_tenths(2_850)),
        phase_voltages: [2300, 2302, 2290].map(Volts::from_tenths).to_vec(),
        firmware_version: Some("V01.00.12".to_owned()),
        signal: Some(94),
        ..AcReading::default()
    };
    let phase = MeterPhase {
        power: Some(Watts::from_tenths(-2_800)),
        voltage: Some(MeterVolts::from_hundredths(23_170)),
        current: Some(Amperes::from_hundredths(121)),
        power_factor: Some(PowerFactor::from_thousandths(-998)),
        exported: WattHours::new(355_490),
        imported: WattHours::new(717_730),
    };
    let meter = MeterReading {
        serial: MeterSerial::from_bytes([0x10, 0xC0, 0, 0, 0, 1]),
        kind: Some(1),
        power: phase.power,
        power_factor: phase.power_factor,
        exported: Some(phase.exported),
        imported: Some(phase.imported),
        phases: vec![phase],
    };
    let reading = DtuReading {
        dtu_serial: Some("4121A0000001".parse().unwrap()),
        dtu_firmware: Some("V00.02.08".to_owned()),
        inverters: vec![hmt],
        meters: vec![meter],
        ..DtuReading::default()
    };
    check(
        &[answer("House", Ok(reading))],
        &[
            "House (4121A0000001, DTU-Pro-S, V00.02.08): 1 port of 1 inverter in 3.1 s",
            "  Inverter      Model          Port  PV V  PV A   PV W  Today kWh  Total kWh   AC W             Grid V     Hz    °C  Signal %  Firmware   Events  Status",
            "  138200000001  HMT-1800/2250     1  35.2  4.51  300.0      0.007      5.000  285.0  230.0/230.2/229.0  49.98  -3.5        94  V01.00.12       2  producing",
            "  Meter         Phase     W       V     A  Power factor  Exported kWh  Imported kWh",
            "  10c000000001         -280                      -0.998       355.490       717.730",
            "                A      -280  231.70  1.21        -0.998       355.490       717.730",
            "Plant: 300.0 W from the panels, 285.0 W to the mains, 0.007 kWh today, 5.000 kWh in total",
        ],
    );
}

#[test]
fn old_values_are_marked() {
    let inverters = vec![inverter(0x1121, vec![port(1, 20, 1_000)])];
    let reading = DtuReading { inverters, stale: true, ..DtuReading::default() };
    check(
        &[answer("Hung", Ok(reading))],
        &[
            "Hung: 1 port of 1 inverter in 3.1 s, OLD VALUES: the DTU has not read its inverters lately",
            "  Inverter      Model           Port  PV V  PV A  PV W  Today kWh  Total kWh  Grid V     Hz    °C  Events  Status",
            "  112100000001  HM-300/350/400     1  35.2  4.51  20.0      0.007      1.000   230.1  49.98  -3.5       2  producing",
            "Plant: 20.0 W from the panels, 0.007 kWh today, 1.000 kWh in total",
        ],
    );
}

#[test]
fn missing_and_partial_answers_are_marked() {
    let partial = DtuReading {
        inverters: vec![inverter(0x1121, vec![port(1, 20, 1_000)])],
        ..DtuReading::default()
    };
    let error = || DtuError::Timeout(Duration::from_secs(3));
    let cut = Err(PollError { error: error(), partial });
    let gone = || PollError::from(error());
    check(
        &[answer("Cut", cut), answer("Gone", Err(gone()))],
        &[
            "Cut: 1 port of 1 inverter in 3.1 s, INCOMPLETE",
            "  Inverter      Model           Port  PV V  PV A  PV W  Today kWh  Total kWh  Grid V     Hz    °C  Events  Status",
            "  112100000001  HM-300/350/400     1  35.2  4.51  20.0      0.007      1.000   230.1  49.98  -3.5       2  producing",
            "Gone: not read",
            "Plant: 20.0 W from the panels, 0.007 kWh today, 1.000 kWh in total",
        ],
    );
    check(&[answer("Gone", Err(gone()))], &["Gone: not read", "Plant: nothing was read"]);
}

#[test]
fn quoted_text_cannot_change_the_layout() {
    let reading = DtuReading {
        dtu_firmware: Some("V1\u{202e}\n\u{200b}2".to_owned()),
        inverters: vec![inverter(0x1121, vec![port(1, 20, 1_000)])],
        ..DtuReading::default()
    };
    let answers = [answer("DTU", Ok(reading))];
    let text = rendered(&answers, &WallClock::system(), usize::MAX);
    assert!(text.contains("(V1\\u{202e}\\n\\u{200b}2)"), "{text}");
}

#[test]
fn a_table_fits_the_terminal() {
    let inverters = vec![inverter(0x1121, vec![port(1, 20, 1_000)])];
    let answers = [answer("DTU", Ok(DtuReading { inverters, ..DtuReading::default() }))];
    for (width, left_out) in
        [(116, None), (101, Some("Events, Hz")), (80, Some("Events, Hz, PV A, PV V, Grid V, °C"))]
    {
        let text = rendered(&answers, &WallClock::system(), width);
        let table: Vec<_> = text.lines().filter(|line| line.starts_with(' ')).collect();
        assert!(table.iter().all(|line| line.chars().count() <= width), "{text}");
        let expected = left_out.map(|left_out| format!("  (not enough space for: {left_out})"));
        let note = table.iter().find(|line| line.contains("not enough space"));
        assert_eq!(note.map(|line| (*line).to_owned()), expected, "{text}");
    }
}
