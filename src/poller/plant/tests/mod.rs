//! The plant with readings of an evening, of a restart, and with missing inverters.

mod identity;
mod meters;
mod missing;
mod ownership;
mod ports;
mod sums;

use std::time::Duration;

use super::*;
use crate::config::Protocol;
use crate::plant::reading::{InverterReading, InverterValues, PortReading};
use crate::plant::units::{WattHours, Watts};

const HOLD: Duration = Duration::from_secs(300);

/// So many minutes after 18:00 on a winter evening, UTC.
fn at(minutes: i64) -> Timestamp {
    Timestamp::from_second(1_700_157_600 + 60 * minutes).unwrap()
}

fn new_plant() -> PlantState {
    let dtu = DtuState::unknown("Roof", Protocol::Protobuf, HOLD);
    PlantState::new(TimeZone::UTC, vec![dtu], [], [])
}

fn serial(number: u8) -> InverterSerial {
    InverterSerial::from_bytes([0x11, 0x41, 0, 0, 0, number])
}

/// An inverter with these ports, each with this power and 1000 Wh counted.
fn live(number: u8, ports: &[u8], watts: i32) -> InverterReading {
    let port = |&number| PortReading {
        pv_power: Some(Watts::from_tenths(watts * 10)),
        today: Some(WattHours::new(100)),
        total: Some(WattHours::new(1000)),
        ..PortReading::unknown(number)
    };
    InverterReading {
        values: InverterValues {
            link_status: Some(1),
            operating_status: Some(3),
            ..InverterValues::default()
        },
        ports: ports.iter().map(port).collect(),
        ..InverterReading::unknown(serial(number))
    }
}

/// An inverter that the DTU lists without reaching it.
fn dark(number: u8) -> InverterReading {
    InverterReading {
        values: InverterValues {
            link_status: Some(0),
            operating_status: Some(0),
            ..InverterValues::default()
        },
        ports: vec![PortReading::unknown(1), PortReading::unknown(2)],
        ..InverterReading::unknown(serial(number))
    }
}

fn problem() -> Problem {
    Problem::without_remedy("gone", "gone")
}

fn reading(inverters: Vec<InverterReading>) -> DtuReading {
    DtuReading { inverters, ..DtuReading::default() }
}

/// The power of each port that is known of, in W.
fn powers(plant: &PlantState) -> Vec<Option<f64>> {
    let ports = plant.inverters.values().flat_map(|inverter| inverter.ports.values());
    ports.map(|port| port.reading.pv_power.map(Watts::as_f64)).collect()
}

#[test]
fn a_faded_dtu_that_stops_answering_is_asleep_with_power_0() {
    let mut plant = new_plant();
    plant.succeeded("Roof", &reading(vec![live(1, &[1, 2], 300)]), at(-120));
    plant.succeeded("Roof", &reading(vec![live(1, &[1, 2], 4)]), at(0));
    let before = plant.inverters().next().map(Arc::clone).unwrap();
    assert!(plant.fell_asleep("Roof", at(1)));
    let after = plant.inverters().next().unwrap();
    assert_eq!(powers(&plant), [Some(0.0), Some(0.0)]);
    assert_eq!(
        (after.energy.today, after.energy.total),
        (before.energy.today, before.energy.total)
    );
    assert_eq!((after.timestamp, after.last_seen), (at(0), at(0)));
    assert_eq!(after.ports[&1].timestamp, at(0));
    assert_eq!((after.values.operating_status, after.values.link_status), (None, None));
    let dtu = plant.dtus().next().unwrap();
    assert_eq!((dtu.status, dtu.error_count, dtu.query_count), (DtuStatus::Asleep, 0, 3));
    assert_eq!((dtu.last_success, &dtu.last_error), (Some(at(0)), &None));
}

#[test]
fn a_dtu_that_stops_answering_during_production_is_not_asleep() {
    let mut plant = new_plant();
    plant.succeeded("Roof", &reading(vec![live(1, &[1, 2], 300)]), at(0));
    assert!(!plant.fell_asleep("Roof", at(1)));
    plant.failed("Roof", problem(), &DtuReading::default(), at(1));
    assert_eq!(powers(&plant), [Some(300.0), Some(300.0)], "for a while the last values stand");
    plant.failed("Roof", problem(), &DtuReading::default(), at(6));
    assert_eq!(powers(&plant), [None, None]);
}

#[test]
fn failures_in_a_row_are_counted_from_the_first_until_an_answer() {
    let mut plant = new_plant();
    let fail = |plant: &mut PlantState, minute| {
        plant.failed("Roof", problem(), &DtuReading::default(), at(minute));
        plant.dtus().next().unwrap().failing
    };
    assert_eq!(fail(&mut plant, 1), Some(Failing { since: at(1), polls: 1 }));
    assert_eq!(fail(&mut plant, 2), Some(Failing { since: at(1), polls: 2 }));
    plant.succeeded("Roof", &reading(vec![live(1, &[1], 300)]), at(3));
    assert_eq!(plant.dtus().next().unwrap().failing, None);
    assert_eq!(fail(&mut plant, 4), Some(Failing { since: at(4), polls: 1 }));
}

