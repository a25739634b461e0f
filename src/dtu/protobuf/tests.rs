//! The client against a DTU in memory, in paused time.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::time::{Instant, sleep};

use super::fake::{FakeDialer, FakeDtu, Fault};
use super::frame::Command;
use super::{ProtobufDtu, Settings};
use crate::clock::WallClock;
use crate::dtu::{Dtu, DtuError, PollError};
use crate::plant::reading::DtuReading;
use crate::telemetry::captured::CapturedLog;

const ONE: [&str; 1] = ["realdata_new_reply_2port_single_phase"];
const TWO: [&str; 2] = ["realdata_new_2packet_reply_cp0", "realdata_new_2packet_reply_cp1"];
const GAP: Duration = Duration::from_secs(2);

fn settings() -> Settings {
    Settings {
        name: "Roof".to_owned(),
        timeout: Duration::from_secs(3),
        retries: 1,
        request_gap: GAP,
        refresh: Duration::ZERO,
        performance_mode: false,
        avoid_cloud_upload: false,
        exclude: Vec::new(),
        zone: TimeZone::UTC,
    }
}

fn client(dialer: FakeDialer, settings: Settings) -> ProtobufDtu<FakeDialer> {
    let noon = Timestamp::from_second(1_750_500_000).unwrap();
    ProtobufDtu::with_dialer(dialer, settings, WallClock::from_fn(move || noon))
}

/// A DTU and its client.
struct Pair {
    client: ProtobufDtu<FakeDialer>,
    dtu: FakeDtu,
}

impl Pair {
    fn new(packets: &[&str]) -> Self {
        Self::with(packets, settings())
    }

    fn with(packets: &[&str], settings: Settings) -> Self {
        let (dialer, dtu) = FakeDtu::new();
        Self { client: client(dialer, settings), dtu: dtu.with_packets(packets) }
    }

    async fn poll(&mut self) -> Result<DtuReading, PollError> {
        tokio::select! {
            outcome = self.client.poll() => outcome,
            () = self.dtu.run() => unreachable!("it answers for ever"),
        }
    }

    async fn poll_with(&mut self, faults: &[Fault]) -> Result<DtuReading, PollError> {
        self.dtu.faults = faults.to_vec().into();
        self.dtu.asked.clear();
        self.poll().await
    }

    fn commands(&self) -> Vec<String> {
        self.dtu.asked.iter().map(|asked| asked.command.to_string()).collect()
    }
}

fn power(reading: &DtuReading) -> Vec<f64> {
    reading.inverters.iter().filter_map(|one| Some(one.values.ac.active_power?.as_f64())).collect()
}

#[tokio::test(start_paused = true)]
async fn requests_app_info_once_and_real_data_at_each_poll() {
    let mut pair = Pair::new(&ONE);
    let reading = pair.poll().await.unwrap();
    assert_eq!(power(&reading), [402.1]);
    assert_eq!(reading.inverters[0].values.ac.firmware_version.as_deref(), Some("V01.00.12"));
    assert_eq!(reading.dtu_firmware.as_deref(), Some("V01.01.01"));
    pair.poll().await.unwrap();
    assert_eq!(pair.commands(), ["A301", "A311", "A311"]);
    assert_eq!(pair.dtu.asked.last().unwrap().connection, 2, "a connection per poll");
    sleep(Duration::from_hours(6)).await;
    pair.poll().await.unwrap();
    assert_eq!(pair.commands()[3..], ["A301", "A311"], "programs are updated now and then");
}

#[tokio::test(start_paused = true)]
async fn keeps_the_gap_between_requests() {
    let mut pair = Pair::new(&TWO);
    for faults in [
        vec![],
        vec![Fault::Close, Fault::Slowly],
        vec![Fault::None, Fault::Silence, Fault::Zeros],
        vec![Fault::Restart(Some([7; 16])), Fault::None, Fault::Silence],
    ] {
        pair.dtu.faults = faults.into();
        drop(pair.poll().await);
    }
    let times: Vec<Instant> = pair.dtu.asked.iter().map(|asked| asked.at).collect();
    assert!(times.len() > 10);
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= GAP), "{times:?}");
}

