//! Whole polls of a scripted DTU, in paused time.

mod auto;
mod faults;
mod several;
mod unread;
mod vectors;
mod words;

use std::time::Duration;

use tokio::time::Instant;

use super::ModbusDtu;
use super::decode::PortRecord;
use super::fake::{Answer, Asked, FakeDtu, config, record};
use crate::config::{DtuConfig, RecordsPerRead};
use crate::dtu::{Dtu, PollError};
use crate::plant::reading::DtuReading;

/// Two inverters of two ports.
fn plant() -> Vec<PortRecord> {
    vec![record(1, 1), record(1, 2), record(2, 1), record(2, 2)]
}

/// A plant of that many ports, four to an inverter.
fn large_plant(ports: u8) -> Vec<PortRecord> {
    (0..ports).map(|port| record(1 + port / 4, 1 + port % 4)).collect()
}

/// A healthy DTU, except for what `fault` does instead.
fn dtu(
    ports: Vec<PortRecord>,
    mut fault: impl FnMut(Asked) -> Option<Answer> + Send + 'static,
) -> FakeDtu {
    FakeDtu::new(move |asked| fault(asked).unwrap_or_else(|| Answer::Data(asked.data(&ports))))
}

/// The ports that were read, as inverter and port.
fn ports(reading: &DtuReading) -> Vec<(u8, u8)> {
    reading
        .inverters
        .iter()
        .flat_map(|inverter| {
            inverter.ports.iter().map(|port| (inverter.serial.bytes()[5], port.number))
        })
        .collect()
}

const ALL: [(u8, u8); 4] = [(1, 1), (1, 2), (2, 1), (2, 2)];

async fn poll(config: &DtuConfig, dtu: &FakeDtu) -> Result<DtuReading, PollError> {
    ModbusDtu::with_dialer(config, dtu.clone()).poll().await
}

#[tokio::test(start_paused = true)]
async fn reads_the_list_to_its_end_and_then_the_serial() {
    let dtu = dtu(plant(), |_| None);
    let mut client = ModbusDtu::with_dialer(&config(), dtu.clone());
    assert_eq!(ports(&client.poll().await.unwrap()), ALL);
    assert_eq!(ports(&client.poll().await.unwrap()), ALL);
    let list = [0x1000, 0x1028, 0x1050, 0x1078, 0x10a0].map(|address| (1, address));
    // The serial number is read once, and the connection is kept.
    assert_eq!(dtu.addresses(), [&list[..], &[(1, 0x2000)], &list[..]].concat());
}

#[tokio::test(start_paused = true)]
async fn empty_list_is_an_empty_plant() {
    for records_per_read in [1, 6] {
        let config =
            DtuConfig { records_per_read: RecordsPerRead::Number(records_per_read), ..config() };
        let dtu = dtu(Vec::new(), |_| None);
        assert_eq!(poll(&config, &dtu).await.unwrap().inverters, []);
    }
}

#[tokio::test(start_paused = true)]
async fn closed_idle_connection_costs_no_retry() {
    let dtu = dtu(plant(), |asked| {
        // Closed after each answer, as some DTUs do: the next request finds out.
        (asked.number % 2 == 1).then(|| Answer::HangUp(Vec::new()))
    });
    let none = DtuConfig { retries: 0, ..config() };
    assert_eq!(ports(&poll(&none, &dtu).await.unwrap()), ALL);
}

#[tokio::test(start_paused = true)]
async fn reads_an_endless_list_to_the_longest_possible() {
    for (records_per_read, requests) in [(1, 99), (6, 18)] {
        let dtu = dtu(large_plant(120), |_| None);
        let config =
            DtuConfig { records_per_read: RecordsPerRead::Number(records_per_read), ..config() };
        assert_eq!(poll(&config, &dtu).await.unwrap().port_count(), 99);
        let records: Vec<_> =
            dtu.asked().into_iter().filter(|asked| asked.address != 0x2000).collect();
        assert_eq!(records.len(), requests);
        assert_eq!(records.last().map(|last| last.address + 2 * last.count), Some(0x1000 + 3960));
    }
}

