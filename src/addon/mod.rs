//! As an add-on of Home Assistant, the bridge can ask the Supervisor where the MQTT broker is.

mod adviser;

mod ask;

mod refusal;

#[cfg(test)]
mod tests;

use std::time::Duration;

pub use self::adviser::Adviser;
pub use self::ask::ask;
pub use self::refusal::Refusal;

/// How long the Supervisor may take for one answer.
pub const LIMIT: Duration = Duration::from_secs(10);
