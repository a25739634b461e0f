//! Waiting, dialling, up: the table of one connection. Pure: no clock, no socket.

use std::time::Duration;

use super::backoff::wait_after;

/// Where one connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkState {
    /// Until the next attempt.
    Waiting {
        /// Failures in a row.
        failures: u32,
        /// How long.
        delay: Duration,
    },
    /// An attempt is under way.
    Dialing {
        /// Failures in a row before it.
        failures: u32,
    },
    /// The peer has accepted.
    Up {
        /// Failures in a row before it: forgotten only once something was delivered.
        failures: u32,
        /// Whether anything was delivered.
        has_delivered: bool,
    },
}

/// What happens to one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkEvent {
    /// The wait is over.
    DelayOver,
    /// The peer has accepted.
    Opened,
    /// Something was delivered.
    Delivered,
    /// The attempt failed or the connection ended.
    Lost(Patience),
}

/// How long a failure asks to be left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// As long as the failures in a row say.
    Usual,
    /// At least this long: the peer has said so.
    AtLeast(Duration),
    /// This long, however often it failed: trying more often would not help.
    Exactly(Duration),
}

impl LinkState {
    /// Before the first attempt.
    pub const FIRST: Self = Self::Dialing { failures: 0 };

    /// The state after `event`.
    #[must_use]
    pub fn after(self, event: LinkEvent) -> Self {
        match (self, event) {
            (Self::Waiting { failures, .. }, LinkEvent::DelayOver) => Self::Dialing { failures },
            (Self::Dialing { failures }, LinkEvent::Opened) => {
                Self::Up { failures, has_delivered: false }
            }
            (Self::Up { .. }, LinkEvent::Delivered) => {
                Self::Up { failures: 0, has_delivered: true }
            }
            // A peer that accepts and hangs up at once must not make the waits start over.
            (Self::Dialing { failures } | Self::Up { failures, .. }, LinkEvent::Lost(patience)) => {
                waiting(failures, patience)
            }
            (
                Self::Waiting { .. },
                LinkEvent::Opened | LinkEvent::Delivered | LinkEvent::Lost(_),
            )
            | (Self::Dialing { .. }, LinkEvent::DelayOver | LinkEvent::Delivered)
            | (Self::Up { .. }, LinkEvent::DelayOver | LinkEvent::Opened) => self,
        }
    }

    /// Which attempt this is, or the next one will be: counted from 1, and again from there after
    /// a connection that delivered something.
    pub fn attempt(self) -> u32 {
        let (Self::Waiting { failures, .. }
        | Self::Dialing { failures }
        | Self::Up { failures, .. }) = self;
        failures.saturating_add(1)
    }
}

fn waiting(failures_before: u32, patience: Patience) -> LinkState {
    let failures = failures_before.saturating_add(1);
    let usual = wait_after(failures);
    let delay = match patience {
        Patience::Usual => usual,
        Patience::AtLeast(least) => usual.max(least),
        Patience::Exactly(delay) => delay,
    };
    LinkState::Waiting { failures, delay }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOST: LinkEvent = LinkEvent::Lost(Patience::Usual);

    /// The waits in seconds that the events lead to.
    #[track_caller]
    fn check(events: &[LinkEvent], expected: &[u64]) {
        let mut state = LinkState::FIRST;
        let mut waits = Vec::new();
        for event in events {
            state = state.after(*event);
            if let LinkState::Waiting { delay, .. } = state {
                waits.push(delay.as_secs());
                state = state.after(LinkEvent::DelayOver);
            }
        }
        assert_eq!(waits, expected);
    }

    #[test]
    fn failures_in_a_row_lengthen_the_wait() {
        check(&[LOST; 7], &[1, 2, 4, 8, 16, 30, 30]);
    }

    #[test]
    fn only_a_delivery_starts_the_waits_over() {
        let (opened, delivered) = (LinkEvent::Opened, LinkEvent::Delivered);
        check(&[LOST, LOST, opened, LOST, opened, LOST], &[1, 2, 4, 8]);
        check(&[LOST, LOST, opened, delivered, LOST, LOST], &[1, 2, 1, 2]);
    }

    #[test]
    fn a_peer_may_ask_for_more_patience_and_never_for_less() {
        let lost = |patience| LinkEvent::Lost(patience);
        let seconds = Duration::from_secs;
        check(&[lost(Patience::AtLeast(seconds(20))), LOST], &[20, 2]);
        check(&[LOST, LOST, LOST, lost(Patience::AtLeast(seconds(1)))], &[1, 2, 4, 8]);
        check(&[lost(Patience::Exactly(seconds(300))), LOST], &[300, 2]);
    }

    #[test]
    fn events_that_do_not_belong_to_a_state_change_nothing() {
        let waiting = LinkState::FIRST.after(LOST);
        for event in [LinkEvent::Opened, LinkEvent::Delivered, LOST] {
            assert_eq!(waiting.after(event), waiting);
        }
        for event in [LinkEvent::DelayOver, LinkEvent::Delivered] {
            assert_eq!(LinkState::FIRST.after(event), LinkState::FIRST);
        }
        let up = LinkState::FIRST.after(LinkEvent::Opened);
        for event in [LinkEvent::DelayOver, LinkEvent::Opened] {
            assert_eq!(up.after(event), up);
        }
    }

    #[test]
    fn attempts_are_counted_from_one() {
        let failed = LinkState::FIRST.after(LOST);
        assert_eq!((LinkState::FIRST.attempt(), failed.attempt()), (1, 2));
    }
}
