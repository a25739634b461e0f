//! The truth table: the values of each output in each state of the plant, by day and by night.
//!
//! Power is 0 when the plant sleeps and `null` when it is unknown; energies are kept; old voltages
//! and temperatures are `null`; sums never fall. JSON, metrics and MQTT agree.

mod outputs;

mod readings;

mod scenario;

use self::scenario::{Event, Scenario, Seen};

/// 18 June, two hours east of Greenwich.
const NOON: &str = "2026-06-18T12:00:00+02:00";
const EVENING: &str = "2026-06-18T21:50:00+02:00";
const NIGHT: &str = "2026-06-18T23:30:00+02:00";
const AFTER_MIDNIGHT: &str = "2026-06-19T00:30:00+02:00";
const MORNING: &str = "2026-06-19T07:00:00+02:00";

const THAT_DAY: &str = "2026-06-18T00:00:00+02:00";
const NEXT_DAY: &str = "2026-06-19T00:00:00+02:00";

/// The first inverter and the plant after a poll at noon with 300 W per port.
const PRODUCING: Seen = Seen {
    power: Some(300.0),
    voltage: Some(233.4),
    temperature: Some(31.5),
    reachable: Some("on"),
    today: 500,
    since: THAT_DAY,
    total: 10_500,
    plant_power: Some(600.0),
    plant_today: 1_000,
    plant_total: 21_000,
};

/// The same after the last good values have expired.
const UNKNOWN: Seen = Seen { power: None, voltage: None, temperature: None, ..PRODUCING };

/// Each inverter has this power and this daily counter.
const fn both(watts: i32, today: u64) -> Event {
    Event::Both { watts, today, total: 10_000 + today }
}

#[tokio::test]
async fn by_day() {
    let noon = || Scenario::new(NOON).then(0, both(300, 500));
    noon().shows("producing", &PRODUCING).await;
    noon()
        .then(2, Event::OneMissing { watts: 310, today: 510, total: 10_510 })
        .shows(
            "an inverter that is away for two minutes keeps its last good values",
            &Seen {
                plant_power: Some(610.0),
                plant_today: 1_010,
                plant_total: 21_010,
                ..PRODUCING
            },
        )
        .await;
    noon()
        .then(10, Event::OneMissing { watts: 310, today: 510, total: 10_510 })
        .shows(
            "an inverter that stays away has unknown power; its energies are kept",
            &Seen {
                reachable: Some("off"),
                plant_power: Some(310.0),
                plant_today: 1_010,
                plant_total: 21_010,
                ..UNKNOWN
            },
        )
        .await;
    noon().then(2, Event::NoAnswer).shows("a DTU that misses a poll", &PRODUCING).await;
    noon()
        .then(10, Event::NoAnswer)
        .shows(
            "a DTU that stops answering by day has failed and is not asleep",
            &Seen { reachable: None, plant_power: None, ..UNKNOWN },
        )
        .await;
    noon()
        .then(10, Event::NoneReached)
        .shows(
            "a DTU that reaches no inverter by day",
            &Seen { reachable: Some("off"), plant_power: None, ..UNKNOWN },
        )
        .await;
    noon()
        .then(1, both(0, 500))
        .shows(
            "a measured zero is zero",
            &Seen { power: Some(0.0), plant_power: Some(0.0), ..PRODUCING },
        )
        .await;
}

#[tokio::test]
async fn counters_that_fall_change_no_energy() {
    let garbage = Event::Both { watts: 300, today: 0, total: 3 };
    let nothing = Event::NoCounters { watts: 300 };
    for (what, event) in [("counters that fall", garbage), ("no counters", nothing)] {
        Scenario::new(NOON).then(0, both(300, 500)).then(1, event).shows(what, &PRODUCING).await;
    }
    let later = both(300, 520);
    let grown =
        Seen { today: 520, total: 10_520, plant_today: 1_040, plant_total: 21_040, ..PRODUCING };
    Scenario::new(NOON)
        .then(0, both(300, 500))
        .then(1, garbage)
        .then(2, nothing)
        .then(3, later)
        .shows("afterwards the true counters continue", &grown)
        .await;
}

#[tokio::test]
async fn by_night() {
    // It produced at noon; now its power fades.
    let evening = || Scenario::new(NOON).then(0, both(300, 500)).at(EVENING, both(2, 900));
    let energies =
        Seen { today: 900, total: 10_900, plant_today: 1_800, plant_total: 21_800, ..UNKNOWN };
    let dark = Seen { power: Some(0.0), plant_power: Some(0.0), reachable: None, ..energies };
    evening()
        .at(NIGHT, Event::NoAnswer)
        .shows("a DTU without power sleeps, and its plant produces nothing", &dark)
        .await;
    let not_reached = Seen { reachable: Some("off"), ..dark };
    evening()
        .at(NIGHT, Event::NoneReached)
        .shows("inverters that a DTU with power does not reach produce nothing", &not_reached)
        .await;
    let new_day = Seen { today: 0, since: NEXT_DAY, plant_today: 0, ..dark };
    evening()
        .at(NIGHT, Event::NoAnswer)
        .at(AFTER_MIDNIGHT, Event::Midnight)
        .shows("a day begins at 0 at midnight without an answer; totals are kept", &new_day)
        .await;
    evening()
        .at(NIGHT, Event::NoAnswer)
        .at(AFTER_MIDNIGHT, Event::Restart)
        .shows("the same if the bridge was off at midnight", &new_day)
        .await;
    // The devices may reset their own daily counters at any hour, or not at all.
    evening()
        .at(NIGHT, Event::NoAnswer)
        .at(AFTER_MIDNIGHT, Event::Midnight)
        .at(MORNING, Event::Both { watts: 20, today: 5, total: 10_905 })
        .shows(
            "in the morning counting continues from there",
            &Seen {
                power: Some(20.0),
                plant_power: Some(40.0),
                today: 5,
                total: 10_905,
                since: NEXT_DAY,
                plant_today: 10,
                plant_total: 21_810,
                ..PRODUCING
            },
        )
        .await;
}

#[tokio::test]
async fn a_restart_loses_no_energy() {
    Scenario::new(NOON)
        .then(0, both(300, 500))
        .then(2, Event::Restart)
        .shows("all known values are there at once", &PRODUCING)
        .await;
    Scenario::new(NOON)
        .then(0, both(300, 500))
        .then(2, Event::Restart)
        .then(8, Event::OneMissing { watts: 310, today: 510, total: 10_510 })
        .shows(
            "an inverter that is away after it still counts in the sums",
            &Seen {
                reachable: Some("off"),
                plant_power: Some(310.0),
                plant_today: 1_010,
                plant_total: 21_010,
                ..UNKNOWN
            },
        )
        .await;
}

#[test]
fn readers_are_notified_when_values_expire_but_not_of_each_failure() {
    let scenario = Scenario::new(NOON).then(0, both(300, 500)).then(1, Event::NoAnswer);
    let before = scenario.sequence();
    let scenario = scenario.then(2, Event::NoAnswer);
    assert_eq!(scenario.sequence(), before, "another failure is not published");
    let scenario = scenario.then(10, Event::NoAnswer);
    assert_eq!(scenario.sequence(), before + 1, "the power has become unknown");
}
