//! Sessions over in-memory streams, in paused time.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use jiff::Timestamp;
use tokio::io::{DuplexStream, duplex};
use tokio::time::{Instant, sleep};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_util::sync::CancellationToken;

use super::failure::Failure;
use super::session::{Event, Session};
use crate::snapshot::{self, Contents, Snapshot, SnapshotReader, SnapshotWriter};

type Stream = WebSocketStream<DuplexStream>;
const HEARTBEAT: Duration = Duration::from_secs(30);

/// Our end and the target's, with a buffer of this many bytes.
async fn pair(on_the_way: usize) -> (Stream, Stream) {
    let (near, far) = duplex(on_the_way);
    (
        WebSocketStream::from_raw_socket(near, Role::Client, None).await,
        WebSocketStream::from_raw_socket(far, Role::Server, None).await,
    )
}

/// A snapshot whose update is `text`.
fn snapshot(text: &str) -> Snapshot {
    let contents = Contents::empty(Timestamp::UNIX_EPOCH);
    Snapshot::new(contents).with_update_json(Bytes::from(text.to_owned()))
}

fn snapshots() -> (SnapshotWriter, SnapshotReader) {
    snapshot::channel(snapshot("never read"))
}

#[derive(Debug, Default)]
struct Counted {
    sent: AtomicU64,
    skipped: AtomicU64,
}

impl Counted {
    fn count(&self, event: Event<'_>) {
        match event {
            Event::Sent => drop(self.sent.fetch_add(1, Relaxed)),
            Event::Skipped(count) => drop(self.skipped.fetch_add(count, Relaxed)),
            Event::Sending(_) | Event::Message { .. } => {}
        }
    }
}

