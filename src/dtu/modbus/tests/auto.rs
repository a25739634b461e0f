//! `records_per_read = "auto"`: what one DTU has proved is not believed of another.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{ALL, dtu, large_plant, plant, ports};
use crate::config::{DtuConfig, RecordsPerRead};
use crate::dtu::Dtu;
use crate::dtu::modbus::ModbusDtu;
use crate::dtu::modbus::fake::{Answer, Asked, FakeDtu, config};

fn auto() -> DtuConfig {
    DtuConfig { records_per_read: RecordsPerRead::Auto, ..config() }
}

fn is_several(asked: &Asked) -> bool {
    asked.count > 20 && asked.address < 0x2000
}

/// The requests for several and for single records of one poll, which must bring all ports.
async fn poll(client: &mut ModbusDtu<FakeDtu>, dtu: &FakeDtu) -> (usize, usize) {
    let before = dtu.asked().len();
    assert_eq!(ports(&client.poll().await.unwrap()), ALL);
    let asked = dtu.asked().split_off(before);
    let list = asked.iter().filter(|asked| asked.address < 0x2000);
    let several = list.clone().filter(|asked| is_several(asked)).count();
    (several, list.count() - several)
}

#[tokio::test(start_paused = true)]
async fn a_dtu_that_supports_six_is_compared_once_per_connection() {
    // The fourth poll finds the connection closed.
    let dtu = dtu(plant(), |asked| (asked.number == 5).then(|| Answer::HangUp(Vec::new())));
    let mut client = ModbusDtu::with_dialer(&auto(), dtu.clone());
    assert_eq!(poll(&mut client, &dtu).await, (1, 1));
    assert_eq!(poll(&mut client, &dtu).await, (1, 0));
    assert_eq!(poll(&mut client, &dtu).await, (1, 0));
    assert_eq!(poll(&mut client, &dtu).await, (2, 1), "the first is lost, the second compared");
    assert_eq!(poll(&mut client, &dtu).await, (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_dtu_that_does_not_support_six_loses_no_poll_and_is_not_tried_again() {
    let answers: [fn(Asked) -> Answer; 4] = [
        |_| Answer::Exception(3),
        |_| Answer::Silence,
        // The first record over and over: its markers are right, and only the comparison tells.
        |asked| Answer::Data(Asked { count: 20, ..asked }.data(&plant()).repeat(6)),
        |_| Answer::Data(vec![0xa5; 240]),
    ];
    for answer in answers {
        let dtu = dtu(plant(), move |asked| {
            if asked.number >= 20 && asked.number.is_multiple_of(8) {
                return Some(Answer::HangUp(Vec::new()));
            }
            is_several(&asked).then(|| answer(asked))
        });
        let mut client = ModbusDtu::with_dialer(&auto(), dtu.clone());
        assert!(poll(&mut client, &dtu).await.0 > 0);
        for _ in 0..5 {
            assert_eq!(poll(&mut client, &dtu).await.0, 0);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn another_dtu_at_the_address_proves_itself() {
    let is_other = Arc::new(AtomicBool::new(false));
    let now = Arc::clone(&is_other);
    let mut last = false;
    let dtu = dtu(plant(), move |asked| {
        let is_other = now.load(Ordering::Relaxed);
        if std::mem::replace(&mut last, is_other) != is_other {
            return Some(Answer::HangUp(Vec::new()));
        }
        if asked.address == 0x2000 {
            return is_other.then(|| Answer::Data(vec![0x10, 0xf8, 0xa0, 0, 9, 9]));
        }
        let repeated = || Answer::Data(Asked { count: 20, ..asked }.data(&plant()).repeat(6));
        (is_other && is_several(&asked)).then(repeated)
    });
    let mut client = ModbusDtu::with_dialer(&auto(), dtu.clone());
    assert_eq!(poll(&mut client, &dtu).await, (1, 1));
    assert_eq!(poll(&mut client, &dtu).await, (1, 0));
    is_other.store(true, Ordering::Relaxed);
    let (several, _) = poll(&mut client, &dtu).await;
    assert_eq!(several, 2, "a lost request, and its repetition, which is not believed");
    assert_eq!(poll(&mut client, &dtu).await.0, 0);
    is_other.store(false, Ordering::Relaxed);
    assert_eq!(poll(&mut client, &dtu).await.0, 0, "it may still be the other one");
    assert_eq!(poll(&mut client, &dtu).await, (1, 0), "remembered");
    is_other.store(true, Ordering::Relaxed);
    poll(&mut client, &dtu).await;
    assert_eq!(poll(&mut client, &dtu).await.0, 0);
}

#[tokio::test(start_paused = true)]
async fn a_new_configuration_keeps_what_was_proved() {
    let dtu = dtu(plant(), |asked| is_several(&asked).then_some(Answer::Exception(3)));
    let mut before = ModbusDtu::with_dialer(&auto(), dtu.clone());
    assert!(poll(&mut before, &dtu).await.0 > 0);
    let mut after = ModbusDtu::with_dialer(&auto(), dtu.clone()).with_memory_of(before);
    assert_eq!(poll(&mut after, &dtu).await.0, 0);
}

#[tokio::test(start_paused = true)]
async fn a_large_list_takes_a_sixth_of_the_requests() {
    let dtu = dtu(large_plant(37), |_| None);
    let mut client = ModbusDtu::with_dialer(&auto(), dtu.clone());
    for requests in [9, 7] {
        let before = dtu.asked().len();
        assert_eq!(client.poll().await.unwrap().port_count(), 37);
        assert_eq!(dtu.asked().len() - before, requests);
    }
}
