//! How a connection to a DTU is made.

use std::fmt::Debug;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout_at};

use crate::dtu::DtuError;

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
    /// Dials that host name or address. What to look at when the port is closed depends on the
    /// protocol: `refused` says it.
    pub fn new(host: impl Into<String>, port: u16, refused: &'static str) -> Self {
        Self { host: host.into(), port, refused }
    }

    /// What to look at when a connection fails with that error.
    fn cure(&self, source: &io::Error) -> &'static str {
        // EMFILE and ENFILE of every Linux: the DTU has nothing to do with it.
        match (source.kind(), source.raw_os_error()) {
            (io::ErrorKind::ConnectionRefused, _) => self.refused,
            (_, Some(23 | 24)) => {
                "raise the limit of open files (ulimits: nofile in docker-compose.yml)"
            }
            (_, _) => "is the DTU switched on, and in a network that this machine reaches?",
        }
    }

    async fn look_up(&self, deadline: Instant) -> Result<Vec<SocketAddr>, DtuError> {
        let name_error = |source| DtuError::Name { host: self.host.clone(), source };
        let looked_up = timeout_at(deadline, lookup_host((self.host.as_str(), self.port)))
            .await
            .unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, "no answer in time")));
        let addresses: Vec<_> = looked_up.map_err(name_error)?.collect();
        if addresses.is_empty() {
            return Err(name_error(io::Error::new(io::ErrorKind::NotFound, "no address")));
        }
        Ok(addresses)
    }
}

impl Dial for TcpDialer {
    type Stream = TcpStream;

    async fn dial(&mut self, limit: Duration) -> Result<TcpStream, DtuError> {
        let start = Instant::now();
        let addresses = self.look_up(start + limit).await?;
        let address = || format!("{}:{}", self.host, self.port);
        let mut failed = None;
        for (place, socket_address) in (0_u32..).zip(&addresses) {
            // Each address gets its share of what is left, lest one without an answer take all.
            let left = limit.saturating_sub(start.elapsed());
            let addresses_left = u32::try_from(addresses.len()).unwrap_or(u32::MAX) - place;
            let share = Instant::now() + left / addresses_left.max(1);
            match timeout_at(share, TcpStream::connect(socket_address)).await {
                Ok(Ok(stream)) => {
                    // A request is one small packet; if it waits for company, so does the poll.
                    drop(stream.set_nodelay(true));
                    return Ok(stream);
                }
                Ok(Err(source)) => failed = Some(source),
                Err(_) => {}
            }
        }
        Err(match failed {
            Some(source) => {
                DtuError::Unreachable { address: address(), cure: self.cure(&source), source }
            }
            None => DtuError::ConnectTimeout { address: address(), limit },
        })
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(5);

    #[tokio::test]
    async fn a_listener_is_reached() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(TcpDialer::new("127.0.0.1", port, "look at the port").dial(LIMIT).await.is_ok());
    }

    #[tokio::test]
    async fn a_closed_port_is_unreachable_and_says_what_to_do() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let error =
            TcpDialer::new("127.0.0.1", port, "look at the port").dial(LIMIT).await.unwrap_err();
        assert!(matches!(error, DtuError::Unreachable { .. }), "{error:?}");
        assert!(error.to_string().contains("look at the port"), "{error}");
    }

    #[tokio::test]
    async fn a_name_without_an_address_is_an_error_of_its_own() {
        let error = TcpDialer::new("", 502, "look at the port").dial(LIMIT).await.unwrap_err();
        assert!(matches!(error, DtuError::Name { .. }), "{error:?}");
    }
}
