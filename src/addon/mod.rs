//! As an add-on of Home Assistant, the bridge can ask the Supervisor where the MQTT broker is.

mod ask;

mod refusal;

#[cfg(test)]
mod tests;

use std::time::Duration;

use tokio::time::sleep;
use tracing::{info, warn};

pub use self::ask::ask;
pub use self::refusal::Refusal;
use crate::config::MqttConfig;
use crate::config::load::OfferedBroker;
use crate::link::backoff::wait_after;

/// How long the Supervisor may take for one answer.
pub const LIMIT: Duration = Duration::from_secs(10);

/// The broker that the Supervisor tells, once it does: after a start of the whole machine, the
/// broker may well be there later than the bridge. Each new cause is told once.
pub async fn broker(offered: &OfferedBroker) -> MqttConfig {
    let mut told = None;
    let mut failures = 0_u32;
    loop {
        match ask(offered, LIMIT).await {
            Ok(config) => {
                info!("[MQTT] The broker that the Supervisor tells: {}", config.place());
                return config;
            }
            Err(refusal) => {
                if told.as_ref() != Some(&refusal) {
                    warn!(
                        "[MQTT] No broker: {}; {}; the Supervisor is asked again",
                        refusal.cause(),
                        refusal.cure()
                    );
                    told = Some(refusal);
                }
            }
        }
        failures = failures.saturating_add(1);
        sleep(wait_after(failures)).await;
    }
}
