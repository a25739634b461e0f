//! The poller with a scripted DTU, in paused time.

mod lossy;
mod timing;
mod warnings;

use std::collections::VecDeque;
use std::sync::Mutex;

use jiff::Timestamp;

use super::plant::PlantState;
use super::*;
use crate::config::Protocol;
use crate::dtu::DtuError;
use crate::plant::reading::{InverterReading, InverterValues, PortReading};
use crate::plant::serial::InverterSerial;
use crate::plant::units::Watts;
use crate::snapshot::SnapshotReader;
use crate::snapshot::state::{DtuState, DtuStatus};
use crate::store::Store;
use crate::telemetry::captured::CapturedLog;

const INTERVAL: Duration = Duration::from_secs(60);

/// Its answer to each poll, and the times of the polls.
struct ScriptedDtu {
    answers: VecDeque<Result<DtuReading, DtuError>>,
    asked: Arc<Mutex<Vec<u64>>>,
    started: Instant,
    done: CancellationToken,
    /// For each answer: how long it takes, and how much of that are pauses.
    takes: Duration,
    pauses: Duration,
}

impl Dtu for ScriptedDtu {
    async fn poll(&mut self) -> Result<DtuReading, PollError> {
        let Some(answer) = self.answers.pop_front() else {
            self.done.cancel();
            return std::future::pending().await;
        };
        self.asked.lock().unwrap().push(self.started.elapsed().as_secs());
        if !self.takes.is_zero() {
            sleep(self.takes).await;
        }
        answer.map_err(PollError::from)
    }

    fn pauses(&self) -> Duration {
        self.pauses
    }
}

/// The result of a run.
struct Outcome {
    /// The seconds at which it was polled.
    asked: Vec<u64>,
    log: Vec<String>,
    snapshot: SnapshotReader,
    metrics: Metrics,
}

impl Outcome {
    fn status(&self) -> DtuStatus {
        self.snapshot.latest().dtus().next().unwrap().status
    }
}

/// Polls from 21:00 on.
async fn run(answers: Vec<Result<DtuReading, DtuError>>) -> Outcome {
    let evening: Timestamp = "2026-06-10T21:00:00Z".parse().unwrap();
    run_by(move |elapsed| evening + elapsed, Duration::ZERO, Duration::ZERO, answers).await
}

/// Polls with a clock that returns this time so long after the start. Each poll takes so long,
/// pauses included.
async fn run_by(
    time: impl Fn(Duration) -> Timestamp + Send + Sync + 'static,
    takes: Duration,
    pauses: Duration,
    answers: Vec<Result<DtuReading, DtuError>>,
) -> Outcome {
    let (log, _listening) = CapturedLog::start();
    let started = Instant::now();
    let clock = WallClock::from_fn(move || time(started.elapsed()));
    let state = DtuState::unknown("Roof", Protocol::Protobuf, Duration::from_secs(300));
    let plant = PlantState::new(TimeZone::UTC, vec![state], [], []);
    let (publisher, snapshot) = SnapshotPublisher::new(plant, Store::in_memory(), clock.now());
    let (asked, stop) = (Arc::<Mutex<Vec<u64>>>::default(), CancellationToken::new());
    let dtu = ScriptedDtu {
        answers: answers.into(),
        asked: Arc::clone(&asked),
        started,
        done: stop.clone(),
        takes,
        pauses,
    };
    let (name, metrics) = (Arc::from("Roof"), Metrics::new());
    let poller =
        Poller { name, dtu, interval: INTERVAL, publisher, metrics: metrics.clone(), clock };
    poller.run(stop).await;
    let asked = asked.lock().unwrap().clone();
    Outcome { asked, log: log.lines(), snapshot, metrics }
}

#[expect(clippy::unnecessary_wraps, reason = "a line of the script")]
fn delivers(watts: i32) -> Result<DtuReading, DtuError> {
    let serial = InverterSerial::from_bytes([0x11, 0x21, 0, 0, 0, 1]);
    let power = Some(Watts::from_tenths(watts * 10));
    let port = PortReading { pv_power: power, ..PortReading::unknown(1) };
    let inverter = InverterReading {
        values: InverterValues { link_status: Some(1), ..InverterValues::default() },
        ports: vec![port],
        ..InverterReading::unknown(serial)
    };
    Ok(DtuReading { inverters: vec![inverter], ..DtuReading::default() })
}

