//! Tables of real days: the power over time, and whether a missing answer then means sleep.

use super::*;

const PORTS: usize = 4;

fn berlin() -> TimeZone {
    TimeZone::get("Europe/Berlin").unwrap()
}

fn at(text: &str) -> Timestamp {
    format!("{text}[Europe/Berlin]").parse::<Zoned>().unwrap().timestamp()
}

/// A previous answer: its time, and the power of all ports; `None` if no inverter was reached.
type Answer<'a> = (&'a str, Option<i32>);

fn detector_after(answers: &[Answer<'_>]) -> NightDetector {
    let mut detector = NightDetector::default();
    for (time, watts) in answers {
        match watts {
            Some(watts) => {
                detector.answered(Watts::from_tenths(watts * 10), PORTS, at(time), &berlin());
            }
            None => detector.answered_in_the_dark(at(time)),
        }
    }
    detector
}

/// Whether a missing answer at each time means sleep.
#[track_caller]
fn check(what: &str, answers: &[Answer<'_>], silent_at: &[(&str, bool)]) {
    let detector = detector_after(answers);
    for (time, expected) in silent_at {
        assert_eq!(detector.is_asleep(at(time), &berlin()), *expected, "{what}: silent at {time}");
    }
}

#[test]
fn a_faded_plant_sleeps_until_after_sunrise() {
    check(
        "a clear evening",
        &[
            ("2026-06-10T13:00", Some(1_400)),
            ("2026-06-10T21:10", Some(60)),
            ("2026-06-10T21:20", Some(8)),
        ],
        &[
            ("2026-06-10T21:25", true),
            ("2026-06-11T03:00", true),
            ("2026-06-11T09:59", true),
            ("2026-06-11T10:00", false),
            ("2026-06-11T18:00", false),
            ("2026-06-12T01:00", false),
        ],
    );
}

#[test]
fn a_missing_answer_during_production_is_a_failure() {
    check(
        "an afternoon",
        &[("2026-06-10T16:00", Some(900))],
        &[("2026-06-10T16:05", false), ("2026-06-10T23:30", false)],
    );
}

#[test]
fn faded_means_a_small_fraction_of_the_days_peak() {
    let evening = |watts| [("2026-06-10T13:00", Some(1_400)), ("2026-06-10T20:00", Some(watts))];
    check("a twentieth", &evening(70), &[("2026-06-10T20:30", true)]);
    check("more", &evening(71), &[("2026-06-10T20:30", false)]);
    check(
        "yesterday's best is no measure of a dull winter day",
        &[("2026-12-09T13:00", Some(1_400)), ("2026-12-10T15:40", Some(70))],
        &[("2026-12-10T15:50", false)],
    );
    check(
        "nor if the DTU answered in the dark meanwhile",
        &[
            ("2026-12-09T13:00", Some(1_400)),
            ("2026-12-10T07:00", None),
            ("2026-12-10T15:40", Some(70)),
        ],
        &[("2026-12-10T15:50", false)],
    );
}

#[test]
fn a_cloud_does_not_count_as_evening_once_the_day_length_is_known() {
    let cloud = ("2026-06-11T16:00", Some(12));
    check("nothing is known yet", &[cloud], &[("2026-06-11T16:05", true)]);
    check(
        "yesterday it delivered until half past nine",
        &[("2026-06-10T21:30", Some(5)), ("2026-06-11T13:00", Some(1_400)), cloud],
        &[
            ("2026-06-11T16:05", false),
            ("2026-06-11T19:29", false),
            // It does not become sleep in the evening either.
            ("2026-06-11T20:00", false),
            ("2026-06-12T01:00", false),
        ],
    );
    check(
        "a dull evening may end earlier than the one before",
        &[("2026-06-10T21:30", Some(5)), ("2026-06-11T19:40", Some(9))],
        &[("2026-06-11T19:45", true)],
    );
    check(
        "clocks are set back in autumn",
        &[("2026-10-24T17:50", Some(5)), ("2026-10-25T16:45", Some(5))],
        &[("2026-10-25T16:50", true)],
    );
    check(
        "data from last summer is not used",
        &[("2026-06-10T21:30", Some(5)), ("2026-12-10T15:50", Some(5))],
        &[("2026-12-10T15:55", true)],
    );
}

#[test]
fn fog_and_snow_do_not_hide_an_outage_at_noon() {
    let fog = [("2026-12-10T09:00", Some(6)), ("2026-12-10T12:00", Some(15))];
    check(
        "fog at noon",
        &fog,
        &[("2026-12-10T12:05", false), ("2026-12-10T15:00", false), ("2026-12-11T01:00", false)],
    );
    check(
        "a foggy day's end",
        &[fog[0], fog[1], ("2026-12-10T15:40", Some(10))],
        &[("2026-12-10T15:45", true), ("2026-12-11T08:00", true)],
    );
    check(
        "the first light in fog, and gone again",
        &[("2026-12-21T16:10", Some(4)), ("2026-12-22T08:20", Some(4))],
        &[("2026-12-22T08:30", true), ("2026-12-22T10:00", false)],
    );
    check(
        "snow on the panels: the DTU does not wake up",
        &[("2026-01-10T16:10", Some(4))],
        &[("2026-01-11T09:00", true), ("2026-01-11T12:00", false), ("2026-01-12T02:00", false)],
    );
    check(
        "snow on the panels of a DTU with mains power",
        &[("2026-01-10T16:10", Some(4)), ("2026-01-11T12:00", None), ("2026-01-11T17:00", None)],
        &[("2026-01-11T17:05", true)],
    );
    check(
        "the same at noon",
        &[("2026-01-10T16:10", Some(4)), ("2026-01-11T12:00", None)],
        &[("2026-01-11T12:05", false), ("2026-01-11T20:00", false)],
    );
}

#[test]
fn a_dtu_that_restarts_and_reaches_nothing_yet_has_not_faded() {
    let restarted = detector_after(&[("2022-03-18T15:50", Some(900)), ("2022-03-18T15:57", None)]);
    assert!(!restarted.has_faded());
    check(
        "and it goes silent",
        &[("2022-03-18T15:50", Some(900)), ("2022-03-18T15:57", None)],
        &[("2022-03-18T16:10", false), ("2022-03-18T23:00", false)],
    );
}

/// The night rows of a real DTU with twelve ports, to the minute.
#[test]
fn captured_evenings_are_recognised() {
    let detector = |watts: i32| {
        let mut detector = NightDetector::default();
        detector.answered(Watts::from_tenths(7_010), 12, at("2022-03-15T12:00"), &berlin());
        detector.answered(Watts::from_tenths(watts), 12, at("2022-03-15T18:36"), &berlin());
        detector
    };
    // At 18:36 the three inverters delivered 6.5, 0 and 0 W; at 18:38 none was reached.
    let mut evening = detector(65);
    assert!(evening.has_faded());
    evening.answered_in_the_dark(at("2022-03-15T18:38"));
    assert!(evening.has_faded() && evening.is_asleep(at("2022-03-15T18:40"), &berlin()));
    assert!(!evening.is_asleep(at("2022-03-16T10:00"), &berlin()));
    // The first answer ever comes at night, 2022-03-14 20:20: no link, no values.
    let night = detector_after(&[("2022-03-14T20:20", None)]);
    assert!(night.has_faded() && night.is_asleep(at("2022-03-14T20:25"), &berlin()));
}

#[test]
fn a_dtu_never_seen_is_not_known_to_sleep() {
    check(
        "never seen",
        &[],
        &[
            ("2026-06-10T23:00", false),
            ("2026-06-11T04:59", false),
            ("2026-06-11T05:00", false),
            ("2026-06-10T21:59", false),
        ],
    );
}

#[test]
fn state_from_before_a_restart_is_used() {
    let check = |tenths: Option<i32>, silent_at: &str, expected: bool| {
        let evening = Some(at("2026-06-10T21:20"));
        let detector = NightDetector::restored(evening, tenths.map(Watts::from_tenths), PORTS);
        assert_eq!(
            detector.is_asleep(at(silent_at), &berlin()),
            expected,
            "{tenths:?}, {silent_at}"
        );
    };
    check(Some(0), "2026-06-11T02:00", true);
    check(Some(9_000), "2026-06-11T02:00", false);
    check(Some(0), "2026-06-11T12:00", false);
    // It had failed during the day, and its power had expired.
    check(None, "2026-06-11T02:00", false);
    // After days of downtime the bridge knows as little as of a new DTU.
    check(Some(0), "2026-06-14T02:00", false);
}
