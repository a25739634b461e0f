//! Repairs a DTU's answers before the Modbus library sees them, which would rightly reject them.
//!
//! Frames are cut by the length in their header, which is reliable even where the byte count behind
//! the function code is not, as four independent programs of the field confirm. The repaired frame
//! states the number of bytes that really follow.

use std::io;
use std::ops::RangeInclusive;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BufMut, BytesMut};
use thiserror::Error;
use tokio::io::{AsyncRead, ReadBuf};

use crate::dtu::DtuError;
use crate::dtu::error::guess_protocol;

/// Transaction, protocol, and length of what follows.
const HEADER: usize = 6;
/// From unit and function code up to the largest Modbus frame, with some slack.
const LENGTHS: RangeInclusive<usize> = 2..=260;
/// The most data bytes in an answer that the library accepts.
const MAX_DATA: u8 = 250;
/// Read holding registers, the only function in use.
const READ: u8 = 3;

/// Why bytes cannot be the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "the texts say it")]
pub enum InvalidFrame {
    #[error("its header names protocol {0} instead of 0, Modbus")]
    OtherProtocol(u16),
    #[error("it speaks {0}")]
    KnownProtocol(&'static str),
    #[error("its header announces {0} bytes, which no Modbus answer has")]
    ImpossibleLength(usize),
    #[error("it answers function {READ} with function {0}")]
    OtherFunction(u8),
    #[error("it is an exception without a code")]
    NoExceptionCode,
    #[error("it answers as unit {answers}, not {asked}")]
    OtherUnit { answers: u8, asked: u8 },
    #[error("it is the answer to another request")]
    OtherRequest,
    #[error("{received} bytes from {address:#06x} instead of {expected}")]
    OtherSize { received: usize, address: u16, expected: u16 },
}

impl InvalidFrame {
    const fn remedy(self) -> &'static str {
        match self {
            Self::KnownProtocol(_) => {
                "check `host` and `port`: this is not the Modbus port of a DTU"
            }
            Self::OtherUnit { .. } => "set `unit_id` to the number that answers",
            Self::OtherRequest => {
                "if this repeats, set a longer `timeout` and stop other programs that read the DTU"
            }
            Self::OtherProtocol(_)
            | Self::ImpossibleLength(_)
            | Self::OtherFunction(_)
            | Self::NoExceptionCode
            | Self::OtherSize { .. } => NOT_A_DTU,
        }
    }
}

pub(super) const NOT_A_DTU: &str = "check that `host` and `port` are those of a DTU-Pro; other models need \
                                    protocol = \"protobuf\"";

impl From<InvalidFrame> for DtuError {
    fn from(invalid: InvalidFrame) -> Self {
        Self::malformed(invalid.to_string(), invalid.remedy())
    }
}

/// The incoming half of a connection, with its frames repaired.
#[derive(Debug)]
pub(super) struct LenientFrameReader<S> {
    inner: S,
    unit: u8,
    /// Received, less than a frame.
    raw: BytesMut,
    /// The rest of a repaired frame.
    ready: BytesMut,
}

impl<S> LenientFrameReader<S> {
    pub(super) fn new(inner: S, unit: u8) -> Self {
        Self { inner, unit, raw: BytesMut::new(), ready: BytesMut::new() }
    }
}

