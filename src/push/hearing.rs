//! How a target is listened to that says more than can be of use: slowly, and with few log lines.

use std::borrow::Cow;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tokio_tungstenite::tungstenite::Message;

/// So many messages of one connection are logged; then each that doubles their number.
const TOLD_AT_FIRST: u64 = 10;
/// What is read of one target within `WINDOW`. Targets have next to nothing to say: the rest waits
/// at their end of the connection, and neither our memory nor our processor is theirs.
const MOST_MESSAGES: u32 = 1_000;
const MOST_BYTES: usize = 4 << 20;
const WINDOW: Duration = Duration::from_secs(1);

/// What was heard on one connection.
#[derive(Debug)]
pub(super) struct Hearing {
    told: u64,
    window_began: Instant,
    messages: u32,
    bytes: usize,
    is_flooded: bool,
}

impl Hearing {
    /// Nothing yet.
    pub(super) fn new() -> Self {
        Self { told: 0, window_began: Instant::now(), messages: 0, bytes: 0, is_flooded: false }
    }

    /// The number of this message, if the log shall have it.
    pub(super) fn is_worth_telling(&mut self, message: &Message) -> Option<u64> {
        if !matches!(message, Message::Text(_) | Message::Binary(_)) {
            return None;
        }
        self.told = self.told.saturating_add(1);
        let is_worth = self.told <= TOLD_AT_FIRST || self.told.is_power_of_two();
        is_worth.then_some(self.told)
    }

    /// Counts the message, and waits if there were too many lately; `floods` is called at the first
    /// such wait.
    pub(super) async fn rest(&mut self, message: &Message, floods: impl FnOnce()) {
        if self.window_began.elapsed() >= WINDOW {
            (self.window_began, self.messages, self.bytes) = (Instant::now(), 0, 0);
        }
        self.messages = self.messages.saturating_add(1);
        self.bytes = self.bytes.saturating_add(message.len());
        if self.messages < MOST_MESSAGES && self.bytes < MOST_BYTES {
            // Small messages out of one buffer would otherwise keep this worker for themselves.
            tokio::task::consume_budget().await;
            return;
        }
        if !self.is_flooded {
            self.is_flooded = true;
            floods();
        }
        sleep_until(self.window_began + WINDOW).await;
    }
}

/// A message in words.
pub(super) fn text_of(message: &Message) -> Cow<'_, str> {
    match message {
        Message::Text(text) => Cow::Borrowed(text.as_str()),
        Message::Binary(bytes) => Cow::Owned(format!("{} bytes of binary data", bytes.len())),
        Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_) => {
            Cow::Borrowed("")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_flood_is_read_at_a_measured_pace_and_told_once() {
        let (mut hearing, mut told) = (Hearing::new(), 0);
        let began = Instant::now();
        for _ in 0..10_000 {
            hearing.rest(&Message::text("x"), || told += 1).await;
        }
        assert_eq!((began.elapsed().as_secs(), told), (10, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn large_messages_count_by_their_size() {
        let mut hearing = Hearing::new();
        let began = Instant::now();
        for _ in 0..8 {
            hearing.rest(&Message::binary(vec![0; 1 << 20]), || {}).await;
        }
        assert_eq!(began.elapsed().as_secs(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_target_that_talks_now_and_then_is_never_held_back() {
        let mut hearing = Hearing::new();
        for _ in 0..5_000 {
            let began = Instant::now();
            hearing.rest(&Message::text("x"), || panic!("no flood")).await;
            assert_eq!(began.elapsed(), Duration::ZERO);
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    #[test]
    fn of_a_million_messages_a_few_are_told() {
        let mut hearing = Hearing::new();
        let message = Message::text("x");
        let told = (0..1_000_000).filter(|_| hearing.is_worth_telling(&message).is_some());
        assert_eq!(told.count(), 26);
        assert_eq!(hearing.is_worth_telling(&Message::Ping("x".into())), None);
    }
}
