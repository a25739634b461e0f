//! A stream whose writes fail once its peer has taken nothing for too long: a client that asks and
//! does not read would else hold its connection for ever.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::seats::Seat;

/// The stream of the client on a seat.
#[derive(Debug)]
pub(super) struct Patience<S> {
    stream: S,
    seat: Arc<Seat>,
    limit: Duration,
    runs_out: Option<Pin<Box<Sleep>>>,
}

impl<S> Patience<S> {
    /// Waits at most `limit` for a write to make progress.
    pub(super) const fn new(stream: S, seat: Arc<Seat>, limit: Duration) -> Self {
        Self { stream, seat, limit, runs_out: None }
    }

    fn within_limit(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if self.runs_out.is_some() || written.is_pending() {
            self.seat.set_stalled(written.is_pending());
        }
        if written.is_ready() {
            self.runs_out = None;
            return written;
        }
        let limit = self.limit;
        let runs_out = self.runs_out.get_or_insert_with(|| Box::pin(sleep(limit)));
        ready!(runs_out.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client reads nothing")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patience<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patience<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.within_limit(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.within_limit(context, written)
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
    use tokio::time::Instant;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::http::seats::Seats;
    use crate::telemetry::metrics::Metrics;

    #[tokio::test(start_paused = true)]
    async fn patience_runs_out_only_while_nothing_is_taken() {
        let mut seats = Seats::new(1, Duration::ZERO, CancellationToken::new(), Metrics::new());
        let seat = seats.take().await.unwrap();
        let (ours, mut theirs) = duplex(1);
        let mut stream = Patience::new(ours, Arc::clone(&seat), Duration::from_secs(30));
        let began = Instant::now();
        let reader = async {
            for _ in 0..3 {
                sleep(Duration::from_secs(29)).await;
                theirs.read_u8().await.unwrap();
            }
        };
        let (written, ()) = tokio::join!(stream.write_all(b"12345"), reader);
        assert_eq!(written.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(began.elapsed().as_secs(), 3 * 29 + 30);
        assert!(!seat.may_leave_at_once());
    }
}
