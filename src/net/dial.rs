//! From a host name to an open connection, within one time limit for all stages together.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_tungstenite::MaybeTlsStream;

use super::error::{ConnectError, Stage};
use super::tls::{self, TlsFiles};

/// More addresses are not tried: a name server may list thousands.
const MAX_ADDRESSES: usize = 16;

/// An open connection, with or without TLS.
pub type Stream = MaybeTlsStream<TcpStream>;

/// Observes how an attempt proceeds, stage by stage; `()` ignores it.
pub trait Observer: Send {
    /// The host has these addresses.
    fn resolved(&mut self, addresses: &[SocketAddr], took: Duration);
    /// This address accepted the connection.
    fn connected(&mut self, peer: SocketAddr, took: Duration);
    /// The TLS handshake is done, and the certificate is trusted.
    fn secured(&mut self, took: Duration);
}

impl Observer for () {
    fn resolved(&mut self, _addresses: &[SocketAddr], _took: Duration) {}
    fn connected(&mut self, _peer: SocketAddr, _took: Duration) {}
    fn secured(&mut self, _took: Duration) {}
}

/// One attempt to reach a host: where, and until when.
#[derive(Clone, Debug)]
pub struct Attempt {
    host: String,
    port: u16,
    limit: Duration,
    deadline: Instant,
}

impl Attempt {
    /// An attempt that begins now. `host` is a name or an IP address without brackets.
    pub fn new(host: impl Into<String>, port: u16, limit: Duration) -> Self {
        Self { host: host.into(), port, limit, deadline: Instant::now() + limit }
    }

    /// When the attempt must be over.
    pub const fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Host and port, as people write them.
    pub fn place(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// The addresses of the host, in the system's order of preference.
    pub async fn resolve(
        &self,
        observer: &mut impl Observer,
    ) -> Result<Vec<SocketAddr>, ConnectError> {
        let began = Instant::now();
        let addresses = self.within(Stage::Name, self.look_up()).await?;
        observer.resolved(&addresses, began.elapsed());
        Ok(addresses)
    }

    /// Connects to the first of these addresses that accepts.
    pub async fn connect(
        &self,
        addresses: &[SocketAddr],
        observer: &mut impl Observer,
    ) -> Result<TcpStream, ConnectError> {
        let began = Instant::now();
        let (stream, peer) = self.within(Stage::Tcp, self.connect_to_any(addresses)).await?;
        observer.connected(peer, began.elapsed());
        Ok(stream)
    }

    /// Opens a TCP connection.
    pub async fn tcp(&self) -> Result<TcpStream, ConnectError> {
        let addresses = self.resolve(&mut ()).await?;
        self.connect(&addresses, &mut ()).await
    }

    /// Speaks TLS over the connection if `files` are given.
    pub async fn secure(
        &self,
        stream: TcpStream,
        files: Option<&TlsFiles>,
        observer: &mut impl Observer,
    ) -> Result<Stream, ConnectError> {
        let Some(files) = files else { return Ok(MaybeTlsStream::Plain(stream)) };
        let began = Instant::now();
        let handshake = tls::handshake(&self.host, files, stream);
        let stream = self.within(Stage::Tls, handshake).await?;
        observer.secured(began.elapsed());
        Ok(MaybeTlsStream::Rustls(stream))
    }

    async fn within<T>(
        &self,
        stage: Stage,
        work: impl Future<Output = Result<T, ConnectError>>,
    ) -> Result<T, ConnectError> {
        timeout_at(self.deadline, work).await.unwrap_or_else(|_| {
            Err(ConnectError::TimedOut { stage, limit: self.limit, place: self.place() })
        })
    }

    async fn look_up(&self) -> Result<Vec<SocketAddr>, ConnectError> {
        if let Ok(address) = self.host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, self.port)]);
        }
        let unknown =
            |detail: String| ConnectError::NameUnknown { host: self.host.clone(), detail };
        let found = lookup_host((self.host.as_str(), self.port)).await;
        let mut found: Vec<SocketAddr> = found.map_err(|error| unknown(plain(&error)))?.collect();
        found.dedup();
        found.truncate(MAX_ADDRESSES);
        if found.is_empty() { Err(unknown("it has no address".to_owned())) } else { Ok(found) }
    }

    /// Each address gets its share of the time left, so that one that does not answer leaves time
    /// for the others.
    async fn connect_to_any(
        &self,
        addresses: &[SocketAddr],
    ) -> Result<(TcpStream, SocketAddr), ConnectError> {
        let mut errors = Vec::new();
        let mut left = u32::try_from(addresses.len()).unwrap_or(u32::MAX);
        for address in addresses {
            let rest = self.deadline.saturating_duration_since(Instant::now());
            let share = rest.checked_div(left).unwrap_or(rest);
            let dialling = TcpStream::connect(address);
            let outcome = if left > 1 {
                timeout(share, dialling).await
            } else {
                // The deadline ends the last one, with an error that names the host.
                Ok(dialling.await)
            };
            left = left.saturating_sub(1);
            match outcome {
                Ok(Ok(stream)) => {
                    // Without it small messages are late; that is no reason to fail.
                    drop(stream.set_nodelay(true));
                    return Ok((stream, *address));
                }
                Ok(Err(error)) => errors.push(ConnectError::tcp(*address, &error)),
                Err(_) => errors.push(ConnectError::TimedOut {
                    stage: Stage::Tcp,
                    limit: rounded(share),
                    place: address.to_string(),
                }),
            }
        }
        Err(errors.into_iter().max_by_key(relevance).unwrap_or_else(|| ConnectError::NameUnknown {
            host: self.host.clone(),
            detail: "it has no address".to_owned(),
        }))
    }
}

