//! Mends a DTU's answers on their way to the Modbus library, which is right to be strict and
//! would refuse them.
//!
//! Answers are framed by the length in their header, which is reliable even where the byte count
//! behind the function code is not: four independent programs of the field rely on it. What
//! comes out is a frame whose byte count is what really follows it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BufMut, BytesMut};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The first six bytes: transaction, protocol, and length of what follows.
const HEADER: usize = 6;

/// Unit and function code at least; at most what a Modbus frame can hold, and some slack.
const LENGTHS: std::ops::RangeInclusive<usize> = 2..=260;

/// So many data bytes fit into the library's answers.
const MAX_DATA: u8 = 250;

/// The only function that is asked for: read holding registers.
const READ: u8 = 3;

/// Why bytes cannot be an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(super) enum NoAnswer {
    #[error("its header names protocol {0} where Modbus is 0; is this the Modbus port?")]
    OtherProtocol(u16),
    #[error("its header announces {0} bytes, which no Modbus answer has")]
    ImpossibleLength(usize),
    #[error("it answers function {0} to function {READ}")]
    OtherFunction(u8),
    #[error("it refuses without giving an exception code")]
    NoExceptionCode,
}

/// A stream whose incoming side is mended.
#[derive(Debug)]
pub(super) struct Mended<S> {
    inner: S,
    /// As received; less than a frame.
    raw: BytesMut,
    /// The rest of a frame to be handed on.
    ready: BytesMut,
}

impl<S> Mended<S> {
    /// Mends what comes in through `inner`.
    pub(super) fn new(inner: S) -> Self {
        Self { inner, raw: BytesMut::new(), ready: BytesMut::new() }
    }
}

/// Takes the first answer off `raw`, mended; `None` while it is incomplete.
pub(super) fn take_answer(raw: &mut BytesMut) -> Result<Option<BytesMut>, NoAnswer> {
    let mut header = raw.as_ref();
    let (Ok(transaction), Ok(protocol), Ok(length)) =
        (header.try_get_u16(), header.try_get_u16(), header.try_get_u16())
    else {
        return Ok(None);
    };
    let length = usize::from(length);
    if protocol != 0 {
        return Err(NoAnswer::OtherProtocol(protocol));
    }
    if !LENGTHS.contains(&length) {
        return Err(NoAnswer::ImpossibleLength(length));
    }
    if header.remaining() < length {
        return Ok(None);
    }
    raw.advance(HEADER);
    let mut rest = raw.split_to(length);
    let (Ok(unit), Ok(function)) = (rest.try_get_u8(), rest.try_get_u8()) else {
        return Err(NoAnswer::ImpossibleLength(length));
    };
    let mut mended = BytesMut::with_capacity(HEADER + length + 1);
    mended.put_u16(transaction);
    mended.put_u16(0);
    if function == READ {
        // Whatever the byte count says; it may be missing with all data.
        rest.advance(rest.remaining().min(1));
        let count = u8::try_from(rest.remaining()).map_or(MAX_DATA, |all| all.min(MAX_DATA)) & !1;
        rest.truncate(count.into());
        mended.put_u16(u16::from(count) + 3);
        mended.put_slice(&[unit, function, count]);
        mended.put(rest);
    } else if function & 0x80 != 0 {
        let code = rest.try_get_u8().map_err(|_| NoAnswer::NoExceptionCode)?;
        mended.put_u16(3);
        mended.put_slice(&[unit, function, code]);
    } else {
        return Err(NoAnswer::OtherFunction(function));
    }
    Ok(Some(mended))
}

impl<S: AsyncRead + Unpin> AsyncRead for Mended<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        while this.ready.is_empty() {
            if let Some(answer) = take_answer(&mut this.raw).map_err(invalid)? {
                this.ready = answer;
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

impl<S: AsyncWrite + Unpin> AsyncWrite for Mended<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }
}

