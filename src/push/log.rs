//! Logs and counts what happens to the connection of one target.

use std::sync::Arc;
use std::time::Duration;

use tracing::{debug, info, warn};

use super::failure::Failure;
use super::session::Event;
use crate::clock::WallClock;
use crate::problem::Problem;
use crate::targets::endpoint::Endpoint;
use crate::targets::target::Target;

/// The log of one target at one URL. The lines before a colon are a part of the public contract.
#[derive(Debug)]
pub(super) struct ConnectionLog {
    target: Target,
    endpoint: Arc<Endpoint>,
    clock: WallClock,
}

impl ConnectionLog {
    pub(super) const fn new(target: Target, endpoint: Arc<Endpoint>, clock: WallClock) -> Self {
        Self { target, endpoint, clock }
    }

    pub(super) fn connecting(&self) {
        info!("[WebSocket] Connecting to {} ({})", self.target.name(), self.endpoint.place());
        self.target.connecting();
    }

    pub(super) fn connected(&self) {
        info!("[WebSocket] ✓ Connected to: {}", self.target.name());
        self.target.connected(self.clock.now());
    }

    pub(super) fn failed(&self, failure: &Failure, attempt: u32) {
        let (name, problem) = (self.target.name(), self.redacted(failure));
        warn!("[WebSocket] Connection failed for {name}: {problem} (attempt {attempt})");
        self.target.lost(problem, failure.is_rejection(), self.clock.now());
    }

    pub(super) fn disconnected(&self, failure: &Failure) {
        let problem = self.redacted(failure);
        info!("[WebSocket] Disconnected from {}: {problem}", self.target.name());
        self.target.lost(problem, failure.is_rejection(), self.clock.now());
    }

    pub(super) fn reconnecting(&self, delay: Duration, attempt: u32) {
        let (name, seconds) = (self.target.name(), delay.as_secs());
        info!("[WebSocket] Reconnecting to {name} in {seconds} seconds (attempt {attempt})...");
    }

    pub(super) fn event(&self, event: Event<'_>) {
        let name = self.target.name();
        match event {
            Event::Sending(snapshot) => info!(
                "[WebSocket] Sending update to {name}: {} inverters, {} ports",
                snapshot.inverters().len(),
                snapshot.port_count()
            ),
            Event::Sent => {
                info!("[WebSocket] ✓ Successfully sent update to {name}");
                self.target.sent(self.clock.now());
            }
            Event::Skipped(count) => self.target.skipped(count),
            Event::Message { number, text } => {
                let text = self.endpoint.redacted(text);
                debug!("[WebSocket] message {number} of {name}: {text}");
            }
        }
    }

    /// The target may quote what it was asked, with the token.
    fn redacted(&self, failure: &Failure) -> Problem {
        let problem = failure.problem();
        Problem { cause: self.endpoint.redacted(&problem.cause), ..problem }
    }
}
