//! Devices whose addresses count words, and DTUs whose lists look like theirs.

use super::{ALL, dtu, plant, poll, ports};
use crate::config::{DtuConfig, RecordsPerRead};
use crate::dtu::modbus::ModbusDtu;
use crate::dtu::modbus::decode::PortRecord;
use crate::dtu::modbus::fake::{Answer, FakeDtu, bytes, config, null_record, record};
use crate::dtu::{Dtu, DtuError};

/// Where no record of a DTU starts.
const BETWEEN: u16 = 0x1014;

/// A device that counts words.
fn emulation(ports: Vec<PortRecord>) -> FakeDtu {
    FakeDtu::new(move |asked| {
        if asked.address == 0x2000 {
            return Answer::Exception(2);
        }
        let first = usize::from(asked.address - 0x1000) / 20;
        let list = (first..).map(|index| ports.get(index).map_or_else(null_record, bytes));
        Answer::Data(list.take(usize::from(asked.count) / 20).flatten().collect())
    })
}

fn marked(records: Vec<PortRecord>) -> Vec<PortRecord> {
    records.into_iter().map(|record| PortRecord { data_type: 0x3c, ..record }).collect()
}

fn checks(dtu: &FakeDtu) -> usize {
    dtu.asked().iter().filter(|asked| asked.address == BETWEEN).count()
}

#[tokio::test(start_paused = true)]
async fn rejects_a_word_addressed_device_at_each_poll() {
    let unmarked = (1..=4).map(|port| record(1, port)).collect();
    for ports in [marked(plant()), unmarked] {
        for records_per_read in [1, 6] {
            let dtu = emulation(ports.clone());
            let config = DtuConfig {
                records_per_read: RecordsPerRead::Number(records_per_read),
                ..config()
            };
            let mut client = ModbusDtu::with_dialer(&config, dtu.clone());
            for polls in 1..4 {
                let failure = client.poll().await.unwrap_err();
                assert!(matches!(failure.error, DtuError::WordAddressed), "{}", failure.error);
                assert_eq!(failure.partial.inverters, []);
                assert_eq!(checks(&dtu), polls);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn does_not_check_an_unsuspicious_list() {
    let dtu = dtu(plant(), |_| None);
    poll(&config(), &dtu).await.unwrap();
    assert_eq!(checks(&dtu), 0);
}

#[tokio::test(start_paused = true)]
async fn checks_a_suspicious_list_once() {
    type Answers = fn() -> Answer;
    let answers: [(Answers, usize); 5] = [
        (|| Answer::Exception(2), 1),
        (|| Answer::Data(Vec::new()), 1),
        (|| Answer::Data([&bytes(&plant()[0])[20..], &bytes(&plant()[1])[..20]].concat()), 1),
        (|| Answer::Data(bytes(&plant()[1])), 1),
        // Each silence costs the connection.
        (|| Answer::Silence, 3),
    ];
    for (answer, expected) in answers {
        let dtu = dtu(marked(plant()), move |asked| (asked.address == BETWEEN).then(answer));
        let mut client = ModbusDtu::with_dialer(&config(), dtu.clone());
        for _ in 0..5 {
            assert_eq!(ports(&client.poll().await.unwrap()), ALL);
        }
        assert_eq!(checks(&dtu), expected);
    }
}
