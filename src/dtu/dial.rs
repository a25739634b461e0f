//! How a connection to a DTU is made.

use std::borrow::Cow;
use std::fmt::Debug;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::dtu::DtuError;
use crate::dtu::error::NO_ANSWER;
use crate::net::dial::Attempt;
use crate::net::error::{ConnectError, Stage};

/// Makes connections to one DTU.
pub trait Dial: Send {
    /// What a connection is.
    type Stream: AsyncRead + AsyncWrite + Debug + Send + Unpin + 'static;

    /// Connects once, within `limit`.
    fn dial(
        &mut self,
        limit: Duration,
    ) -> impl Future<Output = Result<Self::Stream, DtuError>> + Send;
}

/// Dials over TCP. The name is looked up each time, since the DTU's address may change.
#[derive(Clone, Debug)]
pub struct TcpDialer {
    host: String,
    port: u16,
    refused: &'static str,
}

impl TcpDialer {
    /// Dials that host name or address. `refused` is the remedy when the port is closed, which
    /// depends on the protocol.
    pub fn new(host: impl Into<String>, port: u16, refused: &'static str) -> Self {
        Self { host: host.into(), port, refused }
    }
}

impl Dial for TcpDialer {
    type Stream = TcpStream;

    async fn dial(&mut self, limit: Duration) -> Result<TcpStream, DtuError> {
        let connected = Attempt::new(self.host.as_str(), self.port, limit).tcp().await;
        connected.map_err(|error| {
            let is_silent = matches!(error, ConnectError::TimedOut { stage: Stage::Tcp, .. })
                || matches!(error, ConnectError::NoRoute(address) if address.is_ipv4());
            let remedy = if matches!(error, ConnectError::Refused(_)) {
                Cow::Borrowed(self.refused)
            } else if is_silent {
                Cow::Borrowed(NO_ANSWER)
            } else {
                error.problem().remedy.unwrap_or_default()
            };
            DtuError::Unreachable { error, remedy }
        })
    }
}

/// Uses a connection that is already open, and dials when that one is used up.
#[derive(Debug)]
pub struct OpenConnection {
    stream: Option<TcpStream>,
    then: TcpDialer,
}

impl OpenConnection {
    /// Uses `stream` first, then the connections of `then`.
    pub const fn new(stream: TcpStream, then: TcpDialer) -> Self {
        Self { stream: Some(stream), then }
    }
}

impl Dial for OpenConnection {
    type Stream = TcpStream;

    async fn dial(&mut self, limit: Duration) -> Result<TcpStream, DtuError> {
        match self.stream.take() {
            Some(stream) => Ok(stream),
            None => self.then.dial(limit).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_closed_port_has_the_remedy_of_its_protocol() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let mut dialer = TcpDialer::new("127.0.0.1", port, "look at the port");
        let error = dialer.dial(Duration::from_secs(5)).await.unwrap_err().to_string();
        assert_eq!(error, format!("connection refused by 127.0.0.1:{port}; look at the port"));
    }
}
