//! One open WebSocket: is it accepted, send the newest, ping, notice silence.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout, timeout_at};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::{CapacityError, ProtocolError};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::Utf8Bytes;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::failure::Failure;
use super::message::{Incoming, PING, quoted};
use crate::snapshot::{Snapshot, SnapshotReader};

/// A target that says nothing against us for so long has accepted.
const SILENCE_IS_CONSENT: Duration = Duration::from_secs(1);
/// How long saying good-bye may take.
const CLOSING: Duration = Duration::from_millis(800);
/// So many strange messages of one connection are logged; then each that doubles their number.
const TOLD_AT_FIRST: u64 = 10;

/// An open WebSocket that has not been refused.
#[derive(Debug)]
pub struct Session<S> {
    writer: SplitSink<WebSocketStream<S>, Message>,
    reader: SplitStream<WebSocketStream<S>>,
    is_welcomed: bool,
}

/// Who is told of the updates that a session sends.
pub trait Tell: Send {
    /// An update is about to be sent.
    fn sending(&mut self, snapshot: &Snapshot);
    /// It was sent; so many before it were passed over.
    fn sent(&mut self, skipped: u64);
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Session<S> {
    /// Says `ping` and waits until the target has accepted: by its word, or by a second of silence.
    pub async fn accept(socket: WebSocketStream<S>, limit: Duration) -> Result<Self, Failure> {
        let (writer, reader) = socket.split();
        let mut session = Self { writer, reader, is_welcomed: false };
        let consent = Instant::now() + SILENCE_IS_CONSENT;
        // A target that does not read would hold even this message back.
        match timeout(limit, session.writer.send(Message::text(PING))).await {
            Ok(Ok(())) => {}
            // What the target said before it hung up is more telling than that it did.
            Ok(Err(error)) => {
                let said = timeout_at(consent, session.consent()).await;
                return Err(said.ok().and_then(Result::err).unwrap_or_else(|| broken(error)));
            }
            Err(_) => return Err(Failure::Silent(limit)),
        }
        match timeout_at(consent, session.consent()).await {
            Ok(Ok(())) => {
                session.is_welcomed = true;
                Ok(session)
            }
            Err(_) => Ok(session),
            Ok(Err(failure)) => {
                session.close(CloseCode::Normal, "").await;
                Err(failure)
            }
        }
    }

    /// Whether it accepted in words, rather than by its silence.
    pub const fn is_welcomed(&self) -> bool {
        self.is_welcomed
    }

    async fn consent(&mut self) -> Result<(), Failure> {
        loop {
            let message = received(self.reader.next().await)?;
            let text = text_of(&message);
            match Incoming::read(&text) {
                Incoming::Connected => return Ok(()),
                Incoming::Refused(words) => return Err(Failure::TokenRefused(words)),
                Incoming::Other => {
                    debug!("[WebSocket] before accepting, the target said: {}", quoted(&text));
                }
            }
        }
    }

    /// Sends the present snapshot and each newer one until the connection ends or `stop`.
    pub async fn run(
        &mut self,
        mut snapshots: SnapshotReader,
        heartbeat: Duration,
        tell: &mut impl Tell,
        stop: &CancellationToken,
    ) -> Option<Failure> {
        let sending = send_updates(&mut self.writer, &mut snapshots, heartbeat, tell);
        let listening = listen(&mut self.reader, heartbeat.saturating_mul(2));
        tokio::select! {
            () = stop.cancelled() => None,
            failure = listening => Some(failure),
            failure = sending => Some(failure),
        }
    }

    /// Says good-bye, and waits a little for the answer.
    pub async fn close(&mut self, code: CloseCode, reason: &'static str) {
        let frame = CloseFrame { code, reason: Utf8Bytes::from_static(reason) };
        let good_bye = async {
            // A connection that the target closed already answers with an error, which is fine.
            drop(self.writer.send(Message::Close(Some(frame))).await);
            while let Some(Ok(_)) = self.reader.next().await {}
        };
        drop(timeout(CLOSING, good_bye).await);
    }
}

async fn send_updates<S: AsyncRead + AsyncWrite + Unpin>(
    writer: &mut SplitSink<WebSocketStream<S>, Message>,
    snapshots: &mut SnapshotReader,
    heartbeat: Duration,
    tell: &mut impl Tell,
) -> Failure {
    let mut ticks = interval_at(Instant::now() + heartbeat, heartbeat);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let first = snapshots.take_latest();
    let mut last = first.sequence;
    let mut next = first.is_something().then_some(first);
    loop {
        if let Some(snapshot) = next.take() {
            tell.sending(&snapshot);
            let Ok(text) = Utf8Bytes::try_from(Bytes::clone(&snapshot.update_json)) else {
                return Failure::Protocol("the update is not UTF-8".to_owned());
            };
            if let Err(error) = writer.send(Message::Text(text)).await {
                return broken(error);
            }
            tell.sent(snapshot.sequence.saturating_sub(last).saturating_sub(1));
            last = snapshot.sequence;
        }
        tokio::select! {
            newer = snapshots.next() => match newer {
                Some(snapshot) => next = Some(snapshot),
                None => return Failure::Stopping,
            },
            _ = ticks.tick() => {
                if let Err(error) = writer.send(Message::Ping(Bytes::new())).await {
                    return broken(error);
                }
            }
        }
    }
}

/// Reads all that comes, which is also what answers the target's pings, until the connection ends
/// or nothing has come for `silence`.
async fn listen<S: AsyncRead + AsyncWrite + Unpin>(
    reader: &mut SplitStream<WebSocketStream<S>>,
    silence: Duration,
) -> Failure {
    let mut strange = 0_u64;
    loop {
        let Ok(next) = timeout(silence, reader.next()).await else {
            return Failure::Silent(silence);
        };
        let message = match received(next) {
            Ok(message) => message,
            Err(failure) => return failure,
        };
        if matches!(message, Message::Text(_) | Message::Binary(_)) {
            strange = strange.saturating_add(1);
            if strange <= TOLD_AT_FIRST || strange.is_power_of_two() {
                debug!(
                    "[WebSocket] message {strange} of the target: {}",
                    quoted(&text_of(&message))
                );
            }
        }
        // A flood of small frames out of one buffer would otherwise keep this worker for itself.
        tokio::task::consume_budget().await;
    }
}

fn received(next: Option<Result<Message, Error>>) -> Result<Message, Failure> {
    match next {
        Some(Ok(Message::Close(frame))) => Err(closed(frame)),
        Some(Ok(message)) => Ok(message),
        Some(Err(error)) => Err(broken(error)),
        None => Err(Failure::Broken("the target hung up".to_owned())),
    }
}

fn closed(frame: Option<CloseFrame>) -> Failure {
    match frame {
        Some(frame) => Failure::Closed { code: frame.code.into(), reason: quoted(&frame.reason) },
        None => Failure::Closed { code: 1005, reason: String::new() },
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the list is another's, and open")]
fn broken(error: Error) -> Failure {
    match error {
        Error::Capacity(CapacityError::MessageTooLong { max_size, .. }) => {
            Failure::TooBig(max_size)
        }
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)
        | Error::ConnectionClosed
        | Error::AlreadyClosed => Failure::Broken("the target hung up".to_owned()),
        Error::Io(error) => Failure::Broken(error.to_string()),
        Error::Utf8(_) => Failure::Protocol("a text message that is not UTF-8".to_owned()),
        other => Failure::Protocol(other.to_string()),
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
