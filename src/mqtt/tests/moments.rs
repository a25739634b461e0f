//! When what is sent.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

use super::{at, topics};
use crate::mqtt::fake::{FakeBroker, board, data, snapshot};
use crate::mqtt::session::{Births, Ears, Tell, talk};
use crate::snapshot::channel;
use crate::store::Place;

/// Counts what it is told.
#[derive(Default)]
struct Told {
    announced: Vec<usize>,
    delays: Vec<Duration>,
    kept: Vec<usize>,
}

impl Tell for Told {
    fn announced(&mut self, devices: usize) {
        self.announced.push(devices);
    }

    fn born(&mut self, delay: Duration) {
        self.delays.push(delay);
    }

    fn announces(&mut self, changes: BTreeMap<Place, Option<Bytes>>) {
        self.kept.push(changes.len());
    }

    fn changed(&mut self, _messages: usize) {}
}

#[tokio::test(start_paused = true)]
async fn everything_is_announced_again_some_time_after_home_assistant_has_started() {
    let (writer, reader) = channel(snapshot(&data("modbus", 1)));
    let (broker, mut told) = (FakeBroker::new(), Told::default());
    let births = Births { heard: Notify::new(), dice: || Duration::from_secs(7) };
    let mut board = board(&[]);
    let (_listener, answers) = mpsc::channel(1);
    let ears = Ears { births: &births, answers };
    let script = async {
        assert_eq!(broker.batch(1).await.len(), 9);
        let began = Instant::now();
        births.heard.notify_one();
        tokio::task::yield_now().await;
        births.heard.notify_one();
        let mut changed = data("modbus", 1);
        changed["plant"]["pv_power"] = json!(7.0);
        writer.publish(snapshot(&changed));
        assert_eq!(topics(&broker.batch(2).await), ["hoymiles/bridge/state"]);
        assert_eq!(broker.batch(3).await.len(), 9);
        assert_eq!(began.elapsed().as_secs(), 7);
        // A second birth message within the delay does not lead to a second announcement.
        tokio::time::sleep(Duration::from_secs(3_600)).await;
        assert_eq!(broker.batch_count(), 3);
    };
    tokio::select! {
        gone = talk(&broker, &mut board, reader, ears, &mut told) => panic!("{gone:?}"),
        () = script => {}
    }
    assert_eq!(told.announced, [3, 3]);
    assert_eq!(told.kept, [3, 0, 0], "the documents, once");
    assert_eq!(told.delays, [Duration::from_secs(7)]);
}

#[tokio::test(start_paused = true)]
async fn after_an_outage_the_newest_is_sent_and_nothing_older() {
    let (writer, reader) = channel(snapshot(&data("modbus", 1)));
    let mut board = board(&[]);
    let births = Births { heard: Notify::new(), dice: Duration::default };
    for nth in 1..=3_u8 {
        let mut newest = Value::Null;
        for power in 0..100_u8 {
            newest = data("modbus", 1);
            newest["plant"]["pv_power"] = json!(u32::from(nth) * 1_000 + u32::from(power));
            writer.publish(snapshot(&newest));
        }
        let (broker, mut told) = (FakeBroker::new(), Told::default());
        let (_listener, answers) = mpsc::channel(1);
        let ears = Ears { births: &births, answers };
        let first = tokio::select! {
            gone = talk(&broker, &mut board, reader.clone(), ears, &mut told) => {
                panic!("{gone:?}")
            }
            first = broker.batch(1) => first,
        };
        assert_eq!(first.len(), 9, "everything once, on each new connection");
        assert_eq!(at(&first, "hoymiles/bridge/state")["pv_power"], newest["plant"]["pv_power"]);
    }
}
