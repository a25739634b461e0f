//! Meters in the book: what they count, and which of them there are.

use super::*;
use crate::plant::meter::{MeterPhase, MeterReading};
use crate::plant::units::MeterVolts;

/// Feeding so many watts, with both counters and those of all phases the same.
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

fn say(book: &mut Book, meters: Vec<MeterReading>, minute: i64) -> Vec<String> {
    let reading = DtuReading { meters, ..reading(vec![live(1, &[1], 100)]) };
    let doubts = book.succeeded("Roof", &reading, at(minute));
    doubts.iter().map(ToString::to_string).collect()
}

#[test]
fn a_meters_counters_stand_while_its_values_come_and_go() {
    let mut book = new_book();
    let mut check = |reading: MeterReading, minute: i64, expected: (Option<f64>, Option<u64>)| {
        assert_eq!(say(&mut book, vec![reading], minute), [""; 0]);
        let state = book.meters().remove(0);
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
fn counters_that_fall_or_leap_are_refused_with_a_reason() {
    let mut book = new_book();
    say(&mut book, vec![meter(1, 40, 500_000, 1)], 0);
    let leap = say(&mut book, vec![meter(1, 40, 21_474_836_470, 1)], 1);
    assert_eq!(
        leap,
        [
            "meter 10c000000001: not believed: exported: lifetime counter of 21474836470 Wh is \
             more than there can be",
            "meter 10c000000001: not believed: exported of phase A: lifetime counter of \
             21474836470 Wh is more than there can be",
        ]
    );
    let fall = say(&mut book, vec![meter(1, 60, 20, 1)], 2);
    assert_eq!(fall.len(), 2, "{fall:?}");
    assert!(fall[0].contains("fell from 500000 Wh to 20 Wh"), "{fall:?}");
    let state = book.meters().remove(0);
    assert_eq!(state.reading.exported, Some(WattHours::new(500_000)));
    assert_eq!(state.reading.phases[0].exported, WattHours::new(500_000));
    assert_eq!(state.reading.power, Some(Watts::from_tenths(600)), "its other values are taken");
}

#[test]
fn over_a_restart_counters_go_on_from_where_they_stood() {
    let mut book = new_book();
    say(&mut book, vec![meter(1, 40, 500_000, 3)], 0);
    let mut restarted = new_book().with_meters(book.meters());
    assert_eq!(restarted.meters(), book.meters());
    let doubts = say(&mut restarted, vec![meter(1, 40, 20, 3)], 10);
    assert_eq!(
        (doubts.len(), &restarted.meters()[0].reading.exported),
        (4, &Some(WattHours::new(500_000)))
    );
    assert_eq!(say(&mut restarted, vec![meter(1, 40, 500_010, 3)], 11), [""; 0]);
    assert_eq!(restarted.meters()[0].reading.phases[2].exported, WattHours::new(500_010));
}

#[test]
fn a_meter_named_once_by_garbage_is_no_meter() {
    let mut book = new_book();
    say(&mut book, vec![], 0);
    let doubts = say(&mut book, vec![meter(9, 40, 500, 1)], 1);
    assert_eq!(
        doubts,
        [
            "meter 10c000000009: not believed: named for the first time; believed when the next poll \
          names it again"
        ]
    );
    say(&mut book, vec![meter(8, 40, 500, 1)], 2);
    assert_eq!(book.meters(), []);
    // One that was really added is named again.
    assert_eq!(say(&mut book, vec![meter(8, 40, 500, 1)], 3), [""; 0]);
    assert_eq!(book.meters().len(), 1);
}

#[test]
fn a_dtu_cannot_name_meters_without_bound() {
    let mut book = new_book();
    let many = |first: u8| (first..=250).map(|number| meter(number, 40, 500, 1)).collect();
    for minute in 0..3 {
        say(&mut book, many(1), minute);
        assert_eq!(book.meters().len(), 16);
    }
    say(&mut book, many(100), 4);
    let doubts = say(&mut book, many(100), 5);
    assert_eq!(book.meters().len(), 16);
    assert!(doubts[0].ends_with("the DTU names more than 16"), "{}", doubts[0]);
}
