//! Queries the running bridge over its HTTP API, and finds out who else listens at its port.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::error::Error as _;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use reqwest::header::SERVER;
use reqwest::{Client, Response};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

use crate::app::{Storage, listen_address_file};
use crate::config::load::{ConfigError, Loaded, file_exists};
use crate::net::error::ConnectError;
use crate::net::http::{self, BodyError};
use crate::plant::reading::Unread;
use crate::problem::Problem;
use crate::targets::TargetStatus;

use super::{Global, run};

/// One answer, its body included.
const LIMIT: Duration = Duration::from_secs(5);
/// The largest body, in bytes; that of 1,000 targets has half a MiB.
const LARGEST: usize = 4 << 20;
/// The longest `Server` header that is shown, in characters.
const LONGEST_NAME: usize = 80;

/// Who listens at the bridge's port.
#[derive(Debug)]
pub(super) enum PortOwner {
    Nobody,
    Bridge(Box<RunningBridge>),
    /// Another program, described by its answer.
    Other(String),
    /// A program that accepts connections and does not answer.
    Silent,
}

/// What the running bridge reports.
#[derive(Debug)]
pub(super) struct RunningBridge {
    /// Where it listens.
    pub(super) address: SocketAddr,
    pub(super) health: Health,
    pub(super) targets: Result<Vec<TargetStatus>, QueryError>,
    /// Where it keeps its state: `sqlite`, or `memory` if it could not be stored.
    pub(super) database_type: Option<String>,
    client: Client,
    /// Where it was reached.
    reached: SocketAddr,
}

impl RunningBridge {
    /// The body of a successful answer, which is JSON.
    pub(super) async fn get(
        &self,
        path: &str,
        token: Option<&SecretString>,
    ) -> Result<String, QueryError> {
        let body = fetch(&self.client, self.reached, path, token).await?;
        String::from_utf8(body).map_err(|error| QueryError::Unreadable(error.to_string()))
    }
}