#[tokio::test(start_paused = true)]
async fn waits_until_the_dtu_can_have_new_values() {
    let refresh = Duration::from_secs(35);
    let mut pair = Pair::with(&ONE, Settings { refresh, ..settings() });
    pair.poll().await.unwrap();
    // A lost answer has restarted the DTU's wait as well.
    drop(pair.poll_with(&[const { Fault::BadCrc }; 3]).await.unwrap_err());
    let lost = pair.dtu.asked.iter().rfind(|asked| asked.packet == 0).unwrap().at;
    pair.dtu.faults.clear();
    pair.poll().await.unwrap();
    let asked: Vec<_> = pair.dtu.asked.iter().filter(|asked| asked.packet == 0).collect();
    // Its key is requested first, because the connection failed.
    assert_eq!(asked.last().unwrap().at - lost, refresh + GAP);
}

#[tokio::test(start_paused = true)]
async fn separates_pauses_from_the_time_of_the_dtu() {
    let refresh = Duration::from_secs(35);
    let mut pair = Pair::with(&TWO, Settings { refresh, ..settings() });
    for expected in [2 * GAP, Duration::from_secs(33)] {
        pair.dtu.faults = [Fault::Slowly].into();
        let started = Instant::now();
        pair.poll().await.unwrap();
        let taken = started.elapsed().saturating_sub(pair.client.pauses());
        assert!(taken > Duration::ZERO && taken < Duration::from_secs(1), "{taken:?}");
        assert!(pair.client.pauses() >= expected, "{:?}", pair.client.pauses());
    }
}

#[tokio::test(start_paused = true)]
async fn merges_packets_into_one_reading() {
    let mut pair = Pair::new(&TWO);
    let reading = pair.poll().await.unwrap();
    let ports: Vec<usize> = reading.inverters.iter().map(|one| one.ports.len()).collect();
    assert_eq!(ports, [4, 4, 4]);
    let packets: Vec<_> = pair.dtu.asked.iter().map(|asked| asked.packet).collect();
    assert_eq!(packets, [-1, 0, 1]);
}

#[tokio::test(start_paused = true)]
async fn leaves_out_excluded_inverters() {
    let exclude = vec!["1164a0000002".parse().unwrap()];
    let mut pair = Pair::with(&TWO, Settings { exclude, ..settings() });
    let reading = pair.poll().await.unwrap();
    let serials: Vec<_> = reading.inverters.iter().map(|one| one.serial.to_string()).collect();
    assert_eq!(serials, ["1164a0000001", "1164a0000003"]);
    assert!(reading.has_excluded);
}

#[tokio::test(start_paused = true)]
async fn reads_packets_of_different_times_again() {
    let mut pair = Pair::new(&TWO);
    let reading = pair.poll_with(&[Fault::None, Fault::OtherTime]).await.unwrap();
    assert_eq!(reading.port_count(), 12);
    let packets: Vec<_> = pair.dtu.asked.iter().map(|asked| asked.packet).collect();
    assert_eq!(packets, [-1, 0, 1, 0, 1]);
}

#[tokio::test(start_paused = true)]
async fn retries_a_missing_packet_and_then_all_packets() {
    let mut pair = Pair::new(&TWO);
    pair.poll().await.unwrap();
    let [none, silence] = [Fault::None, Fault::Silence];
    let faults = [none.clone(), silence.clone(), silence.clone()];
    let reading = pair.poll_with(&faults).await.unwrap();
    assert_eq!(reading.port_count(), 12);
    let packets: Vec<_> = pair.dtu.asked.iter().map(|asked| asked.packet).collect();
    assert_eq!(packets, [0, 1, -1, 1, -1, 0, 1]);
    let faults = [none, silence.clone(), silence.clone(), silence];
    let failed = pair.poll_with(&faults).await.unwrap_err();
    assert_eq!(failed.partial.port_count(), 7, "what the first attempt brought is not lost");
}

