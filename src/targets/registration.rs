//! Taking in and letting go: what the API asks of the directory.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::lookup_host;
use tokio::time::timeout;
use tracing::{info, warn};

use super::endpoint::Endpoint;
use super::list::free_name;
use super::status::{ForgetError, RegisterError};
use super::target::{Origin, Settings, Target};
use super::{Directory, Entry};
use crate::config::name;
use crate::store::StoredTarget;

/// What the store says of itself when it has no file.
const IN_MEMORY: &str = "memory";
/// Who registers waits for its answer; a name that takes longer is checked at the attempt.
const LOOK_UP_LIMIT: Duration = Duration::from_secs(3);

impl Directory {
    /// Registers a target or, if its URL is known, replaces its token. On disk before it returns.
    pub async fn register(&self, url: &str, name: &str) -> Result<(), RegisterError> {
        if !self.rules().is_open {
            return Err(RegisterError::Disabled);
        }
        let malformed = |error: String| RegisterError::Malformed(format!("websocket_url: {error}"));
        let endpoint = Endpoint::parse(url).map_err(|error| malformed(error.to_string()))?;
        let name = checked_name(name, &endpoint)?;
        self.check_place(&endpoint).await?;

        let _changing = self.0.changing.lock().await;
        let key = endpoint.key();
        let known = self.find(|target| target.key() == key);
        let name = match &known {
            Some(target) => target.name().to_owned(),
            None => self.new_name(&name, &endpoint)?,
        };
        let now = self.0.clock.now();
        let saved = StoredTarget {
            key,
            url: endpoint.secret_url(),
            name: name.clone(),
            registered_at: now,
            failing_since: None,
        };
        let stored = self.0.store.save_target(saved).await;
        stored.map_err(|error| RegisterError::Storage(error.to_string()))?;
        info!("[WebSocket] Registered: {name} ({})", endpoint.place());
        if self.0.store.usage().kind == IN_MEMORY {
            warn!(
                "[WebSocket] {name} is kept in memory only and forgotten at the next restart: this \
                 is the demo, or state_dir could not be written at the start"
            );
        }
        match known {
            Some(target) => {
                target.set_failing_since(None);
                target.replace_endpoint(Some(Arc::new(endpoint)));
            }
            None => self.add(name, endpoint, now),
        }
        Ok(())
    }

    /// Forgets a registered target: on disk before it returns.
    pub async fn forget(&self, name: &str) -> Result<(), ForgetError> {
        let _changing = self.0.changing.lock().await;
        let target = self.find(|target| target.name() == name).ok_or(ForgetError::Unknown)?;
        if !target.is_registered() {
            return Err(ForgetError::Configured);
        }
        let deleted = self.0.store.delete_target(target.key()).await;
        deleted.map_err(|error| ForgetError::Storage(error.to_string()))?;
        info!("[WebSocket] Unregistered: {name}");
        self.entries().retain(|entry| entry.target.name() != name);
        target.replace_endpoint(None);
        Ok(())
    }

    /// Whether the target may be where it says. A name that cannot be looked up now may be known
    /// later: each attempt checks again, and says so in the log.
    async fn check_place(&self, endpoint: &Endpoint) -> Result<(), RegisterError> {
        let host = endpoint.host();
        let addresses: Vec<IpAddr> = match host.parse() {
            Ok(address) => vec![address],
            Err(_) => look_up(&host, endpoint.port()).await,
        };
        let checked = self.rules().allow.check(&host, &addresses);
        checked.map_err(|forbidden| {
            warn!("[WebSocket] Registration refused for {}: {forbidden}", endpoint.place());
            RegisterError::NotAllowed(format!("websocket_url: {forbidden}"))
        })
    }

    fn new_name(&self, name: &str, endpoint: &Endpoint) -> Result<String, RegisterError> {
        let most = self.rules().max_registered;
        let entries = self.entries();
        let registered = entries.iter().filter(|entry| entry.target.is_registered()).count();
        if registered >= most {
            return Err(RegisterError::TooMany(registered));
        }
        let targets: Vec<Target> = entries.iter().map(|entry| entry.target.clone()).collect();
        Ok(free_name(&targets, name, endpoint))
    }

    fn add(&self, name: String, endpoint: Endpoint, at: jiff::Timestamp) {
        let settings = Settings::of_registered(&self.rules().allow);
        let target = Target::new(name, endpoint, Origin::Registered { at }, settings, None);
        self.entries().push(Entry { target, is_served: false });
        self.0.arrivals.send_modify(|arrivals| *arrivals = arrivals.wrapping_add(1));
    }

    fn find(&self, is_it: impl Fn(&Target) -> bool) -> Option<Target> {
        let entries = self.entries();
        entries.iter().map(|entry| &entry.target).find(|target| is_it(target)).cloned()
    }
}

/// Who gives no name is called by its host.
fn checked_name(name: &str, endpoint: &Endpoint) -> Result<String, RegisterError> {
    if name.is_empty() {
        return Ok(endpoint.host());
    }
    let name = name.trim();
    name::check(name).map_err(|wrong| RegisterError::Malformed(format!("name: {wrong}")))?;
    Ok(name.to_owned())
}

async fn look_up(host: &str, port: u16) -> Vec<IpAddr> {
    match timeout(LOOK_UP_LIMIT, lookup_host((host, port))).await {
        Ok(Ok(addresses)) => addresses.map(|address| address.ip()).collect(),
        Ok(Err(_)) | Err(_) => Vec::new(),
    }
}
