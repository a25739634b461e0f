//! The targets that receive updates, from the configuration and by registration.

pub mod allow;
pub mod broker;
pub mod endpoint;

mod registration;
pub mod target;

#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret as _;
use tokio::sync::watch;
use tracing::{info, warn};

use self::endpoint::Endpoint;
use self::registration::Rules;
pub use self::registration::{ForgetError, RegisterError};
pub use self::target::TargetStatus;
use self::target::{Origin, Retired, Settings, Target};
use crate::clock::WallClock;
use crate::config::websocket_url::UrlError;
use crate::config::{RegistrationConfig, TargetConfig};
use crate::problem::Problem;
use crate::store::{Store, StoredTarget};

/// A registered target that fails for so long is forgotten: it will register again.
const FORGOTTEN_AFTER: SignedDuration = SignedDuration::from_hours(7 * 24);

/// All targets, shared between the API, which lists and changes them, and push, which serves them.
/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct Directory(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    entries: Mutex<Vec<Entry>>,
    /// Grows with each new target.
    arrivals: watch::Sender<u64>,
    rules: Mutex<Arc<Rules>>,
    /// One change at a time, so that database and list agree.
    changing: tokio::sync::Mutex<()>,
    store: Store,
    clock: WallClock,
}

#[derive(Debug)]
struct Entry {
    target: Target,
    is_served: bool,
}

/// How many targets, or DTUs, a new configuration concerned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// As they were.
    pub kept: usize,
    /// New or changed.
    pub started: usize,
    /// Gone or changed.
    pub stopped: usize,
}

impl Directory {
    /// The targets of the configuration and those that registered before the restart.
    pub fn new(
        configured: &[TargetConfig],
        saved: Vec<StoredTarget>,
        registration: &RegistrationConfig,
        store: Store,
        clock: WallClock,
    ) -> Result<Self, UrlError> {
        let rules = Rules::of(registration);
        let targets = merged(configured, saved, &rules)?;
        let entries = targets.into_iter().map(|target| Entry { target, is_served: false });
        Ok(Self(Arc::new(Shared {
            entries: Mutex::new(entries.collect()),
            arrivals: watch::Sender::new(0),
            rules: Mutex::new(Arc::new(rules)),
            changing: tokio::sync::Mutex::new(()),
            store,
            clock,
        })))
    }

    /// How every target fares, oldest first, with times in `zone`.
    pub fn statuses(&self, zone: &TimeZone) -> Vec<TargetStatus> {
        self.entries().iter().map(|entry| entry.target.status(zone)).collect()
    }

    /// Why registrations, and all else, are not stored at the moment.
    pub fn storage_problem(&self) -> Option<Problem> {
        self.0.store.problem()
    }

    /// Changes when there are new targets to serve.
    pub fn arrivals(&self) -> watch::Receiver<u64> {
        self.0.arrivals.subscribe()
    }

    /// The targets without a task; from now on they count as served.
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

    /// An attempt at a target failed. A registered target that fails for a week is forgotten.
    pub async fn note_failure(&self, target: &Target) {
        let now = self.0.clock.now();
        if !target.is_registered() || !crate::clock::is_set(now) {
            return;
        }
        match target.failing_since().filter(|since| *since <= now) {
            None => {
                target.set_failing_since(Some(now));
                self.save(target).await;
            }
            Some(since) if now.duration_since(since) >= FORGOTTEN_AFTER => {
                warn!(
                    "[WebSocket] Forgotten: {} has failed for 7 days; it returns when it registers again",
                    target.name()
                );
                drop(self.forget(target.name()).await);
            }
            Some(_) => {}
        }
    }

    /// A target has accepted.
    pub async fn note_success(&self, target: &Target) {
        if target.failing_since().is_some() {
            target.set_failing_since(None);
            self.save(target).await;
        }
    }

    /// A target refused its token. A target of the configuration whose token was replaced by a
    /// registration returns to the token of the configuration.
    pub async fn note_refused_token(&self, target: &Target) {
        let Origin::Configured(original) = target.origin() else { return };
        if target.endpoint().is_none_or(|endpoint| endpoint == *original) {
            return;
        }
        drop(self.0.store.delete_target(target.key()).await);
        target.replace_endpoint(Some(Arc::clone(original)));
    }

    /// Takes over a new configuration. The outcome is as after a restart with it, but a target
    /// that is the same as before stays connected.
    pub async fn reconfigure(
        &self,
        configured: &[TargetConfig],
        registration: &RegistrationConfig,
    ) -> Result<Changes, UrlError> {
        let _changing = self.0.changing.lock().await;
        let rules = Rules::of(registration);
        let registrations = self.registrations();
        let wanted = merged(configured, registrations.clone(), &rules)?;
        self.delete_superseded(&registrations, &wanted).await;
        *self.0.rules.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(rules);
        let mut entries = self.entries();
        let mut old = std::mem::take(&mut *entries);
        let mut changes = Changes::default();
        for target in wanted {
            if let Some(index) = old.iter().position(|entry| entry.target.is_same_as(&target)) {
                entries.push(old.swap_remove(index));
                changes.kept += 1;
            } else {
                entries.push(Entry { target, is_served: false });
                changes.started += 1;
            }
        }
        for Entry { target, .. } in old {
            let name = target.name();
            let is_replaced = entries
                .iter()
                .any(|entry| entry.target.name() == name || entry.target.key() == target.key());
            let (what, retired) = if is_replaced {
                ("Changed", Retired::Changed)
            } else {
                ("Removed", Retired::Removed)
            };
            let preposition = if is_replaced { "in" } else { "from" };
            info!("[WebSocket] {what} {preposition} the configuration: {name}");
            target.retire(retired);
            changes.stopped += 1;
        }
        drop(entries);
        self.announce_arrivals();
        Ok(changes)
    }

