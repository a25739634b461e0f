//! `healthcheck`: asks the running bridge whether it is ready, for containers without curl.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, bail};
use reqwest::Client;
use reqwest::redirect::Policy;

/// A bridge that takes longer is not well.
const LIMIT: Duration = Duration::from_secs(5);

/// Whether the bridge that listens on `listen` is ready.
pub async fn healthcheck(listen: SocketAddr) -> anyhow::Result<bool> {
    let address = reachable(listen);
    // The library wants to know how TLS would be spoken; an error means that it knows already.
    drop(rustls::crypto::ring::default_provider().install_default());
    // A proxy of the environment has no business between a process and itself.
    let client = Client::builder().no_proxy().redirect(Policy::none()).timeout(LIMIT).build()?;
    let answer = client.get(format!("http://{address}/ready")).send().await;
    match answer.with_context(|| format!("cannot ask the bridge on {address}"))?.status().as_u16() {
        200 => Ok(true),
        503 => Ok(false),
        other => bail!("{address} answered {other}: that is not the bridge"),
    }
}

/// An address that listens on all interfaces is itself no address to connect to.
pub(super) fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        IpAddr::V4(_) | IpAddr::V6(_) => listen.ip(),
    };
    SocketAddr::new(ip, listen.port())
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// What healthcheck says of a server that gives this answer.
    async fn check(answer: &'static str) -> Result<bool, String> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                stream.read_buf(&mut request).await.unwrap();
            }
            assert!(request.starts_with(b"GET /ready HTTP/1.1\r\n"));
            stream.write_all(answer.as_bytes()).await.unwrap();
        };
        let (said, ()) = tokio::join!(healthcheck(address), server);
        said.map_err(|error| format!("{error:#}"))
    }

    #[tokio::test]
    async fn the_status_of_ready_decides() {
        assert_eq!(check("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK").await, Ok(true));
        assert_eq!(
            check("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n").await,
            Ok(false)
        );
        let other = check("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").await.unwrap_err();
        assert!(other.contains("answered 404"), "{other}");
        let other = check("SSH-2.0-OpenSSH\r\n").await.unwrap_err();
        assert!(other.contains("cannot ask the bridge"), "{other}");
    }

    #[tokio::test]
    async fn a_port_on_which_nobody_listens_is_named() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let error = format!("{:#}", healthcheck(address).await.unwrap_err());
        assert!(error.contains(&address.to_string()), "{error}");
    }

    #[test]
    fn an_address_of_all_interfaces_is_asked_on_loopback() {
        for (listen, expected) in [
            ("0.0.0.0:8080", "127.0.0.1:8080"),
            ("[::]:8080", "[::1]:8080"),
            ("192.168.1.5:80", "192.168.1.5:80"),
        ] {
            assert_eq!(reachable(listen.parse().unwrap()).to_string(), expected);
        }
    }
}
