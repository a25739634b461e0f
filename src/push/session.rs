//! One open WebSocket: is it accepted, send the newest, ping, notice silence.

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::consume_budget;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, timeout, timeout_at};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::Utf8Bytes;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::ended::{broken, received};
use super::failure::Failure;
use super::hearing::{Hearing, text_of};
use super::message::{Incoming, PING, quoted};
use super::outlet::{Outlet, Update};
use super::overheard::Overheard;
use crate::snapshot::{Snapshot, SnapshotReader};

/// A target that says nothing against us for so long has accepted.
const SILENCE_IS_CONSENT: Duration = Duration::from_secs(1);
/// How long saying good-bye may take.
const CLOSING: Duration = Duration::from_millis(800);
/// Time for a target that accepts and hangs up at once to do so, before it is given an update: one
/// that it never reads must not count as delivered.
const SETTLING: Duration = Duration::from_millis(100);
/// What the target said before a write failed may still tell why; and who refused us is told
/// good-bye, but not waited for.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// The half of a WebSocket that sends.
type Writer<S> = SplitSink<WebSocketStream<Outlet<S>>, Message>;

/// An open WebSocket that has not been refused.
#[derive(Debug)]
pub struct Session<S> {
    writer: Writer<S>,
    reader: SplitStream<WebSocketStream<Outlet<S>>>,
    update: Update,
    overheard: Overheard,
    is_welcomed: bool,
}

