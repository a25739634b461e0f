//! Polls that take longer than a DTU may be silent, and how soon one that was away is read again.

use super::*;
use crate::dtu::Replies;
use crate::snapshot::health::is_healthy;

/// Replies every 20 s, and has listed all its ports after so many replies.
struct SlowDtu {
    replies: Replies,
    per_poll: u32,
}

impl Dtu for SlowDtu {
    async fn poll(&mut self) -> Result<DtuReading, PollError> {
        for _ in 0..self.per_poll {
            sleep(Duration::from_secs(20)).await;
            self.replies.add();
        }
        delivers(300).map_err(PollError::from)
    }

    fn replies(&self) -> Replies {
        self.replies.clone()
    }
}

/// A poller at 60 s for `dtu`, and what it publishes.
fn poller<D>(dtu: D, clock: WallClock) -> (Poller<D>, SnapshotReader) {
    let state = DtuState::unknown("Roof", Protocol::Modbus, Duration::from_secs(300));
    let plant = PlantState::new(TimeZone::UTC, vec![state], [], []);
    let (publisher, snapshot) = SnapshotPublisher::new(plant, Store::in_memory(), clock.now());
    let (name, metrics) = (Arc::from("Roof"), Metrics::new());
    (Poller { name, dtu, interval: INTERVAL, publisher, metrics, clock }, snapshot)
}

fn since_1970() -> WallClock {
    let started = Instant::now();
    WallClock::from_fn(move || Timestamp::UNIX_EPOCH + started.elapsed())
}

#[tokio::test(start_paused = true)]
async fn a_dtu_that_replies_during_a_long_poll_is_healthy_all_the_time() {
    let (log, _listening) = CapturedLog::start();
    let (started, clock) = (Instant::now(), since_1970());
    let dtu = SlowDtu { replies: Replies::default(), per_poll: 19 };
    let (poller, snapshot) = poller(dtu, clock.clone());
    let stop = CancellationToken::new();
    let observing = async {
        sleep(Duration::from_secs(31)).await;
        while started.elapsed() < Duration::from_mins(20) {
            assert!(is_healthy(snapshot.latest().dtus(), clock.now()), "{:?}", started.elapsed());
            sleep(Duration::from_secs(1)).await;
        }
        stop.cancel();
    };
    tokio::join!(poller.run(stop.clone()), observing);
    let warned: Vec<_> = log.lines().into_iter().filter(|line| line.starts_with("WARN")).collect();
    let warning = "WARN Roof: a poll takes 380 s, which is longer than the interval of 60 s; values \
                   appear at the end of each poll; set a longer `interval`, or a shorter `request_gap`";
    assert_eq!(warned, [warning], "once");
    let snapshot = snapshot.latest();
    let dtu = snapshot.dtus().next().unwrap();
    assert_eq!(dtu.silence_limit, 3 * Duration::from_secs(380), "silence is normal for longer");
}

/// Refuses connections for 75 s, and ends the run with its first answer.
struct RestartingDtu {
    started: Instant,
    answered_after: Option<Duration>,
    done: CancellationToken,
}

impl Dtu for RestartingDtu {
    async fn poll(&mut self) -> Result<DtuReading, PollError> {
        if self.started.elapsed() < Duration::from_secs(75) {
            return gone().map_err(PollError::from);
        }
        self.answered_after = Some(self.started.elapsed());
        self.done.cancel();
        delivers(300).map_err(PollError::from)
    }
}

#[tokio::test(start_paused = true)]
async fn a_dtu_that_refused_connections_for_75_s_is_read_within_one_interval() {
    let done = CancellationToken::new();
    let mut dtu =
        RestartingDtu { started: Instant::now(), answered_after: None, done: done.clone() };
    let (mut poller, _snapshot) = poller(&mut dtu, since_1970());
    poller.interval = Duration::from_secs(5);
    poller.run(done).await;
    let after = dtu.answered_after.unwrap();
    assert!(after <= Duration::from_secs(80), "{after:?}");
}
