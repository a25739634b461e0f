//! The close frame as the target sent it: of one with a code that may not be sent, the library
//! keeps only what it answers itself.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::{AsyncRead, ReadBuf};

/// Ends the head of an HTTP answer; what follows is frames.
const END_OF_HEAD: &[u8] = b"\r\n\r\n";
/// Where the length of a payload follows in two bytes, or in eight; and the bit of a mask.
const TWO_BYTES: u8 = 126;
const EIGHT_BYTES: u8 = 127;
const MASKED: u8 = 0x80;
/// The first byte of a close frame, without its reserved bits.
const CLOSE: u8 = 0x88;
/// A control frame is no longer (RFC 6455 section 5.5).
const LONGEST_CLOSE: u64 = 125;

/// The first close frame of a connection: its payload. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(super) struct GoodBye(Arc<OnceLock<Bytes>>);

impl GoodBye {
    /// Its code, and its reason as far as it is text; none if it has come without, or not at all.
    pub(super) fn code_and_reason(&self) -> Option<(u16, String)> {
        let (code, reason) = self.0.get()?.split_first_chunk()?;
        Some((u16::from_be_bytes(*code), String::from_utf8_lossy(reason).into_owned()))
    }
}

/// Listens to the bytes of a target for its close frame, and to nothing else.
#[derive(Debug)]
pub(super) struct Listener {
    part: Part,
    good_bye: GoodBye,
}

/// What comes next.
#[derive(Debug)]
enum Part {
    /// The answer to the upgrade, of whose end so many bytes have come.
    Answer(usize),
    /// The head of a frame, of which this has come.
    Head(BytesMut),
    /// So many bytes that are none of our business.
    Payload(u64),
    /// A close frame with so many bytes, of which these have come.
    Close(usize, BytesMut),
    /// Nothing that matters.
    Over,
}

impl Listener {
    /// Before the answer to an upgrade.
    pub(super) fn of_answer() -> Self {
        Self { part: Part::Answer(0), good_bye: GoodBye::default() }
    }

    /// Where frames are all that comes.
    pub(super) fn of_frames() -> Self {
        Self { part: Part::Head(BytesMut::new()), good_bye: GoodBye::default() }
    }

    /// Where the close frame will be.
    pub(super) fn good_bye(&self) -> GoodBye {
        self.good_bye.clone()
    }

    /// Reads, and listens to what comes.
    pub(super) fn poll_read(
        &mut self,
        stream: Pin<&mut impl AsyncRead>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(stream.poll_read(cx, buffer))?;
        self.hear(buffer.filled().get(before..).unwrap_or_default());
        Poll::Ready(Ok(()))
    }

    fn hear(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            match &mut self.part {
                Part::Payload(left) => {
                    let passed = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                    bytes.advance(passed);
                    *left = left.saturating_sub(u64::try_from(passed).unwrap_or(u64::MAX));
                    if *left == 0 {
                        self.part = Part::Head(BytesMut::new());
                    }
                }
                Part::Over => return,
                Part::Answer(_) | Part::Head(_) | Part::Close(..) => self.hear_one(bytes.get_u8()),
            }
        }
    }

    fn hear_one(&mut self, byte: u8) {
        match &mut self.part {
            Part::Answer(come) => {
                *come = match END_OF_HEAD.get(*come) {
                    Some(expected) if *expected == byte => come.saturating_add(1),
                    Some(_) | None => usize::from(byte == b'\r'),
                };
                if *come == END_OF_HEAD.len() {
                    self.part = Part::Head(BytesMut::new());
                }
            }
            Part::Head(head) => {
                head.extend_from_slice(&[byte]);
                if let Some(next) = after_head(head) {
                    self.part = next;
                }
            }
            Part::Close(length, payload) => {
                payload.extend_from_slice(&[byte]);
                if payload.len() == *length {
                    // There is one listener, and nothing follows a close frame.
                    drop(self.good_bye.0.set(payload.split().freeze()));
                    self.part = Part::Over;
                }
            }
            Part::Payload(_) | Part::Over => {}
        }
    }
}

/// What follows this head; none while it is not whole. A masked frame ends the connection.
fn after_head(head: &[u8]) -> Option<Part> {
    let (&[first, second], long) = head.split_first_chunk()?;
    let length = match second {
        TWO_BYTES => u64::from(u16::from_be_bytes(long.try_into().ok()?)),
        EIGHT_BYTES => u64::from_be_bytes(long.try_into().ok()?),
        masked if masked & MASKED != 0 => return Some(Part::Over),
        short => u64::from(short),
    };
    Some(match usize::try_from(length) {
        Ok(close) if first == CLOSE && (1..=LONGEST_CLOSE).contains(&length) => {
            Part::Close(close, BytesMut::new())
        }
        _ if first == CLOSE => Part::Over,
        _ if length == 0 => Part::Head(BytesMut::new()),
        _ => Part::Payload(length),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All of `bytes`, so many at a time.
    fn heard(mut listener: Listener, bytes: &[u8], at_once: usize) -> Option<(u16, String)> {
        let good_bye = listener.good_bye();
        bytes.chunks(at_once).for_each(|some| listener.hear(some));
        good_bye.code_and_reason()
    }

    #[test]
    fn the_close_frame_is_found_among_all_that_comes() {
        let close = [0x88, 5, 0x03, 0xe7, b'b', b'y', b'e'];
        let long = [&[0x82, 126, 1, 0][..], &[0x88; 256]].concat();
        let longer = [&[0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0][..], &vec![0x88; 65_536]].concat();
        let before = [&[0x81, 2, 0x88, 2, 0x89, 0][..], &long, &longer].concat();
        let answer = b"HTTP/1.1 101 OK\r\nX: \r\r\n\r\r\n\r\n";
        let bye = Some((999, "bye".to_owned()));
        let late = Some((1000, String::new()));
        for at_once in [1, 2, 3, 7, 4_096, usize::MAX] {
            for (before, expected) in [
                (&[][..], &bye),
                (&before, &bye),
                (&[0x88, 0], &None),
                (&[0x88, 1, 3], &None),
                (&[0x88, 126, 0, 126], &None),
                (&[0x81, 0x81], &None),
                (&[0x88, 2, 0x03, 0xe8], &late),
            ] {
                let bytes = [before, &close].concat();
                assert_eq!(heard(Listener::of_frames(), &bytes, at_once), *expected, "{at_once}");
                let bytes = [answer, &bytes[..]].concat();
                assert_eq!(heard(Listener::of_answer(), &bytes, at_once), *expected, "{at_once}");
            }
        }
    }
}
