//! Frames: a header of ten bytes, a payload, and an authentication tag if the DTU encrypts. Pure: no
//! socket, no clock.

use std::fmt;
use std::io;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use crc::{CRC_16_MODBUS, Crc};
use thiserror::Error;
use tokio_util::codec::{Decoder, Encoder};

use super::app_info::malformed;
use crate::dtu::DtuError;
use crate::dtu::error::{UNKNOWN_KEY, guess_protocol};

const CRC: Crc<u16> = Crc::<u16>::new(&CRC_16_MODBUS);
const MAGIC: [u8; 2] = *b"HM";
const HEADER: usize = 10;
/// The header of the hybrid inverters' gateways; its CRC covers what follows it, too.
const EXTENDED_HEADER: usize = 24;
/// The authentication tag, which neither length nor checksum covers.
pub const TAG: usize = 16;

/// The kind of a frame. `A3xx` goes to the DTU and is answered by `A2xx`; `22xx` and `23xx` are the
/// same messages between DTU and cloud.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Command(pub u16);

impl Command {
    /// Requests versions, inverters and encryption.
    pub const APP_INFO: Self = Self(0xA301);
    /// A heartbeat to the DTU.
    pub const HEARTBEAT: Self = Self(0xA302);
    /// A command: the bridge only enables the performance mode.
    pub const COMMAND: Self = Self(0xA305);
    /// Requests one packet of the present values.
    pub const REAL_DATA: Self = Self(0xA311);
    /// The DTU's heartbeat to the cloud, which it also sends unsolicited to a local client.
    pub const CLOUD_HEARTBEAT: Self = Self(0x2202);

    /// The command of the answer to this request.
    #[must_use]
    pub const fn reply(self) -> Self {
        Self(self.0.wrapping_sub(0x0100))
    }

    /// Whether frames of this command are encrypted if the DTU encrypts.
    pub const fn encryption(self) -> Encryption {
        match self.0 {
            0xA301 | 0xA201 | 0xA302 => Encryption::Never,
            0xA202 => Encryption::Unknown,
            command if matches!(command >> 8, 0x22) || self.is_extended() => Encryption::Unknown,
            _ => Encryption::Always,
        }
    }

    /// Whether frames of this command have the long header of the hybrid inverters' gateways.
    pub const fn is_extended(self) -> bool {
        matches!(self.0 >> 8, 0xDA | 0xDB | 0xC2 | 0xC3)
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04X}", self.0)
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Whether a DTU that encrypts also encrypts frames of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encryption {
    /// Always in plain text.
    Never,
    /// Encrypted, followed by an authentication tag.
    Always,
    /// Nobody has seen it: both are accepted.
    Unknown,
}

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The kind of frame.
    pub command: Command,
    /// Chosen by the client; answers usually repeat it.
    pub sequence: u16,
    /// A protobuf message, or its ciphertext.
    pub payload: Bytes,
    /// The authentication tag of a ciphertext.
    pub tag: Option<[u8; TAG]>,
}

/// The bytes are not a frame, and the start of the next one is unknown.
#[derive(Debug, Error)]
#[expect(missing_docs, reason = "the names of the fields say it")]
pub enum FrameError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("the stream ends in the middle of a frame")]
    Cut,
    /// No frame starts where it should. Some DTUs answer zero bytes to a request that they cannot
    /// decrypt.
    #[error("{}", describe_start(.0))]
    Magic(Vec<u8>),
    /// The length in the header is smaller than the header.
    #[error("a frame of command {command} says it is {length} bytes long")]
    Length { command: Command, length: u16 },
    #[error(
        "the checksum of a frame of command {command} is {found:04x} instead of {expected:04x}"
    )]
    Crc { command: Command, expected: u16, found: u16 },
    /// The payload does not fit into a frame; only for frames we send.
    #[error("a payload of {0} bytes does not fit into a frame")]
    TooLong(usize),
}

