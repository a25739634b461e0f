//! Tells early of a DTU that does not answer a bridge that has just started: whoever has started it
//! looks at its log, and all tries of a poll together take longer than he waits.

use std::time::Duration;

use tokio::time::Instant;
use tracing::warn;

use super::DtuError;

/// Nothing stays unsaid for longer.
const SILENCE: Duration = Duration::from_secs(10);

/// The first poll of one DTU, until it answers.
#[derive(Debug)]
pub(super) struct FirstPoll {
    name: String,
    /// How long a try may take, with the pause before it.
    a_try: Duration,
    state: State,
}

#[derive(Debug)]
enum State {
    NotBegun,
    BeganAt(Instant),
    Over,
}

impl FirstPoll {
    /// Of the DTU of this name, a try of which takes so long at most.
    pub(super) const fn new(name: String, a_try: Duration) -> Self {
        Self { name, a_try, state: State::NotBegun }
    }

    /// A poll begins.
    pub(super) fn poll_begins(&mut self) {
        self.state = match self.state {
            State::NotBegun => State::BeganAt(Instant::now()),
            State::BeganAt(_) | State::Over => State::Over,
        };
    }

    /// It has answered: what fails from now on is told with the poll.
    pub(super) const fn answered(&mut self) {
        self.state = State::Over;
    }

    /// A try has failed, and another one follows.
    pub(super) fn goes_on_after(&mut self, error: &DtuError) {
        if let State::BeganAt(began) = self.state
            && began.elapsed() + self.a_try > SILENCE
        {
            warn!("{}: no answer yet: {error} (trying on)", self.name);
            self.state = State::Over;
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const A_TRY: Duration = Duration::from_millis(3200);

    /// Whether it is over, that is told, after a try that failed then.
    async fn is_told_after(elapsed: Duration, prepare: fn(&mut FirstPoll)) -> bool {
        let mut first = FirstPoll::new("Roof".to_owned(), A_TRY);
        first.poll_begins();
        prepare(&mut first);
        let before = matches!(first.state, State::BeganAt(_));
        advance(elapsed).await;
        first.goes_on_after(&DtuError::NotMapped);
        before && matches!(first.state, State::Over)
    }

    #[tokio::test(start_paused = true)]
    async fn a_try_that_would_end_after_ten_seconds_is_announced() {
        assert!(!is_told_after(Duration::from_secs(3), |_| ()).await);
        assert!(!is_told_after(Duration::from_millis(6800), |_| ()).await);
        assert!(is_told_after(Duration::from_millis(6801), |_| ()).await);
    }

    #[tokio::test(start_paused = true)]
    async fn only_the_first_poll_until_its_first_answer_counts() {
        let late = Duration::from_secs(9);
        assert!(!is_told_after(late, FirstPoll::answered).await);
        assert!(!is_told_after(late, FirstPoll::poll_begins).await);
    }
}
