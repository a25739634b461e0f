//! Frames and encryption as a DTU has them: a header of ten bytes, a payload, and an authentication
//! tag that neither length nor checksum covers; AES-128-GCM with a key that changes at each start.

use bytes::{Buf, BufMut};
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::digest::{SHA256, digest};

use crate::sim::server::NotARequest;

const MAGIC: &[u8] = b"HM";
const HEADER: usize = 10;
const TAG: usize = 16;
pub(super) const APP_INFO: u16 = 0xA301;
pub(super) const HEARTBEAT: u16 = 0xA302;
pub(super) const COMMAND: u16 = 0xA305;
pub(super) const REAL_DATA: u16 = 0xA311;
/// An answer's command is smaller than its request's by this.
pub(super) const ANSWER: u16 = 0x0100;

/// Commands that are never encrypted.
pub(super) const fn is_clear(command: u16) -> bool {
    matches!(command, APP_INFO | HEARTBEAT | 0xA201 | 0xA202) || is_extended(command)
}

/// Commands of the hybrid inverters' gateways, with a longer header.
const fn is_extended(command: u16) -> bool {
    matches!(command >> 8, 0xDB | 0xC3)
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Frame<'a> {
    pub(super) command: u16,
    pub(super) sequence: u16,
    /// Encrypted if there is a tag.
    pub(super) payload: &'a [u8],
    /// Sixteen bytes or none.
    pub(super) tag: &'a [u8],
}

/// The length of the frame that starts with these bytes, including its tag; `None` if they are too
/// few.
pub(super) fn length(received: &[u8], encrypts: bool) -> Result<Option<usize>, NotARequest> {
    if received.iter().zip(MAGIC).any(|(got, magic)| got != magic) {
        return Err(NotARequest);
    }
    let Some(Header { command, length, .. }) = Header::read(received) else { return Ok(None) };
    if length < HEADER {
        return Err(NotARequest);
    }
    Ok(Some(length + if encrypts && !is_clear(command) { TAG } else { 0 }))
}

impl<'a> Frame<'a> {
    /// From a frame as long as [`length`] says; `None` if its payload is damaged.
    pub(super) fn read(frame: &'a [u8]) -> Option<Self> {
        let Header { command, sequence, crc, length } = Header::read(frame)?;
        let (frame, tag) = frame.split_at_checked(length)?;
        let payload = frame.get(HEADER..)?;
        (crc16(payload) == crc).then_some(Self { command, sequence, payload, tag })
    }
}

struct Header {
    command: u16,
    sequence: u16,
    crc: u16,
    length: usize,
}

impl Header {
    fn read(mut frame: &[u8]) -> Option<Self> {
        if frame.len() < HEADER {
            return None;
        }
        frame.advance(MAGIC.len());
        let (command, sequence, crc) = (frame.get_u16(), frame.get_u16(), frame.get_u16());
        Some(Self { command, sequence, crc, length: frame.get_u16().into() })
    }
}

/// The bytes of a frame; `tag` is empty unless it is encrypted.
pub(super) fn encode(command: u16, sequence: u16, payload: &[u8], tag: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(HEADER + payload.len() + tag.len());
    frame.put_slice(MAGIC);
    frame.put_u16(command);
    frame.put_u16(sequence);
    frame.put_u16(crc16(payload));
    frame.put_u16(u16::try_from(HEADER + payload.len()).unwrap_or(u16::MAX));
    frame.put_slice(payload);
    frame.put_slice(tag);
    frame
}

fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0xFFFF, |crc, byte| {
        (0..8).fold(
            crc ^ u16::from(*byte),
            |crc, _| {
                if crc & 1 == 1 { crc >> 1 ^ 0xA001 } else { crc >> 1 }
            },
        )
    })
}

pub(super) struct Cipher {
    enc_rand: [u8; 16],
    key: LessSafeKey,
}

impl Cipher {
    pub(super) fn new(enc_rand: [u8; 16]) -> Option<Self> {
        let hash = sha256_three_times(&enc_rand);
        let key = UnboundKey::new(&AES_128_GCM, hash.get(..16)?).ok()?;
        Some(Self { enc_rand, key: LessSafeKey::new(key) })
    }

