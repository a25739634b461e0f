//! The only builder of responses: what each of them has in common is decided here.

use bytes::Bytes;
use http_body_util::Full;
use hyper::StatusCode;
use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_MAX_AGE, ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderName,
    HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE,
};
use serde::Serialize;
use serde_json::json;

use super::router::{ROUTES, Route};

/// An answer: always whole, so that its length is known.
pub(super) type Response = hyper::Response<Full<Bytes>>;

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";

/// JSON that was made before; it is shared, not copied.
pub(super) fn json(body: Bytes) -> Response {
    with_type(StatusCode::OK, JSON, body)
}

/// An object as JSON.
pub(super) fn object(status: StatusCode, object: &impl Serialize) -> Response {
    match serde_json::to_vec(object) {
        Ok(body) => with_type(status, JSON, Bytes::from(body)),
        Err(error) => {
            tracing::error!("an answer could not be written as JSON: {error}");
            problem(StatusCode::INTERNAL_SERVER_ERROR, "the answer could not be written as JSON")
        }
    }
}

/// `{"error": ...}`.
pub(super) fn problem(status: StatusCode, message: &str) -> Response {
    let body = json!({ "error": message }).to_string();
    with_type(status, JSON, Bytes::from(body))
}

/// A word for people and scripts.
pub(super) fn text(word: &'static str) -> Response {
    with_type(StatusCode::OK, TEXT, Bytes::from_static(word.as_bytes()))
}

/// A page for a browser.
pub(super) fn page(html: String) -> Response {
    with_type(StatusCode::OK, HTML, Bytes::from(html))
}

/// Figures for Prometheus.
pub(super) fn figures(content_type: &'static str, page: String) -> Response {
    with_type(StatusCode::OK, content_type, Bytes::from(page))
}

/// Done, and there is nothing to say.
pub(super) fn no_content() -> Response {
    empty(StatusCode::NO_CONTENT)
}

/// 404 for a path that means nothing, with those that do.
pub(super) fn no_such_path() -> Response {
    let known: Vec<&str> = ROUTES.iter().map(Route::pattern).collect();
    problem(StatusCode::NOT_FOUND, &format!("no such path; there are {}", known.join(", ")))
}

/// 405.
pub(super) fn wrong_method(route: &Route<'_>) -> Response {
    let message = format!("{} takes {} only", route.pattern(), route.allow());
    let response = problem(StatusCode::METHOD_NOT_ALLOWED, &message);
    with(response, ALLOW, route.allow())
}

/// The answer to a browser that asks before it reads for a page of another origin.
///
/// Such pages may read, with a token if need be. They may not change anything: each web page that
/// somebody at home opens could else make the bridge send them its data.
pub(super) fn may_read() -> Response {
    let response = with(no_content(), ACCESS_CONTROL_ALLOW_ORIGIN, "*");
    let response = with(response, ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD");
    let response = with(response, ACCESS_CONTROL_ALLOW_HEADERS, "Authorization, Content-Type");
    with(response, ACCESS_CONTROL_MAX_AGE, "86400")
}

/// 401.
pub(super) fn unauthorized() -> Response {
    let message = "this needs `Authorization: Bearer <token>` with the token of [http] in the \
                   bridge's configuration";
    let response = problem(StatusCode::UNAUTHORIZED, message);
    with(response, WWW_AUTHENTICATE, "Bearer realm=\"hoymiles-bridge\"")
}

/// 503 for a client for whom there is no room.
pub(super) fn full() -> Response {
    let message = "too many connections are open (http.max_connections); try again in a moment";
    with(problem(StatusCode::SERVICE_UNAVAILABLE, message), RETRY_AFTER, "1")
}

/// Lets web pages of any origin read the answer.
pub(super) fn open_to_pages(response: Response) -> Response {
    with(response, ACCESS_CONTROL_ALLOW_ORIGIN, "*")
}

/// Ends the connection: what else comes on it is not trusted.
pub(super) fn closing(response: Response) -> Response {
    with(response, CONNECTION, "close")
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
