//! The reconnect loop: when to dial, how long to wait, when the waits start over.

use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// No peer is left alone for longer, unless it asks for it.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// The wait after the `failures`th failure in a row: 1, 2, 4, 8, 16, 30, 30 ... seconds.
///
/// There is no jitter: a bridge has a handful of targets, and predictable waits make a readable
/// log.
pub fn wait_after(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(5);
    Duration::from_secs(1 << doublings).min(LONGEST_WAIT)
}

/// How long to wait after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryDelay {
    /// As [`wait_after`] says.
    Usual,
    /// At least this long: the peer asked for it.
    AtLeast(Duration),
    /// This long, however often it failed: trying more often would not help.
    Exactly(Duration),
}

/// The state of one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionState {
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
    },
}

/// What happens to one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionEvent {
    /// The wait is over.
    DelayOver,
    /// The peer has accepted.
    Opened,
    /// Something was delivered.
    Delivered,
    /// The attempt failed or the connection ended.
    Lost(RetryDelay),
}

impl ConnectionState {
    /// Before the first attempt.
    pub const FIRST: Self = Self::Dialing { failures: 0 };

    /// The state after `event`.
    #[must_use]
    pub fn after(self, event: ConnectionEvent) -> Self {
        match (self, event) {
            (Self::Waiting { failures, .. }, ConnectionEvent::DelayOver) => {
                Self::Dialing { failures }
            }
            (Self::Dialing { failures }, ConnectionEvent::Opened) => Self::Up { failures },
            (Self::Up { .. }, ConnectionEvent::Delivered) => Self::Up { failures: 0 },
            // A peer that accepts and hangs up at once must not make the waits start over.
            (Self::Dialing { failures } | Self::Up { failures }, ConnectionEvent::Lost(delay)) => {
                waiting(failures.saturating_add(1), delay)
            }
            (
                Self::Waiting { .. },
                ConnectionEvent::Opened | ConnectionEvent::Delivered | ConnectionEvent::Lost(_),
            )
            | (Self::Dialing { .. }, ConnectionEvent::DelayOver | ConnectionEvent::Delivered)
            | (Self::Up { .. }, ConnectionEvent::DelayOver | ConnectionEvent::Opened) => self,
        }
    }

    /// The number of this attempt, or of the next one: counted from 1, and again from there after
    /// a connection that delivered something.
    pub fn attempt(self) -> u32 {
        let (Self::Waiting { failures, .. } | Self::Dialing { failures } | Self::Up { failures }) =
            self;
        failures.saturating_add(1)
    }
}

fn waiting(failures: u32, delay: RetryDelay) -> ConnectionState {
    let usual = wait_after(failures);
    let delay = match delay {
        RetryDelay::Usual => usual,
        RetryDelay::AtLeast(least) => usual.max(least),
        RetryDelay::Exactly(delay) => delay,
    };
    ConnectionState::Waiting { failures, delay }
}

/// How the use of a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionEnd {
    /// Whether anything was delivered.
    pub has_delivered: bool,
    /// How long to wait before the next attempt.
    pub delay: RetryDelay,
}

/// What to keep connected to. Its methods also log: each attempt ends in exactly one of `dial`'s
/// two outcomes, or is `abandoned`.
pub trait Peer: Send {
    /// An open connection that the peer has accepted.
    type Session: Send;

    /// Tries to connect, within a limit of its own. Success is an answer of the peer, not a
    /// socket.
    fn dial(
        &mut self,
        attempt: u32,
    ) -> impl Future<Output = Result<Self::Session, RetryDelay>> + Send;

    /// An attempt was cut short because the loop ends.
    fn abandoned(&mut self, attempt: u32);

    /// Uses the connection until it ends, or until `stop`, upon which it says goodbye.
    fn serve(
        &mut self,
        session: Self::Session,
        stop: &CancellationToken,
    ) -> impl Future<Output = SessionEnd> + Send;

    /// The next attempt comes after a wait.
    fn waits(&mut self, waiting: ConnectionState);
}

