//! Faults in the middle of a poll.

use std::time::Duration;

use super::{ALL, dtu, plant, poll, ports};
use crate::config::{DtuConfig, RecordsPerRead};
use crate::dtu::modbus::ModbusDtu;
use crate::dtu::modbus::fake::{Answer, Asked, FakeDtu, answer_to, bytes, config, record};
use crate::dtu::{Dtu, PollError};
use crate::plant::reading::DtuReading;

/// Polls a DTU with `fault` once, at the third record.
async fn poll_with_fault_once(fault: impl Fn(Asked) -> Answer + Send + 'static) -> FakeDtu {
    let dtu = dtu(plant(), move |asked| (asked.number == 2).then(|| fault(asked)));
    let reading = poll(&config(), &dtu).await.unwrap();
    assert_eq!(ports(&reading), ALL);
    assert_eq!(reading.dtu_serial.unwrap().to_string(), "10F8A0000001");
    dtu
}

#[tokio::test(start_paused = true)]
async fn resumes_on_a_new_connection() {
    let answers: [fn(Asked) -> Answer; 6] = [
        |_| Answer::Silence,
        |_| Answer::HangUp(Vec::new()),
        |asked| Answer::HangUp(answer_to(asked.transaction, &[0; 40])[..20].to_vec()),
        |_| Answer::Raw(b"HTTP/1.1 400 Bad Request".to_vec()),
        |asked| Answer::Raw(answer_to(asked.transaction - 1, &bytes(&record(9, 9)))),
        |asked| Answer::Late(Duration::from_secs(4), answer_to(asked.transaction, &[])),
    ];
    for fault in answers {
        let dtu = poll_with_fault_once(fault).await;
        let again: Vec<_> = dtu.addresses()[1..4].to_vec();
        assert_eq!(again, [(1, 0x1028), (1, 0x1050), (2, 0x1050)]);
    }
}

#[tokio::test(start_paused = true)]
async fn late_answer_is_never_taken_for_the_next_one() {
    // It comes during the retry, and during the request for the next record.
    for delay in [3100, 3200, 3300, 5900] {
        let dtu = dtu(plant(), move |asked| match asked.number {
            2 => Some(Answer::Late(Duration::from_millis(delay), bytes(&record(9, 9)))),
            3 => Some(Answer::Late(Duration::from_secs(1), bytes(&plant()[2]))),
            _ => None,
        });
        assert_eq!(ports(&poll(&config(), &dtu).await.unwrap()), ALL, "after {delay} ms");
        assert!(dtu.asked()[3..].iter().all(|asked| asked.connection == 2), "after {delay} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn abandoned_poll_drops_its_connection() {
    let dtu = dtu(plant(), |asked| {
        (asked.number == 1).then(|| Answer::Late(Duration::from_secs(2), bytes(&record(9, 9))))
    });
    let mut client = ModbusDtu::with_dialer(&config(), dtu.clone());
    assert!(tokio::time::timeout(Duration::from_secs(1), client.poll()).await.is_err());
    assert_eq!(ports(&client.poll().await.unwrap()), ALL);
    assert!(dtu.asked()[2..].iter().all(|asked| asked.connection == 2));
}

#[tokio::test(start_paused = true)]
async fn retries_exceptions_and_unusable_answers_on_the_same_connection() {
    let answers: [fn(Asked) -> Answer; 3] =
        [|_| Answer::Exception(1), |_| Answer::Data(Vec::new()), |_| Answer::Data(vec![0; 20])];
    for fault in answers {
        let dtu = poll_with_fault_once(fault).await;
        assert_eq!(dtu.addresses()[2..4], [(1, 0x1050), (1, 0x1050)]);
    }
}

#[tokio::test(start_paused = true)]
async fn cuts_off_excess_data() {
    let dtu =
        dtu(plant(), |asked| Some(Answer::Data([asked.data(&plant()), vec![0xee; 40]].concat())));
    assert_eq!(ports(&poll(&config(), &dtu).await.unwrap()), ALL);
}

#[track_caller]
fn check_failure(outcome: Result<DtuReading, PollError>, text: &str) {
    let PollError { error, partial } = outcome.unwrap_err();
    assert!(error.to_string().contains(text), "{error}");
    assert_eq!(ports(&partial), []);
}

#[tokio::test(start_paused = true)]
async fn empty_first_answer_is_not_an_empty_plant() {
    let answers: [fn(Asked) -> Answer; 2] = [
        |_| Answer::Data(Vec::new()),
        |asked| {
            let [high, low] = asked.transaction.to_be_bytes();
            Answer::Raw(vec![high, low, 0, 0, 0, 2, 1, 3])
        },
    ];
    for answer in answers {
        for records_per_read in [1, 6] {
            let config = DtuConfig {
                records_per_read: RecordsPerRead::Number(records_per_read),
                ..config()
            };
            let dtu = dtu(plant(), move |asked| (asked.address == 0x1000).then(|| answer(asked)));
            check_failure(poll(&config, &dtu).await, "not mapped its inverters yet");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn error_says_why_an_answer_is_invalid() {
    type Fault = fn(Asked) -> Answer;
    let answers: [(Fault, &str); 3] = [
        (
            |asked| {
                let mut answer = answer_to(asked.transaction, &bytes(&record(9, 9)));
                answer[6] = 2;
                Answer::Raw(answer)
            },
            "the DTU sent a malformed answer: it answers as unit 2, not 1; set `unit_id` to the number \
             that answers",
        ),
        (
            |asked| Answer::Raw(answer_to(asked.transaction ^ 1, &bytes(&record(9, 9)))),
            "the DTU sent a malformed answer: it is the answer to another request; if this \
             repeats, set a longer `timeout` and stop other programs that read the DTU",
        ),
        (
            |asked| {
                Answer::Raw([&asked.transaction.to_be_bytes()[..], &[0, 0, 0, 3, 1, 4, 0]].concat())
            },
            "the DTU sent a malformed answer: it answers function 3 with function 4; check that `host` \
             and `port` are those of a DTU-Pro; other models need protocol = \"protobuf\"",
        ),
    ];
    for (fault, text) in answers {
        let dtu = dtu(plant(), move |asked| Some(fault(asked)));
        let PollError { error, .. } = poll(&config(), &dtu).await.unwrap_err();
        assert_eq!(error.to_string(), text);
    }
}
