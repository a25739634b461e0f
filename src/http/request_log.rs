//! Logs requests to the API, at most so many a minute that a busy client cannot fill the log.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hyper::Method;
use hyper::http::request::Parts;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::access::is_reading;
use super::router::is_api;

/// Requests logged per minute; the next ones are counted in the metrics only.
pub(super) const MOST: u32 = 600;
const WINDOW: Duration = Duration::from_secs(60);
/// Logging these requests would make the log that they show grow.
const SHOWN_LOG: &str = "/api/log";
const LONGEST_PATH: usize = 200;

/// How many requests were logged in the current minute. Requests that change something are counted
/// apart: a client that polls too often must not hide why another one cannot register.
#[derive(Debug, Default)]
pub(super) struct RequestLog {
    reads: Mutex<Window>,
    changes: Mutex<Window>,
}

#[derive(Debug, Default)]
pub(super) struct Window {
    began: Option<Instant>,
    count: u32,
}

impl RequestLog {
    /// Logs a request; whether what else it causes is to be logged, too.
    pub(super) fn log(&self, request: &Parts, client: IpAddr) -> bool {
        let Parts { method, uri, .. } = request;
        if !is_api(uri.path()) || uri.path() == SHOWN_LOG {
            // Health checks, scrapes and a page that shows the log come every few seconds.
            debug!("{}", line(method, uri.path(), client));
            return true;
        }
        let window = if is_reading(method) { &self.reads } else { &self.changes };
        let count = window.lock().unwrap_or_else(PoisonError::into_inner).next();
        if count <= MOST {
            info!("[API Request] {}", line(method, uri.path(), client));
        } else if count == MOST + 1 {
            warn!(
                "[API Request] More than {MOST} requests within a minute, the last from {}; the \
                 rest of this minute is not logged",
                client.to_canonical()
            );
        }
        count <= MOST
    }
}

impl Window {
    /// The number of the next request in its minute, from 1.
    pub(super) fn next(&mut self) -> u32 {
        if self.began.is_none_or(|began| began.elapsed() >= WINDOW) {
            *self = Self { began: Some(Instant::now()), count: 0 };
        }
        self.count = self.count.saturating_add(1);
        self.count
    }
}

/// A request in one line, without its query, which may hold a token, and without control characters.
fn line(method: &Method, path: &str, client: IpAddr) -> String {
    let method: String = method.as_str().chars().take(20).collect();
    let mut shown = String::new();
    for character in path.chars().take(LONGEST_PATH) {
        if character.is_ascii_graphic() {
            shown.push(character);
        } else {
            shown.extend(character.escape_unicode());
        }
    }
    format!("{method} {shown} from {}", client.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(method: &str, path: &str, client: &str, expected: &str) {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        assert_eq!(line(&method, path, client.parse().unwrap()), expected);
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

    #[tokio::test(start_paused = true)]
    async fn counting_starts_over_each_minute() {
        let mut window = Window::default();
        assert_eq!([window.next(), window.next()], [1, 2]);
        tokio::time::advance(WINDOW).await;
        assert_eq!(window.next(), 1);
    }
}
