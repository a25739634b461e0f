//! The body of a request, which tells the seat of its client since when it is waited for: a client
//! that keeps its body back would else hold its connection as if it were being answered.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use super::seats::Seat;

/// The body of the client on a seat.
#[derive(Debug)]
pub(super) struct Receiving<B> {
    body: B,
    seat: Arc<Seat>,
}

impl<B> Receiving<B> {
    /// Nothing is waited for until it is read.
    pub(super) const fn new(body: B, seat: Arc<Seat>) -> Self {
        Self { body, seat }
    }

    /// What was not read of it.
    pub(super) fn into_body(self) -> B {
        self.seat.set_stalled(false);
        self.body
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Receiving<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        // A byte now and then is no progress: it counts from the first wait to the end of all.
        if frame.is_pending() {
            self.seat.set_stalled(true);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
