//! Writes down the stages of an attempt as steps.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::Instant;

use super::super::report::Step;
use crate::net::dial::Observer;
use crate::problem::Problem;

/// The steps of one attempt so far.
#[derive(Debug)]
pub(super) struct Stages {
    pub(super) steps: Vec<Step>,
    /// Who accepted the connection.
    pub(super) peer: Option<SocketAddr>,
    is_tls: bool,
    /// What comes next, and since when.
    next: &'static str,
    since: Instant,
}

impl Stages {
    pub(super) fn new(is_tls: bool) -> Self {
        Self { steps: Vec::new(), peer: None, is_tls, next: "name", since: Instant::now() }
    }

    /// Writes down the stage that the attempt did not pass.
    pub(super) fn failed(&mut self, problem: Problem) {
        let step = Step::wrong(self.next, problem.cause, problem.remedy.unwrap_or_default());
        self.steps.push(step.taking(self.since.elapsed()));
    }

    /// The other side speaks WebSocket.
    pub(super) fn upgraded(&mut self) {
        self.push(Step::fine("upgrade", "it speaks WebSocket"), self.since.elapsed(), "message");
    }

    fn push(&mut self, step: Step, took: Duration, next: &'static str) {
        self.steps.push(step.taking(took));
        self.next = next;
        self.since = Instant::now();
    }
}

impl Observer for Stages {
    fn resolved(&mut self, addresses: &[SocketAddr], took: Duration) {
        let addresses: Vec<String> =
            addresses.iter().map(|address| address.ip().to_string()).collect();
        self.push(Step::fine("name", addresses.join(", ")), took, "tcp");
    }

    fn connected(&mut self, peer: SocketAddr, took: Duration) {
        self.peer = Some(peer);
        let next = if self.is_tls { "tls" } else { "upgrade" };
        self.push(Step::fine("tcp", format!("{peer} accepts connections")), took, next);
    }

    fn secured(&mut self, took: Duration) {
        self.push(Step::fine("tls", "the certificate is trusted"), took, "upgrade");
    }
}
