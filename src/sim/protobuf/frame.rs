//! Frames as a DTU reads and writes them: ten bytes of header, a payload, and an authentication tag
//! that neither length nor checksum covers.

use bytes::{Buf, BufMut};

use crate::sim::conversation::NotARequest;

const MAGIC: &[u8] = b"HM";
const HEADER: usize = 10;
const TAG: usize = 16;

/// Asks for app info.
pub(super) const APP_INFO: u16 = 0xA301;
/// A sign of life.
pub(super) const HEARTBEAT: u16 = 0xA302;
/// Tells the DTU to do something.
pub(super) const COMMAND: u16 = 0xA305;
/// Asks for one packet of the present values.
pub(super) const REAL_DATA: u16 = 0xA311;

/// What an answer's command is less than its request's.
pub(super) const ANSWER: u16 = 0x0100;

/// Commands that travel in clear text even if the DTU encrypts.
pub(super) const fn is_clear(command: u16) -> bool {
    matches!(command, APP_INFO | HEARTBEAT | 0xA201 | 0xA202) || is_extended(command)
}

/// Those of the hybrid inverters' gateways, which have a longer header.
const fn is_extended(command: u16) -> bool {
    matches!(command >> 8, 0xDB | 0xC3)
}

/// A request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame<'a> {
    pub(super) command: u16,
    pub(super) sequence: u16,
    /// Cipher text, if there is a tag.
    pub(super) payload: &'a [u8],
    /// Sixteen bytes or none.
    pub(super) tag: &'a [u8],
}

/// How long the frame is that these bytes begin, its tag included; `None` if they are too few.
pub(super) fn length(begun: &[u8], encrypts: bool) -> Result<Option<usize>, NotARequest> {
    if begun.iter().zip(MAGIC).any(|(got, magic)| got != magic) {
        return Err(NotARequest);
    }
    let Some(Header { command, length, .. }) = Header::read(begun) else { return Ok(None) };
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

/// The bytes of a frame; `tag` is empty where nothing is encrypted.
pub(super) fn written(command: u16, sequence: u16, payload: &[u8], tag: &[u8]) -> Vec<u8> {
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

/// CRC-16 as Modbus-RTU has it.
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame that the vendor's app sent to a DTU-Pro.
    const CAPTURED: [u8; 26] = [
        0x48, 0x4D, 0xA3, 0x05, 0x00, 0x01, 0xEC, 0x1F, 0x00, 0x1A, 0x08, 0xEF, 0xAC, 0xA8, 0x91,
        0x06, 0x10, 0x21, 0x20, 0x01, 0x30, 0xEF, 0xAC, 0xA8, 0x91, 0x06,
    ];

    #[test]
    fn a_captured_frame_is_read_and_written() {
        let frame = Frame::read(&CAPTURED).unwrap();
        assert_eq!((frame.command, frame.sequence, frame.payload.len()), (COMMAND, 1, 16));
        assert_eq!(written(COMMAND, 1, frame.payload, &[]), CAPTURED);
        let mut damaged = CAPTURED;
        damaged[12] ^= 1;
        assert!(Frame::read(&damaged).is_none());
    }

    #[test]
    fn a_frame_is_as_long_as_its_header_and_its_secrecy_say() {
        assert_eq!(length(&CAPTURED[..9], false), Ok(None));
        assert_eq!(length(&CAPTURED, false), Ok(Some(26)));
        assert_eq!(length(&CAPTURED, true), Ok(Some(42)));
        assert_eq!(length(b"HM\xA3\x01\0\0\0\0\0\x0A", true), Ok(Some(10)));
        assert_eq!(length(b"HM\xA3\x01\0\0\0\0\0\x09", true), Err(NotARequest));
        assert_eq!(length(b"HTTP", true), Err(NotARequest));
    }
}
