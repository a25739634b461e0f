//! Builds every response, so that headers which all of them need are decided in one place.

use std::convert::Infallible;
use std::fmt::{self, Display};
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{BoxStream, StreamExt as _};
use hyper::StatusCode;
use hyper::body::{Body, Frame, SizeHint};
use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_MAX_AGE, ALLOW,
    CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE,
};
use serde::Serialize;
use serde_json::json;

pub(super) type Response = hyper::Response<Content>;

/// The body of a response.
pub(super) enum Content {
    /// All of it, so that its length is known.
    Whole(Bytes),
    /// A stream that ends with its connection.
    Stream(BoxStream<'static, Bytes>),
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(bytes) => write!(f, "{} bytes", bytes.len()),
            Self::Stream(_) => f.write_str("a stream"),
        }
    }
}

impl Default for Content {
    fn default() -> Self {
        Self::Whole(Bytes::new())
    }
}

impl Body for Content {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut *self {
            Self::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(mem::take(bytes))))),
            Self::Stream(stream) => {
                stream.poll_next_unpin(context).map(|next| next.map(|data| Ok(Frame::data(data))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(u64::try_from(bytes.len()).unwrap_or(0)),
            Self::Stream(_) => SizeHint::default(),
        }
    }
}

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// JSON that exists already; it is shared, not copied.
pub(super) fn json(body: Bytes) -> Response {
    with_type(StatusCode::OK, JSON, body)
}

pub(super) fn object(status: StatusCode, object: &impl Serialize) -> Response {
    match serde_json::to_vec(object) {
        Ok(body) => with_type(status, JSON, Bytes::from(body)),
        Err(error) => internal_error(&error),
    }
}

/// `{"error": ...}`.
pub(super) fn problem(status: StatusCode, message: &str) -> Response {
    let body = json!({ "error": message }).to_string();
    with_type(status, JSON, Bytes::from(body))
}

/// 500, with the cause in the log.
pub(super) fn internal_error(error: &impl Display) -> Response {
    tracing::error!("a request could not be answered: {error}");
    problem(StatusCode::INTERNAL_SERVER_ERROR, "internal error; see the bridge's log")
}

pub(super) fn text(text: &'static str) -> Response {
    with_type(StatusCode::OK, TEXT, Bytes::from_static(text.as_bytes()))
}

pub(super) fn page(html: String) -> Response {
    with_type(StatusCode::OK, HTML, Bytes::from(html))
}

pub(super) fn metrics(text: String) -> Response {
    with_type(StatusCode::OK, PROMETHEUS, Bytes::from(text))
}

/// Server-sent events. Neither a proxy nor a compressor may hold them back.
pub(super) fn events(events: BoxStream<'static, Bytes>) -> Response {
    let mut response = empty(StatusCode::OK);
    *response.body_mut() = Content::Stream(events);
    let response = with(response, CONTENT_TYPE, "text/event-stream");
    let response = with(response, CACHE_CONTROL, "no-cache, no-transform");
    let response = with(response, hyper::header::CONTENT_ENCODING, "identity");
    with(response, HeaderName::from_static("x-accel-buffering"), "no")
}

pub(super) fn no_content() -> Response {
    empty(StatusCode::NO_CONTENT)
}

pub(super) fn method_not_allowed(path: &str, allow: &str) -> Response {
    let message = format!("{path} accepts {allow} only");
    let mut response = problem(StatusCode::METHOD_NOT_ALLOWED, &message);
    if let Ok(allow) = HeaderValue::from_str(allow) {
        response.headers_mut().insert(ALLOW, allow);
    }
    response
}

/// The answer to the preflight request of a listed origin: its pages may read, with a token if need
/// be. They may not change anything, or any web page could make the bridge send it data.
pub(super) fn preflight() -> Response {
    let response = with(no_content(), ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD");
    let headers = "Authorization, If-None-Match, Last-Event-ID";
    let response = with(response, ACCESS_CONTROL_ALLOW_HEADERS, headers);
    with(response, ACCESS_CONTROL_MAX_AGE, "86400")
}

pub(super) fn unauthorized() -> Response {
    let message = "this needs `Authorization: Bearer <token>` with the token of [http] in the \
                   bridge's configuration";
    let response = problem(StatusCode::UNAUTHORIZED, message);
    with(response, WWW_AUTHENTICATE, "Bearer realm=\"hoymiles-bridge\"")
}

/// After too many wrong tokens.
pub(super) fn throttled(wait: Duration) -> Response {
    let seconds = wait.as_secs().saturating_add(1);
    let message = format!(
        "too many wrong tokens came from this address; try again in {seconds} s with the token of \
         [http] in the bridge's configuration"
    );
    let mut response = problem(StatusCode::TOO_MANY_REQUESTS, &message);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    response
}

pub(super) fn with_type(status: StatusCode, content_type: &'static str, body: Bytes) -> Response {
    let mut response = empty(status);
    *response.body_mut() = Content::Whole(body);
    with(response, CONTENT_TYPE, content_type)
}

/// A response without a body.
pub(super) fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Content::default());
    *response.status_mut() = status;
    // Readings are old within seconds.
    with(response, CACHE_CONTROL, "no-store")
}

/// The response with one header more, or another value of it.
pub(super) fn with(mut response: Response, name: HeaderName, value: &'static str) -> Response {
    response.headers_mut().insert(name, HeaderValue::from_static(value));
    response
}
