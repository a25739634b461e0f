//! Who answers where a DTU was expected, from the first bytes. Pure.

/// What TLS calls an alert and a handshake, and its major version behind that.
const TLS: [[u8; 2]; 2] = [[0x15, 3], [0x16, 3]];

/// The language in which these bytes begin, if it is a well-known one that no DTU answers in.
pub(super) fn language(bytes: &[u8]) -> Option<&'static str> {
    let begins =
        |with: &[u8]| bytes.get(..with.len()).is_some_and(|it| it.eq_ignore_ascii_case(with));
    if begins(b"HTTP") || begins(b"<html") || begins(b"<!doc") {
        Some("HTTP")
    } else if TLS.iter().any(|start| bytes.starts_with(start)) {
        Some("TLS")
    } else if begins(b"SSH-") {
        Some("SSH")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn well_known_languages_are_known_by_their_first_bytes() {
        for (bytes, expected) in [
            (&b"HTTP/1.1 400 Bad Request"[..], Some("HTTP")),
            (b"<HTML>", Some("HTTP")),
            (b"\x15\x03\x03\x00\x02\x02\x16", Some("TLS")),
            (b"SSH-2.0-", Some("SSH")),
            (b"HM\xa2\x11", None),
            (b"\x00\x01\x00\x00\x00\x05", None),
            (b"", None),
        ] {
            assert_eq!(language(bytes), expected, "{bytes:?}");
        }
    }
}
