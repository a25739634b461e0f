//! The truth table: what each output says of a plant in each of its states, by day and by night.
//!
//! Power is 0 when the plant sleeps and unknown when nobody knows; energies stand; voltages and
//! temperatures that are old are unknown; sums never fall. JSON, metrics and MQTT agree on it.

mod entities;

mod outputs;

mod readings;

mod scene;

use self::scene::{Reads, Scene, Seen};

/// 18 June, two hours east of Greenwich.
const NOON: &str = "2026-06-18T12:00:00+02:00";
const EVENING: &str = "2026-06-18T21:50:00+02:00";
const NIGHT: &str = "2026-06-18T23:30:00+02:00";
const AFTER_MIDNIGHT: &str = "2026-06-19T00:30:00+02:00";
const MORNING: &str = "2026-06-19T07:00:00+02:00";

const THAT_DAY: &str = "2026-06-18T00:00:00+02:00";
const NEXT_DAY: &str = "2026-06-19T00:00:00+02:00";

/// What is seen of the first inverter and of the plant after a poll at noon with 300 W a port.
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

/// What is left of it when its last good values have outlived their time.
const UNKNOWN: Seen = Seen { power: None, voltage: None, temperature: None, ..PRODUCING };

/// The two inverters deliver so much each, and their counters stand at so much.
const fn both(watts: i32, today: u64) -> Reads {
    Reads::Both { watts, today, total: 10_000 + today }
}

#[tokio::test]
async fn by_day() {
    let noon = || Scene::new(NOON).then(0, both(300, 500));
    noon().shows("producing", &PRODUCING).await;
    noon()
        .then(2, Reads::OneMissing { watts: 310, today: 510, total: 10_510 })
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
        .then(10, Reads::OneMissing { watts: 310, today: 510, total: 10_510 })
        .shows(
            "one that stays away delivers nobody knows what; its energies stand",
            &Seen {
                reachable: Some("off"),
                plant_power: Some(310.0),
                plant_today: 1_010,
                plant_total: 21_010,
                ..UNKNOWN
            },
        )
        .await;
    noon().then(2, Reads::Silence).shows("a DTU that misses a poll", &PRODUCING).await;
    noon()
        .then(10, Reads::Silence)
        .shows(
            "a DTU that stays silent by day is a failure, and no darkness",
            &Seen { reachable: None, plant_power: None, ..UNKNOWN },
        )
        .await;
    noon()
        .then(10, Reads::NoneReached)
        .shows(
            "a DTU that reaches no inverter by day",
            &Seen { reachable: Some("off"), plant_power: None, ..UNKNOWN },
        )
        .await;
    noon()
        .then(1, both(0, 500))
        .shows(
            "zero that was measured is zero",
            &Seen { power: Some(0.0), plant_power: Some(0.0), ..PRODUCING },
        )
        .await;
}

#[tokio::test]
async fn counters_that_fall_change_no_energy() {
    let garbage = Reads::Both { watts: 300, today: 0, total: 3 };
    let nothing = Reads::NoCounters { watts: 300 };
    for (what, reads) in [("counters that fall", garbage), ("no counters", nothing)] {
        Scene::new(NOON).then(0, both(300, 500)).then(1, reads).shows(what, &PRODUCING).await;
    }
    let later = both(300, 520);
    let grown =
        Seen { today: 520, total: 10_520, plant_today: 1_040, plant_total: 21_040, ..PRODUCING };
    Scene::new(NOON)
        .then(0, both(300, 500))
        .then(1, garbage)
        .then(2, nothing)
        .then(3, later)
        .shows("after both the truth goes on", &grown)
        .await;
}

#[tokio::test]
async fn by_night() {
    // At noon it delivered; now it fades.
    let evening = || Scene::new(NOON).then(0, both(300, 500)).at(EVENING, both(2, 900));
    let energies =
        Seen { today: 900, total: 10_900, plant_today: 1_800, plant_total: 21_800, ..UNKNOWN };
    let dark = Seen { power: Some(0.0), plant_power: Some(0.0), reachable: None, ..energies };
    evening()
        .at(NIGHT, Reads::Silence)
        .shows("a DTU without power sleeps, and its plant delivers nothing", &dark)
        .await;
    let not_reached = Seen { reachable: Some("off"), ..dark };
    evening()
        .at(NIGHT, Reads::NoneReached)
        .shows("inverters that a DTU with power does not reach deliver nothing", &not_reached)
        .await;
    let new_day = Seen { today: 0, since: NEXT_DAY, plant_today: 0, ..dark };
    evening()
        .at(NIGHT, Reads::Silence)
        .at(AFTER_MIDNIGHT, Reads::Midnight)
        .shows("at midnight a day begins at 0 although nobody answers; totals stand", &new_day)
        .await;
    evening()
        .at(NIGHT, Reads::Silence)
        .at(AFTER_MIDNIGHT, Reads::Restart)
        .shows("also while the bridge was off", &new_day)
        .await;
    // The devices' own daily counters may start over at any hour, or not.
    evening()
        .at(NIGHT, Reads::Silence)
        .at(AFTER_MIDNIGHT, Reads::Midnight)
        .at(MORNING, Reads::Both { watts: 20, today: 5, total: 10_905 })
        .shows(
            "in the morning it goes on from there",
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
async fn a_restart_forgets_no_energy() {
    Scene::new(NOON)
        .then(0, both(300, 500))
        .then(2, Reads::Restart)
        .shows("all that was known is there at once", &PRODUCING)
        .await;
    Scene::new(NOON)
        .then(0, both(300, 500))
        .then(2, Reads::Restart)
        .then(8, Reads::OneMissing { watts: 310, today: 510, total: 10_510 })
        .shows(
            "an inverter that is away then tears no hole into the sums",
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
fn who_listens_is_told_when_values_are_forgotten_but_not_of_each_failure() {
    let scene = Scene::new(NOON).then(0, both(300, 500)).then(1, Reads::Silence);
    let before = scene.sequence();
    let scene = scene.then(2, Reads::Silence);
    assert_eq!(scene.sequence(), before, "one more failure is no news");
    let scene = scene.then(10, Reads::Silence);
    assert_eq!(scene.sequence(), before + 1, "nobody knows the power any more");
}
