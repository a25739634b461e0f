//! Inverters that a DTU leaves out of its answers: a warning by day once their values have
//! expired, never at night.

use super::*;
use crate::snapshot::warning::Warning;

/// So many minutes after noon.
fn noon(minutes: i64) -> Timestamp {
    at(minutes - 360)
}

fn repeats(inverters: Vec<InverterReading>) -> DtuReading {
    DtuReading { stale: true, ..reading(inverters) }
}

fn warnings(plant: &PlantState, now: Timestamp) -> Vec<Warning> {
    Warning::of(plant.dtus().next().unwrap(), now)
}

/// After two inverters of 300 W, the DTU answers this once a minute: no warning until values expire,
/// then `expected`, and none as soon as everything is back.
#[track_caller]
fn check(reading_now: &DtuReading, expected: &Warning) {
    let mut plant = new_plant();
    let both = reading(vec![live(1, &[1], 300), live(2, &[1], 300)]);
    plant.succeeded("Roof", &both, noon(0));
    for minute in 1..=8 {
        plant.succeeded("Roof", reading_now, noon(minute));
        let wrong = if minute > 5 { std::slice::from_ref(expected) } else { &[] };
        assert_eq!(warnings(&plant, noon(minute)), wrong, "minute {minute}");
    }
    plant.succeeded("Roof", &both, noon(9));
    assert_eq!(
        (warnings(&plant, noon(9)), plant.dtus().next().unwrap().stale_since),
        (Vec::new(), None)
    );
    assert!(plant.dtus().next().unwrap().missing.is_empty());
}

#[test]
fn missing_inverters_are_reported_by_day_when_their_values_expire() {
    check(&repeats(vec![live(1, &[1], 300), live(2, &[1], 300)]), &Warning::Repeats);
    check(&reading(Vec::new()), &Warning::ListsNone);
    check(&reading(vec![live(1, &[1], 310)]), &Warning::Misses(vec![serial(2)]));
    check(&reading(vec![live(1, &[1], 310), dark(3)]), &Warning::Misses(vec![serial(2)]));
}

#[test]
fn an_inverter_that_the_dtu_never_lists_is_missing() {
    let mut plant = new_plant();
    let own = vec![serial(1), serial(2)];
    let reading_now = DtuReading { own, ..reading(vec![live(1, &[1, 2], 300)]) };
    for minute in 0..=6 {
        plant.succeeded("Roof", &reading_now, noon(minute));
    }
    assert_eq!(warnings(&plant, noon(6)), [Warning::Misses(vec![serial(2)])]);
    let dtu = plant.dtus().next().unwrap();
    assert_eq!(dtu.listed.map(|listed| (listed.inverters, listed.ports)), Some((1, 2)));
}

#[test]
fn a_dtu_with_only_excluded_inverters_does_not_list_none() {
    let mut plant = new_plant();
    let reading_now = DtuReading { has_excluded: true, ..reading(Vec::new()) };
    for minute in 0..=6 {
        plant.succeeded("Roof", &reading_now, noon(minute));
    }
    assert_eq!(warnings(&plant, noon(6)), []);
    assert_eq!(
        plant.dtus().next().unwrap().listed.map(|listed| listed.is_all_elsewhere),
        Some(true)
    );
}

#[test]
fn inverters_of_another_dtu_are_elsewhere_and_unknown_ones_are_not() {
    let dtus = ["Roof", "Barn"].map(|dtu| DtuState::unknown(dtu, Protocol::Protobuf, HOLD));
    let mut plant = PlantState::new(TimeZone::UTC, dtus.into(), [], []);
    let is_elsewhere =
        |plant: &PlantState| plant.dtus().nth(1).unwrap().listed.unwrap().is_all_elsewhere;
    let both = reading(vec![live(1, &[1], 300), live(2, &[1], 300)]);
    for minute in 0..3 {
        plant.succeeded("Roof", &both, noon(minute));
    }
    plant.succeeded("Barn", &reading(Vec::new()), noon(3));
    assert!(!is_elsewhere(&plant), "it may not have found them yet");
    plant.succeeded("Barn", &both, noon(4));
    assert!(is_elsewhere(&plant));
    plant.succeeded("Barn", &repeats(vec![live(1, &[1], 300), live(3, &[1], 300)]), noon(5));
    assert!(!is_elsewhere(&plant), "the third inverter is unknown");
}

#[test]
fn the_age_of_stale_values_is_known_at_once() {
    let mut plant = new_plant();
    plant.succeeded("Roof", &reading(vec![live(1, &[1], 300)]), noon(0));
    plant.succeeded("Roof", &repeats(vec![live(1, &[1], 300)]), noon(1));
    assert_eq!(plant.dtus().next().unwrap().stale_since, Some(noon(0)));
}

#[test]
fn repeated_short_dropouts_cause_no_warning() {
    let mut plant = new_plant();
    let both = reading(vec![live(1, &[1], 300), live(2, &[1], 300)]);
    for minute in 0..60 {
        let reading_now =
            if minute % 4 == 0 { both.clone() } else { reading(vec![live(1, &[1], 300)]) };
        plant.succeeded("Roof", &reading_now, noon(minute));
        assert_eq!(warnings(&plant, noon(minute)), [], "minute {minute}");
    }
}

#[test]
fn a_sleeping_plant_has_no_warnings_until_after_sunrise() {
    for reading_now in
        [repeats(vec![dark(1), dark(2)]), reading(Vec::new()), reading(vec![dark(1)])]
    {
        let mut plant = new_plant();
        plant.succeeded("Roof", &reading(vec![live(1, &[1], 300), live(2, &[1], 300)]), noon(0));
        plant.succeeded("Roof", &reading(vec![live(1, &[1], 3), live(2, &[1], 2)]), at(0));
        // Ten in the morning comes after 16 hours.
        for minute in (1..16 * 60).step_by(10) {
            plant.succeeded("Roof", &reading_now, at(minute));
            assert_eq!(warnings(&plant, at(minute)), [], "minute {minute}: {reading_now:?}");
            assert_eq!(plant.dtus().next().unwrap().stale_since, None);
        }
        for minute in [0, 10] {
            plant.succeeded("Roof", &reading_now, at(16 * 60 + minute));
        }
        assert_eq!(warnings(&plant, at(16 * 60 + 10)).len(), 1, "{reading_now:?}");
    }
}

#[test]
fn an_inverter_that_faded_before_the_others_is_missing_by_day_only() {
    for (hour, expected) in [(-6, 1), (0, 0)] {
        let mut plant = new_plant();
        let start = 60 * hour;
        plant.succeeded("Roof", &reading(vec![live(1, &[1], 300), live(2, &[1], 2)]), at(start));
        for minute in 1..=8 {
            plant.succeeded("Roof", &reading(vec![live(1, &[1], 300)]), at(start + minute));
        }
        assert_eq!(warnings(&plant, at(start + 8)).len(), expected, "{hour}");
    }
}

#[test]
fn a_dtu_that_falls_asleep_leaves_nothing_out() {
    let mut plant = new_plant();
    plant.succeeded("Roof", &reading(vec![live(1, &[1], 300)]), noon(0));
    let faint = repeats(vec![live(1, &[1], 2)]);
    plant.succeeded("Roof", &reading(vec![live(1, &[1], 2)]), noon(149));
    plant.succeeded("Roof", &faint, noon(149));
    assert!(plant.dtus().next().unwrap().stale_since.is_some(), "it is still day");
    assert!(plant.fell_asleep("Roof", noon(151)));
    assert_eq!(plant.dtus().next().unwrap().stale_since, None);
}
