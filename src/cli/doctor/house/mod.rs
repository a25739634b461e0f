//! The bridge itself: its configuration, its state, its port, its clock, its network.

mod clock;
mod holder;
mod network;
mod port;
mod state_dir;

use jiff::Timestamp;

use super::daemon::{AtPort, Daemon};
use super::report::{Kind, Step, Subject};
use super::words;
use crate::app::Memory;
use crate::config::load::Loaded;

/// Looks at the bridge itself.
pub(super) fn look(loaded: &Loaded, at_port: &AtPort, memory: Memory, now: Timestamp) -> Subject {
    let config = &loaded.config;
    let mut steps = vec![configuration(loaded), port::look(config.http.listen, at_port)];
    if let AtPort::Bridge(daemon) = at_port {
        steps.push(running(daemon));
    }
    steps.push(match memory {
        Memory::Kept => state_dir::look(&config.state_dir, at_port),
        Memory::Forgotten => Step::untested("state_dir", "a demonstration keeps nothing"),
    });
    steps.push(clock::zone(&config.timezone, &loaded.zone, now));
    steps.push(clock::look(&config.state_dir, &loaded.zone, now));
    steps.push(network::look());
    Subject { subject: "bridge".to_owned(), kind: Kind::Bridge, steps }
}

fn configuration(loaded: &Loaded) -> Step {
    let dtus = words::count(loaded.config.dtus.len(), "DTU", "DTUs");
    let targets = words::count(loaded.config.targets.len(), "target", "targets");
    let detail = format!("{}: {dtus}, {targets} of its own", loaded.file.display());
    Step::fine("configuration", detail).hinting_at(&loaded.warnings)
}

fn running(daemon: &Daemon) -> Step {
    let age = words::seconds(daemon.health.uptime_seconds);
    if daemon.health.healthy {
        Step::fine("running", format!("for {age}, and healthy"))
    } else {
        Step::wrong(
            "running",
            format!("for {age}, but no DTU has answered lately"),
            "what the steps of the DTUs below say",
        )
    }
}
