//! `healthcheck`: asks the running bridge whether it is ready, for containers without curl.

use std::net::SocketAddr;

use super::bridge_client::{body, client, no_answer, not_a_bridge, reachable};
use crate::problem::Problem;

/// Whether the bridge that listens on `listen` is ready; the error says why none answers.
pub(super) async fn healthcheck(listen: SocketAddr) -> Result<bool, Problem> {
    if listen.port() == 0 {
        return Err(Problem::new(
            "not_running",
            "no bridge is running: http.listen has port 0, and state_dir has no address of a \
             running bridge",
            "start the bridge, or use the same configuration as the running one",
        ));
    }
    let client = client().map_err(|error| {
        let cause = format!("the HTTP client cannot be set up: {error}");
        Problem::new("http_client", cause, "report this with the output of `doctor`")
    })?;
    let mut failure = not_a_bridge(listen, "it does not answer");
    for address in reachable(listen) {
        match client.get(format!("http://{address}/ready")).send().await {
            Ok(answer) => {
                return match answer.status().as_u16() {
                    200 => match body(answer).await {
                        Ok(body) if body == b"OK" => Ok(true),
                        Ok(_) | Err(_) => Err(not_a_bridge(address, "it did not answer OK")),
                    },
                    503 => Ok(false),
                    other => Err(not_a_bridge(address, &format!("it answered HTTP {other}"))),
                };
            }
            Err(error) => {
                failure = no_answer(address, &error);
                if !error.is_connect() {
                    break;
                }
            }
        }
    }
    Err(failure)
}

/// What a bridge that is not ready reports.
pub(super) fn not_ready() -> Problem {
    Problem::new(
        "not_ready",
        "the bridge is running, but no DTU has answered within its threshold",
        "run `hoymiles-bridge doctor`, which says what is wrong",
    )
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
        said.map_err(|problem| problem.to_string())
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
        assert!(other.contains("its answer is not HTTP"), "{other}");
    }

    #[tokio::test]
    async fn names_an_address_on_which_nobody_listens() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let problem = healthcheck(address).await.unwrap_err();
        assert_eq!(problem.label, "refused");
        assert_eq!(problem.cause, format!("no bridge answers at {address}"));
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
        assert_eq!(error.label, "not_running");
    }
}