/// Which error to report of a name with several addresses. With an IPv6 address in a network that
/// has no IPv6, the error of the other address is the one that matters.
#[expect(clippy::wildcard_enum_match_arm, reason = "the others do not occur here")]
const fn relevance(error: &ConnectError) -> u8 {
    match error {
        ConnectError::Refused(_) => 3,
        ConnectError::TimedOut { .. } => 2,
        ConnectError::Tcp { .. } => 1,
        _ => 0,
    }
}

/// To tenths of a second, for people.
fn rounded(time: Duration) -> Duration {
    Duration::from_secs_f64((time.as_secs_f64() * 10.0).round() / 10.0)
}

/// Without the preamble that the standard library puts before the system's words.
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    let preamble = "failed to lookup address information: ";
    text.strip_prefix(preamble).unwrap_or(&text).to_lowercase()
}

#[cfg(test)]
mod tests {
    use tokio::net::{TcpListener, TcpSocket};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(5);

    #[tokio::test]
    async fn connects_to_a_listener() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(Attempt::new("127.0.0.1", port, LIMIT).tcp().await.is_ok());
    }

    #[tokio::test]
    async fn reports_a_name_without_an_address() {
        let error = Attempt::new("", 502, LIMIT).tcp().await.unwrap_err();
        assert!(matches!(error, ConnectError::NameUnknown { .. }), "{error:?}");
    }

    #[tokio::test]
    async fn reports_the_most_telling_of_several_addresses() {
        // Bound and not listening: it refuses, and nobody else can have it.
        let taken = TcpSocket::new_v4().unwrap();
        taken.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let refuses = taken.local_addr().unwrap();
        // The system itself knows that no connection leads there.
        let unreachable = "255.255.255.255:9".parse().unwrap();
        for (addresses, expected) in [
            (&[unreachable][..], ConnectError::NoRoute(unreachable)),
            (&[unreachable, refuses], ConnectError::Refused(refuses)),
            (&[refuses, unreachable], ConnectError::Refused(refuses)),
        ] {
            let error = Attempt::new("x", 9, LIMIT).connect(addresses, &mut ()).await.unwrap_err();
            assert_eq!(error, expected, "{addresses:?}");
        }
    }

    #[tokio::test]
    async fn names_the_address_that_did_not_answer_in_its_share() {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let silent = socket.local_addr().unwrap();
        // With one connection waiting to be accepted, the system answers no other.
        let _listener = socket.listen(0).unwrap();
        let _waits = TcpStream::connect(silent).await.unwrap();
        let unreachable = "255.255.255.255:9".parse().unwrap();
        let attempt = Attempt::new("x", 9, Duration::from_millis(400));
        let error = attempt.connect(&[silent, unreachable], &mut ()).await.unwrap_err();
        assert!(
            matches!(&error, ConnectError::TimedOut { stage: Stage::Tcp, place, .. } if *place == silent.to_string()),
            "{error:?}"
        );
    }
}
