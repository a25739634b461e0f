//! `GET /api/ws`: the live stream over a WebSocket.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use hyper::header::{
    CONNECTION, HeaderMap, HeaderName, HeaderValue, ORIGIN, SEC_WEBSOCKET_ACCEPT,
    SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use hyper::upgrade::Upgraded;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Map, Value, json};
use tokio::time::{Instant, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::events::too_many;
use super::feed::{Kind, Selection};
use super::since_in_query;
use super::subscriber::Subscriber;
use crate::config::parse_duration;
use crate::http::Api;
use crate::http::access::Authorization;
use crate::http::client::Client;
use crate::http::connections::Connection;
use crate::http::request::Context;
use crate::http::respond::{self, Response};

/// Time for the first message of a client without a token.
const AUTH_TIME: Duration = Duration::from_secs(10);
/// A client that takes nothing for so long is disconnected.
const SEND_TIME: Duration = Duration::from_secs(30);
/// For the other side's part of closing.
const CLOSE_TIME: Duration = Duration::from_secs(1);
/// Largest message of a client, in bytes.
const MOST_BYTES: usize = 4_096;
/// Messages of a client that are answered within [`WINDOW`]; further ones are dropped.
const MOST_MESSAGES: u32 = 10;
/// After so many within [`WINDOW`], no more are read until it ends.
const MOST_READ: u32 = 100;
const WINDOW: Duration = Duration::from_secs(1);
/// A message is sent in pieces, so that no client's buffer grows to the size of the plant.
const PIECE: usize = 8_192;
/// The library's buffers, for each client.
const BUFFER: usize = 4_096;
const LONGEST_INTERVAL: Duration = Duration::from_secs(3_600);

/// Why the bridge closes a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Close {
    Shutdown,
    TooLarge,
    TooSlow,
    TooMany,
    Unauthorized,
    Throttled,
}

impl Close {
    const fn code(self) -> u16 {
        match self {
            Self::Shutdown => 1001,
            Self::TooLarge => 1009,
            Self::TooSlow | Self::TooMany => 1013,
            Self::Unauthorized => 4401,
            Self::Throttled => 4429,
        }
    }

    const fn reason(self) -> &'static str {
        match self {
            Self::Shutdown => "the bridge is stopping",
            Self::TooLarge => "a message may have 4096 bytes",
            Self::TooSlow => "nothing was taken for 30 s",
            Self::TooMany => "too many clients (http.max_stream_clients)",
            Self::Unauthorized => "the token of [http] in the bridge's configuration is needed",
            Self::Throttled => "too many wrong tokens; try again in a minute",
        }
    }
}

/// What the upgrade has shown.
enum Admission {
    Granted(CancellationToken),
    /// The token may follow in the first message.
    Pending,
    Refused(Close),
}

pub(in crate::http) fn upgrade(context: &mut Context, connection: &Arc<Connection>) -> Response {
    let Context { api, head, client, tasks, .. } = context;
    let (api, client) = (Arc::clone(api), client.clone());
    let Some(accept) = accept_key(&head.headers) else { return upgrade_required() };
    if let Some(refusal) = api.access.refuse_upgrade(head, &client) {
        return refusal;
    }
    // A browser hides why an upgrade was refused, but not why a connection was closed.
    let is_browser = head.headers.contains_key(ORIGIN);
    let admission = match api.access.authorize(head, &client, true) {
        Authorization::Granted(session) => Admission::Granted(session.unwrap_or_default()),
        Authorization::Missing => Admission::Pending,
        Authorization::Wrong if is_browser => Admission::Refused(Close::Unauthorized),
        Authorization::Wrong => return respond::unauthorized(),
        Authorization::Throttled(_) if is_browser => Admission::Refused(Close::Throttled),
        Authorization::Throttled(wait) => return respond::throttled(wait),
    };
    let place = api.stream.place();
    if place.is_none() && !is_browser {
        return too_many();
    }
    let since = since_in_query(head.uri.query().unwrap_or_default());
    let on_upgrade = hyper::upgrade::on(Request::from_parts(head.clone(), ()));
    let connection = Arc::clone(connection);
    connection.become_stream();
    drop(tasks.spawn(async move {
        let upgraded = match on_upgrade.await {
            Ok(upgraded) => upgraded,
            Err(error) => return debug!("the upgrade of {} failed: {error}", client.address),
        };
        let socket = Socket::new(upgraded).await;
        let code = match place {
            None => socket.close(Close::TooMany).await,
            Some(place) => match authenticated(socket, admission, &api, &client).await {
                Ok((socket, session)) => {
                    let who = (client.address, "websocket");
                    let subscriber = Subscriber::new(&api.stream, &api.targets, place, who, since);
                    serve(socket, subscriber, api.stream.0.stop.clone(), session).await
                }
                Err(code) => code,
            },
        };
        api.metrics.stream_close(code);
        drop(connection);
    }));
    switching_protocols(&accept)
}

