//! `healthcheck`: asks the running bridge whether it is ready, for containers without curl.

use std::net::SocketAddr;

use anyhow::{anyhow, bail};

use super::bridge_client::{body, client, reachable};

/// Whether the bridge that listens on `listen` is ready.
pub(super) async fn healthcheck(listen: SocketAddr) -> anyhow::Result<bool> {
    if listen.port() == 0 {
        bail!(
            "no bridge is running: http.listen has port 0, and state_dir has no address of a \
             running bridge"
        );
    }
    let client = client()?;
    let mut refused = anyhow!("cannot reach the bridge on {listen}");
    for address in reachable(listen) {
        match client.get(format!("http://{address}/ready")).send().await {
            Ok(answer) => {
                return match answer.status().as_u16() {
                    200 => match body(answer).await {
                        Ok(body) if body == b"OK" => Ok(true),
                        Ok(_) | Err(_) => {
                            bail!("{address} did not answer OK: it is not the bridge")
                        }
                    },
                    503 => Ok(false),
                    other => bail!("{address} answered HTTP {other}: it is not the bridge"),
                };
            }
            Err(error) => {
                let is_elsewhere = error.is_connect();
                refused = anyhow!(error).context(format!("cannot reach the bridge on {address}"));
                if !is_elsewhere {
                    break;
                }
            }
        }
    }
    Err(refused)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::pin::pin;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// The outcome for a server that sends this answer.
    async fn check(answer: &'static str) -> Result<bool, String> {
        check_at("127.0.0.1", answer).await
    }

    /// The same if the bridge is configured to listen on `ip`, at the server's port.
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
        // Without a request, the server waits forever.
        let mut asking = pin!(healthcheck(address));
        let said = tokio::select! {
            said = &mut asking => said,
            () = server => asking.await,
        };
        said.map_err(|error| format!("{error:#}"))
    }

    #[tokio::test]
    async fn follows_the_status_of_ready() {
        assert_eq!(check("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK").await, Ok(true));
        assert_eq!(
            check("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n").await,
            Ok(false)
        );
        // Some servers answer 200 to any request.
        let other = check("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello").await.unwrap_err();
        assert!(other.contains("not the bridge"), "{other}");
        let other = check("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").await.unwrap_err();
        assert!(other.contains("answered HTTP 404"), "{other}");
        let other = check("SSH-2.0-OpenSSH\r\n").await.unwrap_err();
        assert!(other.contains("cannot reach the bridge"), "{other}");
    }

    #[tokio::test]
    async fn names_an_address_on_which_nobody_listens() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let error = format!("{:#}", healthcheck(address).await.unwrap_err());
        assert!(error.contains(&address.to_string()), "{error}");
    }

    #[tokio::test]
    async fn finds_a_bridge_on_all_addresses_over_ipv4() {
        for ip in ["0.0.0.0", "::"] {
            let said = check_at(ip, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK").await;
            assert_eq!(said, Ok(true), "{ip}");
        }
    }

    #[tokio::test]
    async fn does_not_dial_port_0() {
        let error = healthcheck(SocketAddr::from(([0, 0, 0, 0], 0))).await.unwrap_err();
        assert!(error.to_string().contains("http.listen has port 0"), "{error}");
    }
}