#[test]
fn unreachable_inverters_have_power_0_if_they_had_faded() {
    for (watts, expected) in [(4, Some(0.0)), (300, None)] {
        let mut plant = new_plant();
        plant.succeeded("Roof", &reading(vec![live(1, &[1, 2], watts)]), at(0));
        for minute in 1..=10 {
            plant.succeeded("Roof", &reading(vec![dark(1)]), at(minute));
        }
        assert_eq!(powers(&plant), [expected, expected], "after {watts} W");
        let inverter = plant.inverters().next().unwrap();
        assert_eq!(
            (inverter.values.link_status, inverter.values.operating_status),
            (Some(0), Some(0))
        );
        assert_eq!((inverter.timestamp, inverter.last_seen), (at(0), at(10)));
        assert_eq!(inverter.energy.total, Some(WattHours::new(2000)));
        assert!(!plant.fell_asleep("Roof", at(11)) || watts < 5, "{watts} W was no fading");
    }
}

#[test]
fn values_of_a_missing_inverter_expire() {
    let mut plant = new_plant();
    let whole = reading(vec![live(1, &[1, 2], 300), live(2, &[1, 2], 300)]);
    plant.succeeded("Roof", &whole, at(0));
    let half = reading(vec![live(1, &[1], 310)]);
    for minute in 1..=5 {
        plant.succeeded("Roof", &half, at(minute));
    }
    assert_eq!(powers(&plant), [Some(310.0), Some(300.0), Some(300.0), Some(300.0)]);
    plant.succeeded("Roof", &half, at(6));
    assert_eq!(powers(&plant), [Some(310.0), None, None, None]);
    let totals: Vec<_> = plant.inverters.values().map(|one| one.energy.total).collect();
    assert_eq!(totals, [Some(WattHours::new(2000)); 2], "energies stand");
    plant.succeeded("Roof", &reading(Vec::new()), at(20));
    assert_eq!(powers(&plant), [None; 4], "an empty list by day is not darkness");
}

#[test]
fn repeated_values_keep_their_times_and_expire() {
    let mut plant = new_plant();
    let first = reading(vec![live(1, &[1], 300)]);
    plant.succeeded("Roof", &first, at(0));
    let stale = DtuReading { stale: true, ..first };
    plant.succeeded("Roof", &stale, at(5));
    let inverter = plant.inverters().next().unwrap();
    assert_eq!((inverter.timestamp, inverter.last_seen), (at(0), at(5)));
    assert_eq!(powers(&plant), [Some(300.0)]);
    // Half of an old answer is as old as all of it.
    plant.failed("Roof", problem(), &stale, at(6));
    assert_eq!(powers(&plant), [None]);
    assert_eq!(plant.inverters().next().unwrap().timestamp, at(0));
}

#[test]
fn an_inverter_with_only_stale_values_is_not_accepted() {
    let mut plant = new_plant();
    let first = reading(vec![live(1, &[1], 300)]);
    plant.succeeded("Roof", &DtuReading { stale: true, ..first.clone() }, at(0));
    assert_eq!(
        (plant.inverters().count(), plant.dtus().next().unwrap().status),
        (0, DtuStatus::Online)
    );
    plant.succeeded("Roof", &first, at(1));
    assert_eq!(powers(&plant), [Some(300.0)]);
}

#[test]
fn a_partial_answer_removes_nothing() {
    let mut plant = new_plant();
    let mut whole = live(1, &[1, 2], 300);
    whole.values.alarm_count = Some(2);
    whole.values.ac.firmware_version = Some("V01.00.12".to_owned());
    plant.succeeded("Roof", &reading(vec![whole]), at(0));
    let mut half = live(1, &[1], 310);
    half.values.operating_status = None;
    plant.failed("Roof", problem(), &reading(vec![half]), at(1));
    let inverter = plant.inverters().next().unwrap();
    assert_eq!((inverter.values.operating_status, inverter.values.alarm_count), (Some(3), Some(2)));
    assert_eq!(inverter.values.ac.firmware_version.as_deref(), Some("V01.00.12"));
    assert_eq!(powers(&plant), [Some(310.0), Some(300.0)]);
}

#[test]
fn an_inverter_reported_only_once_is_not_accepted() {
    let mut plant = new_plant();
    plant.succeeded("Roof", &reading(vec![live(1, &[1], 100)]), at(0));
    let rejected =
        plant.succeeded("Roof", &reading(vec![live(1, &[1], 100), live(9, &[1], 5)]), at(1));
    assert_eq!((rejected.len(), plant.inverters().count()), (1, 1), "{rejected:?}");
    plant.succeeded("Roof", &reading(vec![live(1, &[1], 100), live(8, &[1], 5)]), at(2));
    assert_eq!(plant.inverters().count(), 1);
    // One that was really added is reported again.
    plant.succeeded("Roof", &reading(vec![live(1, &[1], 100), live(8, &[1], 5)]), at(3));
    assert_eq!(plant.inverters().count(), 2);
}

#[test]
fn the_number_of_inverters_is_bounded() {
    let mut plant = new_plant();
    let many = |from: u8| (from..=250).map(|number| live(number, &[1], 1)).collect();
    plant.succeeded("Roof", &reading(many(1)), at(0));
    assert_eq!(plant.inverters().count(), 200);
    plant.succeeded("Roof", &reading(many(1)), at(1));
    plant.succeeded("Roof", &reading(many(1)), at(2));
    assert_eq!(plant.inverters().count(), 200);
}

#[test]
fn values_of_a_failing_dtu_expire_between_two_polls() {
    let mut plant = new_plant();
    plant.succeeded("Roof", &reading(vec![live(1, &[1], 400)]), at(0));
    plant.failed("Roof", problem(), &DtuReading::default(), at(1));
    assert!(!plant.expire_failing(at(5)));
    assert_eq!(powers(&plant), [Some(400.0)]);
    assert!(plant.expire_failing(at(6)));
    assert_eq!(powers(&plant), [None]);
    assert!(!plant.expire_failing(at(7)), "that is no news any more");
}