    /// Deletes the tokens of URLs that the configuration had before.
    async fn delete_superseded(&self, registrations: &[StoredTarget], wanted: &[Target]) {
        for StoredTarget { key, name, .. } in registrations {
            if wanted.iter().any(|target| target.key() == key) {
                continue;
            }
            if let Err(error) = self.0.store.delete_target(key).await {
                warn!("[WebSocket] {name}: the token of its old URL could not be removed: {error}");
            }
        }
    }

    fn announce_arrivals(&self) {
        self.0.arrivals.send_modify(|arrivals| *arrivals = arrivals.wrapping_add(1));
    }

    /// Stores a change for which nobody waits.
    async fn save(&self, target: &Target) {
        let _changing = self.0.changing.lock().await;
        let (Some(endpoint), Origin::Registered { at }) = (target.endpoint(), target.origin())
        else {
            return;
        };
        let saved = StoredTarget {
            failing_since: target.failing_since(),
            ..registration(target.name(), &endpoint, *at)
        };
        // The store logs why something is not stored.
        drop(self.0.store.save_target(saved).await);
    }

    /// What the database holds: registered targets, and newer tokens of configured ones.
    fn registrations(&self) -> Vec<StoredTarget> {
        let now = self.0.clock.now();
        let saved = self.targets().into_iter().filter_map(|target| {
            let endpoint = target.endpoint()?;
            let (registered_at, is_configured) = match target.origin() {
                Origin::Registered { at } => (*at, false),
                Origin::Configured(original) if **original == *endpoint => return None,
                Origin::Configured(_) => (now, true),
            };
            Some(StoredTarget {
                is_configured,
                failing_since: target.failing_since(),
                ..registration(target.name(), &endpoint, registered_at)
            })
        });
        saved.collect()
    }

    fn targets(&self) -> Vec<Target> {
        self.entries().iter().map(|entry| entry.target.clone()).collect()
    }

    fn rules(&self) -> Arc<Rules> {
        Arc::clone(&self.0.rules.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn entries(&self) -> MutexGuard<'_, Vec<Entry>> {
        // Nothing panics while it holds the list, and a list is never half changed.
        self.0.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the database holds of a new registration.
fn registration(name: &str, endpoint: &Endpoint, registered_at: Timestamp) -> StoredTarget {
    StoredTarget {
        key: endpoint.key(),
        url: endpoint.secret_url(),
        name: name.to_owned(),
        is_configured: false,
        registered_at,
        failing_since: None,
    }
}

/// All targets. A target that is in the configuration and has registered is one of the
/// configuration, with the token of its registration. That token goes when the configuration has
/// the target at another URL.
fn merged(
    configured: &[TargetConfig],
    saved: Vec<StoredTarget>,
    rules: &Rules,
) -> Result<Vec<Target>, UrlError> {
    let mut targets = Vec::new();
    for config in configured {
        targets.push(configured_target(config, &saved)?);
    }
    for saved in saved {
        let is_superseded = |target: &Target| {
            target.key() == saved.key || (saved.is_configured && target.name() == saved.name)
        };
        if targets.iter().any(is_superseded) {
            continue;
        }
        match Endpoint::parse(saved.url.expose_secret()) {
            Ok(endpoint) => targets.push(Target::new(
                free_name(&targets, &saved.name, &endpoint),
                endpoint,
                Origin::Registered { at: saved.registered_at },
                rules.settings.clone(),
                saved.failing_since,
            )),
            Err(error) => {
                warn!("[WebSocket] Stored target {} is ignored: {error}", saved.name);
            }
        }
    }
    Ok(targets)
}

fn configured_target(config: &TargetConfig, saved: &[StoredTarget]) -> Result<Target, UrlError> {
    let mut original = Endpoint::parse(config.url.expose_secret())?;
    if let Some(token) = &config.token {
        original = original.with_token(token);
    }
    let newer = saved
        .iter()
        .filter(|saved| saved.key == original.key())
        .find_map(|saved| Endpoint::parse(saved.url.expose_secret()).ok());
    let endpoint = newer.unwrap_or_else(|| original.clone());
    let origin = Origin::Configured(Arc::new(original));
    Ok(Target::new(config.name.clone(), endpoint, origin, Settings::of(config), None))
}

/// `name`, or with the host added if another target has it already.
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
