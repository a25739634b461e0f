//! From addresses to a TCP connection.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::push::failure::{Failure, Stage};

/// Tries one address after the other; each gets its share of the time that is left, so that one
/// that swallows packets does not use up that of the others.
pub(super) async fn open(addresses: &[SocketAddr], until: Instant) -> Result<TcpStream, Failure> {
    let mut failures = Vec::new();
    let mut left = u32::try_from(addresses.len()).unwrap_or(u32::MAX);
    for address in addresses {
        let rest = until.saturating_duration_since(Instant::now());
        let dialling = TcpStream::connect(address);
        let share = rest.checked_div(left).unwrap_or(rest);
        let outcome = if left > 1 {
            timeout(share, dialling).await
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
            Ok(Err(error)) => failures.push(failure(*address, &error)),
            Err(_) => failures.push(Failure::TimedOut {
                stage: Stage::Tcp,
                limit: rounded(share),
                place: address.to_string(),
            }),
        }
    }
    Err(failures.into_iter().max_by_key(telling).unwrap_or_else(|| Failure::NameUnknown {
        host: String::new(),
        detail: "it has no address".to_owned(),
    }))
}

/// How much the failure at one address of several tells of the target. Of a name with an IPv6 address,
/// in a network that has none, it is the other address that matters.
#[expect(clippy::wildcard_enum_match_arm, reason = "there are no others here")]
const fn telling(failure: &Failure) -> u8 {
    match failure {
        Failure::Refused(_) => 3,
        Failure::TimedOut { .. } => 2,
        Failure::Tcp { .. } => 1,
        _ => 0,
    }
}

/// To tenths of a second, for people.
fn rounded(time: Duration) -> Duration {
    Duration::from_secs_f64((time.as_secs_f64() * 10.0).round() / 10.0)
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

#[cfg(test)]
mod tests {
    use tokio::net::TcpSocket;

    use super::*;

    #[tokio::test]
    async fn of_several_addresses_the_one_that_tells_most_is_named() {
        // Bound and not listening: it refuses, and nobody else can have it.
        let taken = TcpSocket::new_v4().unwrap();
        taken.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let refuses = taken.local_addr().unwrap();
        // The system itself knows that no connection leads there.
        let unreachable = "255.255.255.255:9".parse().unwrap();
        for (addresses, expected) in [
            (&[unreachable][..], Failure::NoRoute(unreachable)),
            (&[unreachable, refuses], Failure::Refused(refuses)),
            (&[refuses, unreachable], Failure::Refused(refuses)),
        ] {
            let until = Instant::now() + Duration::from_secs(5);
            assert_eq!(open(addresses, until).await.unwrap_err(), expected, "{addresses:?}");
        }
    }

    #[tokio::test]
    async fn an_address_that_used_up_its_share_is_named() {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let silent = socket.local_addr().unwrap();
        // Once one waits to be accepted, the system does not answer any other.
        let _listener = socket.listen(0).unwrap();
        let _waits = TcpStream::connect(silent).await.unwrap();
        let unreachable = "255.255.255.255:9".parse().unwrap();
        let until = Instant::now() + Duration::from_millis(400);
        let failure = open(&[silent, unreachable], until).await.unwrap_err();
        assert!(
            matches!(&failure, Failure::TimedOut { stage: Stage::Tcp, place, .. } if *place == silent.to_string()),
            "{failure:?}"
        );
    }
}