/// Who is told of what happens in a session.
pub trait Tell: Send + Sync {
    /// An update is about to be sent.
    fn sending(&self, snapshot: &Snapshot);
    /// It was sent; so many before it were passed over.
    fn sent(&self, skipped: u64);
    /// The target answered a ping.
    fn answered(&self);
    /// The target sent its `number`th message, of which this is the beginning. Not of each.
    fn said(&self, number: u64, words: &str);
    /// The target sends more than can be of use; it is read slowly from now on.
    fn floods(&self);
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Session<S> {
    /// Says `ping` and waits until the target has accepted: by its word, or by a second of silence.
    pub async fn accept(
        socket: WebSocketStream<Outlet<S>>,
        limit: Duration,
    ) -> Result<Self, Failure> {
        let (update, overheard) = (socket.get_ref().update(), socket.get_ref().overheard());
        let (writer, reader) = socket.split();
        let mut session = Self { writer, reader, update, overheard, is_welcomed: false };
        let began = Instant::now();
        let (consent, patience) = (began + SILENCE_IS_CONSENT, limit.min(SILENCE_IS_CONSENT));
        // A target that does not read would hold even this message back.
        match timeout(patience, session.writer.send(Message::text(PING))).await {
            Ok(Ok(())) => {}
            // What the target said before it hung up is more telling than that it did.
            Ok(Err(error)) => {
                let said = timeout_at(consent, session.consent()).await;
                return Err(said.ok().and_then(Result::err).unwrap_or_else(|| broken(error)));
            }
            Err(_) => return Err(Failure::NotReading(patience)),
        }
        match timeout_at(consent, session.consent()).await {
            Ok(Ok(())) => {
                session.is_welcomed = true;
                Ok(session)
            }
            Err(_) => Ok(session),
            Ok(Err(failure)) => {
                // The outcome of an attempt does not wait for the answer of who refused it.
                drop(timeout(LAST_WORDS, session.say_good_bye(CloseCode::Normal, "")).await);
                Err(failure)
            }
        }
    }

    /// Whether it accepted in words, rather than by its silence.
    pub const fn is_welcomed(&self) -> bool {
        self.is_welcomed
    }

    async fn consent(&mut self) -> Result<(), Failure> {
        let mut hearing = Hearing::default();
        loop {
            let message = received(self.reader.next().await, &self.overheard)?;
            let text = text_of(&message);
            match Incoming::read(&text) {
                Incoming::Connected => return Ok(()),
                Incoming::Refused(words) => return Err(Failure::TokenRefused(words)),
                Incoming::Other => {
                    if hearing.is_worth_telling(&message).is_some() {
                        debug!("[WebSocket] before accepting, the target said: {}", quoted(&text));
                    }
                }
            }
            // Messages out of one buffer would otherwise keep this worker for themselves.
            consume_budget().await;
        }
    }

    /// Sends the present snapshot and each newer one until the connection ends or `stop`.
    pub async fn run(
        &mut self,
        mut snapshots: SnapshotReader,
        heartbeat: Duration,
        tell: &impl Tell,
        stop: &CancellationToken,
    ) -> Option<Failure> {
        let patience = heartbeat.saturating_mul(2);
        let sending = send_updates(&mut self.writer, &self.update, &mut snapshots, heartbeat, tell);
        let listening = listen(&mut self.reader, &self.overheard, patience, tell);
        tokio::pin!(listening);
        tokio::select! {
            // What the target says goes before what we wanted to tell it.
            biased;
            () = stop.cancelled() => None,
            failure = &mut listening => Some(failure),
            failure = sending => match timeout(LAST_WORDS, listening).await {
                Ok(closed @ (Failure::Closed { .. } | Failure::TokenRefused(_))) => Some(closed),
                Ok(_) | Err(_) => Some(failure),
            },
        }
    }

    /// Says good-bye, and waits a little for the answer.
    pub async fn close(&mut self, code: CloseCode, reason: &'static str) {
        let good_bye = async {
            self.say_good_bye(code, reason).await;
            while let Some(Ok(_)) = self.reader.next().await {
                // A flood would otherwise keep this worker for as long as it may last.
                consume_budget().await;
            }
        };
        drop(timeout(CLOSING, good_bye).await);
    }

    async fn say_good_bye(&mut self, code: CloseCode, reason: &'static str) {
        let frame = CloseFrame { code, reason: Utf8Bytes::from_static(reason) };
        // A connection that the target closed already answers with an error, which is fine.
        drop(self.writer.send(Message::Close(Some(frame))).await);
    }
}

async fn send_updates<S: AsyncRead + AsyncWrite + Unpin>(
    writer: &mut Writer<S>,
    update: &Update,
    snapshots: &mut SnapshotReader,
    heartbeat: Duration,
    tell: &impl Tell,
) -> Failure {
    let patience = heartbeat.saturating_mul(2);
    let mut ticks = interval_at(Instant::now() + heartbeat, heartbeat);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    sleep(SETTLING).await;
    let first = snapshots.take_latest();
    let mut last = first.sequence();
    let mut next = first.is_something().then_some(first);
    let mut is_asked = false;
    loop {
        if let Some(snapshot) = next.take() {
            tell.sending(&snapshot);
            let sending = update.send(writer, snapshot.update_json());
            if let Err(failure) = within(patience, sending).await {
                return failure;
            }
            tell.sent(snapshot.sequence().saturating_sub(last).saturating_sub(1));
            last = snapshot.sequence();
            if !is_asked {
                // The answer shows that the target reads.
                is_asked = true;
                ticks.reset_immediately();
            }
        }
        tokio::select! {
            newer = snapshots.next() => match newer {
                Some(snapshot) => next = Some(snapshot),
                None => return Failure::Stopping,
            },
            _ = ticks.tick() => {
                let pinging = writer.send(Message::Ping(Bytes::new()));
                if let Err(failure) = within(patience, pinging).await {
                    return failure;
                }
            }
        }
    }
}

/// A target that takes nothing, however much it says itself, is given up.
async fn within(
    patience: Duration,
    sending: impl Future<Output = Result<(), Error>>,
) -> Result<(), Failure> {
    match timeout(patience, sending).await {
        Ok(sent) => sent.map_err(broken),
        Err(_) => Err(Failure::NotReading(patience)),
    }
}

/// Reads all that comes, which is also what answers the target's pings, until the connection ends
/// or nothing has come for `silence`.
async fn listen<S: AsyncRead + AsyncWrite + Unpin>(
    reader: &mut SplitStream<WebSocketStream<Outlet<S>>>,
    overheard: &Overheard,
    silence: Duration,
    tell: &impl Tell,
) -> Failure {
    let mut hearing = Hearing::default();
    let mut objection = None;
    loop {
        let next = tokio::select! {
            next = timeout(silence, reader.next()) => next,
            () = overheard.floods() => {
                tell.floods();
                continue;
            }
        };
        let Ok(next) = next else { return Failure::Silent(silence) };
        let message = match received(next, overheard) {
            Ok(message) => message,
            // Some take longer than a second to find out that they do not want us.
            Err(closed @ Failure::Closed { .. }) => {
                return objection.map_or(closed, Failure::TokenRefused);
            }
            Err(failure) => return failure,
        };
        if message.is_pong() {
            tell.answered();
        }
        if let Message::Text(text) = &message
            && let Incoming::Refused(words) = Incoming::read(text)
        {
            objection = Some(words);
        }
        if let Some(number) = hearing.is_worth_telling(&message) {
            tell.said(number, &quoted(&text_of(&message)));
        }
        consume_budget().await;
    }
}