#[tokio::test(start_paused = true)]
async fn survives_each_fault_within_the_poll() {
    for fault in [
        Fault::Silence,
        Fault::Zeros,
        Fault::Close,
        Fault::CloseHalfway,
        Fault::Slowly,
        Fault::Unasked,
        Fault::WrongCommand,
        Fault::OldAnswerFirst,
        Fault::WrongSequence,
        Fault::BadCrc,
        Fault::Babble,
        Fault::Restart(None),
        Fault::Restart(Some([9; 16])),
    ] {
        for enc_rand in [None, Some([7; 16])] {
            let mut pair = Pair::new(&ONE);
            pair.dtu.enc_rand = enc_rand;
            let before = pair.poll().await.unwrap();
            let after = pair.poll_with(std::slice::from_ref(&fault)).await;
            let after = after.unwrap_or_else(|error| panic!("{fault:?}: {error:?}"));
            assert_eq!(power(&after), [402.1], "{fault:?}");
            assert!(after.dtu_time > before.dtu_time && !after.stale, "{fault:?}: {after:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn adopts_a_new_key_within_one_poll_without_retries() {
    for when_wrong in [Fault::Silence, Fault::Zeros, Fault::Close] {
        let mut pair = Pair::with(&ONE, Settings { retries: 0, ..settings() });
        pair.dtu.when_wrong = when_wrong.clone();
        for enc_rand in [None, Some([1; 16]), Some([2; 16]), None, Some([1; 16])] {
            pair.dtu.enc_rand = enc_rand;
            pair.dtu.asked.clear();
            let reading = pair.poll().await;
            assert!(reading.is_ok(), "{when_wrong:?}, {enc_rand:?}: {reading:?}");
            assert!(pair.commands().contains(&"A301".to_owned()));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn sequence_numbers_count_up_over_connections_and_polls() {
    let mut pair = Pair::new(&TWO);
    pair.dtu.enc_rand = Some([7; 16]);
    for _ in 0..5 {
        pair.dtu.faults = [Fault::None, Fault::Close].into();
        pair.poll().await.unwrap();
    }
    let mut numbers: Vec<_> = pair.dtu.asked.iter().map(|asked| asked.sequence).collect();
    let count = numbers.len();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), count);
}

#[tokio::test(start_paused = true)]
async fn failed_poll_has_a_cause_and_keeps_what_it_has_read() {
    let mut pair = Pair::new(&TWO);
    let faults = [Fault::None, Fault::Silence, Fault::Silence, Fault::Silence];
    let failed = pair.poll_with(&faults).await.unwrap_err();
    assert!(matches!(failed.error, DtuError::Timeout(_)), "{failed:?}");
    assert_eq!(failed.partial.port_count(), 7);
    let failed = pair.poll_with(&[const { Fault::BadCrc }; 9]).await.unwrap_err();
    assert!(matches!(failed.error, DtuError::Malformed { .. }), "{failed:?}");
    assert_eq!(failed.partial, DtuReading::default());
    let failed = pair.poll_with(&[const { Fault::Close }; 9]).await.unwrap_err();
    assert!(matches!(failed.error, DtuError::Closed(_)), "{failed:?}");
    assert_eq!(pair.commands(), ["A301", "A311", "A311", "A301", "A311", "A311"], "one retry");
}

#[tokio::test(start_paused = true)]
async fn repeated_values_are_stale() {
    let mut pair = Pair::new(&ONE);
    assert!(!pair.poll().await.unwrap().stale);
    pair.dtu.step = 0;
    assert!(pair.poll().await.unwrap().stale);
    pair.dtu.step = 60;
    assert!(!pair.poll().await.unwrap().stale);
}

#[tokio::test(start_paused = true)]
async fn pauses_during_the_cloud_upload_if_configured() {
    let (dialer, dtu) = FakeDtu::new();
    let started = Instant::now();
    // Four seconds before the window: one request still fits, the others come after it.
    let before = Timestamp::from_second(1_750_499_986).unwrap();
    let clock = WallClock::from_fn(move || before + started.elapsed());
    let settings = Settings { avoid_cloud_upload: true, ..settings() };
    let client = ProtobufDtu::with_dialer(dialer, settings, clock);
    let mut pair = Pair { client, dtu: dtu.with_packets(&TWO) };
    pair.poll().await.unwrap();
    let asked = pair.dtu.asked.iter().map(|asked| (asked.at - started).as_secs());
    assert_eq!(asked.collect::<Vec<_>>(), [0, 2, 44]);
    let left = pair.dtu.left.first().map(|at| (*at - started).as_secs());
    assert_eq!(left, Some(4), "there is no connection meanwhile");
}

/// Whether each inverter's firmware version is known.
fn has_firmware(reading: &DtuReading) -> Vec<bool> {
    reading.inverters.iter().map(|one| one.values.ac.firmware_version.is_some()).collect()
}

#[tokio::test(start_paused = true)]
async fn requests_all_app_info_before_values() {
    for enc_rand in [None, Some([7; 16])] {
        let mut pair = Pair::new(&TWO);
        pair.dtu.enc_rand = enc_rand;
        pair.dtu.info = (3, 3);
        assert_eq!(has_firmware(&pair.poll().await.unwrap()), [true; 3]);
        assert_eq!(pair.commands(), ["A301", "A301", "A301", "A311", "A311"]);
        let times: Vec<Instant> = pair.dtu.asked.iter().map(|asked| asked.at).collect();
        assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= GAP), "{times:?}");
        pair.poll().await.unwrap();
        assert_eq!(pair.commands()[5..], ["A311", "A311"], "once");
    }
}

#[tokio::test(start_paused = true)]
async fn reads_a_dtu_with_incomplete_app_info() {
    for enc_rand in [None, Some([7; 16])] {
        let mut pair = Pair::with(&TWO, Settings { retries: 0, ..settings() });
        pair.dtu.enc_rand = enc_rand;
        pair.dtu.info = (3, 1);
        assert_eq!(has_firmware(&pair.poll().await.unwrap()), [true, false, false]);
        assert_eq!(pair.commands(), ["A301", "A301", "A311", "A311"]);
    }
}

#[tokio::test(start_paused = true)]
async fn limits_the_packets_of_app_info() {
    let mut pair = Pair::new(&ONE);
    pair.dtu.info = (i32::MAX, i32::MAX);
    pair.poll().await.unwrap();
    let count = pair.commands().iter().filter(|command| *command == "A301").count();
    assert_eq!(count, 16);
}

#[tokio::test(start_paused = true)]
async fn logs_a_refused_performance_mode_once() {
    for (answer, count) in [((33, 5), 1), ((33, 0), 0), ((1, 5), 0)] {
        let (captured, _listening) = CapturedLog::start();
        let mut pair = Pair::with(&ONE, Settings { performance_mode: true, ..settings() });
        pair.dtu.mode_answer = answer;
        // It repeats its values, so the command is sent again.
        pair.dtu.step = 0;
        for _ in 0..3 {
            pair.poll().await.unwrap();
        }
        let asked = pair.commands().iter().filter(|command| *command == "A305").count();
        assert!(asked > 1, "{answer:?}");
        let line =
            "WARN DTU Roof: refuses performance mode (error code 5); remove `performance_mode`";
        assert_eq!(captured.lines(), vec![line; count], "{answer:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn enables_performance_mode_if_configured_and_after_a_restart() {
    let mut pair = Pair::with(&ONE, Settings { performance_mode: true, ..settings() });
    pair.dtu.enc_rand = Some([7; 16]);
    pair.poll().await.unwrap();
    pair.poll().await.unwrap();
    assert_eq!(pair.commands(), ["A301", "A305", "A311", "A311"]);
    pair.dtu.step = 0;
    pair.poll().await.unwrap();
    pair.poll().await.unwrap();
    assert_eq!(pair.commands()[4..], ["A311", "A305", "A311"], "its values are stale: sent again");
    let failed = [Fault::Restart(Some([8; 16]))];
    pair.poll_with(&failed).await.unwrap();
    assert_eq!(pair.commands().last().map(String::as_str), Some("A311"));
    assert!(pair.dtu.asked.iter().any(|asked| asked.command == Command::COMMAND));
}

#[tokio::test(start_paused = true)]
async fn reconfigured_dtu_keeps_pauses_numbers_and_key() {
    let refresh = Duration::from_secs(35);
    let mut pair = Pair::with(&TWO, Settings { refresh, ..settings() });
    pair.dtu.enc_rand = Some([7; 16]);
    pair.poll().await.unwrap();
    let exclude = vec!["1164a0000002".parse().unwrap()];
    let performance_mode = true;
    let settings = Settings { refresh, performance_mode, exclude, ..settings() };
    let Pair { client, dtu } = pair;
    let mut pair = Pair { client: client.with_settings(settings), dtu };
    assert_eq!(pair.poll().await.unwrap().inverters.len(), 2);
    assert_eq!(pair.commands(), ["A301", "A311", "A311", "A305", "A311", "A311"]);
    let asked = &pair.dtu.asked;
    assert!(asked.windows(2).all(|pair| pair[1].sequence == pair[0].sequence + 1), "{asked:?}");
    assert!(asked.windows(2).all(|pair| pair[1].at - pair[0].at >= GAP), "{asked:?}");
    assert!(asked[4].at - asked[1].at >= refresh, "{asked:?}");
}
