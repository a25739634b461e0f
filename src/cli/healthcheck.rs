//! `healthcheck`: asks the running bridge whether it is ready; for containers, which have no curl.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use anyhow::{anyhow, bail};

use super::bridge_client::{self, SMALL};

/// Whether the bridge that listens on `listen` is ready.
pub async fn healthcheck(listen: SocketAddr) -> anyhow::Result<bool> {
    if listen.port() == 0 {
        bail!(
            "no bridge is running: http.listen has port 0, and state_dir has no address of a running \
             bridge"
        );
    }
    let client = bridge_client::client()?;
    let mut refused = anyhow!("cannot ask the bridge on {listen}");
    for address in reachable(listen) {
        match client.get(format!("http://{address}/ready")).send().await {
            Ok(answer) => {
                return match answer.status().as_u16() {
                    200 => match bridge_client::body(answer, SMALL).await {
                        Ok(body) if body == b"OK" => Ok(true),
                        Ok(_) | Err(_) => {
                            bail!("{address} did not answer OK: that is not the bridge")
                        }
                    },
                    503 => Ok(false),
                    other => bail!("{address} answered {other}: that is not the bridge"),
                };
            }
            Err(error) => {
                let is_elsewhere = error.is_connect();
                refused = anyhow!(error).context(format!("cannot ask the bridge on {address}"));
                if !is_elsewhere {
                    break;
                }
            }
        }
    }
    Err(refused)
}

/// Where to connect to a bridge that listens at `listen`, which may mean all interfaces. Containers
/// often have no IPv6 loopback although their bridge listens on `[::]`.
pub(super) fn reachable(listen: SocketAddr) -> Vec<SocketAddr> {
    let addresses = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => vec![IpAddr::V4(Ipv4Addr::LOCALHOST)],
        IpAddr::V6(ip) if ip.is_unspecified() => {
            vec![IpAddr::V6(Ipv6Addr::LOCALHOST), IpAddr::V4(Ipv4Addr::LOCALHOST)]
        }
        IpAddr::V4(_) | IpAddr::V6(_) => return vec![listen],
    };
    addresses.into_iter().map(|ip| SocketAddr::new(ip, listen.port())).collect()
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// Healthcheck of a server with this answer.
    async fn check(answer: &'static str) -> Result<bool, String> {
        check_at("127.0.0.1", answer).await
    }

    /// The same, where that server's port is configured to be at `ip`.
    async fn check_at(ip: &str, answer: &'static str) -> Result<bool, String> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let address = SocketAddr::new(ip.parse().unwrap(), port);
        let server = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                stream.read_buf(&mut request).await.unwrap();
            }
            assert!(request.starts_with(b"GET /ready HTTP/1.1\r\n"));
            stream.write_all(answer.as_bytes()).await.unwrap();
        };
        // A server that is not asked waits forever.
        let mut asking = pin!(healthcheck(address));
        let outcome = tokio::select! {
            outcome = &mut asking => outcome,
            () = server => asking.await,
        };
        outcome.map_err(|error| format!("{error:#}"))
    }

    #[tokio::test]
    async fn the_status_of_ready_decides() {
        assert_eq!(check("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK").await, Ok(true));
        assert_eq!(
            check("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n").await,
            Ok(false)
        );
        // Some servers answer 200 to everything.
        let other = check("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello").await.unwrap_err();
        assert!(other.contains("not the bridge"), "{other}");
        let other = check("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").await.unwrap_err();
        assert!(other.contains("answered 404"), "{other}");
        let other = check("SSH-2.0-OpenSSH\r\n").await.unwrap_err();
        assert!(other.contains("cannot ask the bridge"), "{other}");
    }

    #[tokio::test]
    async fn an_unused_port_is_named() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let error = format!("{:#}", healthcheck(address).await.unwrap_err());
        assert!(error.contains(&address.to_string()), "{error}");
    }

    #[tokio::test]
    async fn a_bridge_on_all_interfaces_is_found_over_ipv4_loopback() {
        for ip in ["0.0.0.0", "::"] {
            let ready = check_at(ip, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK").await;
            assert_eq!(ready, Ok(true), "{ip}");
        }
    }

    #[tokio::test]
    async fn port_0_is_not_dialled() {
        let error = healthcheck(SocketAddr::from(([0, 0, 0, 0], 0))).await.unwrap_err();
        assert!(error.to_string().contains("http.listen has port 0"), "{error}");
    }

    #[test]
    fn an_address_of_all_interfaces_becomes_loopback() {
        for (listen, expected) in [
            ("0.0.0.0:8080", "127.0.0.1:8080"),
            ("[::]:8080", "[::1]:8080 127.0.0.1:8080"),
            ("192.168.1.5:80", "192.168.1.5:80"),
        ] {
            let asked = reachable(listen.parse().unwrap());
            let asked: Vec<String> = asked.iter().map(ToString::to_string).collect();
            assert_eq!(asked.join(" "), expected);
        }
    }
}
