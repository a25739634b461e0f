//! Who receives updates: targets from the configuration and by registration, and how each fares.

pub mod endpoint;

pub mod allow;

pub mod target;

mod status;

mod registration;

#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;
use tracing::warn;

use self::allow::Allow;
use self::endpoint::{Endpoint, EndpointError};
pub use self::status::{ForgetError, RegisterError, TargetStatus};
use self::target::{Origin, Settings, Target};
use crate::clock::WallClock;
use crate::config::target::{default_connect_timeout, default_heartbeat};
use crate::config::{RegistrationConfig, TargetConfig};
use crate::store::{SavedTarget, Store};

/// A registered target that fails for so long is forgotten: who registers will do so again.
const PATIENCE: SignedDuration = SignedDuration::from_hours(7 * 24);
/// A clock that tells less than this (2025-01-01) has not been set yet, as on a board without
/// battery before it reaches a time server.
const CLOCK_IS_SET: Timestamp = Timestamp::constant(1_735_689_600, 0);

/// All targets, shared between the API, which lists and changes them, and push, which serves them.
/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct Directory(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    entries: Mutex<Vec<Entry>>,
    /// Grows with each new target.
    arrivals: watch::Sender<u64>,
    is_open: bool,
    max_registered: usize,
    allow: Arc<Allow>,
    /// One change at a time, so that the database and the list tell the same.
    changing: tokio::sync::Mutex<()>,
    store: Store,
    clock: WallClock,
}

#[derive(Debug)]
struct Entry {
    target: Target,
    is_served: bool,
}

impl Directory {
    /// The targets of the configuration and those that registered before the restart.
    pub fn new(
        configured: &[TargetConfig],
        saved: Vec<SavedTarget>,
        registration: &RegistrationConfig,
        store: Store,
        clock: WallClock,
    ) -> Result<Self, EndpointError> {
        let allow = Arc::new(Allow::parse(&registration.allow));
        let mut targets = Vec::new();
        for config in configured {
            targets.push(configured_target(config, &saved)?);
        }
        for saved in saved {
            let is_known = targets.iter().any(|target: &Target| target.key() == saved.key);
            match Endpoint::parse(secrecy::ExposeSecret::expose_secret(&saved.url)) {
                Ok(_) if is_known => {}
                Ok(endpoint) => {
                    let origin = Origin::Registered { at: saved.registered_at };
                    let settings = registered_settings(&allow);
                    targets.push(Target::new(
                        free_name(&targets, &saved.name, &endpoint),
                        endpoint,
                        origin,
                        settings,
                        saved.failing_since,
                    ));
                }
                Err(error) => {
                    warn!("[WebSocket] Stored target {} is left out: {error}", saved.name);
                }
            }
        }
        let entries = targets.into_iter().map(|target| Entry { target, is_served: false });
        Ok(Self(Arc::new(Shared {
            entries: Mutex::new(entries.collect()),
            arrivals: watch::Sender::new(0),
            is_open: registration.enabled,
            max_registered: registration.max_targets,
            allow,
            changing: tokio::sync::Mutex::new(()),
            store,
            clock,
        })))
    }

    /// Every target and how it fares, in the order in which they came.
    pub fn statuses(&self) -> Vec<TargetStatus> {
        self.entries().iter().map(|entry| entry.target.status()).collect()
    }

    /// Changes when there are new targets to serve.
    pub fn arrivals(&self) -> watch::Receiver<u64> {
        self.0.arrivals.subscribe()
    }

    /// The targets that nobody serves yet; from now on they count as served.
    pub fn take_unserved(&self) -> Vec<Target> {
        let mut entries = self.entries();
        let unserved = entries.iter_mut().filter(|entry| !entry.is_served);
        unserved
            .map(|entry| {
                entry.is_served = true;
                entry.target.clone()
            })
            .collect()
    }

