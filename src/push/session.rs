//! One open WebSocket: waits until the target accepts, sends it the newest snapshot, pings, and
//! notices when it is gone.
//!
//! Three rules decide on waits between attempts. A target has *accepted* when it says so, or says
//! nothing against it for a second. It has *refused* when it sends an `error` or closes before. An
//! update is *delivered* when the target answers a ping sent after it, or lives on for a second.

use std::borrow::Cow;
use std::convert::Infallible;
use std::future::{pending, ready};
use std::io;
use std::pin::pin;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::{consume_budget, unconstrained};
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout, timeout_at};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::{CapacityError, ProtocolError};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{Frame, Utf8Bytes};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::failure::Failure;
use crate::snapshot::{Snapshot, SnapshotReader};

/// The first message after the upgrade.
const PING: &str = r#"{"type":"ping"}"#;
/// A target that says nothing against it for so long has accepted.
const SILENCE_IS_CONSENT: Duration = Duration::from_secs(1);
/// An update is delivered if the connection lasts so long after it.
const LIFE_AFTER_UPDATE: Duration = Duration::from_secs(1);
/// How many heartbeats a target may be silent, or may read nothing. They are counted one by one: a
/// process that was stopped for minutes has missed one, and pings before it gives up.
const SILENT_HEARTBEATS: u32 = 2;
/// How long a goodbye may take.
const CLOSING: Duration = Duration::from_millis(800);
/// How long to look for the reason after a write failed.
const LAST_WORDS: Duration = Duration::from_millis(100);
/// The first messages of a target are logged, then each that doubles their number.
const LOGGED_AT_FIRST: u64 = 10;
/// A message is quoted up to this many characters.
const LONGEST_QUOTE: usize = 200;

type Writer<S> = SplitSink<WebSocketStream<S>, Message>;
type Reader<S> = SplitStream<WebSocketStream<S>>;

/// An open WebSocket whose target has accepted.
#[derive(Debug)]
pub struct Session<S> {
    writer: Writer<S>,
    reader: Reader<S>,
    is_welcomed: bool,
}

/// What happens in a session.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// An update is about to be sent.
    Sending(&'a Snapshot),
    /// It was sent.
    Sent,
    /// So many snapshots will not be sent, because newer ones came before they could be.
    Skipped(u64),
    /// The target sent a message. Not of each one.
    Message {
        /// Counted from 1.
        number: u64,
        /// How it begins.
        text: &'a str,
    },
}

