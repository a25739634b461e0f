//! One connection to one DTU: a request at a time, with its time limit, its retries and its
//! distance from the one before.

use std::fmt::Display;
use std::io;
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_modbus::client::{Client, Context, tcp};
use tokio_modbus::{Error, ProtocolError, Request, Response, Slave};
use tracing::debug;

use super::registers::Read;
use super::repair::Mended;
use crate::config::{DtuConfig, Protocol};
use crate::dtu::DtuError;
use crate::dtu::dial::Dial;
use crate::dtu::first_poll::FirstPoll;

/// A DTU that has just failed is not asked again at once, nor is one that has just been left:
/// it serves one client, and needs a moment to see that the last one is gone.
const RETRY_GAP: Duration = Duration::from_millis(200);

/// The connection to one DTU, kept as long as it is good.
pub(super) struct Link<D> {
    dialer: D,
    unit: Slave,
    timeout: Duration,
    gap: Duration,
    /// Taken out for the time of a request, so that one that is given up half-way takes the
    /// connection with it: its late answer must not be taken for that to the next request.
    context: Option<Context>,
    last_end: Option<Instant>,
    /// How long it has paused since [`begins_poll`](Self::begins_poll).
    paused: Duration,
    connections: u64,
    first_poll: FirstPoll,
}

impl<D: Dial> Link<D> {
    /// Not connected yet.
    pub(super) fn new(dialer: D, config: &DtuConfig) -> Self {
        let gap = config.request_gap.unwrap_or_default();
        Self {
            dialer,
            unit: Slave(config.unit_id),
            timeout: config.timeout,
            gap,
            context: None,
            last_end: None,
            paused: Duration::ZERO,
            connections: 0,
            first_poll: FirstPoll::new(config.name.clone(), config.timeout + gap.max(RETRY_GAP)),
        }
    }

    /// Tells connections apart: how many were made up to now.
    pub(super) const fn connections(&self) -> u64 {
        self.connections
    }

    /// Pauses are counted from now on.
    pub(super) fn begins_poll(&mut self) {
        self.paused = Duration::ZERO;
        self.first_poll.poll_begins();
    }

    /// How long it has paused in this poll.
    pub(super) const fn paused(&self) -> Duration {
        self.paused
    }

    /// Asks until an answer `is_usable`, judged by its length in bytes, and `retries` times more
    /// than once at most.
    pub(super) async fn ask(
        &mut self,
        read: Read,
        retries: u32,
        is_usable: fn(usize) -> bool,
    ) -> Result<Vec<u8>, DtuError> {
        let mut failures = 0;
        let mut gap = self.gap;
        loop {
            let reused = self.context.is_some();
            let error = match self.attempt(read, gap).await {
                Ok(data) if is_usable(data.len()) => {
                    self.first_poll.answered();
                    return Ok(data);
                }
                Ok(data) => malformed(&format!(
                    "{} bytes from {:#06x} where {} were asked for",
                    data.len(),
                    read.address,
                    read.count.saturating_mul(2),
                )),
                Err(error) => error,
            };
            // DTUs close connections that were idle, some after each answer: no failure yet.
            if reused && matches!(error, DtuError::Closed(_)) {
                debug!("{:#06x}: {error}; dialling again", read.address);
                continue;
            }
            if failures >= retries {
                return Err(error);
            }
            failures += 1;
            self.first_poll.goes_on_after(&error);
            gap = self.gap.max(RETRY_GAP);
            debug!("{:#06x}: {error}; retry {failures} of {retries}", read.address);
        }
    }

    async fn attempt(&mut self, read: Read, gap: Duration) -> Result<Vec<u8>, DtuError> {
        // A sleep of no length would still wait for the timer's next tick.
        if let Some(last_end) = self.last_end.filter(|_| !gap.is_zero()) {
            let started = Instant::now();
            sleep_until(last_end + gap).await;
            self.paused += started.elapsed();
        }
        let outcome = self.request(read).await;
        self.last_end = Some(Instant::now());
        outcome
    }

    /// Whatever goes wrong drops the connection, unless it is a plain refusal.
    async fn request(&mut self, read: Read) -> Result<Vec<u8>, DtuError> {
        let deadline = Instant::now() + self.timeout;
        let mut context = match self.context.take() {
            Some(context) => context,
            None => self.dial().await?,
        };
        let call = context.call(Request::ReadHoldingRegisters(read.address, read.count));
        let answer =
            timeout_at(deadline, call).await.map_err(|_| DtuError::Timeout(self.timeout))?;
        match answer.map_err(dtu_error)? {
            Ok(Response::ReadHoldingRegisters(registers)) => {
                self.context = Some(context);
                Ok(registers.into_iter().flat_map(u16::to_be_bytes).collect())
            }
            Ok(_) => Err(other_request()),
            Err(exception) => {
                self.context = Some(context);
                Err(DtuError::Refused(exception.into()))
            }
        }
    }

    async fn dial(&mut self) -> Result<Context, DtuError> {
        let stream = self.dialer.dial(self.timeout).await?;
        self.connections += 1;
        Ok(tcp::attach_slave(Mended::new(stream), self.unit))
    }
}

/// An answer that is none, for this reason.
pub(super) fn malformed(why: &impl Display) -> DtuError {
    DtuError::malformed(Protocol::Modbus, why)
}

fn dtu_error(error: Error) -> DtuError {
    match error {
        Error::Transport(error) if error.kind() == io::ErrorKind::InvalidData => malformed(&error),
        Error::Transport(error) => DtuError::Closed(error),
        // Their own texts are those of a program's debugger.
        Error::Protocol(
            ProtocolError::HeaderMismatch { .. } | ProtocolError::FunctionCodeMismatch { .. },
        ) => other_request(),
    }
}

/// The stream notices such answers first, and says more about them.
fn other_request() -> DtuError {
    malformed(&"it belongs to another request")
}
