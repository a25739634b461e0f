//! Records that cannot be read: they hide no other one.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::Instant;

use super::{ALL, dtu, large_plant, plant, poll, ports};
use crate::config::{DtuConfig, RecordsPerRead};
use crate::dtu::modbus::ModbusDtu;
use crate::dtu::modbus::decode::PortRecord;
use crate::dtu::modbus::fake::{Answer, Asked, bytes, config, record};
use crate::dtu::{Dtu, DtuError};
use crate::plant::serial::InverterSerial;

fn is_record(asked: Asked, numbers: &[u16]) -> bool {
    asked.address < 0x2000 && numbers.contains(&((asked.address - 0x1000) / 40 + 1))
}

#[tokio::test(start_paused = true)]
async fn reads_on_behind_an_unreadable_record() {
    type Fault = fn() -> Answer;
    let answers: [(Fault, &str); 6] = [
        (|| Answer::Silence, "is not answered"),
        (|| Answer::HangUp(Vec::new()), "is not answered"),
        (|| Answer::Exception(2), "is refused (exception code 2)"),
        (|| Answer::Data(Vec::new()), "is not readable"),
        (|| Answer::Data(vec![0; 40]), "is no record of a port"),
        (|| Answer::Raw(vec![0xff; 12]), "is not readable"),
    ];
    for (fault, how) in answers {
        for number in 1..=4_u16 {
            let place = usize::from(number - 1);
            // The first record decides whether it is a DTU, and whether there is a list.
            if number == 1 && (how == "is no record of a port" || how == "is not readable") {
                continue;
            }
            let dtu = dtu(plant(), move |asked| is_record(asked, &[number]).then(fault));
            let mut client = ModbusDtu::with_dialer(&config(), dtu.clone());
            for _ in 0..5 {
                let reading = client.poll().await.unwrap();
                let mut read = ALL.to_vec();
                read.remove(place);
                assert_eq!(ports(&reading), read, "{how}");
                assert_eq!(reading.unread.records, [number]);
                let address = 0x1000 + 40 * (number - 1);
                assert_eq!(
                    reading.unread.cause,
                    format!("record {number} ({address:#06x}) {how}; 3 of 4 ports read")
                );
            }
            let asked = dtu.asked().iter().filter(|asked| is_record(**asked, &[number])).count();
            // A record that stays unreadable is no longer worth retries.
            assert!(asked < 4 * 5, "{how}: {asked} requests");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn all_other_ports_are_read_at_each_poll_although_an_inverter_is_silent() {
    let dtu =
        dtu(large_plant(12), |asked| is_record(asked, &[5, 6, 7, 8]).then_some(Answer::Silence));
    let mut client = ModbusDtu::with_dialer(&config(), dtu.clone());
    client.poll().await.unwrap();
    for _ in 0..6 {
        let started = Instant::now();
        let reading = client.poll().await.unwrap();
        assert_eq!((reading.port_count(), reading.unread.records), (8, vec![5, 6, 7, 8]));
        assert!(started.elapsed() <= Duration::from_secs(5 * 12), "{:?}", started.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn refused_records_of_an_inverter_are_not_the_end_of_the_list() {
    let dtu = dtu(large_plant(12), |asked| {
        is_record(asked, &[5, 6, 7, 8]).then_some(Answer::Exception(1))
    });
    let reading = poll(&config(), &dtu).await.unwrap();
    assert_eq!((reading.port_count(), reading.unread.records), (8, vec![5, 6, 7, 8]));
}

#[tokio::test(start_paused = true)]
async fn refusals_behind_the_last_record_are_the_end_of_the_list() {
    type Fault = fn() -> Answer;
    let answers: [Fault; 3] =
        [|| Answer::Exception(1), || Answer::Exception(2), || Answer::Data(vec![0; 40])];
    for fault in answers {
        let dtu = dtu(plant(), move |asked| (0x10a0..0x2000).contains(&asked.address).then(fault));
        let mut client = ModbusDtu::with_dialer(&config(), dtu.clone());
        for _ in 0..2 {
            let reading = client.poll().await.unwrap();
            assert_eq!(ports(&reading), ALL);
            assert!(reading.unread.is_empty(), "{:?}", reading.unread);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn silence_of_all_records_fails_soon() {
    for faulty in [&[][..], &[1, 2]] {
        let dtu = dtu(plant(), move |asked| {
            (faulty.is_empty() || is_record(asked, faulty)).then_some(Answer::Silence)
        });
        let mut client = ModbusDtu::with_dialer(&config(), dtu.clone());
        let started = Instant::now();
        let failure = client.poll().await.unwrap_err();
        assert!(failure.is_silence() && failure.error.is_timeout(), "{}", failure.error);
        // Four tries, and one of the next record.
        assert!(started.elapsed() < Duration::from_secs(16), "{:?}", started.elapsed());
        // Two silent records at the beginning do not hide the others for good.
        let second = client.poll().await;
        assert_eq!(second.is_ok_and(|reading| ports(&reading) == ALL[2..]), !faulty.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_poll_that_gave_up_goes_on_with_what_it_did_not_reach() {
    let is_silent = |asked: Asked| is_record(asked, &[4, 5, 6]) && asked.connection < 6;
    let dtu = dtu(large_plant(8), move |asked| is_silent(asked).then_some(Answer::Silence));
    let none = DtuConfig { retries: 0, ..config() };
    let mut client = ModbusDtu::with_dialer(&none, dtu.clone());
    let reading = client.poll().await.unwrap();
    assert_eq!((reading.port_count(), reading.unread.records), (3, vec![4, 5, 6]));
    let before = dtu.asked().len();
    let reading = client.poll().await.unwrap();
    assert_eq!(dtu.asked()[before].address, 0x10f0);
    assert_eq!(ports(&reading)[..3], [(1, 1), (1, 2), (1, 3)], "in the order of the list");
    assert!(reading.port_count() >= 5);
}

#[tokio::test(start_paused = true)]
async fn most_requests_may_be_lost() {
    let mut seed = 7_u64;
    let dtu = dtu(large_plant(12), move |_| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((seed >> 33) % 100 < 90).then_some(Answer::Silence)
    });
    let mut client = ModbusDtu::with_dialer(&config(), dtu);
    let mut read = BTreeSet::new();
    let mut polls = 0;
    while read.len() < 12 {
        polls += 1;
        assert!(polls <= 40, "{read:?} after {polls} polls");
        match client.poll().await {
            Ok(reading) => read.extend(ports(&reading)),
            Err(failure) => assert!(failure.is_silence(), "{}", failure.error),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_has_no_list_of_ports_is_not_a_dtu() {
    let unknown = InverterSerial::from_bytes([0, 0, 1, 0, 0, 0]);
    let strange = PortRecord { serial: unknown, ..record(1, 3) };
    for first in [
        vec![0; 40],
        bytes(&PortRecord { data_type: 0, constant: 0, ..record(1, 1) }),
        bytes(&PortRecord { constant: 0, ..strange }),
        bytes(&PortRecord { data_type: 0, ..strange }),
    ] {
        for records_per_read in [1, 6] {
            let first = first.clone();
            let dtu = dtu(Vec::new(), move |asked| {
                Some(Answer::Data(first.repeat(usize::from(asked.count) / 20)))
            });
            let config = DtuConfig {
                records_per_read: RecordsPerRead::Number(records_per_read),
                ..config()
            };
            let failure = poll(&config, &dtu).await.unwrap_err();
            assert!(matches!(failure.error, DtuError::NotADtu { .. }), "{}", failure.error);
            assert!(failure.error.to_string().contains("dtu:502"), "{}", failure.error);
            assert_eq!(ports(&failure.partial), []);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn one_mark_is_enough_for_the_serial_of_an_inverter() {
    let marked = |data_type, constant| {
        let one = |record: PortRecord| PortRecord { data_type, constant, ..record };
        plant().into_iter().map(one).collect::<Vec<_>>()
    };
    for ports_of_it in [marked(0x0c, 0), marked(0x0b, 7)] {
        let dtu = dtu(ports_of_it, |_| None);
        let mut client = ModbusDtu::with_dialer(&config(), dtu);
        assert_eq!(ports(&client.poll().await.unwrap()), ALL);
    }
}