fn is_zeros(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

fn describe_start(bytes: &[u8]) -> String {
    match guess_protocol(bytes) {
        Some(protocol) => format!("it speaks {protocol}"),
        None if is_zeros(bytes) => "it answers with zero bytes".to_owned(),
        None => format!("a frame begins with {bytes:02x?} instead of `HM`"),
    }
}

impl From<FrameError> for DtuError {
    fn from(error: FrameError) -> Self {
        match error {
            FrameError::Io(source) => Self::Closed(source),
            FrameError::Cut => {
                let when = "in the middle of an answer";
                Self::Closed(io::Error::new(io::ErrorKind::UnexpectedEof, when))
            }
            FrameError::Magic(ref start) if is_zeros(start) => {
                Self::malformed(error.to_string(), UNKNOWN_KEY)
            }
            FrameError::Magic(_)
            | FrameError::Length { .. }
            | FrameError::Crc { .. }
            | FrameError::TooLong(_) => malformed(error.to_string()),
        }
    }
}

/// Splits a stream into frames and joins them; one per connection and direction.
#[derive(Clone, Copy, Debug, Default)]
pub struct FrameCodec {
    encrypted: bool,
    /// It is unknown whether the last frame had a tag; if so, the tag comes next.
    tag_may_follow: bool,
}

impl FrameCodec {
    /// Frames have an authentication tag from now on, except those that are never encrypted.
    pub fn set_encrypted(&mut self, encrypted: bool) {
        self.encrypted = encrypted;
    }

    /// The length of the frame that starts with these bytes, or of a header while that is incomplete.
    pub fn announced(&self, bytes: &[u8]) -> usize {
        let header = Header::read(bytes).ok().flatten();
        header.map_or(HEADER, |header| header.length + tag_size(self.encryption(header.command)))
    }

    fn encryption(self, command: Command) -> Encryption {
        if self.encrypted { command.encryption() } else { Encryption::Never }
    }

    /// Skips the tag of the last frame, if any; whether a frame can start now.
    fn skip_tag(&mut self, bytes: &mut BytesMut) -> bool {
        if !self.tag_may_follow {
            return true;
        }
        match bytes.get(..MAGIC.len()) {
            Some(start) if start == MAGIC => {}
            Some(_) if bytes.len() >= TAG => bytes.advance(TAG),
            Some(_) | None => return false,
        }
        self.tag_may_follow = false;
        true
    }
}

impl Decoder for FrameCodec {
    type Item = Frame;
    type Error = FrameError;

    fn decode(&mut self, bytes: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
        if !self.skip_tag(bytes) {
            return Ok(None);
        }
        let start = bytes.get(..MAGIC.len().min(bytes.len())).unwrap_or_default();
        if !MAGIC.starts_with(start) {
            let start = bytes.get(..HEADER.min(bytes.len())).unwrap_or_default();
            return Err(FrameError::Magic(start.to_vec()));
        }
        let Some(header) = Header::read(bytes)? else { return Ok(None) };
        let encryption = self.encryption(header.command);
        let tag_size = tag_size(encryption);
        let wire_size = header.length + tag_size;
        if bytes.len() < wire_size {
            bytes.reserve(wire_size - bytes.len());
            return Ok(None);
        }
        let mut payload = bytes.split_to(header.length);
        payload.advance(header.size);
        let expected = CRC.checksum(&payload);
        if expected != header.crc {
            let Header { command, crc, .. } = header;
            return Err(FrameError::Crc { command, expected, found: crc });
        }
        let tag = bytes.split_to(tag_size).as_ref().try_into().ok();
        self.tag_may_follow = encryption == Encryption::Unknown;
        let Header { command, sequence, .. } = header;
        Ok(Some(Frame { command, sequence, payload: payload.freeze(), tag }))
    }

    fn decode_eof(&mut self, bytes: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
        match self.decode(bytes)? {
            None if !bytes.is_empty() => Err(FrameError::Cut),
            frame => Ok(frame),
        }
    }
}

const fn tag_size(encryption: Encryption) -> usize {
    match encryption {
        Encryption::Always => TAG,
        Encryption::Never | Encryption::Unknown => 0,
    }
}

struct Header {
    command: Command,
    sequence: u16,
    crc: u16,
    length: usize,
    size: usize,
}

impl Header {
    /// `None` while it is incomplete.
    fn read(mut bytes: &[u8]) -> Result<Option<Self>, FrameError> {
        if bytes.len() < HEADER {
            return Ok(None);
        }
        bytes.advance(MAGIC.len());
        let command = Command(bytes.get_u16());
        let sequence = bytes.get_u16();
        let crc = bytes.get_u16();
        let length = bytes.get_u16();
        let size = if command.is_extended() { EXTENDED_HEADER } else { HEADER };
        if usize::from(length) < size {
            return Err(FrameError::Length { command, length });
        }
        Ok(Some(Self { command, sequence, crc, length: usize::from(length), size }))
    }
}

impl Encoder<Frame> for FrameCodec {
    type Error = FrameError;

    fn encode(&mut self, frame: Frame, bytes: &mut BytesMut) -> Result<(), FrameError> {
        let payload = &frame.payload;
        let length = u16::try_from(HEADER + payload.len())
            .map_err(|_| FrameError::TooLong(payload.len()))?;
        bytes.reserve(usize::from(length) + TAG);
        bytes.put_slice(&MAGIC);
        bytes.put_u16(frame.command.0);
        bytes.put_u16(frame.sequence);
        bytes.put_u16(CRC.checksum(payload));
        bytes.put_u16(length);
        bytes.put_slice(payload);
        bytes.put_slice(frame.tag.as_ref().map_or(&[][..], |tag| tag));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn describes_bytes_that_are_not_a_frame() {
        let check = |bytes: &[u8], expected: &str| {
            let error = FrameCodec::default().decode(&mut BytesMut::from(bytes)).unwrap_err();
            assert!(error.to_string().starts_with(expected), "{error}");
        };
        check(b"HTTP/1.1 400 Bad Request", "it speaks HTTP");
        check(b"\x15\x03\x03\x00\x02\x02\x16", "it speaks TLS");
        check(&[0; 10], "it answers with zero bytes");
        check(b"\x01\x02", "a frame begins with [01, 02] instead of `HM`");
    }
}
