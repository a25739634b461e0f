//! How a connection ended, from what the WebSocket library says and what was overheard below it.

use std::io;

use tokio_tungstenite::tungstenite::error::{CapacityError, ProtocolError};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::failure::Failure;
use super::message::quoted;
use super::overheard::{Endless, MOST_FRAMES, Overheard};

/// What was received, or why nothing more will be.
pub(super) fn received(
    next: Option<Result<Message, Error>>,
    overheard: &Overheard,
) -> Result<Message, Failure> {
    match next {
        Some(Ok(Message::Close(_))) => Err(closed(overheard.code_and_reason())),
        Some(Ok(message)) => Ok(message),
        Some(Err(error)) => Err(broken(error)),
        None => Err(Failure::Broken("the target hung up".to_owned())),
    }
}

fn closed(code_and_reason: Option<(u16, String)>) -> Failure {
    match code_and_reason {
        Some((code, reason)) => Failure::Closed { code, reason: quoted(&reason) },
        None => Failure::Closed { code: 1005, reason: String::new() },
    }
}

/// Why nothing more can be sent or received.
#[expect(clippy::wildcard_enum_match_arm, reason = "the list is another's, and open")]
pub(super) fn broken(error: Error) -> Failure {
    match error {
        Error::Capacity(CapacityError::MessageTooLong { max_size, .. }) => {
            Failure::TooBig(max_size)
        }
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)
        | Error::ConnectionClosed
        | Error::AlreadyClosed => Failure::Broken("the target hung up".to_owned()),
        Error::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Failure::Broken("the target hung up".to_owned())
        }
        Error::Io(error) if Endless::is_in(&error) => Failure::TooManyParts(MOST_FRAMES),
        Error::Io(error) => Failure::Broken(error.to_string()),
        Error::Protocol(error) => Failure::Protocol(error.to_string()),
        Error::WriteBufferFull(_) => Failure::Broken("it has not read for long".to_owned()),
        Error::Utf8(_) => Failure::Protocol("a text message that is not UTF-8".to_owned()),
        other => Failure::Protocol(other.to_string()),
    }
}
