//! Where redirections have led, and that they end.

use crate::push::failure::Failure;
use crate::targets::endpoint::Endpoint;

/// A redirection is followed so often.
const MOST_REDIRECTIONS: usize = 3;

/// The places of one attempt, in the order in which they were dialled.
#[derive(Debug)]
pub(super) struct Trail {
    before: Vec<Endpoint>,
    end: Endpoint,
}

impl Trail {
    /// No redirection yet.
    pub(super) fn from(endpoint: &Endpoint) -> Self {
        Self { before: Vec::new(), end: endpoint.clone() }
    }

    /// Where we are.
    pub(super) const fn end(&self) -> &Endpoint {
        &self.end
    }

    /// Follows a redirection, unless we have been there or have followed enough of them.
    pub(super) fn go_on(&mut self, to: Endpoint) -> Result<(), Failure> {
        let is_circle = to == self.end || self.before.contains(&to);
        if is_circle || self.before.len() >= MOST_REDIRECTIONS {
            let (from, to) = (self.beginning().place(), to.place());
            return Err(Failure::RedirectedOnAndOn { from, to, is_circle });
        }
        self.before.push(std::mem::replace(&mut self.end, to));
        Ok(())
    }

    /// What happened at the end, and by which way we came there: nobody has written down that place.
    pub(super) fn told(&self, failure: Failure) -> Failure {
        if self.before.is_empty() {
            return failure;
        }
        let (from, to) = (self.beginning().place(), self.end.place());
        Failure::Redirected { from, to, failure: Box::new(failure) }
    }

    fn beginning(&self) -> &Endpoint {
        self.before.first().unwrap_or(&self.end)
    }
}
