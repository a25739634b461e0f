//! What DTUs do wrong, one fault after the other, and that no reading is lost or invented by it.

mod auditor;
mod scene;

use std::time::Duration;

use hoymiles_bridge::sim::faults::Fault;
use hoymiles_bridge::snapshot::state::DtuStatus;

use self::scene::{NAMES, Scene};
use crate::support::house::House;

/// Modbus, plain, encrypted.
const ALL: [bool; 3] = [true; 3];
const MODBUS: [bool; 3] = [true, false, false];
const PROTOBUF: [bool; 3] = [false, true, true];
const NONE: [bool; 3] = [false; 3];

#[tokio::test]
async fn dtus_that_answer_nothing_or_nonsense_are_told_once_and_back_at_once() {
    let mut scene = Scene::new().await;
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
        scene.suffer(fault, fails).await;
    }
    scene.ends().await;
}

#[tokio::test]
async fn dtus_that_are_slow_talkative_forgetful_or_new_lose_nothing() {
    let mut scene = Scene::new().await;
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
        scene.suffer(fault, NONE).await;
    }
    scene.ends().await;
}

#[tokio::test]
async fn dtus_that_restart_come_back_with_another_key() {
    let mut scene = Scene::new().await;
    for _ in 0..2 {
        let before = scene.house.log.lines(0).len();
        for dtu in &mut scene.dtus {
            dtu.switch_off().await;
        }
        let are_missed =
            |house: &House| NAMES.iter().all(|name| house.dtu(name).status == DtuStatus::Error);
        scene.until("failures of DTUs that are off", are_missed).await;
        for dtu in &mut scene.dtus {
            dtu.switch_on().await;
        }
        scene.recovered("restart").await;
        for name in NAMES {
            scene.check_log("restart", name, before, true);
        }
        // At once, so that no poll fails: the key has changed under the bridge's hands.
        let before = scene.house.log.lines(0).len();
        for dtu in &mut scene.dtus {
            dtu.restart().await;
        }
        scene.recovered("quick restart").await;
        for name in NAMES {
            let lines = scene.house.log.lines(before);
            let failed = lines.iter().filter(|line| line.contains("poll failed")).count();
            assert!(failed <= 3, "{name}: {lines:#?}");
        }
    }
    scene.ends().await;
}
