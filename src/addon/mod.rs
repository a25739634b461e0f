//! As an add-on of Home Assistant, the bridge asks the Supervisor where the MQTT broker is.

#[cfg(test)]
mod tests;

use std::error::Error as _;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use thiserror::Error;
use tokio::time::sleep;
use tracing::{info, warn};

use crate::config::{MqttConfig, SupervisorBroker};
use crate::net::http::{self, BodyError};
use crate::net::reconnect::wait_after;
use crate::problem::Problem;

/// How long the Supervisor may take for one answer.
pub const LIMIT: Duration = Duration::from_secs(10);

/// An answer has about 200 bytes.
const LONGEST: usize = 64 << 10;
/// No more is shown of the Supervisor's own message.
const LONGEST_MESSAGE: usize = 100;

/// Why the Supervisor provides no broker.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SupervisorError {
    /// It knows of none, in its own words.
    #[error("the Supervisor has no MQTT service ({0})")]
    NoBroker(String),
    /// It does not allow the question: an HTTP status.
    #[error("the Supervisor refuses the request (HTTP {0})")]
    NotAllowed(u16),
    /// It answers with another HTTP status.
    #[error("the Supervisor answers HTTP {0}")]
    Status(u16),
    /// Its answer has another form.
    #[error("the Supervisor's answer does not describe a broker")]
    Invalid,
    /// It does not answer within this time.
    #[error("the Supervisor did not answer within {0:?}")]
    TimedOut(Duration),
    /// There is no connection.
    #[error("cannot reach the Supervisor at {url} ({detail})")]
    Unreachable {
        /// Its address.
        url: String,
        /// What the operating system says.
        detail: String,
    },
}

impl SupervisorError {
    /// Label, cause and remedy.
    pub fn problem(&self) -> Problem {
        let (label, remedy) = match self {
            Self::NoBroker(_) => (
                "no_broker",
                "install and start the add-on \"Mosquitto broker\", or set `mqtt.host` in the \
                 options",
            ),
            Self::NotAllowed(_) => (
                "not_allowed",
                "reinstall the add-on so that it gets access to MQTT, or set `mqtt.host` in the \
                 options",
            ),
            Self::Status(_) | Self::Invalid => {
                ("invalid_answer", "see the Supervisor's log, or set `mqtt.host` in the options")
            }
            Self::TimedOut(_) => (
                "timeout",
                "restart the add-on, then the Supervisor, or set `mqtt.host` in the options",
            ),
            Self::Unreachable { .. } => (
                "unreachable",
                "start the bridge as an add-on of Home Assistant, or set `mqtt.host` in the options",
            ),
        };
        Problem::new(label, self.to_string(), remedy)
    }
}

/// Asks the Supervisor for the broker, and logs each new reason once why there is none.
#[derive(Debug)]
pub struct SupervisorClient {
    broker: Box<SupervisorBroker>,
    logged: Option<SupervisorError>,
}

impl SupervisorClient {
    /// A client for this broker.
    pub const fn new(broker: Box<SupervisorBroker>) -> Self {
        Self { broker, logged: None }
    }

    /// The broker, once the Supervisor provides it: after a reboot it may start later than the
    /// bridge.
    pub async fn broker(&mut self) -> MqttConfig {
        let mut failures = 0_u32;
        loop {
            if let Some(config) = self.query("No broker", "retrying").await {
                info!("[MQTT] Broker from the Supervisor: {}", config.place());
                return config;
            }
            failures = failures.saturating_add(1);
            sleep(wait_after(failures)).await;
        }
    }

    /// What the Supervisor says now, if that differs from `known`.
    pub async fn changed(&mut self, known: &MqttConfig) -> Option<MqttConfig> {
        let what = "Cannot get broker details from the Supervisor";
        let config = self.query(what, "retrying with the previous ones").await?;
        if is_same(&config, known) {
            return None;
        }
        info!("[MQTT] The Supervisor reports a changed broker or login: {}", config.place());
        Some(config)
    }

    async fn query(&mut self, what: &str, outlook: &str) -> Option<MqttConfig> {
        match ask(&self.broker, LIMIT).await {
            Ok(config) => {
                self.logged = None;
                Some(config)
            }
            Err(error) => {
                if self.logged.as_ref() != Some(&error) {
                    warn!("[MQTT] {what}: {}; {outlook}", error.problem());
                    self.logged = Some(error);
                }
                None
            }
        }
    }
}

/// Whether address and login are the same.
fn is_same(one: &MqttConfig, other: &MqttConfig) -> bool {
    fn exposed(password: Option<&SecretString>) -> Option<&str> {
        password.map(SecretString::expose_secret)
    }
    (&one.host, one.port, one.tls, &one.username)
        == (&other.host, other.port, other.tls, &other.username)
        && exposed(one.password.as_ref()) == exposed(other.password.as_ref())
}

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

/// Asks once, for at most `limit`.
pub async fn ask(
    broker: &SupervisorBroker,
    limit: Duration,
) -> Result<MqttConfig, SupervisorError> {
    let client = http::client(limit).build();
    let url = &broker.supervisor.url;
    let failed = |error: reqwest::Error| {
        if error.is_timeout() {
            return SupervisorError::TimedOut(limit);
        }
        SupervisorError::Unreachable { url: url.clone(), detail: innermost(&error.without_url()) }
    };
    let request = client
        .map_err(failed)?
        .get(format!("{url}/services/mqtt"))
        .bearer_auth(broker.supervisor.token.expose_secret());
    let response = request.send().await.map_err(failed)?;
    let status = response.status().as_u16();
    let body = match http::read_body(response, LONGEST).await {
        Ok(body) => body,
        Err(BodyError::TooLong(_)) => Vec::new(),
        Err(BodyError::Broken(error)) => return Err(failed(error)),
    };
    // The error of serde would quote a wrong value, which may be the password.
    let answer = serde_json::from_slice::<Answer>(&body).ok();
    match (status, answer) {
        (200, Some(Answer { data: Some(service), .. })) => with(service, &broker.rest),
        (200, _) => Err(SupervisorError::Invalid),
        (400, Some(Answer { message: Some(message), .. })) => {
            Err(SupervisorError::NoBroker(one_line(&message)))
        }
        (401 | 403, _) => Err(SupervisorError::NotAllowed(status)),
        (_, _) => Err(SupervisorError::Status(status)),
    }
}

/// The configuration for the service.
fn with(service: Service, rest: &MqttConfig) -> Result<MqttConfig, SupervisorError> {
    let Service { host, port, ssl, username, password } = service;
    if host.trim().is_empty() || port == 0 {
        return Err(SupervisorError::Invalid);
    }
    let username = username.filter(|name| !name.is_empty());
    let password = password.filter(|_| username.is_some());
    Ok(MqttConfig { host, port: Some(port), tls: ssl, username, password, ..rest.clone() })
}

/// The Supervisor's message, shortened and in one line.
fn one_line(message: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    message.chars().take(LONGEST_MESSAGE).map(plain).collect()
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
