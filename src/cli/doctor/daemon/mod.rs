//! The bridge that runs: who is at its port, and what it says of DTUs and targets.

mod ask;
mod untold;

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::Deserialize;

pub(super) use self::ask::ask;
pub(super) use self::untold::Untold;
use crate::targets::TargetStatus;

/// Who is at the port.
#[derive(Debug)]
pub(super) enum AtPort {
    /// Nobody.
    Nobody,
    /// The bridge.
    Bridge(Box<Daemon>),
    /// Somebody else, who says this of himself.
    Stranger(String),
    /// Somebody who does not answer.
    Silent,
}

/// What the running bridge says.
#[derive(Debug)]
pub(super) struct Daemon {
    /// Where it listens.
    pub(super) address: SocketAddr,
    pub(super) health: Health,
    /// `sqlite`, or `memory` if nothing will survive a restart.
    pub(super) keeps_in: Result<String, Untold>,
    pub(super) targets: Result<Vec<TargetStatus>, Untold>,
    pub(super) inverters: Result<Vec<InverterTold>, Untold>,
}

/// The body of `/health`, as far as it is needed.
#[derive(Debug, Deserialize)]
pub(super) struct Health {
    pub(super) healthy: bool,
    pub(super) uptime_seconds: i64,
    pub(super) dtus: BTreeMap<String, DtuTold>,
}

/// What the running bridge says of a DTU.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct DtuTold {
    pub(super) status: String,
    pub(super) seconds_since_last_success: Option<i64>,
    pub(super) query_count: u64,
    pub(super) error_count: u64,
    pub(super) last_error: Option<String>,
    #[serde(default)]
    pub(super) last_error_remedy: Option<String>,
    #[serde(default)]
    pub(super) failing_since: Option<String>,
    #[serde(default)]
    pub(super) failures_in_a_row: u64,
    pub(super) serial_number: Option<String>,
    pub(super) firmware_version: Option<String>,
    /// What is wrong although it answers.
    #[serde(default)]
    pub(super) warnings: Vec<String>,
}

/// What the running bridge says of an inverter.
#[derive(Debug, Deserialize)]
pub(super) struct InverterTold {
    pub(super) dtu_name: String,
    pub(super) ports: Vec<serde::de::IgnoredAny>,
}
