//! Opens a WebSocket: name, TCP, TLS and upgrade within one limit.

use std::net::SocketAddr;
use std::time::Duration;

use secrecy::ExposeSecret as _;
use tokio::time::timeout_at;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::handshake::client::Response;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, http};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};
use url::Url;

use super::failure::Failure;
use super::throttle::Throttled;
use crate::net::dial::{Attempt, Observer, Stream};
use crate::net::error::{ConnectError, tls_error};
use crate::net::tls::TlsFiles;
use crate::targets::endpoint::Endpoint;
use crate::targets::target::Settings;

/// The largest update; 1,000 inverters have some 3 MB. A target that sends pings and does not read
/// makes so many answers wait at most.
const MAX_BACKLOG: usize = 8 << 20;
/// Targets send small messages, and there may be a thousand targets.
const READ_BUFFER: usize = 4 << 10;

/// What nginx and Apache say to a client that speaks HTTP where they speak TLS. Servers written in
/// Go, such as Caddy and Traefik, do so in HTTP/1.0.
const TLS_EXPECTED: [&str; 2] =
    ["plain HTTP request was sent to HTTPS port", "plain HTTP to an SSL-enabled server port"];
/// What nginx says to a client without a certificate, or with an unknown one.
const CERTIFICATE_EXPECTED: [&str; 2] =
    ["No required SSL certificate was sent", "SSL certificate error"];
/// What aiohttp, and with it Home Assistant, says to an upgrade whose headers a proxy has dropped.
const UPGRADE_EXPECTED: [&str; 2] = ["No WebSocket UPGRADE hdr", "No CONNECTION upgrade hdr"];

/// An open WebSocket.
pub type Socket = WebSocketStream<Throttled<Stream>>;

/// Opens a WebSocket to `endpoint` within `connect_timeout`; `name` is for the log.
pub async fn connect(
    name: &str,
    endpoint: &Endpoint,
    settings: &Settings,
) -> Result<Socket, Failure> {
    let attempt = attempt(endpoint, settings);
    let stream = reach(endpoint, settings, &attempt, &mut ()).await?;
    upgrade(name, endpoint, settings, &attempt, stream).await
}

/// An attempt that begins now.
pub fn attempt(endpoint: &Endpoint, settings: &Settings) -> Attempt {
    Attempt::new(endpoint.host(), endpoint.port(), settings.connect_timeout)
}

/// The stages below HTTP: name, TCP, and TLS for `wss://`.
pub async fn reach(
    endpoint: &Endpoint,
    settings: &Settings,
    attempt: &Attempt,
    observer: &mut impl Observer,
) -> Result<Stream, Failure> {
    let is_registered = settings.allow.is_some();
    let failure = if is_registered { Failure::ConnectRegistered } else { Failure::Connect };
    let addresses = attempt.resolve(observer).await.map_err(failure)?;
    if let Some(allow) = &settings.allow {
        let checked: Vec<_> = addresses.iter().map(SocketAddr::ip).collect();
        allow.check(&endpoint.host(), &checked).map_err(Failure::Forbidden)?;
    }
    let stream = attempt.connect(&addresses, observer).await.map_err(failure)?;
    let files = TlsFiles { ca_file: settings.ca_file.clone(), client: None };
    let secured = attempt.secure(stream, endpoint.is_tls().then_some(&files), observer).await;
    secured.map_err(failure)
}

/// Upgrades the stream to a WebSocket.
pub async fn upgrade(
    name: &str,
    endpoint: &Endpoint,
    settings: &Settings,
    attempt: &Attempt,
    stream: Stream,
) -> Result<Socket, Failure> {
    let request = endpoint.secret_url().expose_secret().into_client_request();
    // The error may repeat the URL, which is secret.
    let request =
        request.map_err(|_| Failure::Protocol("the URL cannot be requested".to_owned()))?;
    let config = WebSocketConfig::default()
        .max_message_size(Some(settings.max_message_bytes))
        .max_frame_size(Some(settings.max_message_bytes))
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_write_buffer_size(MAX_BACKLOG);
    let upgrading = client_async_with_config(request, Throttled::new(stream, name), Some(config));
    match timeout_at(attempt.deadline(), upgrading).await {
        Ok(Ok((socket, _))) => Ok(socket),
        Ok(Err(Error::Http(response))) => Err(http_answer(&response, endpoint.is_tls())),
        Ok(Err(error)) => Err(failure(error)),
        Err(_) => Err(Failure::UpgradeTimedOut {
            limit: settings.connect_timeout,
            place: attempt.place(),
        }),
    }
}

fn http_answer(response: &Response, is_tls: bool) -> Failure {
    let status = response.status().as_u16();
    // Servers report what is wrong only on the page that comes with a 400.
    let page = String::from_utf8_lossy(response.body().as_deref().unwrap_or_default());
    let says = |words: &[&str]| status == 400 && words.iter().any(|words| page.contains(words));
    if !is_tls && says(&TLS_EXPECTED) {
        return Failure::WantsTls { status };
    }
    if is_tls && says(&CERTIFICATE_EXPECTED) {
        return ConnectError::ClientCertificateRequired.into();
    }
    if says(&UPGRADE_EXPECTED) {
        return Failure::HeadersDropped;
    }
    let header = |name: http::HeaderName| response.headers().get(name)?.to_str().ok();
    let is_redirection = (300..400).contains(&status);
    Failure::Http {
        status,
        location: header(http::header::LOCATION).filter(|_| is_redirection).map(shown_place),
        retry_after: header(http::header::RETRY_AFTER).and_then(seconds),
    }
}

fn seconds(text: &str) -> Option<Duration> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| Duration::from_secs(text.parse().unwrap_or(u64::MAX)))
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
        // With TLS 1.3 a server says only now that it requires a certificate.
        Error::Io(error) => tls_error(&error)
            .map_or(Failure::UpgradeHungUp, |error| ConnectError::alert(error).into()),
        Error::Protocol(ProtocolError::WrongHttpVersion) => Failure::OldHttp,
        Error::Protocol(ProtocolError::HttparseError(_)) => Failure::NotHttp,
        Error::Protocol(ProtocolError::HandshakeIncomplete)
        | Error::ConnectionClosed
        | Error::AlreadyClosed => Failure::UpgradeHungUp,
        Error::AttackAttempt => Failure::NotWebSocket("its header does not end".to_owned()),
        Error::Protocol(error) => Failure::NotWebSocket(error.to_string()),
        other => Failure::NotWebSocket(other.to_string()),
    }
}
