//! Several records in one request: proven, rejected, and failing for other reasons.

use super::{ALL, dtu, large_plant, plant, poll, ports};
use crate::config::DtuConfig;
use crate::dtu::modbus::ModbusDtu;
use crate::dtu::modbus::fake::{Answer, Asked, config};
use crate::dtu::{Dtu, DtuError, PollError};

#[tokio::test(start_paused = true)]
async fn several_records_are_compared_once_and_then_trusted() {
    let dtu = dtu(large_plant(37), |_| None);
    let config = DtuConfig { records_per_read: 6, ..config() };
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
        let config = DtuConfig { records_per_read: 6, ..config() };
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
    let config = DtuConfig { records_per_read: 6, ..config() };
    let mut client = ModbusDtu::with_dialer(&config, dtu.clone());
    let PollError { error, partial } = client.poll().await.unwrap_err();
    assert!(matches!(error, DtuError::Timeout(_)), "{error}");
    assert_eq!(partial.port_count(), 6);
    assert_eq!(client.poll().await.unwrap().port_count(), 12);
    assert!(dtu.asked()[6..].iter().all(|asked| asked.count == 120 || asked.address == 0x2000));
}
