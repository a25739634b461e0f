//! What the WebSocket library does not tell of what a target sends: its close frame as it came (of
//! one with a code that may not be sent, the library keeps only what it answers itself), and what
//! becomes no message.

use std::error::Error;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::Notify;

use super::intake::Intake;

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
/// In the first byte of a frame: the bit of a message's last one, and that of all frames but those
/// that make up messages.
const LAST: u8 = 0x80;
const CONTROL: u8 = 0x08;
/// No message comes in more frames: it would never become one. A target that sends them as fast as
/// it can is read slowly before it has sent so many.
pub(super) const MOST_FRAMES: usize = 3_000;

/// What was overheard on one connection. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Overheard(Arc<Heard>);

#[derive(Debug, Default)]
struct Heard {
    /// The payload of the first close frame.
    good_bye: OnceLock<Bytes>,
    flood: Notify,
}

impl Overheard {
    /// Waits until the target sends more than can be of use; only the first time.
    pub(super) async fn floods(&self) {
        self.0.flood.notified().await;
    }

    /// The code of its close frame, and the reason as far as it is text; none if it has come
    /// without, or not at all.
    pub(super) fn code_and_reason(&self) -> Option<(u16, String)> {
        let (code, reason) = self.0.good_bye.get()?.split_first_chunk()?;
        Some((u16::from_be_bytes(*code), String::from_utf8_lossy(reason).into_owned()))
    }
}

/// A message that does not end.
#[derive(Debug)]
pub(super) struct Endless;

impl Endless {
    /// Whether that is the error.
    pub(super) fn is_in(error: &io::Error) -> bool {
        error.get_ref().is_some_and(<dyn Error + Send + Sync>::is::<Self>)
    }
}

impl fmt::Display for Endless {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a message in more than {MOST_FRAMES} frames")
    }
}

impl Error for Endless {}

/// Listens to the bytes of a target, and holds them back if there are too many.
#[derive(Debug)]
pub(super) struct Listener {
    part: Part,
    /// All that have begun since the last read.
    frames: usize,
    /// Those of the present message.
    frames_of_message: usize,
    intake: Intake,
    has_flooded: bool,
    overheard: Overheard,
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
        Self::of(Part::Answer(0))
    }

    /// Where frames are all that comes.
    pub(super) fn of_frames() -> Self {
        Self::of(Part::Head(BytesMut::new()))
    }

    fn of(part: Part) -> Self {
        let overheard = Overheard::default();
        let intake = Intake::new();
        Self { part, frames: 0, frames_of_message: 0, intake, has_flooded: false, overheard }
    }

    /// Where what is overheard will be.
    pub(super) fn overheard(&self) -> Overheard {
        self.overheard.clone()
    }

    /// Reads, and listens to what comes.
    pub(super) fn poll_read(
        &mut self,
        stream: Pin<&mut impl AsyncRead>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.has_flooded && self.intake.is_flooded() {
            self.has_flooded = true;
            self.overheard.0.flood.notify_one();
        }
        ready!(self.intake.poll_rested(cx));
        let before = buffer.filled().len();
        ready!(stream.poll_read(cx, buffer))?;
        let bytes = buffer.filled().get(before..).unwrap_or_default();
        self.frames = 0;
        self.hear(bytes);
        self.intake.count(bytes.len(), self.frames);
        if self.frames_of_message > MOST_FRAMES {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, Endless)));
        }
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
                    let first = head.first().copied().unwrap_or_default();
                    self.part = next;
                    self.count_frame(first);
                }
            }
            Part::Close(length, payload) => {
                payload.extend_from_slice(&[byte]);
                if payload.len() == *length {
                    // There is one listener, and nothing follows a close frame.
                    drop(self.overheard.0.good_bye.set(payload.split().freeze()));
                    self.part = Part::Over;
                }
            }
            Part::Payload(_) | Part::Over => {}
        }
    }

    /// Counts the frame that begins with this byte.
    const fn count_frame(&mut self, first: u8) {
        self.frames = self.frames.saturating_add(1);
        if first & CONTROL == 0 {
            let is_last = first & LAST != 0;
            let of_message = self.frames_of_message.saturating_add(1);
            self.frames_of_message = if is_last { 0 } else { of_message };
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
        let overheard = listener.overheard();
        bytes.chunks(at_once).for_each(|some| listener.hear(some));
        overheard.code_and_reason()
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
