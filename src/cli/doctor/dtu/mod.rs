//! One DTU: what the running bridge says of it, and, unless that would disturb, what it says itself.

mod answer;
mod other;
mod probe;
mod told;

use std::time::Duration;

use self::told::Told;
use super::daemon::Daemon;
use super::report::{Kind, Subject};
use crate::clock::WallClock;
use crate::config::DtuConfig;
use crate::tasks::Tasks;
use jiff::tz::TimeZone;

/// What all DTUs are looked at with.
pub(super) struct Means<'a> {
    /// The bridge, if one runs.
    pub(super) daemon: Option<&'a Daemon>,
    /// Ask each DTU, even if the running bridge does so.
    pub(super) force: bool,
    /// From the start of one poll to the start of the next, as `[poll]` says.
    pub(super) interval: Duration,
    pub(super) clock: WallClock,
    pub(super) zone: TimeZone,
    pub(super) tasks: &'a Tasks,
}

/// Looks at one DTU.
pub(super) async fn look(config: &DtuConfig, means: &Means<'_>) -> Subject {
    let told = means.daemon.map(|daemon| told::of(config, daemon, means.interval));
    let (mut steps, is_answered) = match told {
        Some(Told { steps, is_answered }) => (steps, is_answered),
        None => (Vec::new(), false),
    };
    if means.force || !is_answered {
        steps.extend(probe::probe(config, means).await);
    }
    Subject { subject: config.name.clone(), kind: Kind::Dtu, steps }
}
