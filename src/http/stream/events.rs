//! `GET /api/events`: the live stream as server-sent events.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _};
use hyper::StatusCode;
use hyper::header::{CONNECTION, HeaderMap, HeaderName};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::since_in_query;
use super::subscriber::Subscriber;
use crate::http::access::Authorization;
use crate::http::connections::Connection;
use crate::http::request::Context;
use crate::http::respond::{self, Response};

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// So that no proxy takes the connection for dead, and a client that is gone is noticed.
const COMMENT_EVERY: Duration = Duration::from_secs(15);
/// How long a browser waits before it connects again.
const RETRY: &[u8] = b"retry: 3000\n\n";

struct Events {
    subscriber: Subscriber,
    chunks: VecDeque<Bytes>,
    comment_at: Instant,
    stop: CancellationToken,
    session: CancellationToken,
    _connection: Arc<Connection>,
}

pub(in crate::http) fn stream(context: &mut Context, connection: &Arc<Connection>) -> Response {
    let Context { api, head, client, .. } = &*context;
    let session = match api.access.authorize(head, client, true) {
        Authorization::Granted(session) => session.unwrap_or_default(),
        Authorization::Missing | Authorization::Wrong => return respond::unauthorized(),
        Authorization::Throttled(wait) => return respond::throttled(wait),
    };
    let Some(place) = api.stream.place() else { return too_many() };
    let since = last_event_id(&head.headers)
        .or_else(|| since_in_query(head.uri.query().unwrap_or_default()));
    let who = (client.address, "events");
    let subscriber = Subscriber::new(&api.stream, &api.targets, place, who, since);
    connection.become_stream();
    let events = Events {
        subscriber,
        chunks: [Bytes::from_static(RETRY)].into(),
        comment_at: Instant::now() + COMMENT_EVERY,
        stop: api.stream.0.stop.clone(),
        session,
        _connection: Arc::clone(connection),
    };
    let chunks = stream::unfold(events, |mut events| async move {
        let chunk = events.next().await?;
        Some((chunk, events))
    });
    respond::with(respond::events(chunks.boxed()), CONNECTION, "close")
}

/// What to say when there are too many clients.
pub(super) fn too_many() -> Response {
    let message = "too many clients follow the stream (http.max_stream_clients); try again later, \
                   or read /api/inverters";
    respond::problem(StatusCode::SERVICE_UNAVAILABLE, message)
}

fn last_event_id(headers: &HeaderMap) -> Option<u64> {
    headers.get(LAST_EVENT_ID)?.to_str().ok()?.trim().parse().ok()
}

impl Events {
    /// The next piece of the body; `None` ends it.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(chunk) = self.chunks.pop_front() {
                return Some(chunk);
            }
            if self.stop.is_cancelled() || self.session.is_cancelled() {
                return None;
            }
            if let Some(message) = self.subscriber.next() {
                let (kind, seq) = (message.kind.as_str(), message.seq);
                let head = format!("event: {kind}\nid: {seq}\ndata: ");
                self.chunks.extend([head.into(), message.json, Bytes::from_static(b"\n\n")]);
                self.comment_at = Instant::now() + COMMENT_EVERY;
            } else {
                tokio::select! {
                    () = self.stop.cancelled() => {}
                    () = self.session.cancelled() => {}
                    () = self.subscriber.wait() => {}
                    () = sleep_until(self.comment_at) => {
                        self.comment_at = Instant::now() + COMMENT_EVERY;
                        self.chunks.push_back(Bytes::from_static(b":\n\n"));
                    }
                }
            }
        }
    }
}