#[derive(Debug, Deserialize)]
struct Stats {
    database_type: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Health {
    pub(super) healthy: bool,
    pub(super) uptime_seconds: i64,
    pub(super) dtus: BTreeMap<String, DtuReport>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct DtuReport {
    pub(super) status: String,
    pub(super) seconds_since_last_success: Option<i64>,
    pub(super) seconds_since_last_reply: Option<i64>,
    pub(super) query_count: u64,
    pub(super) error_count: u64,
    pub(super) last_error: Option<String>,
    pub(super) last_error_cause: Option<Cow<'static, str>>,
    pub(super) last_error_remedy: Option<Cow<'static, str>>,
    pub(super) failing_since: Option<String>,
    pub(super) failures_in_a_row: u64,
    pub(super) serial_number: Option<String>,
    pub(super) firmware_version: Option<String>,
    pub(super) inverters: Option<usize>,
    pub(super) ports: Option<usize>,
    pub(super) unread_records: Vec<u16>,
    pub(super) problems: Vec<ReportedProblem>,
}

impl DtuReport {
    /// What the running bridge could not read of the DTU's list.
    pub(super) fn unread(&self) -> Option<Problem> {
        let numbers: Vec<_> = self.unread_records.iter().map(ToString::to_string).collect();
        let what = if numbers.len() == 1 { "record" } else { "records" };
        let cause = format!("the last poll did not read {what} {}", numbers.join(", "));
        Unread { records: self.unread_records.clone(), cause }.problem()
    }
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct ReportedProblem {
    pub(super) label: String,
    pub(super) cause: String,
    pub(super) remedy: Option<Cow<'static, str>>,
}

/// Why the running bridge did not answer a request.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(super) enum QueryError {
    #[error("HTTP {0}")]
    Status(u16),
    #[error("no answer within {LIMIT:?}")]
    TimedOut,
    #[error("{0}")]
    Unreadable(String),
}

impl QueryError {
    /// As users see it; `what` the running bridge did not report.
    pub(super) fn problem(&self, what: &str) -> Problem {
        let (label, remedy) = match self {
            Self::Status(401) => {
                ("wrong_token", "set `http.token` to the token with which the bridge was started")
            }
            Self::Status(_) => ("http_status", "see the log of the running bridge"),
            Self::TimedOut => ("timeout", "see the log of the running bridge, and restart it"),
            Self::Unreadable(_) => {
                ("unreadable", "restart the bridge with the version of this command")
            }
        };
        Problem::new(label, format!("the running bridge does not report {what}: {self}"), remedy)
    }
}

impl From<reqwest::Error> for QueryError {
    fn from(error: reqwest::Error) -> Self {
        if error.is_timeout() {
            Self::TimedOut
        } else {
            Self::Unreadable(error.without_url().to_string())
        }
    }
}

pub(super) fn client() -> reqwest::Result<Client> {
    http::client(LIMIT).build()
}

/// Why no bridge answered at `address`.
pub(super) fn no_answer(address: SocketAddr, error: &reqwest::Error) -> Problem {
    const REMEDY: &str = "start the bridge, or correct `http.listen`";
    let mut source = error.source();
    while let Some(inner) = source {
        if let Some(error) = inner.downcast_ref::<io::Error>()
            && error.raw_os_error().is_some()
        {
            if error.kind() == io::ErrorKind::ConnectionRefused {
                return Problem::new("refused", format!("no bridge answers at {address}"), REMEDY);
            }
            return ConnectError::tcp(address, error).problem();
        }
        source = inner.source();
    }
    if error.is_timeout() {
        return Problem::new(
            "timeout",
            format!("{address} did not answer within {LIMIT:?}"),
            "restart the bridge; if another program listens there, correct `http.listen`",
        );
    }
    not_a_bridge(address, "its answer is not HTTP")
}

/// Another program listens at `address`.
pub(super) fn not_a_bridge(address: SocketAddr, why: &str) -> Problem {
    Problem::new(
        "not_a_bridge",
        format!("the program that listens on {address} is not the bridge: {why}"),
        "stop that program, or correct `http.listen`; then start the bridge",
    )
}

pub(super) async fn body(response: Response) -> Result<Vec<u8>, QueryError> {
    http::read_body(response, LARGEST).await.map_err(|error| match error {
        BodyError::Broken(error) => error.into(),
        long @ BodyError::TooLong(_) => QueryError::Unreadable(long.to_string()),
    })
}

/// Where to connect to a bridge that listens on `listen`, which may be all addresses. Containers
/// often have no IPv6 loopback address although the bridge listens on `[::]`.
pub(super) fn reachable(listen: SocketAddr) -> Vec<SocketAddr> {
    let addresses = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => vec![IpAddr::V4(Ipv4Addr::LOCALHOST)],
        IpAddr::V6(ip) if ip.is_unspecified() => {
            vec![IpAddr::V6(Ipv6Addr::LOCALHOST), IpAddr::V4(Ipv4Addr::LOCALHOST)]
        }
        IpAddr::V4(_) | IpAddr::V6(_) => return vec![listen],
    };
    addresses.into_iter().map(|ip| SocketAddr::new(ip, listen.port())).collect()
}

/// Who listens on the configured address; or the bridge of the state directory if that listens
/// elsewhere, since the configuration may have been changed, or leave the port to the system.
pub(super) async fn running_bridge(loaded: &Loaded) -> PortOwner {
    let (http, state_dir) = (&loaded.config.http, &loaded.config.state_dir);
    let owner = port_owner(http.listen, http.token.as_ref()).await;
    if !matches!(owner, PortOwner::Bridge(_))
        && let Some(address) = listen_address_file::read(state_dir)
        && address != http.listen
        && let bridge @ PortOwner::Bridge(_) = port_owner(address, http.token.as_ref()).await
    {
        return bridge;
    }
    owner
}

/// Who listens on `listen`, and what it reports if it is the bridge. Only a bridge gets the token.
async fn port_owner(listen: SocketAddr, token: Option<&SecretString>) -> PortOwner {
    if listen.port() == 0 {
        return PortOwner::Nobody;
    }
    for address in reachable(listen) {
        match owner_at(listen, address, token).await {
            PortOwner::Nobody => {}
            owner @ (PortOwner::Bridge(_) | PortOwner::Other(_) | PortOwner::Silent) => {
                return owner;
            }
        }
    }
    PortOwner::Nobody
}

async fn owner_at(
    listen: SocketAddr,
    address: SocketAddr,
    token: Option<&SecretString>,
) -> PortOwner {
    let Ok(client) = client() else { return PortOwner::Silent };
    let response = match client.get(format!("http://{address}/health")).send().await {
        Ok(response) => response,
        Err(error) if error.is_connect() => return PortOwner::Nobody,
        Err(error) if error.is_timeout() => return PortOwner::Silent,
        Err(_) => return PortOwner::Other("it does not speak HTTP".to_owned()),
    };
    let description = describe(&response);
    let Ok(health) = json(response).await else { return PortOwner::Other(description) };
    let targets =
        fetch(&client, address, "/api/targets", token).await.and_then(|body| parse(&body));
    if targets.as_ref().is_err_and(|error| *error == QueryError::Status(404)) {
        // Its predecessor has the same /health, and no list of targets.
        return PortOwner::Other("an older bridge".to_owned());
    }
    let stats = fetch(&client, address, "/stats", None).await.and_then(|body| parse(&body));
    let database_type = stats.ok().map(|stats: Stats| stats.database_type);
    let reached = address;
    let bridge = RunningBridge { address: listen, health, targets, database_type, client, reached };
    PortOwner::Bridge(Box::new(bridge))
}

/// The configuration, and who listens at its port. Without a file, that is the demo's if that runs.
pub(super) async fn find(global: &Global) -> Result<(Loaded, Storage, PortOwner), ConfigError> {
    match run::loaded(global) {
        Ok(loaded) => {
            let owner = running_bridge(&loaded).await;
            Ok((loaded, Storage::StateDir, owner))
        }
        Err(error) if global.config.is_none() && !file_exists() => {
            let demo = run::loaded_demo()?;
            match running_bridge(&demo).await {
                owner @ PortOwner::Bridge(_) => Ok((demo, Storage::InMemory, owner)),
                PortOwner::Nobody | PortOwner::Other(_) | PortOwner::Silent => Err(error),
            }
        }
        Err(error) => Err(error),
    }
}

async fn fetch(
    client: &Client,
    address: SocketAddr,
    path: &str,
    token: Option<&SecretString>,
) -> Result<Vec<u8>, QueryError> {
    let mut request = client.get(format!("http://{address}{path}"));
    if let Some(token) = token {
        request = request.bearer_auth(token.expose_secret());
    }
    let response = request.send().await?;
    match response.status().as_u16() {
        200 => body(response).await,
        status => Err(QueryError::Status(status)),
    }
}

async fn json<T: DeserializeOwned>(response: Response) -> Result<T, QueryError> {
    parse(&body(response).await?)
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, QueryError> {
    serde_json::from_slice(body).map_err(|error| QueryError::Unreadable(error.to_string()))
}

fn describe(response: &Response) -> String {
    let server = response.headers().get(SERVER).and_then(|server| server.to_str().ok());
    match server {
        Some(server) => {
            format!("it calls itself {}", server.chars().take(LONGEST_NAME).collect::<String>())
        }
        None => format!("it answers HTTP {}", response.status().as_u16()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reaches_a_bridge_on_all_addresses_over_loopback() {
        for (listen, expected) in [
            ("0.0.0.0:8080", "127.0.0.1:8080"),
            ("[::]:8080", "[::1]:8080 127.0.0.1:8080"),
            ("192.168.1.5:80", "192.168.1.5:80"),
        ] {
            let addresses = reachable(listen.parse().unwrap());
            let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
            assert_eq!(addresses.join(" "), expected);
        }
    }
}
