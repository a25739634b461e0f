//! One client: its requests one after the other, until it leaves or must leave.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hyper::body::{Body as _, Incoming};
use hyper::header::EXPECT;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::task::yield_now;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;
use tracing::instrument::WithSubscriber as _;
use tracing::{Dispatch, debug};

use super::answer::{answer, is_reading, open_to_pages};
use super::body::drain;
use super::courtesy::Courtesy;
use super::framing;
use super::head::UnclearEnd;
use super::patience::Patience;
use super::receiving::Receiving;
use super::respond::{self, Response};
use super::seats::Seat;
use super::telling::Telling;
use super::{Api, Limits};

/// How long an answer that has begun may take once the client must leave.
pub(super) const LEAVING_TIME: Duration = Duration::from_secs(1);

/// What all connections share. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Room {
    pub(super) api: Arc<Api>,
    pub(super) limits: Limits,
    pub(super) tasks: TaskTracker,
    pub(super) telling: Arc<Telling>,
}

impl Room {
    /// Serves the client on `seat`.
    pub(super) async fn serve(self, stream: TcpStream, peer: IpAddr, seat: Arc<Seat>) {
        let is_unclear = Arc::new(AtomicBool::new(false));
        let service = service_fn(|mut request: Request<Incoming>| {
            if is_unclear.load(Ordering::Relaxed) {
                request.extensions_mut().insert(UnclearEnd);
            }
            let busy = seat.busy();
            let answered = self.answered(request, peer, Arc::clone(&seat));
            let was_answered = seat.had_answer();
            async move {
                // Others come first: else who asks many things at once is told them all at once.
                if was_answered {
                    yield_now().await;
                }
                let response = answered.await;
                drop(busy);
                Ok::<_, Infallible>(response)
            }
        });
        let watched = framing::watched(stream, Arc::clone(&is_unclear));
        let patience = Patience::new(watched, Arc::clone(&seat), self.limits.write_timeout);
        let stream = Courtesy::new(patience, self.limits);
        let connection = self.http().serve_connection(TokioIo::new(stream), service);
        tokio::pin!(connection);
        let ended = tokio::select! {
            biased;
            ended = connection.as_mut() => ended,
            () = seat.dismissed() => {
                if seat.may_leave_at_once() {
                    return;
                }
                connection.as_mut().graceful_shutdown();
                timeout(LEAVING_TIME, connection).await.unwrap_or(Ok(()))
            }
        };
        if let Err(error) = ended {
            let hint = if error.is_parse() { "; is it HTTP, and without TLS?" } else { "" };
            debug!("connection of {} ended: {error}{hint}", peer.to_canonical());
        }
    }

    /// Tells a client that there is no seat for it.
    pub(super) async fn refuse(self, stream: TcpStream) {
        let stream = Courtesy::new(stream, self.limits);
        let service = service_fn(async |request: Request<Incoming>| {
            Ok::<_, Infallible>(open_to_pages(request.method(), respond::full()))
        });
        let connection =
            self.http().keep_alive(false).serve_connection(TokioIo::new(stream), service);
        // It was told, or it was not listening.
        drop(timeout(LEAVING_TIME, connection).await);
    }

    fn http(&self) -> http1::Builder {
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.header_timeout)
            .max_buf_size(self.limits.header_bytes)
            .max_headers(self.limits.headers)
            // A client may close its own half once it has asked, and still wait for the answer.
            .half_close(true);
        builder
    }

    async fn answered(
        &self,
        request: Request<Incoming>,
        peer: IpAddr,
        seat: Arc<Seat>,
    ) -> Response {
        let room = self.clone();
        if is_reading(request.method()) {
            return room.answer(request, peer, seat).await;
        }
        // What changes something is carried through even if the client does not wait for it.
        let answered = self.tasks.spawn(async move { room.answer(request, peer, seat).await });
        answered.await.unwrap_or_else(|error| {
            tracing::error!("a request could not be answered: {error}");
            respond::problem(StatusCode::INTERNAL_SERVER_ERROR, "the bridge failed; see its log")
        })
    }

    async fn answer(&self, request: Request<Incoming>, peer: IpAddr, seat: Arc<Seat>) -> Response {
        let (request, body) = request.into_parts();
        let mut receiving = Receiving::new(body, seat);
        let answered = answer(&self.api, &self.limits, &request, &mut receiving, peer);
        let response = if self.telling.admits(&request, peer) {
            answered.await
        } else {
            // Whatever comes of it: what a flood makes others say is as much of a flood.
            answered.with_subscriber(Dispatch::none()).await
        };
        let body = receiving.into_body();
        // Who asked first whether to send the body has not sent it.
        if !body.is_end_stream() && !request.headers.contains_key(EXPECT) {
            drop(self.tasks.spawn(drain(body)));
        }
        response
    }
}