#[tokio::test(start_paused = true)]
async fn leaves_out_excluded_inverters() {
    let dtu = dtu(plant(), |_| None);
    let config = DtuConfig { exclude: vec!["1161A0000001".to_owned()], ..config() };
    let reading = poll(&config, &dtu).await.unwrap();
    assert_eq!((ports(&reading), reading.has_excluded), (ALL[2..].to_vec(), true));
}

#[tokio::test(start_paused = true)]
async fn polls_a_dtu_without_a_serial() {
    let answers: [(fn() -> Answer, usize); 4] = [
        (|| Answer::Exception(1), 1),
        (|| Answer::Data(Vec::new()), 1),
        (|| Answer::Data(vec![0; 6]), 1),
        // Each costs the connection; after three there are no further requests.
        (|| Answer::Silence, 3),
    ];
    for (fault, questions) in answers {
        let dtu = dtu(plant(), move |asked| (asked.address == 0x2000).then(fault));
        let mut client = ModbusDtu::with_dialer(&config(), dtu.clone());
        for _ in 0..5 {
            let reading = client.poll().await.unwrap();
            assert_eq!((ports(&reading), reading.dtu_serial), (ALL.to_vec(), None));
        }
        let asked = dtu.asked().iter().filter(|asked| asked.address == 0x2000).count();
        assert_eq!(asked, questions);
    }
}

#[tokio::test(start_paused = true)]
async fn keeps_the_gap_over_connections_and_polls() {
    let gap = Duration::from_millis(500);
    let answer_time = Duration::from_millis(150);
    let dtu = dtu(plant(), move |asked| {
        Some(match asked.number {
            2 => Answer::HangUp(Vec::new()),
            _ => Answer::Late(answer_time, asked.data(&plant())),
        })
    });
    let config = DtuConfig { request_gap: Some(gap), ..config() };
    let mut client = ModbusDtu::with_dialer(&config, dtu.clone());
    client.poll().await.unwrap();
    let started = Instant::now();
    client.poll().await.unwrap();
    // Five answers and as many pauses.
    let taken = started.elapsed().saturating_sub(client.pauses());
    assert!(taken >= 5 * answer_time && taken < 5 * answer_time + gap, "{taken:?}");
    let times: Vec<_> = dtu.asked().iter().map(|asked| asked.at).collect();
    for (number, pair) in times.windows(2).enumerate() {
        let expected = if number == 2 { gap } else { answer_time + gap };
        let distance = pair[1] - pair[0];
        // The clock of tokio steps in milliseconds.
        assert!(distance >= expected && distance < expected + Duration::from_millis(5), "{number}");
    }
    assert_eq!(times.len(), 12);
}

#[tokio::test(start_paused = true)]
async fn time_limit_applies_to_each_request() {
    let dtu =
        dtu(plant(), |asked| Some(Answer::Late(Duration::from_millis(2900), asked.data(&plant()))));
    assert_eq!(ports(&poll(&config(), &dtu).await.unwrap()), ALL);
}

#[tokio::test(start_paused = true)]
async fn a_list_that_breaks_off_has_the_serial_number_as_well() {
    let dtu = dtu(plant(), |asked| (asked.address == 0x1050).then_some(Answer::Silence));
    let mut client = ModbusDtu::with_dialer(&config(), dtu.clone());
    let partial = match client.poll().await {
        Ok(reading) => reading,
        Err(failure) => failure.partial,
    };
    assert_eq!(ports(&partial)[..2], [(1, 1), (1, 2)]);
    assert_eq!(partial.dtu_serial.unwrap().to_string(), "10F8A0000001");
}

#[tokio::test(start_paused = true)]
async fn a_serial_number_is_not_taken_for_that_of_the_next_connection() {
    let dtu = dtu(plant(), |asked| {
        (asked.connection > 1 && asked.address == 0x2000).then_some(Answer::Exception(2))
    });
    let mut client = ModbusDtu::with_dialer(&config(), dtu.clone());
    assert!(client.poll().await.unwrap().dtu_serial.is_some());
    client.forget();
    assert_eq!(client.poll().await.unwrap().dtu_serial, None);
}
