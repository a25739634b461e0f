//! Why asking a DTU failed, sorted by what the caller does about it.

use std::borrow::Cow;
use std::fmt::Display;
use std::io;
use std::time::Duration;

use thiserror::Error;

use crate::config::Protocol;
use crate::net::error::ConnectError;
use crate::problem::Problem;

/// Why asking a DTU failed. The texts say the cause and the cure.
#[derive(Debug, Error)]
pub enum DtuError {
    /// No connection: the link is dialled again.
    #[error("{}; {remedy}", .error.problem().cause)]
    Unreachable {
        /// Why.
        error: ConnectError,
        /// What to do about it.
        remedy: Cow<'static, str>,
    },
    /// No answer in time: the link is dropped, since the next answer may belong to this request.
    #[error(
        "the DTU accepted the connection but did not answer within {0:?}; another program may be using it, \
         or it speaks another `protocol`"
    )]
    Timeout(Duration),
    /// Less came than the answer's header announces: the link is dropped, since the rest may follow.
    #[error(
        "the DTU sent half an answer within {limit:?} ({came} of {announced} bytes); try a longer \
         `timeout`, and restart the DTU if this stays"
    )]
    HalfAnswer {
        /// The time limit.
        limit: Duration,
        /// How many bytes came.
        came: usize,
        /// How many it should be.
        announced: usize,
    },
    /// Something came in time, but not the answer: the link is dropped, as without any answer.
    #[error(
        "within {limit:?} the DTU sent only answers to other questions ({commands}); another program \
         may be using it"
    )]
    OtherAnswers {
        /// The time limit.
        limit: Duration,
        /// What they were, as the protocol numbers them.
        commands: String,
    },
    /// The DTU hung up: the link is dialled again.
    #[error(
        "the DTU closed the connection ({0}); another program may be using it, or it speaks another `protocol`"
    )]
    Closed(io::Error),
    /// The DTU understood and said no: the link is kept.
    #[error("the DTU refused the request (exception code {0}); {cure}", cure = cure_of_refusal(*.0))]
    Refused(u8),
    /// The DTU has not built its list of ports yet: asked again at the next poll.
    #[error("the DTU has not mapped its inverters yet; it does so some minutes after its start")]
    NotMapped,
    /// Addresses count words: what was read is half of the list, and is not believed.
    #[error(
        "the device addresses its registers by words (an emulation such as OpenDTU's), so half of its \
         ports would be missing; not supported: take its values over its own API or MQTT"
    )]
    WordAddressed,
    /// Bytes that are not the protocol: the link is dropped, since framing is lost. Made by
    /// [`malformed`](Self::malformed), which knows a cure.
    #[error("the DTU sent a malformed answer: {0}")]
    Malformed(String),
    /// The answer was encrypted with another key, or is not the DTU's: what the bridge knows of the
    /// DTU's encryption is out of date and is asked for again.
    #[error("the DTU's answer could not be decrypted; {OTHERWISE_ENCRYPTED}")]
    Unauthentic,
}

/// What to do about answers that are no message, or about none that can be decrypted.
pub const OTHERWISE_ENCRYPTED: &str = "it restarted just now, or encrypts otherwise than the bridge knows: if that stays, restart it, \
     and report its firmware version";

impl DtuError {
    /// An answer of a DTU of that protocol that is none, for this reason; a reason may bring a cure of
    /// its own, behind a semicolon.
    pub fn malformed(protocol: Protocol, why: &impl Display) -> Self {
        let mut text = why.to_string();
        if !text.contains("; ") {
            text.push_str(match protocol {
                Protocol::Modbus | Protocol::Simulated => {
                    "; is that a DTU-Pro, and its Modbus port? Others speak protocol = \"protobuf\""
                }
                Protocol::Protobuf => {
                    "; is that a Hoymiles DTU, and its port 10081? Restart it if it answered before"
                }
            });
        }
        Self::Malformed(text)
    }

