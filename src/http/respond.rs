//! Builds every response, so that headers which all of them need are decided in one place.

use std::fmt::Display;

use bytes::Bytes;
use http_body_util::Full;
use hyper::StatusCode;
use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_MAX_AGE, ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue,
    WWW_AUTHENTICATE,
};
use serde::Serialize;
use serde_json::json;

/// Always whole, so that its length is known.
pub(super) type Response = hyper::Response<Full<Bytes>>;

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

/// The answer to a browser's preflight request: pages of other origins may read, with a token if
/// need be. They may not change anything, or any web page could make the bridge send it data.
pub(super) fn preflight() -> Response {
    let response = readable_by_pages(no_content());
    let response = with(response, ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD");
    let response = with(response, ACCESS_CONTROL_ALLOW_HEADERS, "Authorization, Content-Type");
    with(response, ACCESS_CONTROL_MAX_AGE, "86400")
}

pub(super) fn unauthorized() -> Response {
    let message = "this needs `Authorization: Bearer <token>` with the token of [http] in the \
                   bridge's configuration";
    let response = problem(StatusCode::UNAUTHORIZED, message);
    with(response, WWW_AUTHENTICATE, "Bearer realm=\"hoymiles-bridge\"")
}

/// Lets web pages of any origin read the response.
pub(super) fn readable_by_pages(response: Response) -> Response {
    with(response, ACCESS_CONTROL_ALLOW_ORIGIN, "*")
}

fn with_type(status: StatusCode, content_type: &'static str, body: Bytes) -> Response {
    let mut response = empty(status);
    *response.body_mut() = Full::new(body);
    with(response, CONTENT_TYPE, content_type)
}

fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    // Readings are old within seconds.
    with(response, CACHE_CONTROL, "no-store")
}

fn with(mut response: Response, name: HeaderName, value: &'static str) -> Response {
    response.headers_mut().insert(name, HeaderValue::from_static(value));
    response
}
