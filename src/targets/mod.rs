//! Who receives updates: targets from the configuration and by registration, and how each fares.

pub mod endpoint;

pub mod allow;

pub mod target;

mod status;

mod rules;

mod list;

mod registration;

mod reload;

#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::SignedDuration;
use tokio::sync::watch;
use tracing::warn;

pub use self::reload::Changes;
use self::rules::Rules;
pub use self::status::{ForgetError, RegisterError, TargetStatus};
use self::target::{Origin, Target};
use crate::clock::WallClock;
use crate::config::websocket_url::UrlError;
use crate::config::{RegistrationConfig, TargetConfig};
use crate::store::{Store, StoredTarget};

/// A registered target that fails for so long is forgotten: who registers will do so again.
const PATIENCE: SignedDuration = SignedDuration::from_hours(7 * 24);
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
        saved: Vec<StoredTarget>,
        registration: &RegistrationConfig,
        store: Store,
        clock: WallClock,
    ) -> Result<Self, UrlError> {
        let rules = Rules::of(registration);
        let targets = list::targets(configured, saved, &rules)?;
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
        if !target.is_registered() || !crate::clock::is_set(now) {
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
        let saved = StoredTarget {
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

    fn rules(&self) -> Arc<Rules> {
        Arc::clone(&self.0.rules.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn entries(&self) -> MutexGuard<'_, Vec<Entry>> {
        // Nothing panics while it holds the list, and a list is never half changed.
        self.0.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
