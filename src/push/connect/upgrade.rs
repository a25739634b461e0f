//! From a byte stream to a WebSocket.

use std::time::Duration;

use jiff::fmt::rfc2822;
use secrecy::ExposeSecret as _;
use tokio_tungstenite::client_async_with_config;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::handshake::client::Response;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, http};
use url::Url;

use super::tls::spoken;
use super::{Line, Refusal, Socket};
use crate::link::trust::reason;
use crate::push::failure::{Failure, RetryAfter, Stage};
use crate::push::outlet::Outlet;
use crate::targets::endpoint::Endpoint;

/// A target that takes nothing but pings us would have all its answers pile up. Updates are not
/// among them: they go past the library.
const LARGEST_BACKLOG: usize = 64 << 10;
/// Read this much at once: targets send small messages, and there may be a thousand of them.
const READ_BUFFER: usize = 4 << 10;

/// What nginx and Apache say to who speaks HTTP where they speak TLS. Servers written in Go, such as
/// Caddy and Traefik, do so in HTTP/1.0.
const SPOKEN_IN_THE_CLEAR: [&str; 2] =
    ["plain HTTP request was sent to HTTPS port", "plain HTTP to an SSL-enabled server port"];
/// What nginx says to who has no certificate, or none that it knows.
const CERTIFICATE_WANTED: [&str; 2] =
    ["No required SSL certificate was sent", "SSL certificate error"];

/// Upgrades the stream; a message larger than that will end the connection.
pub(super) async fn upgrade(
    endpoint: &Endpoint,
    stream: Line,
    max_message_bytes: usize,
) -> Result<Socket, Refusal> {
    let url = endpoint.secret_url();
    let request = url.expose_secret().into_client_request();
    // The error may repeat the URL, which is secret.
    let request =
        request.map_err(|_| Failure::Protocol("the URL cannot be requested".to_owned()))?;
    let config = WebSocketConfig::default()
        .max_message_size(Some(max_message_bytes))
        .max_frame_size(Some(max_message_bytes))
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_write_buffer_size(LARGEST_BACKLOG);
    match client_async_with_config(request, Outlet::new(stream), Some(config)).await {
        Ok((socket, _)) => Ok(socket),
        Err(Error::Http(response)) => Err(told_by_page(&response, endpoint.is_tls())
            .map_or_else(|| http_answer(&response), Refusal::Failed)),
        Err(error) => Err(Refusal::Failed(failure(error))),
    }
}

/// What only the page says that comes with a 400: web servers have no other words for what is wrong
/// with TLS once HTTP is spoken.
fn told_by_page(response: &Response, is_tls: bool) -> Option<Failure> {
    let status = response.status().as_u16();
    let page = String::from_utf8_lossy(response.body().as_deref()?);
    let says = |words: &[&str]| status == 400 && words.iter().any(|words| page.contains(words));
    if !is_tls && says(&SPOKEN_IN_THE_CLEAR) {
        return Some(Failure::WantsTls { status });
    }
    (is_tls && says(&CERTIFICATE_WANTED)).then_some(Failure::WantsCertificate)
}

fn http_answer(response: &Response) -> Refusal {
    let status = response.status().as_u16();
    let header = |name: http::HeaderName| response.headers().get(name)?.to_str().ok();
    let to = header(http::header::LOCATION);
    let retry_after = header(http::header::RETRY_AFTER)
        .and_then(|until| retry_after(until.trim(), header(http::header::DATE)));
    let failure = Failure::Http { status, location: to.map(shown_place), retry_after };
    match to {
        Some(to) if matches!(status, 301 | 302 | 307 | 308) => {
            Refusal::Redirected { to: to.to_owned(), failure }
        }
        Some(_) | None => Refusal::Failed(failure),
    }
}

/// How long the target wants to be left alone: seconds, or until a time by its own clock if it tells
/// what that says.
fn retry_after(until: &str, its_clock: Option<&str>) -> Option<RetryAfter> {
    if !until.is_empty() && until.bytes().all(|byte| byte.is_ascii_digit()) {
        // More than can be counted is for ever, as far as anybody can wait.
        return Some(RetryAfter::For(Duration::from_secs(until.parse().unwrap_or(u64::MAX))));
    }
    let time = |text: &str| rfc2822::parse(text).ok().map(|time| time.timestamp());
    let until = time(until)?;
    Some(match its_clock.and_then(time) {
        Some(now) => RetryAfter::For(until.duration_since(now).try_into().unwrap_or_default()),
        None => RetryAfter::Until(until),
    })
}

/// Host and port of where a redirection points to: the rest may repeat the token.
pub fn shown_place(location: &str) -> String {
    match Url::parse(location) {
        Ok(url) => {
            let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
            format!("{}://{}{port}/...", url.scheme(), url.host_str().unwrap_or_default())
        }
        Err(_) => "another path of the same host".to_owned(),
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the list is another's, and open")]
fn failure(error: Error) -> Failure {
    match error {
        // With TLS 1.3 a server says only now that it wants a certificate of ours.
        Error::Io(error) => reason(&error).map_or(Failure::HungUp(Stage::Upgrade), spoken),
        Error::Protocol(ProtocolError::WrongHttpVersion) => Failure::OldHttp,
        Error::Protocol(ProtocolError::HttparseError(_)) => Failure::NotHttp,
        Error::Protocol(ProtocolError::HandshakeIncomplete)
        | Error::ConnectionClosed
        | Error::AlreadyClosed => Failure::HungUp(Stage::Upgrade),
        Error::AttackAttempt => Failure::NotWebSocket("its header does not end".to_owned()),
        Error::Protocol(error) => Failure::NotWebSocket(error.to_string()),
        other => Failure::NotWebSocket(other.to_string()),
    }
}
