//! One open connection to a DTU: a request goes out, its answer is picked from what comes.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout_at};
use tokio_util::codec::Framed;

use super::app_info::malformed;
use super::command::{Command, Secrecy};
use super::crypto::Cipher;
use super::frame::{Frame, FrameCodec, FrameError};
use crate::dtu::DtuError;

/// How long an answer with another number waits for one with the right number. Most answers repeat
/// the number of their request, but not all.
const PATIENCE: Duration = Duration::from_millis(500);

/// A DTU may send frames unasked, but a connection on which nothing else comes is of no use.
const MOST_SKIPPED: u32 = 100;

/// One request.
pub(super) struct Request<'a> {
    pub(super) command: Command,
    pub(super) sequence: u16,
    pub(super) message: Vec<u8>,
    pub(super) cipher: Option<&'a Cipher>,
}

impl Request<'_> {
    fn frame(&self) -> Result<Frame, DtuError> {
        match self.cipher {
            Some(cipher) if self.command.secrecy() != Secrecy::Clear => {
                let sealed = cipher.seal(self.command, self.sequence, &self.message);
                sealed.map_err(|_| DtuError::Unauthentic)
            }
            _ => Ok(Frame {
                command: self.command,
                sequence: self.sequence,
                payload: Bytes::copy_from_slice(&self.message),
                tag: None,
            }),
        }
    }

    /// The message of an answer.
    fn open(&self, frame: Frame) -> Result<Bytes, DtuError> {
        match self.cipher {
            Some(cipher) if frame.command.secrecy() != Secrecy::Clear => {
                cipher.open(&frame).map_err(|_| DtuError::Unauthentic)
            }
            _ => Ok(frame.payload),
        }
    }
}

/// Until when a request must have its answer.
#[derive(Clone, Copy)]
pub(super) struct Limit {
    deadline: Instant,
    timeout: Duration,
}

impl Limit {
    pub(super) fn starting_now(timeout: Duration) -> Self {
        Self { deadline: Instant::now() + timeout, timeout }
    }

    fn passed(self) -> DtuError {
        DtuError::Timeout(self.timeout)
    }
}

/// One open connection.
#[derive(Debug)]
pub(super) struct Connection<S> {
    frames: Framed<S, FrameCodec>,
}

impl<S: AsyncRead + AsyncWrite + Debug + Unpin> Connection<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { frames: Framed::new(stream, FrameCodec::default()) }
    }

    /// Sends the request and waits for its answer, at most until the limit.
    ///
    /// `accept` makes a value of an answer's message, or `None` of one that answers another request.
    pub(super) async fn ask<T>(
        &mut self,
        request: &Request<'_>,
        limit: Limit,
        accept: impl Fn(&[u8]) -> Result<Option<T>, DtuError>,
    ) -> Result<T, DtuError> {
        self.frames.codec_mut().set_encrypted(request.cipher.is_some());
        let sent = timeout_at(limit.deadline, self.frames.send(request.frame()?)).await;
        sent.map_err(|_| limit.passed())?.map_err(broken)?;
        let mut second_best = None;
        let mut others = BTreeSet::new();
        let mut until = limit.deadline;
        for _ in 0..MOST_SKIPPED {
            let frame = match timeout_at(until, self.frames.next()).await {
                Ok(Some(Ok(frame))) => frame,
                Ok(Some(Err(error))) => return second_best.ok_or_else(|| broken(error)),
                Ok(None) => return second_best.ok_or_else(hung_up),
                Err(_) => return second_best.ok_or_else(|| self.unanswered(limit, &others)),
            };
            let (command, sequence) = (frame.command, frame.sequence);
            if command != request.command.reply() {
                tracing::debug!("skipped an unasked frame of command {command}");
                others.insert(command);
                continue;
            }
            let message = match request.open(frame) {
                Err(_) if sequence != request.sequence => {
                    others.insert(command);
                    continue;
                }
                opened => opened?,
            };
            match accept(&message)? {
                Some(value) if sequence == request.sequence => return Ok(value),
                Some(value) => {
                    second_best = Some(value);
                    until = limit.deadline.min(Instant::now() + PATIENCE);
                }
                None => {
                    tracing::debug!("skipped an answer {command} to another request");
                    others.insert(command);
                }
            }
        }
        let unanswered = || format!("none of {MOST_SKIPPED} frames answered the request");
        second_best.ok_or_else(|| malformed(&unanswered()))
    }

    /// What came instead of an answer until the limit.
    fn unanswered(&self, limit: Limit, others: &BTreeSet<Command>) -> DtuError {
        let bytes = self.frames.read_buffer();
        if !bytes.is_empty() {
            let announced = self.frames.codec().announced(bytes);
            return DtuError::HalfAnswer { limit: limit.timeout, came: bytes.len(), announced };
        }
        if others.is_empty() {
            return limit.passed();
        }
        let commands = others.iter().map(Command::to_string).collect::<Vec<_>>().join(", ");
        DtuError::OtherAnswers { limit: limit.timeout, commands }
    }
}

fn hung_up() -> DtuError {
    closed("without an answer")
}

fn closed(when: &'static str) -> DtuError {
    DtuError::Closed(io::Error::new(io::ErrorKind::UnexpectedEof, when))
}

fn broken(error: FrameError) -> DtuError {
    match error {
        FrameError::Io(source) => DtuError::Closed(source),
        FrameError::Cut => closed("in the middle of an answer"),
        FrameError::Magic(_)
        | FrameError::Length { .. }
        | FrameError::Crc { .. }
        | FrameError::TooLong(_) => malformed(&error),
    }
}
