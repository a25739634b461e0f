//! Another configuration while the bridge runs.

use tracing::{info, warn};

use super::fixed::Fixed;
use super::fleet::Fleet;
use crate::config::Config;
use crate::config::load::{ConfigError, Loaded};
use crate::targets::{Changes, Directory};

/// What a new configuration changes.
pub(super) struct House {
    pub(super) fixed: Fixed,
    pub(super) fleet: Fleet,
    pub(super) directory: Directory,
}

impl House {
    /// Goes on with another configuration, if it can be used.
    pub(super) async fn take_over(&mut self, configuration: Result<Loaded, ConfigError>) {
        match configuration {
            Ok(loaded) => {
                info!("reading {} again", loaded.file.display());
                if let Err(error) = self.change(loaded).await {
                    warn!("the new configuration is in effect in part only: {error:#}");
                }
            }
            Err(error) => {
                for line in error.to_string().lines() {
                    warn!("{line}");
                }
                warn!("the configuration cannot be used; the bridge goes on with the one before");
            }
        }
    }

    async fn change(&mut self, loaded: Loaded) -> anyhow::Result<()> {
        let Loaded { config, zone: _, warnings, file: _, offered: _ } = loaded;
        for warning in warnings {
            warn!("{warning}");
        }
        for key in self.fixed.changed(&config) {
            warn!("{key} has changed, which has no effect before the bridge is restarted");
        }
        let Config { poll, dtus, targets, http, .. } = config;
        let targets = self.directory.reconfigure(&targets, &http.registration).await?;
        let dtus = self.fleet.reconfigure(dtus, poll.interval).await?;
        info!("the new configuration is in effect: DTUs {}; targets {}", told(dtus), told(targets));
        Ok(())
    }
}

fn told(changes: Changes) -> String {
    let Changes { kept, started, stopped } = changes;
    format!("{kept} as before, {started} started, {stopped} stopped")
}
