//! Small HTTP requests to this machine and its supervisor: bounded in time and in size, past no
//! proxy, following no redirection.

use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder, Response};
use thiserror::Error;

/// Why a body was not read to its end.
#[derive(Debug, Error)]
pub enum BodyError {
    /// It has more bytes than allowed.
    #[error("its answer has more than {} KiB", .0 >> 10)]
    TooLong(usize),
    /// The connection broke, or took too long.
    #[error(transparent)]
    Broken(#[from] reqwest::Error),
}

/// A client whose requests take at most `limit`, their bodies included. A proxy of the environment
/// has no business between neighbours.
pub fn client(limit: Duration) -> ClientBuilder {
    Client::builder().no_proxy().redirect(Policy::none()).timeout(limit)
}

/// The body of an answer, unless it has more than `max` bytes.
pub async fn read_body(mut response: Response, max: usize) -> Result<Vec<u8>, BodyError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len().saturating_add(chunk.len()) > max {
            return Err(BodyError::TooLong(max));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn gives_up_on_an_endless_body() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            assert_ne!(stream.read(&mut [0; 1_024]).await.unwrap(), 0);
            let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
            stream.write_all(head).await.unwrap();
            // Until the reader goes.
            while stream.write_all(b"8\r\n{{{{{{{{\r\n").await.is_ok() {}
        };
        let asking = async {
            let client = client(Duration::from_secs(5)).build().unwrap();
            let response = client.get(format!("http://{address}")).send().await.unwrap();
            read_body(response, 4_096).await
        };
        let (read, ()) = tokio::join!(asking, server);
        assert!(matches!(read, Err(BodyError::TooLong(4_096))), "{read:?}");
    }
}