    /// The encrypted message, and its tag.
    pub(super) fn seal(
        &self,
        command: u16,
        sequence: u16,
        message: Vec<u8>,
    ) -> Option<(Vec<u8>, Vec<u8>)> {
        let (nonce, aad) = self.nonce(command, sequence)?;
        let mut text = message;
        let tag = self.key.seal_in_place_separate_tag(nonce, Aad::from(aad), &mut text).ok()?;
        Some((text, tag.as_ref().to_vec()))
    }

    /// The message; `None` if it was not encrypted with this key.
    pub(super) fn open(&self, frame: &Frame<'_>) -> Option<Vec<u8>> {
        let (nonce, aad) = self.nonce(frame.command, frame.sequence)?;
        let mut text = [frame.payload, frame.tag].concat();
        let length = self.key.open_in_place(nonce, Aad::from(aad), &mut text).ok()?.len();
        text.truncate(length);
        Some(text)
    }

    /// The nonce and the authenticated data, little-endian.
    fn nonce(&self, command: u16, sequence: u16) -> Option<(Nonce, [u8; 4])> {
        let [[a, b], [c, d]] = [command.to_le_bytes(), sequence.to_le_bytes()];
        let aad = [a, b, c, d];
        let hash = sha256_three_times(&[&aad, &self.enc_rand[..]].concat());
        Some((Nonce::try_assume_unique_for_key(hash.get(20..)?).ok()?, aad))
    }
}

fn sha256_three_times(bytes: &[u8]) -> Vec<u8> {
    (0..3).fold(bytes.to_vec(), |bytes, _| digest(&SHA256, &bytes).as_ref().to_vec())
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    /// A frame that the vendor's app sent to a DTU-Pro.
    const CAPTURED: [u8; 26] = [
        0x48, 0x4D, 0xA3, 0x05, 0x00, 0x01, 0xEC, 0x1F, 0x00, 0x1A, 0x08, 0xEF, 0xAC, 0xA8, 0x91,
        0x06, 0x10, 0x21, 0x20, 0x01, 0x30, 0xEF, 0xAC, 0xA8, 0x91, 0x06,
    ];

    #[test]
    fn reads_and_writes_a_captured_frame() {
        let frame = Frame::read(&CAPTURED).unwrap();
        assert_eq!((frame.command, frame.sequence, frame.payload.len()), (COMMAND, 1, 16));
        assert_eq!(encode(COMMAND, 1, frame.payload, &[]), CAPTURED);
        let mut damaged = CAPTURED;
        damaged[12] ^= 1;
        assert!(Frame::read(&damaged).is_none());
    }

    #[test]
    fn length_follows_from_header_and_encryption() {
        assert_eq!(length(&CAPTURED[..9], false), Ok(None));
        assert_eq!(length(&CAPTURED, false), Ok(Some(26)));
        assert_eq!(length(&CAPTURED, true), Ok(Some(42)));
        assert_eq!(length(b"HM\xA3\x01\0\0\0\0\0\x0A", true), Ok(Some(10)));
        assert_eq!(length(b"HM\xA3\x01\0\0\0\0\0\x09", true), Err(NotARequest));
        assert_eq!(length(b"HTTP", true), Err(NotARequest));
    }

    fn bytes(hex: &Value) -> Vec<u8> {
        let hex = hex.as_str().unwrap();
        let pairs = (0..hex.len()).step_by(2);
        pairs.map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
    }

    #[test]
    fn decrypts_and_encrypts_the_known_reply() {
        let file: Value =
            serde_json::from_str(include_str!("../../../tests/vectors/protobuf.json")).unwrap();
        let named = |vector: &&Value| vector["name"] == "realdata_new_reply_encrypted";
        let vector = file["vectors"].as_array().unwrap().iter().find(named).unwrap();
        let reply = bytes(&vector["hex"]);
        let cipher = Cipher::new(bytes(&vector["enc_rand"]).try_into().unwrap()).unwrap();
        let frame = Frame::read(&reply).unwrap();
        let message = cipher.open(&frame).unwrap();
        let serial = vector["decoded"]["device_serial_number"].as_str().unwrap();
        assert!(message.windows(12).any(|window| window == serial.as_bytes()));
        let (text, tag) = cipher.seal(frame.command, frame.sequence, message).unwrap();
        assert_eq!(encode(frame.command, frame.sequence, &text, &tag), reply);
        let other = Cipher::new([0; 16]).unwrap();
        assert!(other.open(&frame).is_none());
    }
}