/// Takes the first frame from `raw` and repairs it; `None` while it is incomplete.
fn take_frame(raw: &mut BytesMut, asked: u8) -> Result<Option<BytesMut>, InvalidFrame> {
    let mut header = raw.as_ref();
    let (Ok(transaction), Ok(protocol), Ok(length)) =
        (header.try_get_u16(), header.try_get_u16(), header.try_get_u16())
    else {
        return Ok(None);
    };
    let length = usize::from(length);
    if protocol != 0 {
        let known = guess_protocol(raw).map(InvalidFrame::KnownProtocol);
        return Err(known.unwrap_or(InvalidFrame::OtherProtocol(protocol)));
    }
    if !LENGTHS.contains(&length) {
        return Err(InvalidFrame::ImpossibleLength(length));
    }
    if header.remaining() < length {
        return Ok(None);
    }
    raw.advance(HEADER);
    let mut rest = raw.split_to(length);
    let (Ok(unit), Ok(function)) = (rest.try_get_u8(), rest.try_get_u8()) else {
        return Err(InvalidFrame::ImpossibleLength(length));
    };
    if unit != asked {
        return Err(InvalidFrame::OtherUnit { answers: unit, asked });
    }
    let mut repaired = BytesMut::with_capacity(HEADER + length + 1);
    repaired.put_u16(transaction);
    repaired.put_u16(0);
    if function == READ {
        // The byte count is ignored; it may even be missing with all data.
        rest.advance(rest.remaining().min(1));
        let count = u8::try_from(rest.remaining()).map_or(MAX_DATA, |all| all.min(MAX_DATA)) & !1;
        rest.truncate(count.into());
        repaired.put_u16(u16::from(count) + 3);
        repaired.put_slice(&[unit, function, count]);
        repaired.put(rest);
    } else if function & 0x80 != 0 {
        let code = rest.try_get_u8().map_err(|_| InvalidFrame::NoExceptionCode)?;
        repaired.put_u16(3);
        repaired.put_slice(&[unit, function, code]);
    } else {
        return Err(InvalidFrame::OtherFunction(function));
    }
    Ok(Some(repaired))
}

impl<S: AsyncRead + Unpin> AsyncRead for LenientFrameReader<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        while this.ready.is_empty() {
            let frame = take_frame(&mut this.raw, this.unit)
                .map_err(|invalid| io::Error::new(io::ErrorKind::InvalidData, invalid))?;
            if let Some(frame) = frame {
                this.ready = frame;
                break;
            }
            let mut space = [0; 512];
            let mut received = ReadBuf::new(&mut space);
            ready!(Pin::new(&mut this.inner).poll_read(cx, &mut received))?;
            if received.filled().is_empty() {
                return Poll::Ready(Err(hung_up(&this.raw)));
            }
            this.raw.extend_from_slice(received.filled());
        }
        let portion = this.ready.len().min(buf.remaining());
        buf.put_slice(&this.ready.split_to(portion));
        Poll::Ready(Ok(()))
    }
}

