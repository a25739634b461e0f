//! What a client makes of each fault of a simulated DTU.

use futures_util::future::join_all;

use super::*;
use crate::sim::fault::PlannedFault;

/// With and without encryption: under each fault the poll's outcome is as expected, and once it is
/// mended, the very next one is the truth.
async fn check_faults(faults: &[&str], limit: Duration, is_survived: bool) {
    let kinds = [Kind::default(), encrypted()];
    let cases = faults.iter().flat_map(|fault| kinds.map(|kind| (*fault, kind)));
    join_all(cases.map(|(fault, kind)| check_fault(fault, kind, limit, is_survived))).await;
}

async fn check_fault(fault: &str, kind: Kind, limit: Duration, is_survived: bool) {
    let mut pair = Pair::with(plant(3, 4), kind, limit, Duration::ZERO).await;
    pair.poll_truth(fault).await;
    pair.simulation.faults().set(fault.parse::<PlannedFault>().unwrap());
    let outcome = pair.poll().await;
    match &outcome {
        Ok(reading) => check_same(reading, &pair.simulation.truth(), fault),
        Err(failed) => assert_eq!(failed.partial, DtuReading::default(), "{fault}"),
    }
    assert_eq!(outcome.is_ok(), is_survived, "{fault}: {outcome:?}");
    pair.simulation.faults().clear_all();
    pair.poll_truth(fault).await;
}

#[tokio::test]
async fn faults_that_a_client_can_survive_change_nothing() {
    let of_the_line = ["one-byte-at-a-time", "half-answer=30"];
    check_faults(&of_the_line, GUARD, true).await;
    let of_the_frames = ["unsolicited", "several-frames", "old-reply", "big-reply"];
    check_faults(&of_the_frames, GUARD, true).await;
    check_faults(&["new-key", "plain-text"], Duration::from_secs(1), true).await;
}

#[tokio::test]
async fn other_faults_invent_nothing_and_are_over_with_their_end() {
    let damaged = ["bad-crc", "wrong-length=9", "wrong-length=40", "zero-bytes", "garbage"];
    check_faults(&damaged, GUARD, false).await;
    check_faults(&["close", "close-mid-frame", "reset"], GUARD, false).await;
    let silent = ["silence", "wrong-command", "wrong-length", "late-answer"];
    check_faults(&silent, Duration::from_millis(500), false).await;
}

#[tokio::test]
async fn what_comes_instead_of_an_answer_is_told() {
    for kind in [Kind::default, encrypted] {
        for (fault, said) in [
            ("wrong-length", "sent half an answer within 500ms ("),
            ("wrong-length", " of 65535 bytes)"),
            ("wrong-command", "sent only answers to other questions ("),
            ("close-mid-frame", "closed the connection (in the middle of an answer)"),
            ("silence", "did not answer within 500ms"),
        ] {
            let limit = Duration::from_millis(500);
            let mut pair = Pair::with(plant(1, 2), kind(), limit, Duration::ZERO).await;
            pair.simulation.faults().set(fault.parse::<PlannedFault>().unwrap());
            let error = pair.poll().await.unwrap_err().error.to_string();
            assert!(error.contains(said), "{fault}: {error}");
        }
    }
}

#[tokio::test]
async fn at_night_counters_are_kept_or_lost() {
    for (fault, keeps_totals) in [(Fault::Night, false), (Fault::NightTotalsKept, true)] {
        let mut pair = Pair::new(plant(2, 2), encrypted()).await;
        pair.poll_truth("by day").await;
        pair.simulation.faults().set(fault);
        let reading = pair.poll().await.unwrap();
        for inverter in &reading.inverters {
            assert_eq!(
                (inverter.values.link_status, inverter.values.operating_status),
                (Some(0), Some(0))
            );
            assert_eq!((inverter.values.ac.active_power, inverter.is_live()), (None, false));
            for port in &inverter.ports {
                assert_eq!(
                    (port.pv_power, port.total.is_some()),
                    (None, keeps_totals),
                    "{fault:?}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_dtu_that_lives_off_its_panels_is_gone_at_night() {
    let mut pair = Pair::new(plant(1, 2), Kind::default()).await;
    pair.simulation.faults().set(Fault::PanelPowered);
    pair.poll_truth("by day").await;
    pair.seconds.store(NOON + 12 * 3600, Ordering::Relaxed);
    assert!(pair.poll().await.is_err());
    pair.seconds.store(NOON + 24 * 3600, Ordering::Relaxed);
    pair.poll_truth("the next day").await;
}

#[tokio::test]
async fn a_clock_that_begins_at_0_makes_no_reading_old() {
    let mut pair = Pair::new(plant(1, 2), encrypted()).await;
    pair.poll_truth("before").await;
    for fault in [Fault::NewKey, Fault::ClockAtZero] {
        pair.simulation.faults().set(fault);
    }
    for expected in [60, 120] {
        let reading = pair.poll().await.unwrap();
        assert_eq!((reading.dtu_time, reading.stale), (Some(expected), false));
    }
    pair.simulation.faults().clear(Fault::ClockAtZero);
    pair.poll_truth("synchronised").await;
}

#[tokio::test]
async fn missing_ports_are_missing_and_not_zero() {
    let mut pair = Pair::new(plant(2, 4), Kind::default()).await;
    pair.simulation.faults().set(Fault::HalfThePorts);
    let reading = pair.poll().await.unwrap();
    for inverter in &reading.inverters {
        let numbers: Vec<u8> = inverter.ports.iter().map(|port| port.number).collect();
        assert_eq!(numbers, [1, 3]);
        assert!(inverter.ports.iter().all(|port| port.total.is_some()));
    }
}
