//! What a DTU in memory does wrong.

use crate::dtu::protobuf::crypto::EncRand;

/// What the DTU does to the next answer.
#[derive(Clone, Debug)]
pub(in crate::dtu::protobuf) enum Fault {
    /// Nothing: the answer is good.
    None,
    /// No answer.
    Silence,
    /// Ten zero bytes.
    Zeros,
    /// The connection ends.
    Close,
    /// The connection ends in the middle of the answer.
    CloseHalfway,
    /// Byte by byte, a millisecond each.
    Slowly,
    /// Frames that nobody asked for, in one segment with the answer.
    Unasked,
    /// An answer to something else instead.
    WrongCommand,
    /// The last answer once more, before the right one.
    OldAnswerFirst,
    /// The answer with another number.
    WrongSequence,
    /// A damaged answer.
    BadCrc,
    /// Frames that nobody asked for, for ever.
    Babble,
    /// The packet bears another time than the others.
    OtherTime,
    /// The DTU starts anew, with or without a key, and does not answer.
    Restart(Option<EncRand>),
}
