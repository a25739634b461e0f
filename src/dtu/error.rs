//! Why reading a DTU failed, sorted by what the caller does about it: one row per kind.

use std::borrow::Cow;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use thiserror::Error;

use crate::net::error::ConnectError;
use crate::plant::identity::OtherDtu;
use crate::plant::serial::DtuSerial;
use crate::problem::Problem;

/// Why reading a DTU failed.
#[derive(Debug, Error)]
#[error("{}", self.problem())]
#[expect(missing_docs, reason = "the names of the fields say it")]
pub enum DtuError {
    /// No connection: the next try dials again.
    Unreachable { error: ConnectError, remedy: Cow<'static, str> },
    /// No answer in time: the connection is dropped, since a late answer could be taken for the next
    /// one.
    Timeout(Duration),
    /// Fewer bytes than announced: the connection is dropped, since the rest may follow.
    HalfAnswer { limit: Duration, received: usize, announced: usize },
    /// Other frames came in time, but not the answer: the connection is dropped.
    OtherAnswers { limit: Duration, commands: String },
    /// The DTU closed the connection: the next try dials again.
    Closed(io::Error),
    /// The DTU answered with a Modbus exception: the connection is kept.
    Exception(u8),
    /// The DTU has not built its list of ports yet: the next poll tries again.
    NotMapped,
    /// The first record has not the form of a DTU's: another device answers at this address.
    NotADtu { address: String },
    /// Addresses count words: half of the list would be missing, so none of it is used.
    WordAddressed,
    /// Bytes that are not the protocol: the connection is dropped, since framing is lost.
    Malformed { cause: String, remedy: &'static str },
    /// The answer is encrypted with another key, or forged: the DTU's app info is read again.
    NotDecrypted,
    /// Another DTU answered: nothing of it is used, and the next try dials again.
    OtherDtu(OtherDtu),
}

/// The remedy for answers that may be encrypted with an unknown key.
pub const UNKNOWN_KEY: &str = "restart the DTU; if this persists, report its firmware version";

const OTHER_PROGRAMS: &str = "stop other programs that use the DTU, and check `protocol`";
const SILENT: &str = "stop other programs that use the DTU, and check `protocol`; if the DTU is slow, set \
                      a longer `timeout`, as \"8s\"; if it is in another network, let the firewall \
                      between the two pass its answers";
/// The remedy for a DTU that cannot be reached at all.
pub(super) const NO_ANSWER: &str = "check `host`, that the DTU is on, and that no firewall is between this machine and its \
     network; a DTU inside an inverter (HMS-…W) has power only by day: wait for daylight";

impl DtuError {
    /// An answer that is not the protocol.
    pub fn malformed(cause: impl Into<String>, remedy: &'static str) -> Self {
        Self::Malformed { cause: cause.into(), remedy }
    }

    /// The failure as users see it.
    pub fn problem(&self) -> Problem {
        match self {
            Self::Unreachable { error, remedy } => {
                Problem { remedy: Some(remedy.clone()), ..error.problem() }
            }
            Self::Timeout(limit) => Problem::new(
                "no_answer",
                format!("the DTU accepted the connection but did not answer within {limit:?}"),
                SILENT,
            ),
            Self::HalfAnswer { limit, received, announced } => Problem::new(
                "half_answer",
                format!(
                    "the DTU sent only part of its answer within {limit:?} ({received} of {announced} \
                     bytes)"
                ),
                "set a longer `timeout`, and restart the DTU if this persists",
            ),
            Self::OtherAnswers { limit, commands } => Problem::new(
                "other_answers",
                format!(
                    "the DTU sent only answers to other requests within {limit:?} ({commands})"
                ),
                "stop other programs that use the DTU",
            ),
            Self::Closed(error) => Problem::new(
                "closed",
                format!("the DTU closed the connection ({error})"),
                OTHER_PROGRAMS,
            ),
            Self::Exception(code) => Problem::new(
                "request_refused",
                format!("the DTU refused the request (exception code {code})"),
                exception_remedy(*code),
            ),
            Self::NotMapped => Problem::new(
                "not_mapped",
                "the DTU has not mapped its inverters yet",
                "let it run for several minutes after its start; if this persists, restart it",
            ),
            Self::NotADtu { address } => not_a_dtu(address),
            Self::WordAddressed => Problem::new(
                "word_addressed",
                "the device numbers its registers by words, as OpenDTU's emulation of a DTU-Pro does, \
                 so half of its ports would be missing",
                "read it over its own API or MQTT",
            ),
            Self::Malformed { cause, remedy } => Problem::new(
                "malformed",
                format!("the DTU sent a malformed answer: {cause}"),
                *remedy,
            ),
            Self::NotDecrypted => Problem::new(
                "not_decrypted",
                "the DTU's answer could not be decrypted",
                UNKNOWN_KEY,
            ),
            Self::OtherDtu(other) => other.problem(),
        }
    }

    /// Whether nothing answered, as when the DTU has no power or is just losing it. Its name may not
    /// resolve either: routers forget the names of devices that are off.
    pub const fn is_silence(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::Timeout(_)
            | Self::HalfAnswer { .. }
            | Self::Closed(_) => true,
            Self::OtherAnswers { .. }
            | Self::Exception(_)
            | Self::NotMapped
            | Self::NotADtu { .. }
            | Self::WordAddressed
            | Self::Malformed { .. }
            | Self::NotDecrypted
            | Self::OtherDtu(_) => false,
        }
    }

    /// Whether the time limit has passed: further tries will take as long.
    pub(super) const fn is_timeout(&self) -> bool {
        matches!(
            self,
            Self::Timeout(_) | Self::Unreachable { error: ConnectError::TimedOut { .. }, .. }
        )
    }

    /// Whether it is the same failure as `other`, except for numbers in its text.
    pub fn is_like(&self, other: &Self) -> bool {
        let (one, other) = (self.problem(), other.problem());
        one.label == other.label && words(&one.cause).eq(words(&other.cause))
    }
}

fn not_a_dtu(address: &str) -> Problem {
    Problem::new(
        "not_a_dtu",
        format!(
            "what answers at {address} is not a DTU: it has no list of ports where a DTU has one"
        ),
        "look up the DTU's address in your router, set it as `host`, and let the router reserve it",
    )
}

/// By the codes of the Modbus Application Protocol 1.1b3, section 7.
const fn exception_remedy(code: u8) -> &'static str {
    match code {
        4 => "restart the device if this persists",
        5 | 6 => "stop other programs that read the DTU, or set a longer `interval`",
        10 | 11 => "check `unit_id` and the cable between the gateway and the DTU",
        _ => "check `unit_id`, and that the device is a DTU-Pro",
    }
}

