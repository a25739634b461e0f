//! How much of what a target says is logged: little, if it says more than can be of use.

use std::borrow::Cow;

use tokio_tungstenite::tungstenite::Message;

/// So many messages of one connection are logged; then each that doubles their number.
const TOLD_AT_FIRST: u64 = 10;

/// What was heard on one connection.
#[derive(Debug, Default)]
pub(super) struct Hearing {
    told: u64,
}

impl Hearing {
    /// The number of this message, if the log shall have it.
    pub(super) fn is_worth_telling(&mut self, message: &Message) -> Option<u64> {
        if !matches!(message, Message::Text(_) | Message::Binary(_)) {
            return None;
        }
        self.told = self.told.saturating_add(1);
        let is_worth = self.told <= TOLD_AT_FIRST || self.told.is_power_of_two();
        is_worth.then_some(self.told)
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

    #[test]
    fn of_a_million_messages_a_few_are_told() {
        let mut hearing = Hearing::default();
        let message = Message::text("x");
        let told = (0..1_000_000).filter(|_| hearing.is_worth_telling(&message).is_some());
        assert_eq!(told.count(), 26);
        assert_eq!(hearing.is_worth_telling(&Message::Ping("x".into())), None);
    }
}
