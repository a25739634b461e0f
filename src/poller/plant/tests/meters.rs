//! Meters in the plant: their counters, and when a new one is accepted.

use super::*;
use crate::plant::meter::{MeterPhase, MeterReading};
use crate::plant::units::MeterVolts;

/// Feeding in this power, with the same value in all counters.
fn meter(number: u8, watts: i32, exported: u64, phases: usize) -> MeterReading {
    let exported = WattHours::new(exported);
    let phase = MeterPhase {
        power: Some(Watts::from_tenths(watts * 10)),
        voltage: Some(MeterVolts::from_hundredths(23_170)),
        current: None,
        power_factor: None,
        exported,
        imported: WattHours::new(7),
    };
    MeterReading {
        serial: MeterSerial::from_bytes([0x10, 0xC0, 0, 0, 0, number]),
        kind: Some(3),
        power: (phases > 0).then_some(Watts::from_tenths(watts * 10)),
        power_factor: None,
        exported: (phases > 0).then_some(exported),
        imported: (phases > 0).then_some(WattHours::new(7)),
        phases: vec![phase; phases],
    }
}

fn apply(plant: &mut PlantState, meters: Vec<MeterReading>, minute: i64) -> Vec<String> {
    let reading = DtuReading { meters, ..reading(vec![live(1, &[1], 100)]) };
    let rejected = plant.succeeded("Roof", &reading, at(minute));
    rejected.iter().map(ToString::to_string).collect()
}

#[test]
fn meter_counters_are_kept_while_its_values_expire() {
    let mut plant = new_plant();
    let mut check = |reading: MeterReading, minute: i64, expected: (Option<f64>, Option<u64>)| {
        assert_eq!(apply(&mut plant, vec![reading], minute), [""; 0]);
        let state = plant.meters().next().unwrap();
        let whole = state.reading.exported.map(WattHours::get);
        assert_eq!((state.reading.power.map(Watts::as_f64), whole), expected, "{minute}");
        let phases: Vec<_> = state.reading.phases.iter().map(|one| one.exported.get()).collect();
        assert_eq!(phases, vec![whole.unwrap_or_default(); phases.len()], "{minute}");
        (phases.len(), state.timestamp)
    };
    assert_eq!(check(meter(1, 0, 0, 0), 0, (None, None)), (0, at(0)));
    assert_eq!(check(meter(1, -40, 500, 3), 1, (Some(-40.0), Some(500))), (3, at(1)));
    assert_eq!(check(meter(1, 0, 0, 0), 2, (Some(-40.0), Some(500))), (3, at(1)));
    assert_eq!(check(meter(1, 0, 0, 0), 9, (None, Some(500))), (3, at(1)));
    assert_eq!(check(meter(1, 90, 0, 1), 10, (Some(90.0), Some(500))), (3, at(10)));
    assert_eq!(check(meter(1, 90, 510, 3), 11, (Some(90.0), Some(510))), (3, at(11)));
}

#[test]
fn counters_that_fall_or_jump_are_refused_with_a_reason() {
    let mut plant = new_plant();
    apply(&mut plant, vec![meter(1, 40, 500_000, 1)], 0);
    let leap = apply(&mut plant, vec![meter(1, 40, 21_474_836_470, 1)], 1);
    assert_eq!(
        leap,
        [
            "meter 10c000000001: rejected: exported: lifetime counter of 21474836470 Wh is impossibly high",
            "meter 10c000000001: rejected: exported of phase A: lifetime counter of \
             21474836470 Wh is impossibly high",
        ]
    );
    let fall = apply(&mut plant, vec![meter(1, 60, 20, 1)], 2);
    assert_eq!(fall.len(), 2, "{fall:?}");
    assert!(fall[0].contains("fell from 500000 Wh to 20 Wh"), "{fall:?}");
    let state = plant.meters().next().map(Arc::clone).unwrap();
    assert_eq!(state.reading.exported, Some(WattHours::new(500_000)));
    assert_eq!(state.reading.phases[0].exported, WattHours::new(500_000));
    assert_eq!(state.reading.power, Some(Watts::from_tenths(600)), "its other values are taken");
}

#[test]
fn counters_continue_after_a_restart() {
    let mut plant = new_plant();
    apply(&mut plant, vec![meter(1, 40, 500_000, 3)], 0);
    let stored: Vec<_> = plant.meters().map(|meter| MeterState::clone(meter)).collect();
    let mut restarted = new_plant().with_meters(stored);
    assert!(restarted.meters().eq(plant.meters()));
    let rejected = apply(&mut restarted, vec![meter(1, 40, 20, 3)], 10);
    assert_eq!(
        (rejected.len(), &restarted.meters().next().unwrap().reading.exported),
        (4, &Some(WattHours::new(500_000)))
    );
    assert_eq!(apply(&mut restarted, vec![meter(1, 40, 500_010, 3)], 11), [""; 0]);
    assert_eq!(
        restarted.meters().next().unwrap().reading.phases[2].exported,
        WattHours::new(500_010)
    );
}

#[test]
fn a_meter_reported_only_once_is_not_accepted() {
    let mut plant = new_plant();
    apply(&mut plant, vec![], 0);
    let rejected = apply(&mut plant, vec![meter(9, 40, 500, 1)], 1);
    assert_eq!(
        rejected,
        ["meter 10c000000009: rejected: reported for the first time; accepted when the next poll \
          reports it again"]
    );
    apply(&mut plant, vec![meter(8, 40, 500, 1)], 2);
    assert_eq!(plant.meters().count(), 0);
    // One that was really added is reported again.
    assert_eq!(apply(&mut plant, vec![meter(8, 40, 500, 1)], 3), [""; 0]);
    assert_eq!(plant.meters().count(), 1);
}

#[test]
fn the_number_of_meters_is_bounded() {
    let mut plant = new_plant();
    let many = |first: u8| (first..=250).map(|number| meter(number, 40, 500, 1)).collect();
    for minute in 0..3 {
        apply(&mut plant, many(1), minute);
        assert_eq!(plant.meters().count(), 16);
    }
    apply(&mut plant, many(100), 4);
    let rejected = apply(&mut plant, many(100), 5);
    assert_eq!(plant.meters().count(), 16);
    assert!(rejected[0].ends_with("the DTU reports more than 16"), "{}", rejected[0]);
}