fn gone() -> Result<DtuReading, DtuError> {
    Err(DtuError::Timeout(Duration::from_secs(3)))
}

fn malformed(text: &str) -> Result<DtuReading, DtuError> {
    Err(DtuError::malformed(text, "restart it"))
}

#[tokio::test(start_paused = true)]
async fn logs_the_beginning_and_the_end_of_sleep_once() {
    let mut answers = vec![delivers(3)];
    answers.extend((0..30).map(|_| gone()));
    let night = run(answers).await;
    assert_eq!(night.status(), DtuStatus::Asleep);
    assert_eq!(night.log.len(), 2, "{:#?}", night.log);
    let went = "INFO Roof: the DTU is asleep: its inverters had stopped producing before it stopped answering";
    assert_eq!(night.log[1], went);
    let waits: Vec<_> = night.asked.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(waits[..8], [60, 5, 5, 5, 5, 10, 20, 40], "in the evening it may come back at once");
    assert_eq!(waits[27..], [300, 300, 300], "then it is left alone");

    let morning = run(vec![delivers(3), gone(), gone(), gone(), delivers(4), delivers(5)]).await;
    assert_eq!(morning.status(), DtuStatus::Online);
    let lines = [
        "INFO Roof: 1 port of 1 inverter in 0.0 s",
        went,
        "INFO Roof: the DTU is awake again",
        "INFO Roof: 1 port of 1 inverter in 0.0 s",
        "INFO Roof: 1 port of 1 inverter in 0.0 s",
    ];
    assert_eq!(morning.log, lines);
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_in_the_evening_is_not_sleep_and_costs_no_value() {
    let outcome = run(vec![delivers(3), gone(), gone()]).await;
    assert_eq!(outcome.status(), DtuStatus::Online);
    let power = outcome.snapshot.latest().inverters().next().unwrap().pv_power();
    assert_eq!(power, Some(Watts::from_tenths(30)));
    let outcome = run(vec![delivers(3), gone(), gone(), delivers(4), gone(), gone()]).await;
    assert_eq!(outcome.status(), DtuStatus::Online);
}

#[tokio::test(start_paused = true)]
async fn a_dtu_that_never_answered_has_failed_even_at_night() {
    let outcome = run(vec![gone(), gone(), gone(), gone()]).await;
    assert_eq!(outcome.status(), DtuStatus::Error);
    assert!(outcome.log[0].contains("poll failed"), "{:#?}", outcome.log);
}

#[tokio::test(start_paused = true)]
async fn a_dtu_with_malformed_answers_is_not_asleep() {
    let outcome = run(vec![delivers(3), malformed("app info")]).await;
    assert_eq!(outcome.status(), DtuStatus::Error);
    let outcome = run(vec![delivers(300), gone()]).await;
    assert_eq!(outcome.status(), DtuStatus::Error, "nor one that went in full sun");
}

#[tokio::test(start_paused = true)]
async fn each_failure_is_logged_once_whatever_the_bytes() {
    let outcome = run(vec![
        delivers(300),
        malformed("a frame begins with [12, ff]"),
        malformed("a frame begins with [be, ef, 34]"),
        malformed("the checksum is 91ab"),
        gone(),
        gone(),
        delivers(300),
        gone(),
    ])
    .await;
    let lines: Vec<_> = outcome.log.iter().map(|line| line.split(" (").next().unwrap()).collect();
    let malformed = "WARN Roof: poll failed: the DTU sent a malformed answer: ";
    let timeout = "WARN Roof: poll failed: the DTU accepted the connection but did not answer \
                   within 3s; stop other programs that use the DTU, and check `protocol`; if the DTU is \
                   slow, set a longer `timeout`, as \"8s\"; if it is in another network, let the \
                   firewall between the two pass its answers";
    assert_eq!(
        lines,
        [
            "INFO Roof: 1 port of 1 inverter in 0.0 s",
            &format!("{malformed}a frame begins with [12, ff]; restart it"),
            &format!("{malformed}the checksum is 91ab; restart it"),
            timeout,
            "INFO Roof: the DTU answers again, after 5 failed polls in 80 s",
            "INFO Roof: 1 port of 1 inverter in 0.0 s",
            timeout,
        ]
    );
    assert_eq!(outcome.asked, [0, 60, 65, 70, 80, 100, 140, 200]);
}

#[tokio::test(start_paused = true)]
async fn publishes_a_failure_when_it_begins_and_when_values_expire() {
    let outcome = run(vec![delivers(300), gone(), gone(), gone()]).await;
    assert_eq!(outcome.snapshot.latest().sequence(), 2, "a value and a failure");
    let mut answers = vec![delivers(300)];
    answers.extend((0..12).map(|_| gone()));
    let outcome = run(answers).await;
    assert_eq!(outcome.snapshot.latest().inverters().next().unwrap().pv_power(), None);
    assert_eq!(outcome.snapshot.latest().sequence(), 3, "and that the value is not known any more");
}

#[tokio::test(start_paused = true)]
async fn deliberate_pauses_do_not_count_as_slow_or_missed_polls() {
    let (takes, pauses) = (Duration::from_millis(12_800), Duration::from_secs(12));
    let answers = vec![delivers(400), delivers(410), gone(), delivers(420)];
    let outcome = run_by(|elapsed| Timestamp::UNIX_EPOCH + elapsed, takes, pauses, answers).await;
    assert_eq!(outcome.asked, [0, 60, 120, 137]);
    assert_eq!(outcome.log[0], "INFO Roof: 1 port of 1 inverter in 0.8 s");
    let metrics = outcome.metrics.gather();
    let figures = prometheus::TextEncoder::new().encode_to_string(&metrics).unwrap();
    for line in [
        r#"hoymiles_poll_duration_seconds_bucket{dtu="Roof",le="1"} 4"#,
        r#"hoymiles_poll_duration_seconds_count{dtu="Roof"} 4"#,
    ] {
        assert!(figures.contains(line), "{line} in {figures}");
    }
}

#[tokio::test(start_paused = true)]
async fn clock_jumps_do_not_change_the_schedule() {
    // A board without a battery: 1970, then NTP time, then an hour back.
    let time = |elapsed: Duration| {
        let base: Timestamp = match elapsed.as_secs() {
            ..90 => Timestamp::UNIX_EPOCH,
            90..150 => "2026-06-10T12:00:00Z".parse().unwrap(),
            _ => "2026-06-10T11:00:00Z".parse().unwrap(),
        };
        base + elapsed
    };
    let answers = (0..5).map(|_| delivers(400)).collect();
    let outcome = run_by(time, Duration::ZERO, Duration::ZERO, answers).await;
    assert_eq!(outcome.asked, [0, 60, 120, 180, 240]);
    assert_eq!(outcome.status(), DtuStatus::Online);
    let snapshot = outcome.snapshot.latest();
    let health =
        crate::snapshot::health::is_healthy(snapshot.dtus(), time(Duration::from_secs(241)));
    assert!(health, "the last answer is recent by any clock");
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_poll_longer_than_the_interval_skips_a_start() {
    let wait = |spent| wait_after_success(seconds(60), seconds(spent));
    assert_eq!(wait(0), seconds(60));
    assert_eq!(wait(1), seconds(59));
    assert_eq!(wait(59), seconds(1));
    assert_eq!(wait(61), seconds(59), "one start was missed, and only one follows");
    assert_eq!(wait(200), seconds(40));
}

#[test]
fn a_failing_dtu_is_retried_within_its_interval_for_ten_minutes_then_ever_more_rarely() {
    let waits = |interval: u64| {
        [0, 5, 10, 40, 75, 600, 660, 720, 900, 1_200, 86_400].map(|failing_for| {
            wait_after_failure(seconds(interval), seconds(failing_for)).as_secs()
        })
    };
    assert_eq!(waits(60), [5, 5, 10, 40, 60, 60, 60, 60, 150, 300, 300]);
    assert_eq!(waits(5), [5, 5, 5, 5, 5, 5, 30, 60, 150, 300, 300]);
    assert_eq!(waits(900), [5, 5, 10, 40, 75, 300, 300, 300, 300, 300, 300]);
}