    /// The failure as users see it.
    pub fn problem(&self) -> Problem {
        let label = match self {
            Self::Unreachable { error, .. } => error.problem().label,
            Self::Timeout(_) => "no_answer",
            Self::HalfAnswer { .. } => "half_answer",
            Self::OtherAnswers { .. } => "other_answers",
            Self::Closed(_) => "closed",
            Self::Refused(_) => "request_refused",
            Self::NotMapped => "not_mapped",
            Self::WordAddressed => "word_addressed",
            Self::Malformed(_) => "malformed",
            Self::Unauthentic => "not_decrypted",
        };
        let text = self.to_string();
        match text.split_once("; ") {
            Some((cause, remedy)) => Problem::new(label, cause, remedy.to_owned()),
            None => Problem::without_remedy(label, text),
        }
    }

    /// Whether nobody answered, as when the DTU has no power, or loses it just now. Its name may be
    /// gone as well: routers forget the names of devices that are off.
    pub const fn is_silence(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::Timeout(_)
            | Self::HalfAnswer { .. }
            | Self::Closed(_) => true,
            Self::OtherAnswers { .. }
            | Self::Refused(_)
            | Self::NotMapped
            | Self::WordAddressed
            | Self::Malformed(_)
            | Self::Unauthentic => false,
        }
    }

    /// Whether it tells the same as `other`, but for the bytes that came.
    pub fn is_like(&self, other: &Self) -> bool {
        let what_happened = std::mem::discriminant(self) == std::mem::discriminant(other);
        what_happened && words(&self.to_string()).eq(words(&other.to_string()))
    }
}

/// What to do about a Modbus exception, by the codes of the Modbus Application Protocol 1.1b3, 7.
const fn cure_of_refusal(code: u8) -> &'static str {
    match code {
        4 => "the device has failed at it: restart it if that stays",
        5 | 6 => "it is busy: is another program asking it, too? A longer `interval` spares it",
        10 | 11 => "a gateway finds no such unit behind it: is `unit_id` right, and the cable?",
        _ => "is that a DTU-Pro, and is `unit_id` right?",
    }
}

/// Without numbers in any notation.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.chars().all(|c| c.is_ascii_hexdigit()))
        .filter(|word| !word.chars().any(|c| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_malformed_answer_has_a_cure_of_its_protocol_unless_it_brings_its_own() {
        for (protocol, why, expected) in [
            (Protocol::Modbus, "it answers function 4", "is that a DTU-Pro, and its Modbus port?"),
            (Protocol::Protobuf, "real data", "is that a Hoymiles DTU, and its port 10081?"),
            (Protocol::Modbus, "it answers as unit 2; is `unit_id` right?", "is `unit_id` right?"),
        ] {
            let told = DtuError::malformed(protocol, &why).to_string();
            let (cause, cure) = told.split_once("; ").unwrap();
            let cause = cause.strip_prefix("the DTU sent a malformed answer: ").unwrap();
            assert!(why.starts_with(cause) && cure.starts_with(expected), "{told}");
        }
    }

    #[test]
    fn a_refusal_has_a_cure_of_its_code() {
        for (code, cure) in [
            (1, "is that a DTU-Pro, and is `unit_id` right?"),
            (4, "restart it if that stays"),
            (6, "is another program asking it"),
            (11, "a gateway finds no such unit"),
            (255, "is that a DTU-Pro"),
        ] {
            let told = DtuError::Refused(code).to_string();
            assert!(told.contains(&format!("(exception code {code}); ")), "{told}");
            assert!(told.contains(cure), "{told}");
        }
    }

    #[test]
    fn errors_are_alike_if_only_bytes_differ() {
        let malformed = |text: &str| DtuError::malformed(Protocol::Protobuf, &text);
        let check = |one: DtuError, other: DtuError, expected: bool| {
            assert_eq!(one.is_like(&other), expected, "{one} | {other}");
        };
        let [one, other] = ["a frame begins with [00, ff]", "a frame begins with [be, ef, 17]"];
        check(malformed(one), malformed(other), true);
        let [one, other] = ["the checksum of A211 is 91ab", "the checksum of A201 is cafe"];
        check(malformed(one), malformed(other), true);
        check(malformed(one), malformed("a frame of A211 says it is 3 bytes long"), false);
        check(DtuError::NotMapped, DtuError::Unauthentic, false);
        check(DtuError::Timeout(Duration::from_secs(3)), malformed(one), false);
    }
}
