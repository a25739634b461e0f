//! Limits how fast a target is read. The WebSocket library limits what a message may hold, but it
//! reads empty fragments, pings and tiny messages as fast as they come.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};
use tracing::warn;

/// Time per byte: 32 KiB a second, or 16,000 empty pings, each of which is answered.
const PER_BYTE: Duration = Duration::from_nanos(30_518);
/// What a read counts at least: a target may send single bytes.
const BYTES_PER_READ: usize = 256;
/// How much may come at once: 64 KiB.
const BURST: Duration = Duration::from_secs(2);

/// A stream that is read at a limited rate and written as fast as it can be.
#[derive(Debug)]
pub struct Throttled<S> {
    stream: S,
    /// Whose stream it is, for the log.
    name: String,
    /// When all of the burst will be available again.
    rested_at: Instant,
    pause: Option<Pin<Box<Sleep>>>,
    has_warned: bool,
}

impl<S> Throttled<S> {
    /// Nothing has been read yet.
    pub fn new(stream: S, name: &str) -> Self {
        let rested_at = Instant::now();
        Self { stream, name: name.to_owned(), rested_at, pause: None, has_warned: false }
    }

    fn count(&mut self, bytes: usize) {
        let bytes = u32::try_from(bytes.max(BYTES_PER_READ)).unwrap_or(u32::MAX);
        let now = Instant::now();
        self.rested_at = self.rested_at.max(now) + PER_BYTE.saturating_mul(bytes);
        if self.rested_at > now + BURST {
            self.pause = Some(Box::pin(sleep_until(self.rested_at - BURST)));
            if !self.has_warned {
                self.has_warned = true;
                warn!("[WebSocket] {} sends too many messages; throttling", self.name);
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Throttled<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(cx));
            self.pause = None;
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        self.count(buffer.filled().len().saturating_sub(before));
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Throttled<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;

    use super::*;

    /// Seconds that reading takes, so often so many bytes.
    async fn check(times: usize, bytes: usize, expected: u64) {
        let mut stream = Throttled::new(tokio::io::repeat(b'x'), "target");
        let began = Instant::now();
        let mut buffer = vec![0; bytes];
        for _ in 0..times {
            stream.read_exact(&mut buffer).await.unwrap();
        }
        assert_eq!(began.elapsed().as_secs(), expected, "{times} times {bytes} bytes");
    }

    #[tokio::test(start_paused = true)]
    async fn limits_the_rate_of_a_flood() {
        check(1, 64 << 10, 0).await;
        check(9, 64 << 10, 14).await;
        check(200, 1, 0).await;
        check(1_000, 1, 5).await;
    }

    #[tokio::test(start_paused = true)]
    async fn does_not_delay_a_target_that_sends_little() {
        let mut stream = Throttled::new(tokio::io::repeat(b'x'), "target");
        for _ in 0..5_000 {
            let began = Instant::now();
            stream.read_exact(&mut [0; 100]).await.unwrap();
            assert_eq!(began.elapsed(), Duration::ZERO);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}
