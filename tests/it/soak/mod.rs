//! Constant faults and load: the daemon's use of memory, descriptors and threads stays flat, and a
//! healthy target misses no poll.
//!
//! A short run is part of all tests; `SOAK_SECONDS=600 cargo test --test it soak` is the long one,
//! which prints its usage.

mod healthy_target;
mod load;
mod usage;

use std::sync::Arc;
use std::time::Duration;

use hoymiles_bridge::sim::plant::{PlantShape, SimulatedPlant};
use hoymiles_bridge::sim::protobuf::ProtobufOptions;
use serde_json::Value;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::healthy_target::HealthyTarget;
use self::load::Load;
use self::usage::{Usage, check_flat};
use crate::support::bridge::{Bridge, Home};
use crate::support::simulated::{PlantClock, SimulatedDtu, Speaks};
use crate::support::{print, within_guard};

const MODBUS: usize = 10;
const PROTOBUF: usize = 2;
/// Without `SOAK_SECONDS`.
const SHORT: Duration = Duration::from_secs(12);
const SAMPLES_EVERY: Duration = Duration::from_secs(1);
/// Samples between two lines of progress in a long run.
const PRINT_EVERY: usize = 30;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_constant_faults_usage_stays_flat_and_no_poll_is_missed() {
    let asked = std::env::var("SOAK_SECONDS").ok();
    let lasts = asked.as_ref().map_or(SHORT, |seconds| {
        Duration::from_secs(seconds.parse().expect("SOAK_SECONDS is a number"))
    });
    let clock = PlantClock::running("2026-06-10T10:00:00Z", 1_000);
    let dtus = dtus(&clock).await;
    let healthy = HealthyTarget::start().await;
    let mut config = format!("[[target]]\nname = \"healthy\"\nurl = \"{}\"\n", healthy.url());
    for (index, dtu) in dtus.iter().enumerate() {
        config += &dtu.dtu(&format!("DTU {index}"));
    }
    let home = Home::new(&config);
    let bridge = Arc::new(home.run().await);
    healthy.received("all DTUs", |received| received.dtus_polled() == MODBUS + PROTOBUF).await;
    let before = Usage::of(bridge.pid());

    let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
    let load = Load::start(Arc::clone(&bridge), &dtus, &tasks, &stop);
    let mut samples = Vec::new();
    let (began, mut ticks) = (Instant::now(), interval(SAMPLES_EVERY));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while began.elapsed() < lasts {
        ticks.tick().await;
        let usage = Usage::of(bridge.pid());
        if asked.is_some() && samples.len() % PRINT_EVERY == 0 {
            let (received, counts) = (healthy.so_far(), load.counts());
            print(&format!("{:>4} s: {usage}; {received}; {counts}", began.elapsed().as_secs()));
        }
        samples.push(usage);
    }
    stop.cancel();
    tasks.close();
    within_guard("end of the load", tasks.wait()).await;
    let counts = load.end().await;

    let after = back_to(&before, &bridge).await;
    let (_, targets) = bridge.get("/api/targets").await;
    let target = targets.as_array().unwrap().iter().find(|one| one["name"] == "healthy").unwrap();
    let sent = target["updates_sent"].as_u64().unwrap();
    healthy.received("all updates", |received| received.updates >= sent).await;
    let received = healthy.so_far();
    if asked.is_some() {
        print(&format!("before: {before}\nafter: {after}; {received}; {counts}; {target}"));
    }
    assert_eq!((received.connections, received.missed), (1, 0), "{received}; {target}");
    assert_eq!(target["attempts"], Value::from(1), "{target}");
    check_flat(&before, &samples);
    counts.check(lasts);

    let bridge = Arc::into_inner(bridge).expect("all tasks have ended");
    let (status, _) = bridge.stop().await;
    assert_eq!(status.code(), Some(0));
    for mut dtu in dtus {
        dtu.switch_off().await;
    }
    healthy.stop().await;
}

async fn dtus(clock: &PlantClock) -> Vec<SimulatedDtu> {
    let mut dtus = Vec::new();
    for index in 0..MODBUS + PROTOBUF {
        let shape = PlantShape { inverters: 3, dtu_index: index, ..PlantShape::default() };
        let plant = SimulatedPlant::new(&shape).with_endless_day();
        let encrypted =
            ProtobufOptions { encrypts: true, has_meter: true, ..ProtobufOptions::default() };
        let speaks = if index < MODBUS { Speaks::Modbus } else { Speaks::Protobuf(encrypted) };
        dtus.push(SimulatedDtu::start(plant, clock, speaks).await);
    }
    dtus
}

/// Waits until no more descriptors are open than before.
async fn back_to(before: &Usage, bridge: &Bridge) -> Usage {
    within_guard("descriptors as before", async {
        let mut ticks = interval(Duration::from_millis(100));
        loop {
            let after = Usage::of(bridge.pid());
            if after.descriptors <= before.descriptors {
                return after;
            }
            ticks.tick().await;
        }
    })
    .await
}