/// The value that proves the handshake; `None` if it is no WebSocket handshake.
fn accept_key(headers: &HeaderMap) -> Option<String> {
    let has = |name: &HeaderName, token: &str| {
        let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        let mut tokens = values.flat_map(|value| value.split(','));
        tokens.any(|one| one.trim().eq_ignore_ascii_case(token))
    };
    let is_handshake = has(&UPGRADE, "websocket")
        && has(&CONNECTION, "upgrade")
        && has(&SEC_WEBSOCKET_VERSION, "13");
    let key = headers.get(SEC_WEBSOCKET_KEY).filter(|_| is_handshake)?;
    Some(derive_accept_key(key.as_bytes()))
}

fn upgrade_required() -> Response {
    let message = "this is a WebSocket (version 13); if a proxy is in between, let it pass the \
                   headers Upgrade and Connection. /api/events has the same stream without one";
    let response = respond::problem(StatusCode::UPGRADE_REQUIRED, message);
    let response = respond::with(response, UPGRADE, "websocket");
    respond::with(response, SEC_WEBSOCKET_VERSION, "13")
}

fn switching_protocols(accept: &str) -> Response {
    let response = respond::empty(StatusCode::SWITCHING_PROTOCOLS);
    let response = respond::with(response, CONNECTION, "Upgrade");
    let mut response = respond::with(response, UPGRADE, "websocket");
    if let Ok(accept) = HeaderValue::from_str(accept) {
        response.headers_mut().insert(SEC_WEBSOCKET_ACCEPT, accept);
    }
    response
}

/// Waits for the token, if it has not been shown; or the code with which the connection was closed.
async fn authenticated(
    mut socket: Socket,
    admission: Admission,
    api: &Api,
    client: &Client,
) -> Result<(Socket, CancellationToken), u16> {
    match admission {
        Admission::Granted(session) => return Ok((socket, session)),
        Admission::Refused(close) => return Err(socket.close(close).await),
        Admission::Pending => {}
    }
    let stop = &api.stream.0.stop;
    let first = tokio::select! {
        first = timeout(AUTH_TIME, socket.first_text()) => first,
        () = stop.cancelled() => return Err(socket.close(Close::Shutdown).await),
    };
    let token = match first {
        Ok(Ok(text)) => token_of(&text),
        Ok(Err(ended)) => return Err(ended.code(socket).await),
        Err(_) => None,
    };
    let Some(token) = token else {
        api.access.log(&format_args!(
            "a client of the stream from {} sent no token within {AUTH_TIME:?}; send \
             {{\"type\": \"auth\", \"token\": \"...\"}} first, with the token of [http]",
            client.address
        ));
        return Err(socket.close(Close::Unauthorized).await);
    };
    match api.access.check(token.as_bytes(), client.address) {
        Authorization::Granted(session) => Ok((socket, session.unwrap_or_default())),
        Authorization::Missing | Authorization::Wrong => {
            Err(socket.close(Close::Unauthorized).await)
        }
        Authorization::Throttled(_) => Err(socket.close(Close::Throttled).await),
    }
}

fn token_of(text: &str) -> Option<String> {
    let message: Value = serde_json::from_str(text).ok()?;
    let token = message.get("token").filter(|_| message.get("type") == Some(&"auth".into()))?;
    token.as_str().map(str::to_owned)
}

