//! Mends a DTU's answers on their way to the Modbus library, which is right to be strict and
//! would refuse them.
//!
//! Answers are framed by the length in their header, which is reliable even where the byte count
//! behind the function code is not: four independent programs of the field rely on it. What
//! comes out is a frame whose byte count is what really follows it.

mod request;
#[cfg(test)]
mod tests;

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BufMut, BytesMut};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use self::request::Request;
use crate::dtu::stranger;

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
    #[error("what answers speaks {0}; is this the Modbus port?")]
    OtherLanguage(&'static str),
    #[error("its header announces {0} bytes, which no Modbus answer has")]
    ImpossibleLength(usize),
    #[error("it answers function {0} to function {READ}")]
    OtherFunction(u8),
    #[error("it refuses without giving an exception code")]
    NoExceptionCode,
    #[error("it answers as unit {answers}, not {asked}; is `unit_id` right?")]
    OtherUnit { answers: u8, asked: u8 },
    #[error(
        "it is the answer to another request; if that comes again and again, set a longer `timeout` \
         and stop other programs that read it"
    )]
    OtherRequest,
}

/// A stream whose incoming side is mended.
#[derive(Debug)]
pub(super) struct Mended<S> {
    inner: S,
    /// The last one that went out.
    request: Option<Request>,
    /// As received; less than a frame.
    raw: BytesMut,
    /// The rest of a frame to be handed on.
    ready: BytesMut,
}

impl<S> Mended<S> {
    /// Mends what comes in through `inner`.
    pub(super) fn new(inner: S) -> Self {
        Self { inner, request: None, raw: BytesMut::new(), ready: BytesMut::new() }
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
        let language = stranger::language(raw).map(NoAnswer::OtherLanguage);
        return Err(language.unwrap_or(NoAnswer::OtherProtocol(protocol)));
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
                if let Some(request) = this.request {
                    request.is_answered_by(&answer).map_err(invalid)?;
                }
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
        let this = self.get_mut();
        this.request = Request::sent(buf).or(this.request);
        Pin::new(&mut this.inner).poll_write(cx, buf)
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
