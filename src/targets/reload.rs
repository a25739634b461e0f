//! Another configuration while the bridge runs: what is the same stays connected.

use std::sync::{Arc, PoisonError};

use tracing::info;

use super::rules::Rules;
use super::target::{Origin, Retired, Target};
use super::{Directory, Entry, list};
use crate::config::websocket_url::UrlError;
use crate::config::{RegistrationConfig, TargetConfig};
use crate::store::StoredTarget;

/// What became of the targets, or of the DTUs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// They are as they were.
    pub kept: usize,
    /// They are new, or others than before.
    pub started: usize,
    /// They are gone, or others than before.
    pub stopped: usize,
}

impl Directory {
    /// Takes over another configuration. The outcome is as after a restart with it, but a target
    /// that is the same as before notices nothing.
    pub async fn reconfigure(
        &self,
        configured: &[TargetConfig],
        registration: &RegistrationConfig,
    ) -> Result<Changes, UrlError> {
        let _changing = self.0.changing.lock().await;
        let rules = Rules::of(registration);
        let wanted = list::targets(configured, self.registrations(), &rules)?;
        *self.0.rules.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(rules);
        let mut entries = self.entries();
        let mut old = std::mem::take(&mut *entries);
        let mut changes = Changes::default();
        for target in wanted {
            let same = old.iter().position(|entry| entry.target.is_same_as(&target));
            if let Some(place) = same {
                entries.push(old.swap_remove(place));
                changes.kept += 1;
            } else {
                entries.push(Entry { target, is_served: false });
                changes.started += 1;
            }
        }
        for entry in old {
            entry.target.retire(retirement(&entry.target, &entries));
            changes.stopped += 1;
        }
        drop(entries);
        self.0.arrivals.send_modify(|arrivals| *arrivals = arrivals.wrapping_add(1));
        Ok(changes)
    }

    /// What the database holds: whoever registered, and the newer tokens of configured targets.
    fn registrations(&self) -> Vec<StoredTarget> {
        let now = self.0.clock.now();
        let entries = self.entries();
        let saved = entries.iter().filter_map(|entry| {
            let target = &entry.target;
            let endpoint = target.endpoint()?;
            let registered_at = match target.origin() {
                Origin::Registered { at } => *at,
                Origin::Configured(original) if **original == *endpoint => return None,
                Origin::Configured(_) => now,
            };
            Some(StoredTarget {
                key: target.key().to_owned(),
                url: endpoint.secret_url(),
                name: target.name().to_owned(),
                registered_at,
                failing_since: target.failing_since(),
            })
        });
        saved.collect()
    }
}

/// Why a target is none of those any more.
fn retirement(target: &Target, entries: &[Entry]) -> Retired {
    let name = target.name();
    let takes_over =
        |entry: &Entry| entry.target.name() == name || entry.target.key() == target.key();
    if entries.iter().any(takes_over) {
        info!("[WebSocket] Changed in the configuration: {name}");
        Retired::Changed
    } else {
        info!("[WebSocket] Removed from the configuration: {name}");
        Retired::Removed
    }
}

impl Target {
    /// Whether the other one is at the same place, with the same token, dialled in the same way.
    fn is_same_as(&self, other: &Self) -> bool {
        let is_same_origin = match (self.origin(), other.origin()) {
            (Origin::Configured(one), Origin::Configured(other)) => one == other,
            (Origin::Registered { .. }, Origin::Registered { .. }) => true,
            (Origin::Configured(_), Origin::Registered { .. })
            | (Origin::Registered { .. }, Origin::Configured(_)) => false,
        };
        is_same_origin
            && self.name() == other.name()
            && self.settings() == other.settings()
            && self.endpoint() == other.endpoint()
    }
}
