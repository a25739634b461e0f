//! From addresses to a TCP connection.

use std::io;
use std::net::SocketAddr;

use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::push::failure::Failure;

/// Tries one address after the other; each gets its share of the time that is left, so that one
/// that swallows packets does not use up that of the others.
pub(super) async fn open(addresses: &[SocketAddr], until: Instant) -> Result<TcpStream, Failure> {
    let mut last = None;
    let mut left = u32::try_from(addresses.len()).unwrap_or(u32::MAX);
    for address in addresses {
        let rest = until.saturating_duration_since(Instant::now());
        let dialling = TcpStream::connect(address);
        let outcome = if left > 1 {
            timeout(rest / left, dialling).await
        } else {
            // The caller's limit ends the last one, and says so.
            Ok(dialling.await)
        };
        left = left.saturating_sub(1);
        match outcome {
            Ok(Ok(stream)) => {
                // Small frames shall leave at once; without it they are only late.
                drop(stream.set_nodelay(true));
                return Ok(stream);
            }
            Ok(Err(error)) => last = Some(failure(*address, &error)),
            Err(_) => {}
        }
    }
    Err(last.unwrap_or_else(|| Failure::NameUnknown {
        host: String::new(),
        detail: "it has no address".to_owned(),
    }))
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the list is another's, and open")]
fn failure(address: SocketAddr, error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Failure::Refused(address),
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            Failure::NoRoute(address)
        }
        _ => Failure::Tcp { address, detail: error.to_string() },
    }
}
