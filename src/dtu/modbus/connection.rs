//! The connection to one DTU: one request at a time, with time limit, retries, and the gap between
//! requests.

use std::io;
use std::mem;
use std::time::Duration;

use tokio::io::{join, split};
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_modbus::client::{Client, Context, tcp};
use tokio_modbus::{Error, ProtocolError, Request, Response, Slave};
use tracing::{debug, warn};

use super::decode::ReadRequest;
use super::frame::{InvalidFrame, LenientFrameReader, NOT_A_DTU};
use crate::config::DtuConfig;
use crate::dtu::dial::Dial;
use crate::dtu::{DtuError, Replies};

/// The least pause after a failure or after disconnecting: a DTU serves one client, and needs a
/// moment to notice that the last one is gone.
const RETRY_GAP: Duration = Duration::from_millis(200);

pub(super) struct Connection<D> {
    name: String,
    dialer: D,
    unit: Slave,
    timeout: Duration,
    gap: Duration,
    /// Taken out during a request, so that one that is abandoned takes the connection with it: its
    /// late answer must not be taken for that to the next request.
    context: Option<Context>,
    last_end: Option<Instant>,
    paused: Duration,
    count: u64,
    /// Nothing has been answered or warned of since the start.
    is_first: bool,
    replies: Replies,
}

impl<D: Dial> Connection<D> {
    pub(super) fn new(dialer: D, config: &DtuConfig) -> Self {
        Self {
            name: config.name.clone(),
            dialer,
            unit: Slave(config.unit_id),
            timeout: config.timeout,
            gap: config.request_gap.unwrap_or_default(),
            context: None,
            last_end: None,
            paused: Duration::ZERO,
            count: 0,
            is_first: true,
            replies: Replies::default(),
        }
    }

    pub(super) const fn count(&self) -> u64 {
        self.count
    }

    pub(super) const fn begin_poll(&mut self) {
        self.paused = Duration::ZERO;
    }

    pub(super) const fn paused(&self) -> Duration {
        self.paused
    }

    /// Closes the connection.
    pub(super) fn close(&mut self) {
        self.context = None;
    }

    pub(super) const fn replies(&self) -> &Replies {
        &self.replies
    }

    /// Reads until an answer `is_usable` by its length in bytes, with at most `retries` retries.
    pub(super) async fn read(
        &mut self,
        request: ReadRequest,
        retries: u32,
        is_usable: fn(usize) -> bool,
    ) -> Result<Vec<u8>, DtuError> {
        let ReadRequest { address, count } = request;
        let mut failures = 0;
        let mut gap = self.gap;
        loop {
            let reused = self.context.is_some();
            let error = match self.attempt(request, gap).await {
                Ok(data) if is_usable(data.len()) => {
                    self.is_first = false;
                    self.replies.add();
                    return Ok(data);
                }
                Ok(data) => {
                    let (received, expected) = (data.len(), count.saturating_mul(2));
                    InvalidFrame::OtherSize { received, address, expected }.into()
                }
                Err(error) => error,
            };
            // DTUs close idle connections, some even after each answer: not a failure yet.
            if reused && matches!(error, DtuError::Closed(_)) {
                debug!("{address:#06x}: {error}; reconnecting");
                continue;
            }
            if failures >= retries {
                return Err(error);
            }
            failures += 1;
            if error.is_timeout() && mem::take(&mut self.is_first) {
                warn!("{}: no answer yet: {error} (retrying)", self.name);
            }
            gap = self.gap.max(RETRY_GAP);
            debug!("{address:#06x}: {error}; retry {failures} of {retries}");
        }
    }

    async fn attempt(&mut self, request: ReadRequest, gap: Duration) -> Result<Vec<u8>, DtuError> {
        // A sleep of no length would still wait for the timer's next tick.
        if let Some(last_end) = self.last_end.filter(|_| !gap.is_zero()) {
            let started = Instant::now();
            sleep_until(last_end + gap).await;
            self.paused += started.elapsed();
        }
        let outcome = self.request(request).await;
        self.last_end = Some(Instant::now());
        outcome
    }

    /// Every failure drops the connection, except a Modbus exception.
    async fn request(&mut self, request: ReadRequest) -> Result<Vec<u8>, DtuError> {
        let deadline = Instant::now() + self.timeout;
        let mut context = match self.context.take() {
            Some(context) => context,
            None => self.dial().await?,
        };
        let call = context.call(Request::ReadHoldingRegisters(request.address, request.count));
        let answer =
            timeout_at(deadline, call).await.map_err(|_| DtuError::Timeout(self.timeout))?;
        match answer.map_err(dtu_error)? {
            Ok(Response::ReadHoldingRegisters(registers)) => {
                self.context = Some(context);
                Ok(registers.into_iter().flat_map(u16::to_be_bytes).collect())
            }
            Ok(_) => Err(InvalidFrame::OtherRequest.into()),
            Err(exception) => {
                self.context = Some(context);
                Err(DtuError::Exception(exception.into()))
            }
        }
    }

    async fn dial(&mut self) -> Result<Context, DtuError> {
        let stream = self.dialer.dial(self.timeout).await?;
        self.count += 1;
        let (reader, writer) = split(stream);
        let reader = LenientFrameReader::new(reader, self.unit.into());
        Ok(tcp::attach_slave(join(reader, writer), self.unit))
    }
}

fn dtu_error(error: Error) -> DtuError {
    match error {
        Error::Transport(error) if error.kind() == io::ErrorKind::InvalidData => {
            match error.get_ref().and_then(|source| source.downcast_ref::<InvalidFrame>()) {
                Some(invalid) => (*invalid).into(),
                None => DtuError::malformed(error.to_string(), NOT_A_DTU),
            }
        }
        Error::Transport(error) => DtuError::Closed(error),
        Error::Protocol(
            ProtocolError::HeaderMismatch { .. } | ProtocolError::FunctionCodeMismatch { .. },
        ) => InvalidFrame::OtherRequest.into(),
    }
}