/// Keeps `peer` connected until `stop`.
pub async fn keep_connected(mut peer: impl Peer, stop: CancellationToken) {
    let mut state = ConnectionState::FIRST;
    loop {
        let attempt = state.attempt();
        let Some(dialled) = stop.run_until_cancelled(peer.dial(attempt)).await else {
            peer.abandoned(attempt);
            return;
        };
        let delay = match dialled {
            Ok(session) => {
                state = state.after(ConnectionEvent::Opened);
                let end = peer.serve(session, &stop).await;
                if end.has_delivered {
                    state = state.after(ConnectionEvent::Delivered);
                }
                end.delay
            }
            Err(delay) => delay,
        };
        if stop.is_cancelled() {
            return;
        }
        state = state.after(ConnectionEvent::Lost(delay));
        if let ConnectionState::Waiting { delay, .. } = state {
            peer.waits(state);
            if stop.run_until_cancelled(sleep(delay)).await.is_none() {
                return;
            }
        }
        state = state.after(ConnectionEvent::DelayOver);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::{Arc, Mutex};

    use tokio::time::Instant;

    use super::*;

    const LOST: ConnectionEvent = ConnectionEvent::Lost(RetryDelay::Usual);

    /// The waits in seconds that the events lead to.
    #[track_caller]
    fn check(events: &[ConnectionEvent], expected: &[u64]) {
        let mut state = ConnectionState::FIRST;
        let mut waits = Vec::new();
        for event in events {
            state = state.after(*event);
            if let ConnectionState::Waiting { delay, .. } = state {
                waits.push(delay.as_secs());
                state = state.after(ConnectionEvent::DelayOver);
            }
        }
        assert_eq!(waits, expected);
    }

    #[test]
    fn waits_double_up_to_half_a_minute() {
        let waits: Vec<u64> = (0..=9).map(|failures| wait_after(failures).as_secs()).collect();
        assert_eq!(waits, [1, 1, 2, 4, 8, 16, 30, 30, 30, 30]);
        assert_eq!(wait_after(u32::MAX), LONGEST_WAIT);
        check(&[LOST; 7], &[1, 2, 4, 8, 16, 30, 30]);
    }

    #[test]
    fn only_a_delivery_starts_the_waits_over() {
        let (opened, delivered) = (ConnectionEvent::Opened, ConnectionEvent::Delivered);
        check(&[LOST, LOST, opened, LOST, opened, LOST], &[1, 2, 4, 8]);
        check(&[LOST, LOST, opened, delivered, LOST, LOST], &[1, 2, 1, 2]);
    }

    #[test]
    fn a_peer_may_ask_for_a_longer_wait_and_never_for_a_shorter_one() {
        let lost = ConnectionEvent::Lost;
        let seconds = Duration::from_secs;
        check(&[lost(RetryDelay::AtLeast(seconds(20))), LOST], &[20, 2]);
        check(&[LOST, LOST, LOST, lost(RetryDelay::AtLeast(seconds(1)))], &[1, 2, 4, 8]);
        check(&[lost(RetryDelay::Exactly(seconds(300))), LOST], &[300, 2]);
    }

    #[test]
    fn events_that_do_not_belong_to_a_state_change_nothing() {
        let waiting = ConnectionState::FIRST.after(LOST);
        for event in [ConnectionEvent::Opened, ConnectionEvent::Delivered, LOST] {
            assert_eq!(waiting.after(event), waiting);
        }
        for event in [ConnectionEvent::DelayOver, ConnectionEvent::Delivered] {
            assert_eq!(ConnectionState::FIRST.after(event), ConnectionState::FIRST);
        }
        let up = ConnectionState::FIRST.after(ConnectionEvent::Opened);
        for event in [ConnectionEvent::DelayOver, ConnectionEvent::Opened] {
            assert_eq!(up.after(event), up);
        }
    }

    /// What the peer does at one dial.
    #[derive(Clone, Copy)]
    enum Answer {
        Refuses,
        Asks(RetryDelay),
        AcceptsFor(u64),
        DeliversFor(u64),
        NeverAnswers,
    }

    /// Notes the second of each dial.
    struct Scripted {
        began: Instant,
        answers: VecDeque<Answer>,
        dials: Arc<Mutex<Vec<u64>>>,
        abandoned: Arc<Mutex<Vec<u32>>>,
    }

    impl Peer for Scripted {
        type Session = (u64, bool);

        async fn dial(&mut self, _attempt: u32) -> Result<Self::Session, RetryDelay> {
            self.dials.lock().unwrap().push(self.began.elapsed().as_secs());
            match self.answers.pop_front().unwrap_or(Answer::NeverAnswers) {
                Answer::Refuses => Err(RetryDelay::Usual),
                Answer::Asks(delay) => Err(delay),
                Answer::AcceptsFor(seconds) => Ok((seconds, false)),
                Answer::DeliversFor(seconds) => Ok((seconds, true)),
                Answer::NeverAnswers => std::future::pending().await,
            }
        }

        fn abandoned(&mut self, attempt: u32) {
            self.abandoned.lock().unwrap().push(attempt);
        }

        async fn serve(
            &mut self,
            (seconds, has_delivered): (u64, bool),
            _: &CancellationToken,
        ) -> SessionEnd {
            sleep(Duration::from_secs(seconds)).await;
            SessionEnd { has_delivered, delay: RetryDelay::Usual }
        }

        fn waits(&mut self, _waiting: ConnectionState) {}
    }

    /// The seconds at which the peer was dialled in a paused day, and the attempt that was cut
    /// short.
    async fn dials(answers: &[Answer]) -> (Vec<u64>, Vec<u32>) {
        let (dials, abandoned) = (Arc::default(), Arc::default());
        let peer = Scripted {
            began: Instant::now(),
            answers: answers.iter().copied().collect(),
            dials: Arc::clone(&dials),
            abandoned: Arc::clone(&abandoned),
        };
        let stop = CancellationToken::new();
        let day = async {
            sleep(Duration::from_secs(86_400)).await;
            stop.cancel();
        };
        tokio::join!(keep_connected(peer, stop.clone()), day);
        (dials.lock().unwrap().clone(), abandoned.lock().unwrap().clone())
    }

    #[tokio::test(start_paused = true)]
    async fn waits_grow_until_something_was_delivered() {
        let (seconds, abandoned) = dials(&[
            Answer::Refuses,
            Answer::Refuses,
            Answer::AcceptsFor(0),
            Answer::DeliversFor(3_600),
            Answer::Refuses,
        ])
        .await;
        assert_eq!(seconds, [0, 1, 3, 7, 3_608, 3_610]);
        assert_eq!(abandoned, [3]);
    }

    #[tokio::test(start_paused = true)]
    async fn reconnects_within_one_wait_after_an_hour_of_outage() {
        let (seconds, _) = dials(&[Answer::Refuses; 125]).await;
        let longest = seconds.windows(2).map(|pair| pair[1] - pair[0]).max();
        assert_eq!(longest, Some(30));
        assert!(seconds.last() > Some(&3_600));
    }

    #[tokio::test(start_paused = true)]
    async fn waits_as_long_as_the_peer_asks() {
        let asks = Answer::Asks(RetryDelay::Exactly(Duration::from_secs(300)));
        assert_eq!(dials(&[asks, asks, Answer::Refuses]).await.0, [0, 300, 600, 604]);
    }
}
