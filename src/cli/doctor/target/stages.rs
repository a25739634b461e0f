//! Writes down the stages of an attempt as steps.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::Instant;

use super::super::report::Step;
use crate::push::connect::progress::{Passed, Progress};
use crate::push::failure::Failure;

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
    pub(super) fn failed(&mut self, failure: &Failure) {
        let cure = failure.cure().unwrap_or("look at the target's own log");
        let step = Step::wrong(self.next, failure.cause(), cure);
        self.steps.push(step.taking(self.since.elapsed()));
    }

    fn push(&mut self, step: Step, took: Duration, next: &'static str) {
        self.steps.push(step.taking(took));
        self.next = next;
        self.since = Instant::now();
    }
}

impl Progress for Stages {
    fn passed(&mut self, stage: Passed<'_>, took: Duration) {
        match stage {
            Passed::Name(addresses) => {
                let addresses: Vec<String> =
                    addresses.iter().map(|address| address.ip().to_string()).collect();
                self.push(Step::fine("name", addresses.join(", ")), took, "tcp");
            }
            Passed::Tcp(peer) => {
                self.peer = Some(peer);
                let next = if self.is_tls { "tls" } else { "upgrade" };
                self.push(Step::fine("tcp", format!("{peer} accepts connections")), took, next);
            }
            Passed::Tls => {
                self.push(Step::fine("tls", "the certificate is trusted"), took, "upgrade");
            }
            Passed::Upgrade => {
                self.push(Step::fine("upgrade", "it speaks WebSocket"), took, "message");
            }
            Passed::Redirected(to) => {
                self.is_tls = to.starts_with("wss:");
                let step = Step::fine("redirection", format!("it sends us to {to}"));
                self.push(
                    step.hinting("use that address in the URL"),
                    self.since.elapsed(),
                    "name",
                );
            }
        }
    }
}