/// How a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// Why; `None` after `stop`.
    pub failure: Option<Failure>,
    /// Whether an update was delivered.
    pub has_delivered: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Session<S> {
    /// Sends `ping` and waits until the target has accepted.
    pub async fn accept(socket: WebSocketStream<S>) -> Result<Self, Failure> {
        let (writer, reader) = socket.split();
        let mut session = Self { writer, reader, is_welcomed: false };
        let deadline = Instant::now() + SILENCE_IS_CONSENT;
        // A target that does not read holds even this message back.
        let greeted = timeout_at(deadline, session.writer.send(Message::text(PING))).await;
        // What the target sent explains more than the end of the connection.
        let answer = timeout_at(deadline, wait_for_word(&mut session.reader)).await.ok();
        match (greeted, answer) {
            (_, Some(Err(failure))) => {
                // The outcome of an attempt does not wait for the target's goodbye.
                drop(timeout(LAST_WORDS, session.say_goodbye(CloseCode::Normal, "")).await);
                Err(failure)
            }
            (Err(_), _) => Err(Failure::NotReading(SILENCE_IS_CONSENT)),
            (Ok(Err(error)), _) => Err(broken(error)),
            (Ok(Ok(())), answer) => Ok(Self { is_welcomed: answer.is_some(), ..session }),
        }
    }

    /// Whether the target accepted by its word rather than by its silence.
    pub const fn is_welcomed(&self) -> bool {
        self.is_welcomed
    }

    /// Sends the present snapshot and each newer one until the connection ends or `stop`.
    pub async fn run(
        &mut self,
        snapshots: SnapshotReader,
        heartbeat: Duration,
        on_event: &(impl Fn(Event<'_>) + Sync),
        stop: &CancellationToken,
    ) -> End {
        let delivery = Delivery::default();
        let sending = send_updates(&mut self.writer, snapshots, heartbeat, on_event, &delivery);
        // A flood that uses up the task's budget must not keep updates back.
        let sending = unconstrained(sending);
        let receiving = receive(&mut self.reader, heartbeat, on_event, &delivery);
        tokio::pin!(receiving);
        let failure = tokio::select! {
            // What the target says goes before what we want to say.
            biased;
            () = stop.cancelled() => None,
            failure = &mut receiving => Some(failure),
            failure = sending => match timeout(LAST_WORDS, receiving).await {
                Ok(said @ (Failure::Closed { .. } | Failure::TokenRefused(_) | Failure::OtherApi)) => {
                    Some(said)
                }
                Ok(_) | Err(_) => Some(failure),
            },
        };
        let has_delivered = delivery.is_done(failure.as_ref());
        End { failure, has_delivered }
    }

    /// Says goodbye, and waits a little for the answer.
    pub async fn close(&mut self, code: CloseCode, reason: &'static str) {
        let goodbye = async {
            self.say_goodbye(code, reason).await;
            while let Some(Ok(_)) = self.reader.next().await {
                consume_budget().await;
            }
        };
        drop(timeout(CLOSING, goodbye).await);
    }

    async fn say_goodbye(&mut self, code: CloseCode, reason: &'static str) {
        let frame = CloseFrame { code, reason: Utf8Bytes::from_static(reason) };
        // If the target has closed already, this fails, which is fine.
        drop(self.writer.send(Message::Close(Some(frame))).await);
    }
}

/// Whether an update was delivered. That it was written proves nothing: the system takes what it
/// can no longer bring to anybody.
#[derive(Debug, Default)]
struct Delivery {
    first_sent: OnceLock<Instant>,
    is_answered: AtomicBool,
}

impl Delivery {
    fn is_done(&self, ended: Option<&Failure>) -> bool {
        let Some(sent) = self.first_sent.get() else { return false };
        match ended {
            Some(Failure::TokenRefused(_) | Failure::OtherApi) => false,
            Some(Failure::Silent(_)) => self.is_answered.load(Relaxed),
            Some(_) | None => self.is_answered.load(Relaxed) || sent.elapsed() >= LIFE_AFTER_UPDATE,
        }
    }
}

/// Waits for the target's word: that it accepts, or that it refuses.
async fn wait_for_word<S>(reader: &mut Reader<S>) -> Result<(), Failure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut number = 0;
    loop {
        let message = received(reader.next().await)?;
        match Incoming::read(&message) {
            Incoming::Connected => return Ok(()),
            Incoming::Refused(failure) => return Err(failure),
            Incoming::Other(text) => {
                number += 1;
                if is_logged(number) {
                    debug!("[WebSocket] before accepting, the target said: {}", quoted(&text));
                }
            }
            Incoming::Control => {}
        }
        // Messages that are buffered already would keep this worker from other targets.
        consume_budget().await;
    }
}

async fn send_updates<S: AsyncRead + AsyncWrite + Unpin>(
    writer: &mut Writer<S>,
    mut snapshots: SnapshotReader,
    heartbeat: Duration,
    on_event: &impl Fn(Event<'_>),
    delivery: &Delivery,
) -> Failure {
    let mut ticks = interval_at(Instant::now() + heartbeat, heartbeat);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let first = snapshots.take_latest();
    let mut pending = Pending { seen: first.sequence(), newest: None };
    if first.is_something() {
        pending.newest = Some(first);
    }
    loop {
        if let Some(snapshot) = pending.newest.take() {
            on_event(Event::Sending(&snapshot));
            let text = OpCode::Data(Data::Text);
            let update = Message::Frame(Frame::message(snapshot.update_json(), text, true));
            let sent = tokio::select! {
                biased;
                sent = send(writer, update, heartbeat) => sent,
                never = pending.collect(&mut snapshots, on_event) => match never {},
            };
            if let Err(failure) = sent {
                return failure;
            }
            on_event(Event::Sent);
            if delivery.first_sent.set(Instant::now()).is_ok() {
                // The answer shows that the target reads.
                ticks.reset_immediately();
            }
        }
        tokio::select! {
            // A target that is always behind must still get its pings.
            biased;
            _ = ticks.tick() => {
                if let Err(failure) = send(writer, Message::Ping(Bytes::new()), heartbeat).await {
                    return failure;
                }
            }
            () = ready(()), if pending.newest.is_some() => {}
            newer = snapshots.next() => match newer {
                Some(snapshot) => pending.replace(snapshot, on_event),
                None => return Failure::Stopping,
            },
        }
    }
}

/// The newest snapshot that is not sent yet; older ones are skipped.
#[derive(Debug)]
struct Pending {
    newest: Option<Arc<Snapshot>>,
    /// The number of the last snapshot, sent or not.
    seen: u64,
}

impl Pending {
    fn replace(&mut self, newer: Arc<Snapshot>, on_event: &impl Fn(Event<'_>)) {
        let between = newer.sequence().saturating_sub(self.seen).saturating_sub(1);
        self.seen = newer.sequence();
        let replaced = self.newest.replace(newer);
        let skipped = between.saturating_add(u64::from(replaced.is_some()));
        if skipped > 0 {
            on_event(Event::Skipped(skipped));
        }
    }

    /// Takes new snapshots while an older one is being sent.
    async fn collect(
        &mut self,
        snapshots: &mut SnapshotReader,
        on_event: &impl Fn(Event<'_>),
    ) -> Infallible {
        while let Some(newer) = snapshots.next().await {
            self.replace(newer, on_event);
        }
        // The bridge stops; that is for whoever waits for the next snapshot.
        pending().await
    }
}

/// Gives up on a target that reads nothing for two heartbeats, however much it says itself.
async fn send<S: AsyncRead + AsyncWrite + Unpin>(
    writer: &mut Writer<S>,
    message: Message,
    heartbeat: Duration,
) -> Result<(), Failure> {
    let mut sending = pin!(writer.send(message));
    for _ in 0..SILENT_HEARTBEATS {
        if let Ok(sent) = timeout(heartbeat, &mut sending).await {
            return sent.map_err(broken);
        }
    }
    Err(Failure::NotReading(heartbeat.saturating_mul(SILENT_HEARTBEATS)))
}

/// Reads all that comes, which is also what answers the target's pings, until the connection ends
/// or nothing has come for two heartbeats.
async fn receive<S: AsyncRead + AsyncWrite + Unpin>(
    reader: &mut Reader<S>,
    heartbeat: Duration,
    on_event: &impl Fn(Event<'_>),
    delivery: &Delivery,
) -> Failure {
    let mut number = 0;
    let mut objection = None;
    let mut silent_heartbeats = 0;
    loop {
        let Ok(next) = timeout(heartbeat, reader.next()).await else {
            silent_heartbeats += 1;
            if silent_heartbeats == SILENT_HEARTBEATS {
                return Failure::Silent(heartbeat.saturating_mul(SILENT_HEARTBEATS));
            }
            continue;
        };
        silent_heartbeats = 0;
        let message = match received(next) {
            Ok(message) => message,
            // Some targets take longer than a second to find out that they refuse.
            Err(closed @ Failure::Closed { .. }) => {
                return objection.unwrap_or(closed);
            }
            Err(failure) => return failure,
        };
        if message.is_pong() && delivery.first_sent.get().is_some() {
            delivery.is_answered.store(true, Relaxed);
        }
        let incoming = Incoming::read(&message);
        if !matches!(incoming, Incoming::Control) {
            number += 1;
            if is_logged(number) {
                on_event(Event::Message { number, text: &quoted(&text_of(&message)) });
            }
        }
        if let Incoming::Refused(failure) = incoming {
            objection = Some(failure);
        }
        consume_budget().await;
    }
}

const fn is_logged(number: u64) -> bool {
    number <= LOGGED_AT_FIRST || number.is_power_of_two()
}

/// What a message means.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Incoming<'a> {
    /// The target accepts.
    Connected,
    /// It refuses.
    Refused(Failure),
    /// Anything else it says.
    Other(Cow<'a, str>),
    /// A ping or a pong.
    Control,
}

impl<'a> Incoming<'a> {
    fn read(message: &'a Message) -> Self {
        if message.is_ping() || message.is_pong() {
            return Self::Control;
        }
        let text = text_of(message);
        let Ok(Value::Object(object)) = serde_json::from_str::<Value>(&text) else {
            return Self::Other(text);
        };
        if let Some(error) = object.get("error").filter(|error| !error.is_null()) {
            let words = error.as_str().map_or_else(|| error.to_string(), str::to_owned);
            return Self::Refused(Failure::TokenRefused(quoted(&words)));
        }
        match object.get("type").and_then(Value::as_str) {
            Some("connected") => Self::Connected,
            Some("auth_required") => Self::Refused(Failure::OtherApi),
            Some(_) | None => Self::Other(text),
        }
    }
}

fn text_of(message: &Message) -> Cow<'_, str> {
    match message {
        Message::Text(text) => Cow::Borrowed(text.as_str()),
        Message::Binary(bytes) => Cow::Owned(format!("{} bytes of binary data", bytes.len())),
        Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_) => {
            Cow::Borrowed("")
        }
    }
}

/// The beginning of what a target said, fit for a log line.
fn quoted(words: &str) -> String {
    let printable = words.chars().map(|char| if char.is_control() { ' ' } else { char });
    let mut quoted: String = printable.take(LONGEST_QUOTE).collect();
    if words.chars().nth(LONGEST_QUOTE).is_some() {
        quoted.push_str("...");
    }
    quoted
}

/// What was received, or why nothing more will be.
fn received(next: Option<Result<Message, Error>>) -> Result<Message, Failure> {
    match next {
        Some(Ok(Message::Close(None))) => {
            Err(Failure::Closed { code: 1005, reason: String::new() })
        }
        Some(Ok(Message::Close(Some(frame)))) => {
            Err(Failure::Closed { code: frame.code.into(), reason: quoted(&frame.reason) })
        }
        Some(Ok(message)) => Ok(message),
        Some(Err(error)) => Err(broken(error)),
        None => Err(Failure::Broken("the target closed it".to_owned())),
    }
}

/// Why nothing more can be sent or received.
#[expect(clippy::wildcard_enum_match_arm, reason = "the list is another's, and open")]
fn broken(error: Error) -> Failure {
    match error {
        Error::Capacity(CapacityError::MessageTooLong { max_size, .. }) => {
            Failure::TooBig(max_size)
        }
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)
        | Error::ConnectionClosed
        | Error::AlreadyClosed => Failure::Broken("the target closed it".to_owned()),
        Error::Io(error)
            if matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe) =>
        {
            Failure::Broken("the target closed it".to_owned())
        }
        Error::Io(error) => Failure::Broken(error.to_string()),
        Error::WriteBufferFull(_) => Failure::Broken("the target reads too slowly".to_owned()),
        Error::Utf8(_) => Failure::Protocol("a text message that is not UTF-8".to_owned()),
        Error::Protocol(error) => Failure::Protocol(error.to_string()),
        other => Failure::Protocol(other.to_string()),
    }
}
