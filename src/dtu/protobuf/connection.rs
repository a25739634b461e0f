//! An open connection to a DTU: sends a request and picks its answer from the frames that come.

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
use super::crypto::Cipher;
use super::frame::{Command, Encryption, Frame, FrameCodec};
use crate::dtu::DtuError;

/// How long an answer with another sequence number waits for one with the right number: most answers
/// repeat the number of their request, but not all.
const SEQUENCE_WAIT: Duration = Duration::from_millis(500);
/// Unsolicited frames before the connection is given up.
const MAX_SKIPPED: u32 = 100;

pub(super) struct Request<'a> {
    pub(super) command: Command,
    pub(super) sequence: u16,
    pub(super) message: Vec<u8>,
    pub(super) cipher: Option<&'a Cipher>,
}

impl Request<'_> {
    fn frame(&self) -> Result<Frame, DtuError> {
        match self.cipher {
            Some(cipher) if self.command.encryption() != Encryption::Never => {
                let sealed = cipher.seal(self.command, self.sequence, &self.message);
                sealed.map_err(|_| DtuError::NotDecrypted)
            }
            _ => Ok(Frame {
                command: self.command,
                sequence: self.sequence,
                payload: Bytes::copy_from_slice(&self.message),
                tag: None,
            }),
        }
    }

    fn open(&self, frame: Frame) -> Result<Bytes, DtuError> {
        match self.cipher {
            Some(cipher) if frame.command.encryption() != Encryption::Never => {
                cipher.open(&frame).map_err(|_| DtuError::NotDecrypted)
            }
            _ => Ok(frame.payload),
        }
    }
}

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

#[derive(Debug)]
pub(super) struct Connection<S> {
    frames: Framed<S, FrameCodec>,
}

impl<S: AsyncRead + AsyncWrite + Debug + Unpin> Connection<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { frames: Framed::new(stream, FrameCodec::default()) }
    }

    /// Sends the request and waits for its answer until the limit.
    ///
    /// `accept` decodes an answer; `None` means that it answers another request.
    pub(super) async fn request<T>(
        &mut self,
        request: &Request<'_>,
        limit: Limit,
        accept: impl Fn(&[u8]) -> Result<Option<T>, DtuError>,
    ) -> Result<T, DtuError> {
        self.frames.codec_mut().set_encrypted(request.cipher.is_some());
        let sent = timeout_at(limit.deadline, self.frames.send(request.frame()?)).await;
        sent.map_err(|_| limit.passed())??;
        let mut second_best = None;
        let mut others = BTreeSet::new();
        let mut until = limit.deadline;
        for _ in 0..MAX_SKIPPED {
            let frame = match timeout_at(until, self.frames.next()).await {
                Ok(Some(Ok(frame))) => frame,
                Ok(Some(Err(error))) => return second_best.ok_or_else(|| error.into()),
                Ok(None) => return second_best.ok_or_else(hung_up),
                Err(_) => return second_best.ok_or_else(|| self.unanswered(limit, &others)),
            };
            let (command, sequence) = (frame.command, frame.sequence);
            if command != request.command.reply() {
                tracing::debug!("skipped an unsolicited frame of command {command}");
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
                    until = limit.deadline.min(Instant::now() + SEQUENCE_WAIT);
                }
                None => {
                    tracing::debug!("skipped an answer {command} to another request");
                    others.insert(command);
                }
            }
        }
        let unanswered = || format!("none of {MAX_SKIPPED} frames answered the request");
        second_best.ok_or_else(|| malformed(unanswered()))
    }

    fn unanswered(&self, limit: Limit, others: &BTreeSet<Command>) -> DtuError {
        let bytes = self.frames.read_buffer();
        if !bytes.is_empty() {
            let announced = self.frames.codec().announced(bytes);
            return DtuError::HalfAnswer { limit: limit.timeout, received: bytes.len(), announced };
        }
        if others.is_empty() {
            return limit.passed();
        }
        let commands = others.iter().map(Command::to_string).collect::<Vec<_>>().join(", ");
        DtuError::OtherAnswers { limit: limit.timeout, commands }
    }
}

fn hung_up() -> DtuError {
    DtuError::Closed(io::Error::new(io::ErrorKind::UnexpectedEof, "without an answer"))
}
