//! A stream that says in words why a request is refused where the HTTP library itself refuses it:
//! its own answers to what is no HTTP have no body.

use std::borrow::Cow;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Limits;

/// How the library's own answers begin.
const NOT_UNDERSTOOD: &str = "HTTP/1.1 400 ";
const TOO_LONG: &str = "HTTP/1.1 414 ";
const TOO_LARGE: &str = "HTTP/1.1 431 ";
/// The only header of the library's own answers that a body changes.
const NO_BODY: &str = "content-length: 0\r\n";
/// What each answer of ours has, and none of the library's.
const OURS: &str = "cache-control: ";

/// The stream to one client.
#[derive(Debug)]
pub(super) struct Courtesy<S> {
    stream: S,
    limits: Limits,
    /// What is left of an answer that is written in place of the library's.
    words: Bytes,
}

impl<S> Courtesy<S> {
    /// Whatever is an answer of ours passes unchanged.
    pub(super) const fn new(stream: S, limits: Limits) -> Self {
        Self { stream, limits, words: Bytes::new() }
    }
}

impl<S: AsyncWrite + Unpin> Courtesy<S> {
    /// Writes the answer in words whole; `None` if `bytes` are to be written as they are.
    fn poll_words(
        &mut self,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Option<Poll<io::Result<usize>>> {
        if self.words.is_empty() {
            self.words = in_words(bytes, &self.limits)?;
        }
        Some(self.poll_rest(context).map_ok(|()| bytes.len()))
    }

    fn poll_rest(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.words.has_remaining() {
            match ready!(Pin::new(&mut self.stream).poll_write(context, &self.words))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.words.advance(written),
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// The library's own answer with a body that says why.
fn in_words(bytes: &[u8], limits: &Limits) -> Option<Bytes> {
    let why = meaning(bytes, limits)?;
    let answer = std::str::from_utf8(bytes).ok()?;
    if answer.contains(OURS) || !answer.ends_with("\r\n\r\n") {
        return None;
    }
    let (before, after) = answer.split_once(NO_BODY)?;
    let body = json!({ "error": why }).to_string();
    let length = body.len();
    let headers =
        format!("content-type: application/json\r\n{OURS}no-store\r\ncontent-length: {length}\r\n");
    Some(Bytes::from([before, &headers, after, &body].concat()))
}

/// What the library's own answer means.
fn meaning(bytes: &[u8], limits: &Limits) -> Option<Cow<'static, str>> {
    let is = |begin: &str| bytes.starts_with(begin.as_bytes());
    if is(NOT_UNDERSTOOD) {
        let why = "this is no HTTP/1.1 request: its first line, a header or the length of its body \
                   cannot be understood (a path must be percent-encoded, and https:// is not spoken \
                   on this port)";
        Some(Cow::Borrowed(why))
    } else if is(TOO_LONG) {
        Some(Cow::Borrowed("the path is too long"))
    } else if is(TOO_LARGE) {
        Some(Cow::Owned(format!(
            "the request has more than {} headers (http.max_headers), or more than {} bytes of them \
             (http.max_header_bytes)",
            limits.headers, limits.header_bytes
        )))
    } else {
        None
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Courtesy<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Courtesy<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if let Some(written) = self.poll_words(context, bytes) {
            return written;
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // The library's own answer comes in one piece and alone.
        if let [only] = slices
            && let Some(written) = self.poll_words(context, only)
        {
            return written;
        }
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;
    use crate::http::fake::limits;

    /// What a client reads, a few bytes at a time, of what is written.
    async fn read_of(written: &str) -> String {
        let (ours, mut theirs) = duplex(7);
        let mut stream = Courtesy::new(ours, limits());
        let mut read = String::new();
        let writing = async {
            stream.write_all(written.as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
        };
        let ((), outcome) = tokio::join!(writing, theirs.read_to_string(&mut read));
        outcome.unwrap();
        read
    }

    #[tokio::test]
    async fn only_the_librarys_own_refusals_get_words() {
        let own = "HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\n\
                   content-length: 0\r\ndate: now\r\n\r\n";
        let read = read_of(own).await;
        let (head, body) = read.split_once("\r\n\r\n").unwrap();
        assert!(body.starts_with("{\"error\":\"the request has more than 100 headers"), "{body}");
        let length = format!("content-length: {}", body.len());
        for header in ["connection: close", "content-type: application/json", &length, "date: now"]
        {
            assert!(head.lines().any(|line| line == header), "no {header} in {head}");
        }
        for ours in [
            "HTTP/1.1 400 Bad Request\r\ncache-control: no-store\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 100 Continue\r\n\r\n",
        ] {
            assert_eq!(read_of(ours).await, ours);
        }
    }
}