/// The library would report the end of the stream with whatever error the system had last.
fn hung_up(raw: &BytesMut) -> io::Error {
    let when = if raw.is_empty() { "before it answered" } else { "in the middle of an answer" };
    io::Error::new(io::ErrorKind::UnexpectedEof, when)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::any;
    use proptest::{prop_assert, prop_assert_eq, proptest};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// An answer with that byte count and those data bytes behind it.
    fn answer(byte_count: u8, data: &[u8]) -> Vec<u8> {
        let length = u16::try_from(data.len() + 3).unwrap().to_be_bytes();
        [&[0, 9, 0, 0], &length[..], &[1, 3, byte_count], data].concat()
    }

    #[track_caller]
    fn check(raw: &[u8], expected: Result<Option<&[u8]>, InvalidFrame>) {
        let taken = take_frame(&mut raw.into(), 1);
        let taken = taken.as_ref().map(Option::as_deref).map_err(|invalid| *invalid);
        assert_eq!(taken, expected, "{raw:02x?}");
    }

    #[test]
    fn byte_count_becomes_what_really_follows() {
        let good = answer(40, &[7; 40]);
        for wrong in [0, 20, 39, 40, 41, 0xff] {
            check(&answer(wrong, &[7; 40]), Ok(Some(&good)));
        }
        check(&answer(40, &[7; 80]), Ok(Some(&answer(80, &[7; 80]))));
    }

    #[test]
    fn cuts_data_that_the_library_does_not_accept() {
        check(&answer(40, &[7; 41]), Ok(Some(&answer(40, &[7; 40]))));
        check(&answer(0xff, &[7; 257]), Ok(Some(&answer(250, &[7; 250]))));
    }

    #[test]
    fn answer_without_byte_count_is_empty() {
        check(&[0, 9, 0, 0, 0, 2, 1, 3], Ok(Some(&answer(0, &[]))));
        check(&answer(0, &[]), Ok(Some(&answer(0, &[]))));
    }

    #[test]
    fn exceptions_pass() {
        let exception = vec![0, 9, 0, 0, 0, 3, 1, 0x83, 1];
        check(&exception, Ok(Some(&exception)));
        check(&[0, 9, 0, 0, 0, 4, 1, 0x83, 1, 0], Ok(Some(&exception)));
        check(&[0, 9, 0, 0, 0, 2, 1, 0x83], Err(InvalidFrame::NoExceptionCode));
    }

    #[test]
    fn what_is_invalid_is_refused_before_it_is_awaited() {
        check(b"HTTP/1.1 400", Err(InvalidFrame::KnownProtocol("HTTP")));
        check(&[0x15, 3, 3, 0, 2, 2, 0x16], Err(InvalidFrame::KnownProtocol("TLS")));
        check(&[0x15, 3, 0, 0, 0, 1, 1], Err(InvalidFrame::ImpossibleLength(1)));
        check(b"GET / HTTP", Err(InvalidFrame::OtherProtocol(0x5420)));
        check(&[0, 9, 0, 0, 1, 5], Err(InvalidFrame::ImpossibleLength(261)));
        check(&[0, 9, 0, 0, 0, 1, 1], Err(InvalidFrame::ImpossibleLength(1)));
        check(&[0, 9, 0, 0, 0, 0], Err(InvalidFrame::ImpossibleLength(0)));
        check(&[0, 9, 0, 0, 0, 3, 1, 4, 0], Err(InvalidFrame::OtherFunction(4)));
        let other_unit = InvalidFrame::OtherUnit { answers: 2, asked: 1 };
        check(&[0, 9, 0, 0, 0, 3, 2, 3, 0], Err(other_unit));
        check(&[0, 9, 0, 0, 0], Ok(None));
    }

    /// What comes out when `pieces` come in.
    async fn through(pieces: Vec<Vec<u8>>) -> (Vec<u8>, io::Error) {
        let (near, mut far) = tokio::io::duplex(4096);
        let mut reader = LenientFrameReader::new(near, 1);
        let send = async move {
            for piece in pieces {
                far.write_all(&piece).await.unwrap();
                tokio::task::yield_now().await;
            }
        };
        let receive = async move {
            let mut all = Vec::new();
            let mut portion = [0; 11];
            loop {
                match reader.read(&mut portion).await {
                    Ok(length) => all.extend_from_slice(&portion[..length]),
                    Err(error) => return (all, error),
                }
            }
        };
        tokio::join!(send, receive).1
    }

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    #[test]
    fn closed_connection_says_when() {
        let (_, error) = block_on(through(vec![answer(40, &[7; 40])]));
        assert_eq!(error.to_string(), "before it answered");
        let (_, error) = block_on(through(vec![answer(40, &[7; 40])[..20].to_vec()]));
        assert_eq!(error.to_string(), "in the middle of an answer");
    }

    proptest! {
        #[test]
        fn frames_are_the_same_however_they_are_cut(
            lengths in vec(0_u8..=125, 1..5), cuts in vec(1_usize..60, 1..40),
        ) {
            let sizes: Vec<usize> = lengths.iter().map(|registers| usize::from(*registers) * 2).collect();
            let sent: Vec<u8> = sizes.iter().flat_map(|size| answer(0xff, &vec![7; *size])).collect();
            let expected: Vec<u8> = sizes
                .iter()
                .flat_map(|size| answer(u8::try_from(*size).unwrap(), &vec![7; *size]))
                .collect();
            let mut rest = &sent[..];
            let mut pieces = Vec::new();
            for cut in cuts.iter().cycle() {
                let (piece, behind) = rest.split_at((*cut).min(rest.len()));
                pieces.push(piece.to_vec());
                rest = behind;
                if rest.is_empty() { break }
            }
            prop_assert_eq!(block_on(through(pieces)).0, expected);
        }

        #[test]
        fn no_bytes_panic(bytes in vec(any::<u8>(), 0..600)) {
            let mut raw = BytesMut::from(&bytes[..]);
            while let Ok(Some(answer)) = take_frame(&mut raw, 1) {
                prop_assert!(answer.len() <= 259);
            }
        }

        #[test]
        fn invalid_of_any_content_makes_it_panic(data in vec(any::<u8>(), 0..258), function: u8) {
            let mut raw = answer(0, &data);
            raw[7] = function;
            drop(take_frame(&mut raw[..].into(), 1));
        }
    }
}
