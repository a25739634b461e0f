//! Faults of DTUs, one after the other: no reading is lost or invented.

mod auditor;
mod fixture;

use std::time::Duration;

use hoymiles_bridge::sim::faults::Fault;
use hoymiles_bridge::snapshot::state::DtuStatus;

use self::fixture::{Fixture, NAMES};
use crate::support::pipeline::Pipeline;

/// Modbus, plain, encrypted.
const ALL: [bool; 3] = [true; 3];
const MODBUS: [bool; 3] = [true, false, false];
const PROTOBUF: [bool; 3] = [false, true, true];
const NONE: [bool; 3] = [false; 3];

#[tokio::test]
async fn each_dtu_failure_is_logged_once_and_recovery_takes_one_interval() {
    let mut fixture = Fixture::new().await;
    for (fault, fails) in [
        (Fault::Silence, ALL),
        (Fault::Close, ALL),
        (Fault::CloseMidFrame, ALL),
        (Fault::Reset, ALL),
        (Fault::LateAnswer, ALL),
        (Fault::Garbage, ALL),
        (Fault::WordAddressed, MODBUS),
        (Fault::BadCrc, PROTOBUF),
        (Fault::WrongLength(u16::MAX), PROTOBUF),
        (Fault::WrongLength(3), PROTOBUF),
        (Fault::WrongCommand, PROTOBUF),
        (Fault::ZeroBytes, PROTOBUF),
    ] {
        fixture.break_and_repair(fault, fails).await;
    }
    fixture.ends().await;
}

#[tokio::test]
async fn slow_chatty_or_restarted_dtus_lose_no_reading() {
    let mut fixture = Fixture::new().await;
    let soon = Duration::from_millis(20);
    for fault in [
        Fault::Slow(soon),
        Fault::HalfAnswer(soon),
        Fault::OneByteAtATime(Duration::ZERO),
        Fault::RefuseSecondClient,
        Fault::OldReply,
        Fault::Unsolicited,
        Fault::SeveralFrames,
        Fault::BigReply,
        Fault::NewKey,
        Fault::PlainText,
        Fault::ClockAtZero,
        Fault::HalfThePorts,
        Fault::OnlyInverters(1),
        Fault::Night,
        Fault::NightTotalsKept,
    ] {
        fixture.break_and_repair(fault, NONE).await;
    }
    fixture.ends().await;
}

#[tokio::test]
async fn restarted_dtus_are_read_with_their_new_key() {
    let mut fixture = Fixture::new().await;
    for _ in 0..2 {
        let before = fixture.pipeline.log.lines(0).len();
        for dtu in &mut fixture.dtus {
            dtu.switch_off().await;
        }
        let are_missed = |pipeline: &Pipeline| {
            NAMES.iter().all(|name| pipeline.dtu(name).status == DtuStatus::Error)
        };
        fixture.until("failures of DTUs that are off", are_missed).await;
        for dtu in &mut fixture.dtus {
            dtu.switch_on().await;
        }
        fixture.recovered("restart").await;
        for name in NAMES {
            fixture.check_log("restart", name, before, true);
        }
        // At once, so no poll fails: the key has changed between two polls.
        let before = fixture.pipeline.log.lines(0).len();
        for dtu in &mut fixture.dtus {
            dtu.restart().await;
        }
        fixture.recovered("quick restart").await;
        for name in NAMES {
            let lines = fixture.pipeline.log.lines(before);
            let failed = lines.iter().filter(|line| line.contains("poll failed")).count();
            assert!(failed <= 3, "{name}: {lines:#?}");
        }
    }
    fixture.ends().await;
}
