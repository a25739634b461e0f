//! Who answers HTTP at a target's host and port: asks its first page.

use std::net::SocketAddr;
use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use reqwest::Response;
use reqwest::header::{DATE, HeaderName, LOCATION, SERVER};
use rustls::ClientConfig;
use tokio::time::Instant;

use super::super::report::Step;
use super::super::words;
use crate::clock::WallClock;
use crate::net;
use crate::push::connect::shown_place;
use crate::push::failure::Failure;
use crate::targets::endpoint::Endpoint;

/// A larger page, in bytes, is not looked at to find out whose it is.
const LARGEST_PAGE: usize = 1 << 20;
/// A clock that is off by less does no harm.
const CLOCK_OFF: i64 = 120;
/// What the page of Home Assistant calls itself.
const HOME_ASSISTANT: &[u8] = b"Home Assistant";

/// Where and how to ask.
pub(super) struct Base<'a> {
    pub(super) endpoint: &'a Endpoint,
    /// The address that was checked and that accepted a connection.
    pub(super) peer: SocketAddr,
    pub(super) tls: ClientConfig,
    pub(super) limit: Duration,
    /// Whether it is known to speak WebSocket, so that nothing depends on its first page.
    pub(super) is_websocket: bool,
}

/// Asks for the first page.
pub(super) async fn ask(base: Base<'_>) -> Step {
    let began = Instant::now();
    let step = match get(&base).await {
        Ok(response) => judge(response, base.is_websocket).await,
        Err(_) if base.is_websocket => {
            Step::untested("http", "it has no pages, which a WebSocket does not need")
        }
        Err(error) if error.is_timeout() => Step::wrong(
            "http",
            format!("no HTTP answer within {:?}", base.limit),
            "the port is open, but is it the target's? If it is, the target hangs: restart it",
        ),
        Err(_) => {
            let problem = Failure::NotHttp.problem();
            Step::wrong("http", problem.cause, problem.remedy.unwrap_or_default())
        }
    };
    step.taking(began.elapsed())
}

async fn get(base: &Base<'_>) -> reqwest::Result<Response> {
    let scheme = if base.endpoint.is_tls() { "https" } else { "http" };
    let client = net::http::client(base.limit)
        .resolve(&base.endpoint.host(), base.peer)
        .tls_backend_preconfigured(base.tls.clone())
        .build()?;
    client.get(format!("{scheme}://{}/", base.endpoint.authority())).send().await
}

async fn judge(response: Response, is_websocket: bool) -> Step {
    let status = response.status().as_u16();
    let header = |name: HeaderName| {
        let value = response.headers().get(name)?.to_str().ok()?;
        Some(value.chars().take(80).collect::<String>())
    };
    let server = header(SERVER).map(|server| format!(", {server}")).unwrap_or_default();
    let clock = header(DATE).and_then(|date| clock_hint(&date, WallClock::system().now()));
    let location = header(LOCATION).filter(|_| (300..400).contains(&status));
    let failure = Failure::Http { status, location: None, retry_after: None };
    let who = if is_home_assistant(response).await { ", Home Assistant" } else { "" };
    let to = location.map(|to| format!(", pointing to {}", shown_place(&to))).unwrap_or_default();
    let detail = format!("HTTP {status}{server}{who}{to}");
    let is_refusal = matches!(status, 400 | 403 | 500..);
    match (is_refusal && !is_websocket, clock) {
        (true, _) => Step::wrong("http", detail, failure.problem().remedy.unwrap_or_default()),
        (false, Some(hint)) => Step::fine("http", detail).hinting(hint),
        (false, None) => Step::fine("http", detail),
    }
}

async fn is_home_assistant(response: Response) -> bool {
    let page = net::http::read_body(response, LARGEST_PAGE).await.unwrap_or_default();
    page.windows(HOME_ASSISTANT.len()).any(|part| part == HOME_ASSISTANT)
}

/// What to think of when the other machine's clock and ours disagree.
fn clock_hint(date: &str, now: Timestamp) -> Option<String> {
    let theirs = DateTimeParser::new().parse_timestamp(date).ok()?;
    let off = theirs.duration_since(now).as_secs();
    let side = if off > 0 { "ahead of" } else { "behind" };
    (off.saturating_abs() > CLOCK_OFF).then(|| {
        format!(
            "its clock is {} {side} ours; one of the two is wrong",
            words::seconds(off.saturating_abs())
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_that_disagree_are_told() {
        let now = "1994-11-06T08:49:37Z".parse().unwrap();
        for (date, expected) in [
            ("Sun, 06 Nov 1994 08:49:37 GMT", None),
            ("Sun, 06 Nov 1994 08:51:37 GMT", None),
            ("Sun, 06 Nov 1994 09:49:37 GMT", Some("60 min ahead of")),
            ("Sat, 05 Nov 1994 08:49:37 GMT", Some("24 h behind")),
            ("yesterday", None),
        ] {
            let hint = clock_hint(date, now);
            assert_eq!(hint.is_some(), expected.is_some(), "{date}: {hint:?}");
            assert!(hint.unwrap_or_default().contains(expected.unwrap_or_default()), "{date}");
        }
    }
}
