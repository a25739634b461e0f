//! Several records in one request: proven, rejected, and failing for other reasons.

use super::{ALL, dtu, large_plant, plant, poll, ports};
use crate::config::{DtuConfig, RecordsPerRead};
use crate::dtu::Dtu;
use crate::dtu::modbus::ModbusDtu;
use crate::dtu::modbus::fake::{Answer, Asked, config};

#[tokio::test(start_paused = true)]
async fn several_records_are_compared_once_and_then_trusted() {
    let dtu = dtu(large_plant(37), |_| None);
    let config = DtuConfig { records_per_read: RecordsPerRead::Number(6), ..config() };
    let mut client = ModbusDtu::with_dialer(&config, dtu.clone());
    assert_eq!(client.poll().await.unwrap().port_count(), 37);
    // Seven pages, the second record alone, the serial number.
    assert_eq!(dtu.asked().len(), 9);
    assert_eq!(client.poll().await.unwrap(), poll(&self::config(), &dtu).await.unwrap());
    assert_eq!(dtu.asked().len(), 9 + 7 + 39);
}

#[tokio::test(start_paused = true)]
async fn reads_one_record_at_a_time_if_the_dtu_does_not_support_several() {
    let several = |asked: Asked| asked.count > 20;
    let answers: [fn(Asked) -> Answer; 6] = [
        // Only one record, whatever was asked for.
        |asked| Answer::Data(Asked { count: 20, ..asked }.data(&plant())),
        // The same record over and over, with its markers.
        |asked| Answer::Data(Asked { count: 20, ..asked }.data(&plant()).repeat(6)),
        |_| Answer::Data(vec![0; 240]),
        |_| Answer::Data(Vec::new()),
        |_| Answer::Exception(3),
        |_| Answer::Silence,
    ];
    for fault in answers {
        let dtu = dtu(plant(), move |asked| several(asked).then(|| fault(asked)));
        let config = DtuConfig { records_per_read: RecordsPerRead::Number(6), ..config() };
        let mut client = ModbusDtu::with_dialer(&config, dtu.clone());
        assert_eq!(ports(&client.poll().await.unwrap()), ALL);
        let before = dtu.asked().len();
        assert_eq!(ports(&client.poll().await.unwrap()), ALL);
        assert!(!dtu.asked()[before..].iter().any(|asked| several(*asked)));
    }
}

#[tokio::test(start_paused = true)]
async fn proven_dtu_keeps_several_records_after_failures() {
    let dtu =
        dtu(large_plant(12), |asked| (2..6).contains(&asked.number).then_some(Answer::Silence));
    let config = DtuConfig { records_per_read: RecordsPerRead::Number(6), ..config() };
    let mut client = ModbusDtu::with_dialer(&config, dtu.clone());
    assert_eq!(client.poll().await.unwrap().port_count(), 12);
    let before = dtu.asked().len();
    // The second page, record by record, the end of the list, and the serial number.
    assert_eq!(before, 6 + 6 + 1 + 1);
    assert_eq!(client.poll().await.unwrap().port_count(), 12);
    assert!(dtu.asked()[before..].iter().all(|asked| asked.count == 120));
}

#[tokio::test(start_paused = true)]
async fn a_silent_record_does_not_hide_those_that_are_read_with_it() {
    let touches =
        |asked: Asked| asked.address <= 0x1118 && asked.address + 2 * asked.count > 0x1118;
    let dtu = dtu(large_plant(12), move |asked| touches(asked).then_some(Answer::Silence));
    let config = DtuConfig { records_per_read: RecordsPerRead::Number(6), ..config() };
    let mut client = ModbusDtu::with_dialer(&config, dtu.clone());
    for _ in 0..3 {
        let reading = client.poll().await.unwrap();
        assert_eq!((reading.port_count(), reading.unread.records), (11, vec![8]));
    }
    // Only what may contain the silent record is read one by one.
    assert!(dtu.asked().iter().any(|asked| asked.count == 120 && asked.address > 0x1118));
}
