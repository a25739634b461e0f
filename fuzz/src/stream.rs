//! A connection whose peer answers each write from a script and disconnects at its end.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::BytesMut;
use hoymiles_bridge::dtu::DtuError;
use hoymiles_bridge::dtu::dial::Dial;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::script::Script;

/// Makes the answer to what was written.
pub type Answer = fn(&mut Script, &[u8]) -> Vec<u8>;

/// One connection.
pub struct Scripted {
    script: Arc<Mutex<Script>>,
    answer: Answer,
    incoming: BytesMut,
}

impl Scripted {
    /// The peer sends `first` before any request.
    pub fn new(script: Script, answer: Answer, first: &[u8]) -> Self {
        Self { script: Arc::new(Mutex::new(script)), answer, incoming: first.into() }
    }
}

impl fmt::Debug for Scripted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scripted")
    }
}

impl AsyncRead for Scripted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let count = self.incoming.len().min(buffer.remaining());
        buffer.put_slice(&self.incoming.split_to(count));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Scripted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let answer = (self.answer)(&mut self.script.lock().unwrap(), bytes);
        self.incoming.extend_from_slice(&answer);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Connects to a DTU that answers from a script, one connection after the other until its end.
pub struct ScriptedDtu {
    script: Arc<Mutex<Script>>,
    answer: Answer,
}

impl ScriptedDtu {
    /// Not connected yet.
    pub fn new(script: Script, answer: Answer) -> Self {
        Self { script: Arc::new(Mutex::new(script)), answer }
    }
}

impl Dial for ScriptedDtu {
    type Stream = Scripted;

    async fn dial(&mut self, limit: std::time::Duration) -> Result<Scripted, DtuError> {
        if self.script.lock().unwrap().is_over() {
            return Err(DtuError::Timeout(limit));
        }
        let script = Arc::clone(&self.script);
        Ok(Scripted { script, answer: self.answer, incoming: BytesMut::new() })
    }
}