/// The words of a text, without numbers in any notation.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.chars().all(|c| c.is_ascii_hexdigit()))
        .filter(|word| !word.chars().any(|c| c.is_ascii_digit()))
}

/// An example of each kind of failure once a connection is open, for the documentation.
pub fn table() -> Vec<Problem> {
    let limit = Duration::from_secs(3);
    let address = SocketAddr::from((Ipv4Addr::new(192, 168, 1, 191), 502));
    [
        DtuError::Unreachable {
            error: ConnectError::Refused(address),
            remedy: super::modbus::client::REFUSED.into(),
        },
        DtuError::Timeout(limit),
        DtuError::HalfAnswer { limit, received: 4, announced: 12 },
        DtuError::OtherAnswers { limit, commands: "A211".to_owned() },
        DtuError::Closed(io::Error::new(io::ErrorKind::UnexpectedEof, "before it answered")),
        DtuError::Exception(1),
        DtuError::NotMapped,
        DtuError::NotADtu { address: address.to_string() },
        DtuError::WordAddressed,
        super::modbus::frame::InvalidFrame::OtherProtocol(21573).into(),
        DtuError::NotDecrypted,
        DtuError::OtherDtu(OtherDtu {
            expected: DtuSerial::from_bytes([0x10, 0xf8, 0xa0, 0, 0, 1]),
            found: DtuSerial::from_bytes([0x10, 0xf8, 0xa0, 0, 9, 0x99]),
            is_configured: false,
            belongs_to: None,
        }),
    ]
    .iter()
    .map(DtuError::problem)
    .collect()
}

