//! Finds out who is at a port, and asks a bridge there what it knows. Nobody but a bridge is told the token.

use std::net::SocketAddr;

use reqwest::header::SERVER;
use reqwest::{Client, Response};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{AtPort, Daemon, Health, Untold};
use crate::cli::bridge_client::{self, SMALL};
use crate::cli::healthcheck::reachable;

/// A plant of 99 inverters has a quarter of a MiB, in bytes.
const LARGE: usize = 16 << 20;
/// As much as is told of how a stranger calls himself, in characters.
const NAME: usize = 80;

#[derive(Deserialize)]
struct Stats {
    database_type: String,
}

/// Asks whoever listens at `listen`.
pub(in super::super) async fn ask(listen: SocketAddr, token: Option<&SecretString>) -> AtPort {
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
    let Ok(client) = bridge_client::client() else { return AtPort::Silent };
    let ask = Ask { client, base: format!("http://{at}") };
    let response = match ask.get("/health", None).await {
        Ok(response) => response,
        Err(error) if error.is_connect() => return AtPort::Nobody,
        Err(error) if error.is_timeout() => return AtPort::Silent,
        Err(_) => return AtPort::Stranger("it does not speak HTTP".to_owned()),
    };
    let who = self_description(&response);
    let Ok(health) = json::<Health>(response, SMALL).await else { return AtPort::Stranger(who) };
    let (targets, stats, inverters) = tokio::join!(
        ask.json("/api/targets", token),
        ask.json::<Stats>("/stats", None),
        ask.json("/api/inverters", token),
    );
    if targets.as_ref().is_err_and(|untold| *untold == Untold::Status(404)) {
        // The bridge before this one has the same /health, and no list of targets.
        return AtPort::Stranger("an older bridge".to_owned());
    }
    AtPort::Bridge(Box::new(Daemon {
        address: listen,
        health,
        keeps_in: stats.map(|stats| stats.database_type),
        targets,
        inverters,
    }))
}

struct Ask {
    client: Client,
    base: String,
}

impl Ask {
    async fn get(&self, path: &str, token: Option<&SecretString>) -> reqwest::Result<Response> {
        let request = self.client.get(format!("{}{path}", self.base));
        match token {
            Some(token) => request.bearer_auth(token.expose_secret()),
            None => request,
        }
        .send()
        .await
    }

    async fn json<T>(&self, path: &str, token: Option<&SecretString>) -> Result<T, Untold>
    where
        T: DeserializeOwned,
    {
        let response = self.get(path, token).await.map_err(Untold::asking)?;
        match response.status().as_u16() {
            200 => json(response, LARGE).await,
            status => Err(Untold::Status(status)),
        }
    }
}

async fn json<T: DeserializeOwned>(response: Response, most: usize) -> Result<T, Untold> {
    let body = bridge_client::body(response, most).await.map_err(Untold::reading)?;
    serde_json::from_slice(&body).map_err(|error| Untold::Unread(error.to_string()))
}

fn self_description(response: &Response) -> String {
    let server = response.headers().get(SERVER);
    match server.and_then(|server| server.to_str().ok()) {
        Some(server) => {
            let server: String = server.chars().take(NAME).collect();
            format!("it calls itself {server}")
        }
        None => format!("it answers HTTP {}", response.status().as_u16()),
    }
}