fn invalid(no_answer: NoAnswer) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, no_answer)
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
    fn check(raw: &[u8], expected: Result<Option<&[u8]>, NoAnswer>) {
        let taken = take_answer(&mut raw.into());
        let taken = taken.as_ref().map(Option::as_deref).map_err(|no_answer| *no_answer);
        assert_eq!(taken, expected, "{raw:02x?}");
    }

    #[test]
    fn the_byte_count_becomes_what_really_follows() {
        let good = answer(40, &[7; 40]);
        for wrong in [0, 20, 39, 40, 41, 0xff] {
            check(&answer(wrong, &[7; 40]), Ok(Some(&good)));
        }
        check(&answer(40, &[7; 80]), Ok(Some(&answer(80, &[7; 80]))));
    }

    #[test]
    fn data_that_the_library_cannot_take_is_cut() {
        check(&answer(40, &[7; 41]), Ok(Some(&answer(40, &[7; 40]))));
        check(&answer(0xff, &[7; 257]), Ok(Some(&answer(250, &[7; 250]))));
    }

    #[test]
    fn an_answer_without_byte_count_is_an_empty_one() {
        check(&[0, 9, 0, 0, 0, 2, 1, 3], Ok(Some(&answer(0, &[]))));
        check(&answer(0, &[]), Ok(Some(&answer(0, &[]))));
    }

    #[test]
    fn a_refusal_passes() {
        let refusal = vec![0, 9, 0, 0, 0, 3, 1, 0x83, 1];
        check(&refusal, Ok(Some(&refusal)));
        check(&[0, 9, 0, 0, 0, 4, 1, 0x83, 1, 0], Ok(Some(&refusal)));
        check(&[0, 9, 0, 0, 0, 2, 1, 0x83], Err(NoAnswer::NoExceptionCode));
    }

    #[test]
    fn what_is_no_answer_is_refused_before_it_is_awaited() {
        check(b"HTTP/1.1 400", Err(NoAnswer::OtherProtocol(0x5450)));
        check(&[0, 9, 0, 0, 1, 5], Err(NoAnswer::ImpossibleLength(261)));
        check(&[0, 9, 0, 0, 0, 1, 1], Err(NoAnswer::ImpossibleLength(1)));
        check(&[0, 9, 0, 0, 0, 0], Err(NoAnswer::ImpossibleLength(0)));
        check(&[0, 9, 0, 0, 0, 3, 1, 4, 0], Err(NoAnswer::OtherFunction(4)));
        check(&[0, 9, 0, 0, 0], Ok(None));
    }

    /// Everything that a mended stream hands on when its inner one receives `pieces`.
    async fn through(pieces: Vec<Vec<u8>>) -> (Vec<u8>, io::Error) {
        let (near, mut far) = tokio::io::duplex(4096);
        let mut mended = Mended::new(near);
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
                match mended.read(&mut portion).await {
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
    fn a_hang_up_says_when() {
        let (_, error) = block_on(through(vec![answer(40, &[7; 40])]));
        assert_eq!(error.to_string(), "before it answered");
        let (_, error) = block_on(through(vec![answer(40, &[7; 40])[..20].to_vec()]));
        assert_eq!(error.to_string(), "in the middle of an answer");
    }

    proptest! {
        #[test]
        fn however_answers_are_cut_they_come_out_the_same(
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
        fn no_bytes_make_it_panic(bytes in vec(any::<u8>(), 0..600)) {
            let mut raw = BytesMut::from(&bytes[..]);
            while let Ok(Some(answer)) = take_answer(&mut raw) {
                prop_assert!(answer.len() <= 259);
            }
        }

        #[test]
        fn no_answer_of_any_content_makes_it_panic(data in vec(any::<u8>(), 0..258), function: u8) {
            let mut raw = answer(0, &data);
            raw[7] = function;
            drop(take_answer(&mut raw[..].into()));
        }
    }
}
