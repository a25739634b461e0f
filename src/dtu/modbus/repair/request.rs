//! Which request an answer belongs to. The library would notice as well, but not in a user's words.

use bytes::Buf;

use super::NoAnswer;

/// A request to read: header, function, address and count. What is shorter is the rest of one.
const LENGTH: usize = 12;

/// What tells one request from another, as it stands in its header and in that of its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Request {
    transaction: u16,
    unit: u8,
}

impl Request {
    /// The one that is sent with these bytes.
    pub(super) fn sent(bytes: &[u8]) -> Option<Self> {
        Self::of(bytes).filter(|_| bytes.len() == LENGTH)
    }

    fn of(mut frame: &[u8]) -> Option<Self> {
        let transaction = frame.try_get_u16().ok()?;
        let _protocol = frame.try_get_u16().ok()?;
        let _length = frame.try_get_u16().ok()?;
        Some(Self { transaction, unit: frame.try_get_u8().ok()? })
    }

    /// Refuses an answer that bears another transaction or unit.
    pub(super) fn is_answered_by(self, answer: &[u8]) -> Result<(), NoAnswer> {
        match Self::of(answer) {
            Some(answer) if answer == self => Ok(()),
            Some(Self { transaction, unit }) if transaction == self.transaction => {
                Err(NoAnswer::OtherUnit { answers: unit, asked: self.unit })
            }
            _ => Err(NoAnswer::OtherRequest),
        }
    }
}
