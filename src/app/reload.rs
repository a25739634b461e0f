//! SIGHUP: takes over another configuration while the bridge runs.

use std::convert::Infallible;
use std::future::pending;

use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::mpsc;
use tracing::{info, warn};

use super::pollers::Pollers;
use crate::config::load::{ConfigError, Loaded};
use crate::config::{Config, RegistrationConfig};
use crate::targets::{Changes, Directory};

/// What a new configuration changes.
pub(super) struct Reloader {
    pub(super) started_with: Config,
    pub(super) pollers: Pollers,
    pub(super) directory: Directory,
}

impl Reloader {
    /// Takes over each configuration that arrives.
    pub(super) async fn run(
        mut self,
        mut configurations: mpsc::Receiver<Result<Loaded, ConfigError>>,
    ) -> Infallible {
        while let Some(configuration) = configurations.recv().await {
            match configuration {
                Ok(loaded) => {
                    info!("reloading {}", loaded.file.display());
                    if let Err(error) = self.apply(loaded).await {
                        warn!("the new configuration is only partly in effect: {error:#}");
                    }
                }
                Err(error) => {
                    for line in error.to_string().lines() {
                        warn!("{line}");
                    }
                    warn!("the new configuration is invalid; keeping the previous one");
                }
            }
        }
        pending().await
    }

    async fn apply(&mut self, loaded: Loaded) -> anyhow::Result<()> {
        for warning in loaded.warnings {
            warn!("{warning}");
        }
        for section in restart_only_changes(&self.started_with, &loaded.config) {
            warn!("{section} has changed, which has no effect until the bridge is restarted");
        }
        let Config { poll, dtus, targets, http, .. } = loaded.config;
        let targets = self.directory.reconfigure(&targets, &http.registration).await?;
        let dtus = self.pollers.reconfigure(dtus, poll.interval).await?;
        info!(
            "the new configuration is in effect: DTUs {}; targets {}",
            summary(dtus),
            summary(targets)
        );
        Ok(())
    }
}

fn summary(Changes { kept, started, stopped }: Changes) -> String {
    format!("{kept} unchanged, {started} started, {stopped} stopped")
}

/// The sections and keys whose new values have no effect before a restart.
fn restart_only_changes(old: &Config, new: &Config) -> Vec<&'static str> {
    let pairs = restart_only_texts(new).into_iter().zip(restart_only_texts(old));
    pairs.filter(|(new, old)| new != old).map(|((key, _), _)| key).collect()
}

/// Each of them with all its values as text; secrets do not show in the text of a section.
fn restart_only_texts(config: &Config) -> [(&'static str, String); 7] {
    let Config {
        timezone,
        state_dir,
        poll: _,
        dtus: _,
        targets: _,
        mqtt,
        http,
        mdns,
        history,
        log,
    } = config;
    let mut http = http.clone();
    http.registration = RegistrationConfig::default();
    let exposed = |secret: Option<&SecretString>| {
        secret.map(|secret| secret.expose_secret().to_owned()).unwrap_or_default()
    };
    let password = exposed(mqtt.as_ref().and_then(|mqtt| mqtt.password.as_ref()));
    [
        ("timezone", timezone.clone()),
        ("state_dir", state_dir.display().to_string()),
        ("mqtt", format!("{mqtt:?} {password}")),
        ("http", format!("{http:?} {}", exposed(http.token.as_ref()))),
        ("mdns", format!("{mdns:?}")),
        ("history", format!("{history:?}")),
        ("log", format!("{log:?}")),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::MqttConfig;

    #[test]
    fn settings_that_need_a_restart_are_named() {
        let old = Config::default();
        let mut new = old.clone();
        new.state_dir = "elsewhere".into();
        new.http.token = Some("hush".into());
        new.mqtt = Some(MqttConfig::default());
        new.poll.interval *= 2;
        new.http.registration.enabled = false;
        let changed = restart_only_changes;
        assert_eq!(changed(&old, &new), ["state_dir", "mqtt", "http"]);
        let mut other = new.clone();
        other.mqtt = Some(MqttConfig { password: Some("hush".into()), ..MqttConfig::default() });
        assert_eq!(changed(&new, &other), ["mqtt"], "a password");
        other.http.token = Some("other".into());
        assert_eq!(changed(&new, &other), ["mqtt", "http"], "a token");
        assert!(changed(&old, &old).is_empty());
    }
}