/// The well-known protocol, other than a DTU's, that starts with these bytes.
pub(super) fn guess_protocol(bytes: &[u8]) -> Option<&'static str> {
    const TLS_ALERT: [u8; 2] = [0x15, 3];
    const TLS_HANDSHAKE: [u8; 2] = [0x16, 3];
    let starts_with =
        |text: &[u8]| bytes.get(..text.len()).is_some_and(|start| start.eq_ignore_ascii_case(text));
    if starts_with(b"HTTP") || starts_with(b"<html") || starts_with(b"<!doc") {
        Some("HTTP")
    } else if starts_with(&TLS_ALERT) || starts_with(&TLS_HANDSHAKE) {
        Some("TLS")
    } else if starts_with(b"SSH-") {
        Some("SSH")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_kind_has_a_label_and_a_remedy() {
        let table = table();
        let labels: BTreeSet<_> = table.iter().map(|problem| problem.label).collect();
        assert_eq!(labels.len(), table.len(), "labels are unique");
        assert!(table.iter().all(|problem| problem.remedy.is_some()), "{table:?}");
    }

    /// Each text is pinned here, for the commonest causes.
    #[test]
    fn the_commonest_failures_name_their_commonest_causes() {
        let limit = Duration::from_secs(3);
        let silent = DtuError::Timeout(limit).problem().remedy.unwrap();
        let refused = super::super::modbus::client::REFUSED;
        for (remedy, parts) in [
            (&*silent, &["other programs", "`protocol`", "longer `timeout`", "firewall"][..]),
            (NO_ANSWER, &["`host`", "firewall", "has power only by day"]),
            (
                refused,
                &[
                    "for an HMS-…W inverter, DTU-WLite, DTU-Lite or DTU-W100, set protocol = \"protobuf\"",
                    "Remote Control",
                    "HiFlow",
                    "HMS-…WB, Bluetooth only",
                    "MS-A2",
                ],
            ),
        ] {
            assert!(parts.iter().all(|part| remedy.contains(part)), "{remedy}");
        }
    }

    #[test]
    fn exceptions_have_the_remedy_of_their_code() {
        for (code, remedy) in [
            (1, "check `unit_id`, and that the device is a DTU-Pro"),
            (4, "restart the device"),
            (6, "stop other programs"),
            (11, "gateway"),
            (255, "DTU-Pro"),
        ] {
            let problem = DtuError::Exception(code).problem();
            assert!(problem.cause.ends_with(&format!("(exception code {code})")), "{problem}");
            assert!(problem.remedy.as_ref().is_some_and(|it| it.contains(remedy)), "{problem}");
        }
    }

    #[test]
    fn errors_are_alike_if_only_numbers_differ() {
        let malformed = |cause: &str| DtuError::malformed(cause, UNKNOWN_KEY);
        let check = |one: DtuError, other: DtuError, expected: bool| {
            assert_eq!(one.is_like(&other), expected, "{one} | {other}");
        };
        let [one, other] = ["a frame begins with [00, ff]", "a frame begins with [be, ef, 17]"];
        check(malformed(one), malformed(other), true);
        let [one, other] = ["the checksum of A211 is 91ab", "the checksum of A201 is cafe"];
        check(malformed(one), malformed(other), true);
        check(malformed(one), malformed("a frame of A211 says it is 3 bytes long"), false);
        check(DtuError::NotMapped, DtuError::NotDecrypted, false);
        check(DtuError::Timeout(Duration::from_secs(3)), malformed(one), false);
    }

    #[test]
    fn guesses_well_known_protocols_by_their_first_bytes() {
        for (bytes, expected) in [
            (&b"HTTP/1.1 400 Bad Request"[..], Some("HTTP")),
            (b"<HTML>", Some("HTTP")),
            (b"\x15\x03\x03\x00\x02\x02\x16", Some("TLS")),
            (b"SSH-2.0-", Some("SSH")),
            (b"HM\xa2\x11", None),
            (b"\x00\x01\x00\x00\x00\x05", None),
            (b"", None),
        ] {
            assert_eq!(guess_protocol(bytes), expected, "{bytes:?}");
        }
    }
}
