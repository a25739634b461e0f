//! Frames on the wire: a header of ten bytes, a payload, and an authentication tag behind it where
//! the DTU encrypts. Pure: no socket, no clock.

use std::io;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use thiserror::Error;
use tokio_util::codec::{Decoder, Encoder};

use super::command::{Command, Secrecy};
use super::crc::crc16;
use crate::dtu::error::OTHERWISE_ENCRYPTED;
use crate::dtu::stranger;

const MAGIC: [u8; 2] = *b"HM";
const HEADER: usize = 10;
/// The header of the hybrid inverters' gateways; its CRC covers what follows it, too.
const EXTENDED_HEADER: usize = 24;
/// The authentication tag, which neither length nor CRC covers.
pub const TAG: usize = 16;

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// What it is for.
    pub command: Command,
    /// Chosen by who asks; answers usually repeat it.
    pub sequence: u16,
    /// A protobuf message, or its ciphertext.
    pub payload: Bytes,
    /// The authentication tag of a ciphertext.
    pub tag: Option<[u8; TAG]>,
}

/// The bytes are not a frame: where the next one begins is not known.
#[derive(Debug, Error)]
pub enum FrameError {
    /// The stream itself failed.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The stream ends before the frame does.
    #[error("the stream ends in the middle of a frame")]
    Cut,
    /// A frame does not begin where it should. Zero bytes are what some DTUs answer to a request
    /// that they cannot decrypt.
    #[error("{}", beginning(.0))]
    Magic(Vec<u8>),
    /// The header gives a length that is smaller than the header.
    #[error("a frame of command {command} says it is {length} bytes long")]
    Length {
        /// From the header.
        command: Command,
        /// From the header.
        length: u16,
    },
    /// The payload is damaged.
    #[error(
        "the checksum of a frame of command {command} is {found:04x} instead of {expected:04x}"
    )]
    Crc {
        /// From the header.
        command: Command,
        /// Computed from the payload.
        expected: u16,
        /// From the header.
        found: u16,
    },
    /// The payload does not fit into a frame; only for frames we send.
    #[error("a payload of {0} bytes does not fit into a frame")]
    TooLong(usize),
}

/// What came where a frame should begin, in words.
fn beginning(bytes: &[u8]) -> String {
    match stranger::language(bytes) {
        Some(language) => format!("what answers speaks {language}"),
        None if bytes.iter().all(|byte| *byte == 0) => {
            format!("it answers with zero bytes; {OTHERWISE_ENCRYPTED}")
        }
        None => format!("a frame begins with {bytes:02x?} instead of `HM`"),
    }
}

/// Cuts a stream into frames, and joins them. One per connection and direction.
#[derive(Clone, Copy, Debug, Default)]
pub struct FrameCodec {
    encrypted: bool,
    /// The last frame may or may not have had a tag: if it had, the tag comes next.
    tag_may_follow: bool,
}

impl FrameCodec {
    /// From now on, frames carry an authentication tag, except those that are always clear text.
    pub fn set_encrypted(&mut self, encrypted: bool) {
        self.encrypted = encrypted;
    }

    /// How many bytes the frame has of which these are the first; of the header alone, if that is not
    /// whole.
    pub fn announced(&self, bytes: &[u8]) -> usize {
        let header = Header::read(bytes).ok().flatten();
        header.map_or(HEADER, |header| header.length + tag_size(self.secrecy(header.command)))
    }

    fn secrecy(self, command: Command) -> Secrecy {
        if self.encrypted { command.secrecy() } else { Secrecy::Clear }
    }

    /// Drops the tag of the last frame, if it had one; whether a frame can begin now.
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
        let secrecy = self.secrecy(header.command);
        let tag_size = tag_size(secrecy);
        let wire_size = header.length + tag_size;
        if bytes.len() < wire_size {
            bytes.reserve(wire_size - bytes.len());
            return Ok(None);
        }
        let mut payload = bytes.split_to(header.length);
        payload.advance(header.size);
        let expected = crc16(&payload);
        if expected != header.crc {
            let Header { command, crc, .. } = header;
            return Err(FrameError::Crc { command, expected, found: crc });
        }
        let tag = bytes.split_to(tag_size).as_ref().try_into().ok();
        self.tag_may_follow = secrecy == Secrecy::Unknown;
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

const fn tag_size(secrecy: Secrecy) -> usize {
    match secrecy {
        Secrecy::Encrypted => TAG,
        Secrecy::Clear | Secrecy::Unknown => 0,
    }
}

/// The header, as it stands on the wire.
struct Header {
    command: Command,
    sequence: u16,
    crc: u16,
    /// Of header and payload.
    length: usize,
    /// Of the header alone.
    size: usize,
}

impl Header {
    /// `None` if it has not arrived whole.
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
        bytes.put_u16(crc16(payload));
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
    fn what_begins_like_no_frame_is_told_in_words() {
        let check = |bytes: &[u8], expected: &str| {
            let error = FrameCodec::default().decode(&mut BytesMut::from(bytes)).unwrap_err();
            assert!(error.to_string().starts_with(expected), "{error}");
        };
        check(b"HTTP/1.1 400 Bad Request", "what answers speaks HTTP");
        check(b"\x15\x03\x03\x00\x02\x02\x16", "what answers speaks TLS");
        check(&[0; 10], "it answers with zero bytes; it restarted just now, or encrypts otherwise");
        check(b"\x01\x02", "a frame begins with [01, 02] instead of `HM`");
    }
}