/// Sends and answers until the connection ends; the code with which it does.
async fn serve(
    mut socket: Socket,
    mut subscriber: Subscriber,
    stop: CancellationToken,
    session: CancellationToken,
) -> u16 {
    let mut rate = Rate::default();
    loop {
        while let Some(message) = subscriber.next() {
            let is_heartbeat = message.kind == Kind::Heartbeat;
            match timeout(SEND_TIME, socket.send(message.json, is_heartbeat)).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return 1006,
                Err(_) => return socket.close(Close::TooSlow).await,
            }
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => return socket.close(Close::Shutdown).await,
            () = session.cancelled() => return socket.close(Close::Unauthorized).await,
            () = subscriber.wait() => {}
            incoming = socket.0.next(), if !rate.is_exhausted() => match received(incoming) {
                Ok(Some(text)) => match rate.judge() {
                    Judgement::Answer => answer(&mut subscriber, &text),
                    Judgement::Complain => {
                        let remedy = "send at most 10 messages a second";
                        complain(&mut subscriber, "rate", "too many messages", remedy);
                    }
                    Judgement::Drop => {}
                },
                Ok(None) => {}
                Err(ended) => return ended.code(socket).await,
            },
            () = rate.recovered(), if rate.is_exhausted() => {}
        }
    }
}

/// How the other side ended the connection.
enum Ended {
    TooLarge,
    Closed(u16),
    Broken,
}

impl Ended {
    async fn code(self, socket: Socket) -> u16 {
        match self {
            Self::TooLarge => socket.close(Close::TooLarge).await,
            Self::Closed(code) => {
                socket.finish().await;
                code
            }
            Self::Broken => 1006,
        }
    }
}

/// The message that has arrived, if it needs an answer, or how the connection ended.
fn received(incoming: Option<Result<Message, Error>>) -> Result<Option<Message>, Ended> {
    match incoming {
        Some(Ok(Message::Close(frame))) => {
            Err(Ended::Closed(frame.map_or(1005, |frame| frame.code.into())))
        }
        Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => Ok(Some(message)),
        Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Ok(None),
        Some(Err(Error::Capacity(_))) => Err(Ended::TooLarge),
        Some(Err(_)) | None => Err(Ended::Broken),
    }
}

/// Answers what a client has sent.
fn answer(subscriber: &mut Subscriber, message: &Message) {
    let object = message.to_text().ok().and_then(|text| match serde_json::from_str(text) {
        Ok(Value::Object(object)) => Some(object),
        Ok(_) | Err(_) => None,
    });
    let Some(object) = object else {
        let remedy = r#"send an object such as {"type": "ping"}"#;
        return complain(subscriber, "json", "the message is no JSON object", remedy);
    };
    match object.get("type").and_then(Value::as_str) {
        Some("ping") => {
            let id = object.get("id").cloned().unwrap_or(Value::Null);
            subscriber.answer(Kind::Pong, &json!({ "id": id }));
        }
        Some("subscribe") => match subscription(&object) {
            Ok((selection, min_interval)) => subscriber.select(selection, min_interval),
            Err(message) => {
                let remedy = r#"send {"type": "subscribe", "dtus": ["..."], "inverters": ["..."], "min_interval": "5s"}; each field may be left out"#;
                complain(subscriber, "subscribe", &message, remedy);
            }
        },
        // The token was shown already, or none is needed.
        Some("auth") => {}
        _ => {
            let remedy = "send one of ping, auth, subscribe as `type`";
            complain(subscriber, "type", "the type of the message is unknown", remedy);
        }
    }
}

fn complain(subscriber: &mut Subscriber, code: &str, message: &str, remedy: &str) {
    let data = json!({ "code": code, "message": message, "remedy": remedy });
    subscriber.answer(Kind::Error, &data);
}

/// The selection that a client asks for, or which field is wrong.
fn subscription(object: &Map<String, Value>) -> Result<(Selection, Duration), String> {
    let names = |key: &str| match object.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(names)) => names
            .iter()
            .map(|name| name.as_str().map(str::to_owned))
            .collect::<Option<BTreeSet<String>>>()
            .map(Some)
            .ok_or_else(|| format!("{key} must be a list of texts")),
        Some(_) => Err(format!("{key} must be a list of texts")),
    };
    let serials = |names: BTreeSet<String>| names.iter().flat_map(|name| name.parse()).collect();
    let selection = Selection { dtus: names("dtus")?, inverters: names("inverters")?.map(serials) };
    let wrong = || "min_interval must be a duration such as \"5s\", of an hour at most".to_owned();
    let min_interval = match object.get("min_interval") {
        None | Some(Value::Null) => Duration::ZERO,
        Some(Value::String(text)) => parse_duration(text).ok_or_else(wrong)?,
        Some(_) => return Err(wrong()),
    };
    if min_interval > LONGEST_INTERVAL {
        return Err(wrong());
    }
    Ok((selection, min_interval))
}

/// How fast a client sends.
#[derive(Debug)]
struct Rate {
    began: Instant,
    count: u32,
}

