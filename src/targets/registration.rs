//! Registration over the API: new targets, new tokens, deletion.

use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tracing::{info, warn};

use super::endpoint::Endpoint;
use super::target::{Origin, Retired, Settings, Target};
use super::{Directory, Entry, free_name, registration};
use crate::config::{RegistrationConfig, check_name};
use crate::net::dial::Attempt;
use crate::store::StoredTarget;

/// The kind of a store without a file.
const IN_MEMORY: &str = "memory";
/// A client waits for its answer; a name that takes longer is checked when connecting.
const LOOK_UP_LIMIT: Duration = Duration::from_secs(3);

/// Who may register: `[http.registration]`.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    is_enabled: bool,
    max_targets: usize,
    /// How to connect to those that register.
    pub(super) settings: Settings,
}

impl Rules {
    pub(super) fn of(config: &RegistrationConfig) -> Self {
        let RegistrationConfig { enabled, max_targets, .. } = config;
        let settings = Settings::of_registered(config);
        Self { is_enabled: *enabled, max_targets: *max_targets, settings }
    }
}

/// Why a registration was refused. The texts are the answer to the client.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "the texts say it")]
pub enum RegisterError {
    #[error("{0}")]
    Malformed(String),
    #[error("{0}")]
    NotAllowed(String),
    #[error("registration is turned off in the bridge's configuration (http.registration.enabled)")]
    Disabled,
    #[error(
        "{0} targets are registered, the maximum (http.registration.max_targets); delete one first"
    )]
    TooMany(usize),
}

/// Why a target was not deleted.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "the texts say it")]
pub enum ForgetError {
    #[error("no target has that name")]
    Unknown,
    #[error("this target comes from the configuration file; remove it there")]
    Configured,
}

impl Directory {
    /// Registers a target or, if its URL is known, replaces its token and, unless the configuration
    /// names it, its name. Whether that is on disk; if not, it is in memory, and written as soon as
    /// that is possible.
    pub async fn register(&self, url: &str, name: &str) -> Result<bool, RegisterError> {
        if !self.rules().is_enabled {
            return Err(RegisterError::Disabled);
        }
        let endpoint = Endpoint::parse(url)
            .map_err(|error| RegisterError::Malformed(format!("websocket_url: {error}")))?;
        let asked_for = checked_name(name)?;
        self.check_place(&endpoint).await?;

        let _changing = self.0.changing.lock().await;
        let known = self.find(|target| target.key() == endpoint.key());
        let name = match &known {
            Some(target) => self.name_of_known(target, asked_for),
            None => self.new_name(&asked_for.unwrap_or_else(|| endpoint.host()), &endpoint)?,
        };
        let now = self.0.clock.now();
        let is_configured = known.as_ref().is_some_and(|target| !target.is_registered());
        let saved = StoredTarget { is_configured, ..registration(&name, &endpoint, now) };
        // The store logs why something is not stored.
        let stored = self.0.store.save_target(saved).await;
        info!("[WebSocket] Registered: {name} ({})", endpoint.place());
        let is_in_memory = self.0.store.usage().kind == IN_MEMORY;
        if is_in_memory {
            warn!(
                "[WebSocket] {name} is kept in memory only and forgotten at the next restart: this \
                 is the demo, or state_dir could not be written at the start"
            );
        }
        match known {
            Some(target) if target.name() == name => {
                target.set_failing_since(None);
                target.replace_endpoint(Some(Arc::new(endpoint)));
            }
            known => {
                let settings = self.rules().settings.clone();
                let origin = Origin::Registered { at: now };
                self.put(Target::new(name, endpoint, origin, settings, None), known.as_ref());
            }
        }
        Ok(stored.is_ok() && !is_in_memory)
    }

    /// Adds a target, in the place of the one that it replaces under another name.
    fn put(&self, target: Target, renamed: Option<&Target>) {
        let entry = Entry { target, is_served: false };
        let mut entries = self.entries();
        let is_it = |entry: &&mut Entry| {
            renamed.is_some_and(|renamed| renamed.name() == entry.target.name())
        };
        match entries.iter_mut().find(is_it) {
            Some(old) => *old = entry,
            None => entries.push(entry),
        }
        drop(entries);
        if let Some(renamed) = renamed {
            renamed.retire(Retired::Renamed);
        }
        self.announce_arrivals();
    }

    /// Deletes a registered target: on disk before it returns, if it can be written.
    pub async fn forget(&self, name: &str) -> Result<(), ForgetError> {
        let _changing = self.0.changing.lock().await;
        let target = self.find(|target| target.name() == name).ok_or(ForgetError::Unknown)?;
        if !target.is_registered() {
            return Err(ForgetError::Configured);
        }
        // The store logs why something is not stored.
        drop(self.0.store.delete_target(target.key()).await);
        info!("[WebSocket] Unregistered: {name}");
        self.entries().retain(|entry| entry.target.name() != name);
        target.retire(Retired::Deleted);
        Ok(())
    }

    /// Whether the target may be where its URL says. A name that cannot be looked up now is checked
    /// when connecting, as every name is.
    async fn check_place(&self, endpoint: &Endpoint) -> Result<(), RegisterError> {
        let attempt = Attempt::new(endpoint.host(), endpoint.port(), LOOK_UP_LIMIT);
        let addresses = attempt.resolve(&mut ()).await.unwrap_or_default();
        let addresses: Vec<_> = addresses.iter().map(std::net::SocketAddr::ip).collect();
        let rules = self.rules();
        let allow = rules.settings.allow.as_ref();
        let checked = allow.map_or(Ok(()), |allow| allow.check(&endpoint.host(), &addresses));
        checked.map_err(|forbidden| {
            warn!("[WebSocket] Registration refused for {}: {forbidden}", endpoint.place());
            RegisterError::NotAllowed(format!("websocket_url: {forbidden}"))
        })
    }

    /// A registered target takes the name that it asks for, if that is free.
    fn name_of_known(&self, target: &Target, asked_for: Option<String>) -> String {
        asked_for
            .filter(|name| target.is_registered() && self.find(|it| it.name() == name).is_none())
            .unwrap_or_else(|| target.name().to_owned())
    }

    fn new_name(&self, name: &str, endpoint: &Endpoint) -> Result<String, RegisterError> {
        let targets = self.targets();
        let registered = targets.iter().filter(|target| target.is_registered()).count();
        if registered >= self.rules().max_targets {
            return Err(RegisterError::TooMany(registered));
        }
        Ok(free_name(&targets, name, endpoint))
    }

    fn find(&self, is_it: impl Fn(&Target) -> bool) -> Option<Target> {
        self.targets().into_iter().find(is_it)
    }
}

/// `None` if the client gives no name.
fn checked_name(name: &str) -> Result<Option<String>, RegisterError> {
    if name.is_empty() {
        return Ok(None);
    }
    let name = name.trim();
    check_name(name).map_err(|wrong| RegisterError::Malformed(format!("name: {wrong}")))?;
    Ok(Some(name.to_owned()))
}
