//! A DTU over Modbus that loses most requests: each port comes, sooner or later.

use super::*;
use crate::dtu::modbus::ModbusDtu;
use crate::dtu::modbus::fake::{Answer, FakeDtu, config, record};

/// Whether the request of that number is lost, as nine of ten are: pseudo-random, by Knuth's linear
/// congruential generator.
fn is_lost(number: usize) -> bool {
    let mut state = u64::try_from(number).unwrap();
    for _ in 0..4 {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state ^= state >> 29;
    }
    (state >> 33) % 10 != 0
}

#[tokio::test(start_paused = true)]
async fn all_ports_of_a_dtu_that_loses_nine_of_ten_requests_come() {
    let ports: Vec<_> =
        (1..=3).flat_map(|inverter| (1..=4).map(move |port| record(inverter, port))).collect();
    let dtu = FakeDtu::new(move |asked| {
        if is_lost(asked.number) { Answer::Silence } else { Answer::Data(asked.data(&ports)) }
    });
    let noon: Timestamp = "2026-06-10T12:00:00Z".parse().unwrap();
    let started = Instant::now();
    let clock = WallClock::from_fn(move || noon + started.elapsed());
    let state = DtuState::unknown("Roof", Protocol::Modbus, Duration::from_secs(300));
    let plant = PlantState::new(TimeZone::UTC, vec![state], [], []);
    let (publisher, snapshot) = SnapshotPublisher::new(plant, Store::in_memory(), clock.now());
    let poller = Poller {
        name: Arc::from("Roof"),
        dtu: ModbusDtu::with_dialer(&config(), dtu),
        interval: INTERVAL,
        publisher,
        metrics: Metrics::new(),
        clock,
    };
    let stop = CancellationToken::new();
    let known = || {
        let snapshot = snapshot.latest();
        snapshot.inverters().map(|inverter| inverter.ports.len()).sum::<usize>()
    };
    let all = async {
        while known() < 12 {
            sleep(Duration::from_secs(1)).await;
        }
        stop.cancel();
    };
    let run = async { tokio::join!(poller.run(stop.clone()), all) };
    let found = timeout(Duration::from_hours(3), run).await;
    assert!(found.is_ok(), "{} of 12 ports after three hours", known());
}