enum Judgement {
    Answer,
    Complain,
    Drop,
}

impl Default for Rate {
    fn default() -> Self {
        Self { began: Instant::now(), count: 0 }
    }
}

impl Rate {
    fn judge(&mut self) -> Judgement {
        if self.began.elapsed() >= WINDOW {
            *self = Self::default();
        }
        self.count += 1;
        match self.count {
            ..=MOST_MESSAGES => Judgement::Answer,
            count if count == MOST_MESSAGES + 1 => Judgement::Complain,
            _ => Judgement::Drop,
        }
    }

    fn is_exhausted(&self) -> bool {
        self.count >= MOST_READ && self.began.elapsed() < WINDOW
    }

    async fn recovered(&self) {
        tokio::time::sleep_until(self.began + WINDOW).await;
    }
}

/// The bridge's end of a WebSocket.
struct Socket(WebSocketStream<TokioIo<Upgraded>>);

impl Socket {
    async fn new(upgraded: Upgraded) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(BUFFER)
            .write_buffer_size(0)
            .max_message_size(Some(MOST_BYTES))
            .max_frame_size(Some(MOST_BYTES));
        let io = TokioIo::new(upgraded);
        Self(WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await)
    }

    async fn first_text(&mut self) -> Result<String, Ended> {
        loop {
            if let Some(message) = received(self.0.next().await)? {
                return Ok(message.to_text().unwrap_or_default().to_owned());
            }
        }
    }

    /// Sends a text in pieces, and a ping after it if the connection has been quiet.
    async fn send(&mut self, mut text: Bytes, with_ping: bool) -> Result<(), Error> {
        let mut opcode = OpCode::Data(Data::Text);
        loop {
            let piece = text.split_to(text.len().min(PIECE));
            let frame = Frame::message(piece, opcode, text.is_empty());
            self.0.send(Message::Frame(frame)).await?;
            opcode = OpCode::Data(Data::Continue);
            if text.is_empty() {
                break;
            }
        }
        if with_ping {
            self.0.send(Message::Ping(Bytes::new())).await?;
        }
        Ok(())
    }

    /// Closes the connection; the code.
    async fn close(mut self, close: Close) -> u16 {
        let frame = CloseFrame { code: close.code().into(), reason: close.reason().into() };
        // Whoever does not take it is disconnected anyway.
        let _closed = timeout(CLOSE_TIME, self.0.close(Some(frame))).await;
        self.finish().await;
        close.code()
    }

    /// Waits for the other side's part of closing.
    async fn finish(mut self) {
        let rest = async { while let Some(Ok(_)) = self.0.next().await {} };
        let _rest = timeout(CLOSE_TIME, rest).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn select(text: &str) -> Result<(Selection, Duration), String> {
        subscription(serde_json::from_str::<Value>(text).unwrap().as_object().unwrap())
    }

    #[test]
    fn a_subscription_names_dtus_inverters_and_an_interval() {
        assert_eq!(select("{}"), Ok((Selection::default(), Duration::ZERO)));
        let text = r#"{"dtus": ["Roof"], "inverters": ["1161A0000001", "what"],
            "min_interval": "5s"}"#;
        let (selection, min_interval) = select(text).unwrap();
        assert_eq!(min_interval, Duration::from_secs(5));
        assert_eq!(selection.dtus, Some(["Roof".to_owned()].into()));
        assert_eq!(selection.inverters.unwrap().len(), 1, "an unknown name selects nothing");
        for (text, wrong) in [
            (r#"{"dtus": "Roof"}"#, "dtus must"),
            (r#"{"inverters": [1161]}"#, "inverters must"),
            (r#"{"min_interval": 5}"#, "min_interval must"),
            (r#"{"min_interval": "5 weeks"}"#, "min_interval must"),
            (r#"{"min_interval": "2h"}"#, "min_interval must"),
        ] {
            assert!(select(text).unwrap_err().starts_with(wrong), "{text}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_sends_too_much_hears_it_once_a_second() {
        let mut rate = Rate::default();
        let mut complaints = 0;
        for _ in 0..MOST_READ {
            complaints += u32::from(matches!(rate.judge(), Judgement::Complain));
        }
        assert!(rate.is_exhausted());
        assert_eq!(complaints, 1);
        rate.recovered().await;
        assert!(!rate.is_exhausted() && matches!(rate.judge(), Judgement::Answer));
    }
}
