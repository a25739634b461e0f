//! One question to the Supervisor, and what its answer means.

use std::error::Error as _;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use super::Refusal;
use crate::config::MqttConfig;
use crate::config::load::OfferedBroker;
use crate::net;
use crate::net::http::BodyError;

/// An answer has some 200 bytes.
const LONGEST: usize = 64 << 10;
/// Of the Supervisor's own words, no more is shown.
const LONGEST_WORDS: usize = 100;

#[derive(Deserialize)]
struct Answer {
    data: Option<Service>,
    message: Option<String>,
}

#[derive(Deserialize)]
struct Service {
    host: String,
    port: u16,
    #[serde(default)]
    ssl: bool,
    username: Option<String>,
    password: Option<SecretString>,
}

/// Asks once, at most for `limit`.
pub async fn ask(offered: &OfferedBroker, limit: Duration) -> Result<MqttConfig, Refusal> {
    let client = net::http::client(limit).build();
    let url = &offered.supervisor.url;
    let failed = |error: reqwest::Error| {
        if error.is_timeout() {
            return Refusal::TimedOut(limit);
        }
        Refusal::Unreachable { url: url.clone(), detail: innermost(&error.without_url()) }
    };
    let request = client
        .map_err(failed)?
        .get(format!("{url}/services/mqtt"))
        .bearer_auth(offered.supervisor.token.expose_secret());
    let response = request.send().await.map_err(failed)?;
    let status = response.status().as_u16();
    let body = match net::http::read_body(response, LONGEST).await {
        Ok(body) => body,
        Err(BodyError::TooLong(_)) => Vec::new(),
        Err(BodyError::Broken(error)) => return Err(failed(error)),
    };
    // What serde says of a wrong value has the value in it, which may be the password.
    let answer = serde_json::from_slice::<Answer>(&body).ok();
    match (status, answer) {
        (200, Some(Answer { data: Some(service), .. })) => with(service, &offered.rest),
        (200, _) => Err(Refusal::Garbage),
        (400, Some(Answer { message: Some(words), .. })) => Err(Refusal::NoBroker(tidy(&words))),
        (401 | 403, _) => Err(Refusal::NotAllowed(status)),
        (_, _) => Err(Refusal::Status(status)),
    }
}

/// The configuration of the service.
fn with(service: Service, rest: &MqttConfig) -> Result<MqttConfig, Refusal> {
    let Service { host, port, ssl, username, password } = service;
    if host.trim().is_empty() || port == 0 {
        return Err(Refusal::Garbage);
    }
    let username = username.filter(|name| !name.is_empty());
    let password = password.filter(|_| username.is_some());
    Ok(MqttConfig { host, port: Some(port), tls: ssl, username, password, ..rest.clone() })
}

/// A stranger's words in one line.
fn tidy(words: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    words.chars().take(LONGEST_WORDS).map(plain).collect()
}

/// What the operating system said.
fn innermost(error: &reqwest::Error) -> String {
    let mut cause = error.source();
    let mut text = error.to_string();
    while let Some(inner) = cause {
        text = inner.to_string();
        cause = inner.source();
    }
    text
}
