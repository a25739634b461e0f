//! The one reconnect loop of the house: drives the table of a connection against a peer.

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::state::{LinkEvent, LinkState, Patience};

/// What a connection is kept up to. Its methods also tell: each attempt ends in exactly one of
/// `dial`'s two outcomes, or is `abandoned`.
pub trait Peer: Send {
    /// An open connection that the peer has accepted.
    type Session: Send;

    /// Tries to connect, within a limit of its own.
    ///
    /// Success is an answer of the peer, not a socket. An error says how long to wait.
    fn dial(
        &mut self,
        attempt: u32,
    ) -> impl Future<Output = Result<Self::Session, Patience>> + Send;

    /// An attempt was broken off, since the link shall end.
    fn abandoned(&mut self, attempt: u32);

    /// Uses the connection until it ends, or until `stop`, upon which it says good-bye.
    fn serve(
        &mut self,
        session: Self::Session,
        stop: &CancellationToken,
    ) -> impl Future<Output = Served> + Send;

    /// The next attempt comes after a wait.
    fn waits(&mut self, waiting: LinkState);
}

/// How the use of a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Served {
    /// Whether anything was delivered.
    pub has_delivered: bool,
    /// How long to wait before the next attempt.
    pub patience: Patience,
}

/// Keeps the connection up until `stop`.
pub async fn keep_up(mut peer: impl Peer, stop: CancellationToken) {
    let mut state = LinkState::FIRST;
    loop {
        let attempt = state.attempt();
        let Some(dialled) = stop.run_until_cancelled(peer.dial(attempt)).await else {
            peer.abandoned(attempt);
            return;
        };
        let patience = match dialled {
            Ok(session) => {
                state = state.after(LinkEvent::Opened);
                let served = peer.serve(session, &stop).await;
                if served.has_delivered {
                    state = state.after(LinkEvent::Delivered);
                }
                served.patience
            }
            Err(patience) => patience,
        };
        if stop.is_cancelled() {
            return;
        }
        state = state.after(LinkEvent::Lost(patience));
        if let LinkState::Waiting { delay, .. } = state {
            peer.waits(state);
            if stop.run_until_cancelled(sleep(delay)).await.is_none() {
                return;
            }
        }
        state = state.after(LinkEvent::DelayOver);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use tokio::time::Instant;

    use super::*;

    /// What the peer does at one dial.
    #[derive(Clone, Copy)]
    enum Answer {
        Refuses,
        Asks(Patience),
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

        async fn dial(&mut self, _attempt: u32) -> Result<Self::Session, Patience> {
            self.dials.lock().unwrap().push(self.began.elapsed().as_secs());
            match self.answers.pop_front().unwrap_or(Answer::NeverAnswers) {
                Answer::Refuses => Err(Patience::Usual),
                Answer::Asks(patience) => Err(patience),
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
        ) -> Served {
            sleep(Duration::from_secs(seconds)).await;
            Served { has_delivered, patience: Patience::Usual }
        }

        fn waits(&mut self, _waiting: LinkState) {}
    }

    /// The seconds at which the peer was dialled in a paused day, and the attempt that was broken off.
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
        tokio::join!(keep_up(peer, stop.clone()), day);
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
    async fn an_hour_of_outage_is_over_within_one_wait() {
        let (seconds, _) = dials(&[Answer::Refuses; 125]).await;
        let longest = seconds.windows(2).map(|pair| pair[1] - pair[0]).max();
        assert_eq!(longest, Some(30));
        assert!(seconds.last() > Some(&3_600));
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_asks_for_patience_is_left_alone() {
        let asks = Answer::Asks(Patience::Exactly(Duration::from_secs(300)));
        assert_eq!(dials(&[asks, asks, Answer::Refuses]).await.0, [0, 300, 600, 604]);
    }
}
