//! What the Supervisor says of the broker, as long as the bridge runs.

use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::sleep;
use tracing::{info, warn};

use super::{LIMIT, Refusal, ask};
use crate::config::MqttConfig;
use crate::config::load::OfferedBroker;
use crate::net::reconnect::wait_after;

/// Who asks the Supervisor, and tells each new cause once why it does not answer.
#[derive(Debug)]
pub struct Adviser {
    offered: Box<OfferedBroker>,
    told: Option<Refusal>,
}

impl Adviser {
    /// Who asks for this broker.
    pub const fn new(offered: Box<OfferedBroker>) -> Self {
        Self { offered, told: None }
    }

    /// The broker, once the Supervisor tells it: after a start of the whole machine, it may well be
    /// there later than the bridge.
    pub async fn broker(&mut self) -> MqttConfig {
        let mut failures = 0_u32;
        loop {
            if let Some(config) = self.ask("No broker", "the Supervisor is asked again").await {
                info!("[MQTT] The broker that the Supervisor tells: {}", config.place());
                return config;
            }
            failures = failures.saturating_add(1);
            sleep(wait_after(failures)).await;
        }
    }

    /// What the Supervisor says now, if that is something else than `known`.
    pub async fn news(&mut self, known: &MqttConfig) -> Option<MqttConfig> {
        let config =
            self.ask("No news of the broker", "what it said before is tried again").await?;
        if is_same(&config, known) {
            return None;
        }
        info!("[MQTT] The Supervisor tells another place or login now: {}", config.place());
        Some(config)
    }

    async fn ask(&mut self, what: &str, outlook: &str) -> Option<MqttConfig> {
        match ask(&self.offered, LIMIT).await {
            Ok(config) => {
                self.told = None;
                Some(config)
            }
            Err(refusal) => {
                if self.told.as_ref() != Some(&refusal) {
                    let (cause, cure) = (refusal.cause(), refusal.cure());
                    warn!("[MQTT] {what}: {cause}; {cure}; {outlook}");
                    self.told = Some(refusal);
                }
                None
            }
        }
    }
}

/// Whether place and login are the same.
fn is_same(one: &MqttConfig, other: &MqttConfig) -> bool {
    fn exposed(password: Option<&SecretString>) -> Option<&str> {
        password.map(SecretString::expose_secret)
    }
    (&one.host, one.port, one.tls, &one.username)
        == (&other.host, other.port, other.tls, &other.username)
        && exposed(one.password.as_ref()) == exposed(other.password.as_ref())
}