fn ignore(_event: Event<'_>) {}

async fn text(far: &mut Stream) -> String {
    loop {
        match far.next().await.unwrap().unwrap() {
            Message::Text(text) => return text.to_string(),
            Message::Ping(_) | Message::Pong(_) => {}
            other @ (Message::Binary(_) | Message::Close(_) | Message::Frame(_)) => {
                panic!("{other:?}")
            }
        }
    }
}

/// Whether and when a target that sends these messages has accepted.
async fn accepted(words: &[&str], closes: bool) -> (Result<(), Failure>, Duration) {
    let (near, mut far) = pair(4_096).await;
    let began = Instant::now();
    let target = async {
        assert_eq!(text(&mut far).await, r#"{"type":"ping"}"#);
        for words in words {
            far.send(Message::text(*words)).await.unwrap();
        }
        if closes {
            far.close(None).await.unwrap();
        }
        while let Some(Ok(_)) = far.next().await {}
    };
    let attempt = async {
        let outcome = Session::accept(near).await.map(drop);
        (outcome, began.elapsed())
    };
    tokio::join!(attempt, target).0
}

#[tokio::test(start_paused = true)]
async fn a_target_accepts_with_a_message_or_after_a_second_without_one() {
    let (outcome, after) = accepted(&[r#"{"type":"connected","status":"ready"}"#], false).await;
    assert_eq!((outcome, after), (Ok(()), Duration::ZERO));
    let (outcome, after) = accepted(&["hello", r#"{"type":"welcome"}"#], false).await;
    assert_eq!((outcome, after), (Ok(()), Duration::from_secs(1)));
}

#[tokio::test(start_paused = true)]
async fn a_target_refuses_with_a_message_or_by_disconnecting() {
    let (outcome, _) = accepted(&[r#"{"error": "Invalid authentication token"}"#], true).await;
    assert_eq!(outcome, Err(Failure::TokenRefused("Invalid authentication token".to_owned())));
    let (outcome, _) = accepted(&[r#"{"error": "no"}"#], false).await;
    assert_eq!(outcome, Err(Failure::TokenRefused("no".to_owned())));
    for (words, expected) in [
        (r#"{"error": {"code": 7}}"#, Err(r#"{"code":7}"#)),
        (r#"{"error": "two\nlines"}"#, Err("two lines")),
        (r#"{"type": "connected", "error": null}"#, Ok(())),
        (r#"{"type": 7}"#, Ok(())),
        ("[]", Ok(())),
        ("", Ok(())),
    ] {
        let (outcome, _) = accepted(&[words], false).await;
        let expected = expected.map_err(|words: &str| Failure::TokenRefused(words.to_owned()));
        assert_eq!(outcome, expected, "{words}");
    }
    let (outcome, _) = accepted(&[], true).await;
    assert_eq!(outcome, Err(Failure::Closed { code: 1005, reason: String::new() }));
}

#[tokio::test(start_paused = true)]
async fn a_target_that_does_not_read_the_ping_is_disconnected_in_time() {
    let (near, _far) = pair(1).await;
    let outcome = Session::accept(near).await.map(drop);
    assert_eq!(outcome, Err(Failure::NotReading(Duration::from_secs(1))));
}

/// An accepted session, its target's end, and the writer of its snapshots.
async fn open(
    on_the_way: usize,
) -> (Session<DuplexStream>, Stream, SnapshotWriter, SnapshotReader) {
    let (near, mut far) = pair(on_the_way).await;
    let greeting = async {
        text(&mut far).await;
        far.send(Message::text(r#"{"type":"connected"}"#)).await.unwrap();
    };
    let (session, ()) = tokio::join!(Session::accept(near), greeting);
    let (writer, reader) = snapshots();
    (session.unwrap(), far, writer, reader)
}

#[tokio::test(start_paused = true)]
async fn a_slow_target_gets_the_newest_update_and_missed_ones_are_counted() {
    let (mut session, mut far, writer, reader) = open(64).await;
    let (counted, stop) = (Counted::default(), CancellationToken::new());
    let target = async {
        sleep(Duration::from_secs(1)).await;
        writer.publish(snapshot(&"1".repeat(1_000)));
        // The first fills the buffer; the others are published while it is being sent.
        sleep(Duration::from_secs(1)).await;
        for number in 2..=5 {
            writer.publish(snapshot(&number.to_string().repeat(1_000)));
            sleep(Duration::from_secs(1)).await;
        }
        let skipped = counted.skipped.load(Relaxed);
        assert_eq!(skipped, 3, "counted before the target reads again");
        assert_eq!(text(&mut far).await, "1".repeat(1_000));
        assert_eq!(text(&mut far).await, "5".repeat(1_000));
        stop.cancel();
    };
    let count = |event: Event<'_>| counted.count(event);
    let (end, ()) = tokio::join!(session.run(reader, HEARTBEAT, &count, &stop), target);
    assert_eq!(end.failure, None);
    assert_eq!((counted.sent.into_inner(), counted.skipped.into_inner()), (2, 3));
}

#[tokio::test(start_paused = true)]
async fn a_target_that_does_not_answer_pings_is_disconnected() {
    let (mut session, mut far, _writer, reader) = open(4_096).await;
    let stop = CancellationToken::new();
    let began = Instant::now();
    let running = session.run(reader, HEARTBEAT, &ignore, &stop);
    let target = async {
        // Reading is what answers pings; an hour of it.
        let hour = async { while let Some(Ok(_)) = far.next().await {} };
        drop(tokio::time::timeout(Duration::from_secs(3_600), hour).await);
        far
    };
    let (end, _far) = tokio::join!(running, target);
    assert_eq!(end.failure, Some(Failure::Silent(HEARTBEAT * 2)));
    assert!((3_600..=3_660).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
}

/// Whether the update of a session counts as delivered, if the target ends it after so many
/// milliseconds, reading or not.
async fn is_delivered(millis: u64, reads: bool, close: Message) -> bool {
    let (mut session, mut far, writer, reader) = open(4_096).await;
    let stop = CancellationToken::new();
    let target = async {
        let lasting = Duration::from_millis(millis);
        sleep(Duration::from_secs(5)).await;
        writer.publish(snapshot("an update"));
        if reads {
            assert_eq!(text(&mut far).await, "an update");
            // The ping behind it is answered.
            assert!(far.next().await.unwrap().unwrap().is_ping());
            far.flush().await.unwrap();
        } else {
            sleep(lasting).await;
        }
        far.send(close).await.unwrap();
        far
    };
    let (end, _far) = tokio::join!(session.run(reader, HEARTBEAT, &ignore, &stop), target);
    assert!(end.failure.is_some());
    end.has_delivered
}

#[tokio::test(start_paused = true)]
async fn an_update_is_delivered_if_a_ping_is_answered_or_the_connection_lasts_for_a_second() {
    let bye = || Message::Close(None);
    assert!(is_delivered(0, true, bye()).await);
    assert!(!is_delivered(900, false, bye()).await);
    assert!(is_delivered(1_100, false, bye()).await);
}

#[tokio::test(start_paused = true)]
async fn a_target_that_sends_but_does_not_read_is_disconnected() {
    let (mut session, far, writer, reader) = open(1_024).await;
    let (mut talking, _unread) = far.split();
    let stop = CancellationToken::new();
    let running = session.run(reader, HEARTBEAT, &ignore, &stop);
    let target = async {
        loop {
            sleep(Duration::from_secs(1)).await;
            talking.send(Message::text("all is well")).await.unwrap();
            writer.publish(snapshot(&"1".repeat(1_000)));
        }
    };
    let ended = tokio::select! {
        end = running => end.failure,
        () = target => None,
    };
    assert_eq!(ended, Some(Failure::NotReading(HEARTBEAT * 2)));
}

#[tokio::test(start_paused = true)]
async fn protocol_errors_of_a_target_are_named() {
    for (message, expected) in [
        (
            Message::Close(Some(tokio_tungstenite::tungstenite::protocol::CloseFrame {
                code: CloseCode::Away,
                reason: "restart".into(),
            })),
            Some(Failure::Closed { code: 1001, reason: "restart".to_owned() }),
        ),
        (Message::text("not JSON"), None),
        (Message::binary(vec![0, 159]), None),
        (Message::text(r#"{"error": "not now"}"#), None),
    ] {
        let (mut session, mut far, _writer, reader) = open(4_096).await;
        let stop = CancellationToken::new();
        let running = session.run(reader, HEARTBEAT, &ignore, &stop);
        let target = async {
            far.send(message.clone()).await.unwrap();
            sleep(Duration::from_secs(1)).await;
            stop.cancel();
        };
        let (end, ()) = tokio::join!(running, target);
        assert_eq!(end.failure, expected, "{message:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn closes_with_a_code_within_the_time_limit() {
    let (mut session, mut far, _writer, _reader) = open(4_096).await;
    let target = async {
        let message = far.next().await.unwrap().unwrap();
        let Message::Close(Some(frame)) = message else { panic!("{message:?}") };
        (frame.code, frame.reason.to_string())
    };
    let began = Instant::now();
    let ((), received) = tokio::join!(session.close(CloseCode::Away, "the bridge stops"), target);
    assert_eq!(received, (CloseCode::Away, "the bridge stops".to_owned()));
    assert!(began.elapsed() < Duration::from_secs(1));
}
