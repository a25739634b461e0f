//! From a request to its answer: log line, access, route, handler, figures.

use std::net::IpAddr;

use bytes::Bytes;
use hyper::body::Body;
use hyper::http::request::Parts;
use hyper::{Method, StatusCode};
use tokio::time::Instant;
use tracing::{debug, info};

use super::figures::format::Format;
use super::respond::{self, Response};
use super::router::{self, Misroute, Route};
use super::{Api, Limits, access, figures, front, head, plant, status, targets};

/// A path in the log is cut here: 64 KiB of it would be one line.
const LONGEST_PATH: usize = 200;

/// Answers a request of `peer`. What it leaves of the body is the caller's.
pub(super) async fn answer<B>(
    api: &Api,
    limits: &Limits,
    request: &Parts,
    body: &mut B,
    peer: IpAddr,
) -> Response
where
    B: Body<Data = Bytes> + Unpin,
{
    let began = Instant::now();
    let path = request.uri.path();
    let line = request_line(&request.method, path, peer);
    if router::is_api(path) {
        info!("[API Request] {line}");
    } else {
        // Health checks and scrapes come every few seconds, for ever.
        debug!("{line}");
    }

    let routed = router::route(&request.method, path);
    let pattern = routed.as_ref().map_or_else(Misroute::pattern, Route::pattern);
    let response = match (refusal(api, request), routed) {
        (Some(refusal), _) => refusal,
        (None, Ok(route)) => handle(api, limits, request, route, body).await,
        (None, Err(Misroute::NoSuchPath)) => respond::no_such_path(),
        (None, Err(Misroute::WrongMethod(route)))
            if access::asks_first(request) && is_reading(&route.method()) =>
        {
            respond::may_read()
        }
        (None, Err(Misroute::WrongMethod(route))) => respond::wrong_method(&route),
    };
    let method = method_label(&request.method);
    let seconds = began.elapsed().as_secs_f64();
    api.metrics.http_request(pattern, method, response.status().as_u16(), seconds);
    open_to_pages(&request.method, response)
}

/// Lets web pages of any origin read what only reads.
pub(super) fn open_to_pages(method: &Method, response: Response) -> Response {
    if is_reading(method) { respond::open_to_pages(response) } else { response }
}

/// Whether the method only reads: then nothing is lost when its client goes away.
pub(super) fn is_reading(method: &Method) -> bool {
    *method == Method::GET || *method == Method::HEAD
}

/// The answer to who may not ask this, or not in this way.
fn refusal(api: &Api, request: &Parts) -> Option<Response> {
    if let Some((status, why)) = head::fault(request) {
        return Some(respond::closing(respond::problem(status, why)));
    }
    // A browser asks with OPTIONS whether it may send the token, and does not send it with that.
    let asks_first = request.method == Method::OPTIONS;
    if asks_first || !router::is_api(request.uri.path()) {
        return None;
    }
    if api.token.as_ref().is_some_and(|token| !access::has_token(&request.headers, token)) {
        return Some(respond::unauthorized());
    }
    let is_foreign = !is_reading(&request.method) && access::is_from_foreign_page(&request.headers);
    is_foreign.then(|| {
        respond::problem(StatusCode::FORBIDDEN, "web pages of other origins may only read")
    })
}

async fn handle<B>(
    api: &Api,
    limits: &Limits,
    request: &Parts,
    route: Route<'_>,
    body: &mut B,
) -> Response
where
    B: Body<Data = Bytes> + Unpin,
{
    match route {
        Route::Index if front::is_wanted(&request.headers) => front::page(api),
        Route::Index => status::index(),
        Route::Health => status::health(api),
        Route::Ready => status::ready(api),
        Route::Stats => status::stats(api),
        Route::Metrics => figures::page(api, Format::wanted(&request.headers)),
        Route::Plant => plant::whole(api),
        Route::Inverters => plant::inverters(api),
        Route::Inverter { serial } => plant::inverter(api, serial),
        Route::InverterPorts { serial } => plant::inverter_ports(api, serial),
        Route::Ports => plant::ports(api),
        Route::Meters => plant::meters(api),
        Route::CurrentProduction => plant::current_production(api),
        Route::Targets => targets::list(api),
        Route::Register => targets::register(api, limits, &request.headers, body).await,
        Route::Target { name } => targets::forget(api, &name).await,
    }
}

/// A request in one line, without its query, which may carry a token, and without anything that
/// could forge a line or steer a terminal.
fn request_line(method: &Method, path: &str, peer: IpAddr) -> String {
    let method: String = method.as_str().chars().take(20).collect();
    let mut path_shown = String::new();
    for character in path.chars().take(LONGEST_PATH) {
        if character.is_ascii_graphic() {
            path_shown.push(character);
        } else {
            path_shown.extend(character.escape_unicode());
        }
    }
    format!("{method} {path_shown} from {}", peer.to_canonical())
}

/// The method as a label: anybody can make up others.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(method: &str, path: &str, peer: &str, expected: &str) {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        assert_eq!(request_line(&method, path, peer.parse().unwrap()), expected);
    }

    #[test]
    fn a_request_is_one_line_whatever_it_contains() {
        let from = "192.168.1.23";
        check("GET", "/api/inverters", from, "GET /api/inverters from 192.168.1.23");
        check("GET", "/api/x", "::ffff:192.168.1.23", "GET /api/x from 192.168.1.23");
        check("GET", "/api/x", "fe80::1", "GET /api/x from fe80::1");
        check(
            "GET",
            "/api/\u{9b}2J\n\u{202e}",
            from,
            r"GET /api/\u{9b}2J\u{a}\u{202e} from 192.168.1.23",
        );
        check(
            &"X".repeat(1_000),
            &format!("/{}", "a".repeat(10_000)),
            from,
            &format!("{} /{} from 192.168.1.23", "X".repeat(20), "a".repeat(199)),
        );
    }

    #[test]
    fn a_method_that_a_stranger_made_up_is_no_label() {
        assert_eq!(method_label(&Method::DELETE), "DELETE");
        assert_eq!(method_label(&Method::from_bytes(b"X1").unwrap()), "other");
    }
}