    /// An attempt at a target failed. One that registered and fails for a week is forgotten.
    pub async fn note_failure(&self, target: &Target) {
        let now = self.0.clock.now();
        if !target.is_registered() || now < CLOCK_IS_SET {
            return;
        }
        match target.failing_since().filter(|since| *since <= now) {
            None => {
                target.set_failing_since(Some(now));
                self.save(target).await;
            }
            Some(since) if now.duration_since(since) >= PATIENCE => {
                warn!(
                    "[WebSocket] Forgotten: {} has failed for 7 days; it returns when it registers again",
                    target.name()
                );
                drop(self.forget(target.name()).await);
            }
            Some(_) => {}
        }
    }

    /// A target received an update.
    pub async fn note_success(&self, target: &Target) {
        if target.failing_since().is_some() {
            target.set_failing_since(None);
            self.save(target).await;
        }
    }

    /// A target refused its token. One of the configuration whose token was replaced by a
    /// registration goes back to the token of the configuration.
    pub async fn note_refused_token(&self, target: &Target) {
        let Origin::Configured(original) = target.origin() else { return };
        if target.endpoint().is_none_or(|endpoint| endpoint == *original) {
            return;
        }
        if let Err(error) = self.0.store.delete_target(target.key()).await {
            warn!("[WebSocket] {}: the refused token could not be removed: {error}", target.name());
        }
        target.replace_endpoint(Some(Arc::clone(original)));
    }

    /// Writes down a change that nobody waits for.
    async fn save(&self, target: &Target) {
        let _changing = self.0.changing.lock().await;
        let (Some(endpoint), Origin::Registered { at }) = (target.endpoint(), target.origin())
        else {
            return;
        };
        let saved = SavedTarget {
            key: target.key().to_owned(),
            url: endpoint.secret_url(),
            name: target.name().to_owned(),
            registered_at: *at,
            failing_since: target.failing_since(),
        };
        if let Err(error) = self.0.store.save_target(saved).await {
            warn!("[WebSocket] {}: its state could not be stored: {error}", target.name());
        }
    }

    fn entries(&self) -> MutexGuard<'_, Vec<Entry>> {
        // Nothing panics while it holds the list, and a list is never half changed.
        self.0.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A target of the configuration; with the token of a later registration, if there was one.
fn configured_target(
    config: &TargetConfig,
    saved: &[SavedTarget],
) -> Result<Target, EndpointError> {
    let mut original = Endpoint::parse(secrecy::ExposeSecret::expose_secret(&config.url))?;
    if let Some(token) = &config.token {
        original = original.with_token(token);
    }
    let replaced = saved
        .iter()
        .filter(|saved| saved.key == original.key())
        .find_map(|saved| Endpoint::parse(secrecy::ExposeSecret::expose_secret(&saved.url)).ok());
    let settings = Settings {
        connect_timeout: config.connect_timeout,
        heartbeat: config.heartbeat,
        ca_file: config.ca_file.clone(),
        allow: None,
    };
    let endpoint = replaced.unwrap_or_else(|| original.clone());
    let origin = Origin::Configured(Arc::new(original));
    Ok(Target::new(config.name.clone(), endpoint, origin, settings, None))
}

fn registered_settings(allow: &Arc<Allow>) -> Settings {
    Settings {
        connect_timeout: default_connect_timeout(),
        heartbeat: default_heartbeat(),
        ca_file: None,
        allow: Some(Arc::clone(allow)),
    }
}

/// `name`, or with the host added if another target bears it already.
fn free_name(targets: &[Target], name: &str, endpoint: &Endpoint) -> String {
    let is_taken = |name: &str| targets.iter().any(|target| target.name() == name);
    let with_host = format!("{name} ({})", endpoint.host());
    let with_port = format!("{name} ({})", endpoint.authority());
    let numbered = (2..).map(|number: u32| format!("{with_port} {number}"));
    [name.to_owned(), with_host, with_port.clone()]
        .into_iter()
        .chain(numbered)
        .find(|name| !is_taken(name))
        .unwrap_or(with_port)
}
