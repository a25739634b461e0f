//! The bridge that runs: who is at its port, and what it says of DTUs and targets.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, Response};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::cli::healthcheck::reachable;

/// A bridge that takes longer to answer is not well.
const LIMIT: Duration = Duration::from_secs(5);

/// Who is at the port.
#[derive(Debug)]
pub(super) enum AtPort {
    /// Nobody.
    Nobody,
    /// The bridge.
    Bridge(Box<Daemon>),
    /// Somebody else, who says this of himself.
    Stranger(String),
    /// Somebody who does not answer.
    Silent,
}

/// What the running bridge says.
#[derive(Debug)]
pub(super) struct Daemon {
    /// Where it listens.
    pub(super) address: SocketAddr,
    pub(super) health: Health,
    /// `sqlite`, or `memory` if nothing will survive a restart.
    pub(super) keeps_in: Option<String>,
    /// Or why it does not say.
    pub(super) targets: Result<Vec<TargetTold>, String>,
    pub(super) inverters: Vec<InverterTold>,
}

/// The body of `/health`, as far as it is needed.
#[derive(Debug, Deserialize)]
pub(super) struct Health {
    pub(super) healthy: bool,
    pub(super) uptime_seconds: i64,
    pub(super) dtus: BTreeMap<String, DtuTold>,
}

/// What the running bridge says of a DTU.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct DtuTold {
    pub(super) status: String,
    pub(super) seconds_since_last_success: Option<i64>,
    pub(super) query_count: u64,
    pub(super) error_count: u64,
    pub(super) last_error: Option<String>,
    #[serde(default)]
    pub(super) failing_since: Option<String>,
    #[serde(default)]
    pub(super) failures_in_a_row: u64,
    pub(super) serial_number: Option<String>,
    pub(super) firmware_version: Option<String>,
    /// What is wrong although it answers.
    #[serde(default)]
    pub(super) warnings: Vec<String>,
}

/// What the running bridge says of a target.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct TargetTold {
    pub(super) name: String,
    pub(super) url: String,
    pub(super) source: String,
    pub(super) state: String,
    pub(super) attempts: u64,
    pub(super) last_error: Option<String>,
    pub(super) connected_since: Option<String>,
    pub(super) updates_sent: u64,
    pub(super) last_sent: Option<String>,
}

/// What the running bridge says of an inverter.
#[derive(Debug, Deserialize)]
pub(super) struct InverterTold {
    pub(super) dtu_name: String,
    pub(super) ports: Vec<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct Stats {
    database_type: String,
}

/// Asks whoever listens at `listen`.
pub(super) async fn ask(listen: SocketAddr, token: Option<&SecretString>) -> AtPort {
    if listen.port() == 0 {
        return AtPort::Nobody;
    }
    for address in reachable(listen) {
        match ask_at(listen, address, token).await {
            AtPort::Nobody => {}
            who @ (AtPort::Bridge(_) | AtPort::Stranger(_) | AtPort::Silent) => return who,
        }
    }
    AtPort::Nobody
}

async fn ask_at(listen: SocketAddr, at: SocketAddr, token: Option<&SecretString>) -> AtPort {
    // A proxy of the environment has no business between a process and its neighbour.
    let client = Client::builder().no_proxy().redirect(Policy::none()).timeout(LIMIT).build();
    let Ok(client) = client else { return AtPort::Silent };
    let ask = Ask { client, base: format!("http://{at}"), token };
    let response = match ask.get("/health").await {
        Ok(response) => response,
        Err(error) if error.is_connect() => return AtPort::Nobody,
        Err(error) if error.is_timeout() => return AtPort::Silent,
        Err(_) => return AtPort::Stranger("it does not speak HTTP".to_owned()),
    };
    let who = self_description(&response);
    let Ok(health) = json::<Health>(response).await else { return AtPort::Stranger(who) };
    let targets = match ask.get("/api/targets").await {
        Ok(response) => match response.status().as_u16() {
            200 => json(response).await,
            // The bridge before this one has the same /health, and no list of targets.
            404 => return AtPort::Stranger("an older bridge".to_owned()),
            status => Err(format!("HTTP {status}")),
        },
        Err(error) => Err(error.without_url().to_string()),
    };
    AtPort::Bridge(Box::new(Daemon {
        address: listen,
        health,
        keeps_in: ask.json::<Stats>("/stats").await.map(|stats| stats.database_type),
        targets,
        inverters: ask.json("/api/inverters").await.unwrap_or_default(),
    }))
}

struct Ask<'a> {
    client: Client,
    base: String,
    token: Option<&'a SecretString>,
}

impl Ask<'_> {
    async fn get(&self, path: &str) -> reqwest::Result<Response> {
        let request = self.client.get(format!("{}{path}", self.base));
        match self.token {
            Some(token) => request.bearer_auth(token.expose_secret()),
            None => request,
        }
        .send()
        .await
    }

    async fn json<T: DeserializeOwned>(&self, path: &str) -> Option<T> {
        json(self.get(path).await.ok()?).await.ok()
    }
}

async fn json<T: DeserializeOwned>(response: Response) -> Result<T, String> {
    let body = response.bytes().await.map_err(|error| error.without_url().to_string())?;
    serde_json::from_slice(&body).map_err(|error| error.to_string())
}

fn self_description(response: &Response) -> String {
    let server = response.headers().get(reqwest::header::SERVER);
    match server.and_then(|server| server.to_str().ok()) {
        Some(server) => format!("it calls itself {server}"),
        None => format!("it answers HTTP {}", response.status().as_u16()),
    }
}
