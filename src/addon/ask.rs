//! One question to the Supervisor, and what its answer means.

use std::error::Error as _;
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, Response};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use super::Refusal;
use crate::config::MqttConfig;
use crate::config::load::OfferedBroker;

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
    // The library wants to know how TLS would be spoken; an error means that it knows already.
    drop(rustls::crypto::ring::default_provider().install_default());
    // A proxy of the environment has no business between an add-on and its Supervisor.
    let client = Client::builder().no_proxy().redirect(Policy::none()).timeout(limit).build();
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
    let mut response = request.send().await.map_err(failed)?;
    let status = response.status().as_u16();
    let body = body(&mut response).await.map_err(failed)?;
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

/// The body as far as it may be one.
async fn body(response: &mut Response) -> reqwest::Result<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        body.extend_from_slice(&chunk);
        if body.len() > LONGEST {
            break;
        }
    }
    Ok(body)
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
