//! HTTP to the bridge of this machine, as careful as if somebody else had its port: bounded in time and
//! in size, past no proxy and no redirection.

use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, Response};
use thiserror::Error;

/// A bridge that takes longer for one answer, its body included, is not well.
pub(super) const LIMIT: Duration = Duration::from_secs(5);
/// `/health` and `/ready` are far smaller, in bytes.
pub(super) const SMALL: usize = 1 << 20;

/// Why a body was not read to its end.
#[derive(Debug, Error)]
pub(super) enum BodyError {
    /// It has more bytes than this.
    #[error("its answer has more than {} KiB", .0 >> 10)]
    TooLong(usize),
    /// The connection broke, or took too long.
    #[error(transparent)]
    Broken(reqwest::Error),
}

/// A client for it.
pub(super) fn client() -> reqwest::Result<Client> {
    // A proxy of the environment has no business between a process and its neighbour.
    Client::builder().no_proxy().redirect(Policy::none()).timeout(LIMIT).build()
}

/// The body, unless it has more than `most` bytes.
pub(super) async fn body(mut response: Response, most: usize) -> Result<Vec<u8>, BodyError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(BodyError::Broken)? {
        if body.len().saturating_add(chunk.len()) > most {
            return Err(BodyError::TooLong(most));
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
    async fn a_body_without_end_is_left() {
        drop(rustls::crypto::ring::default_provider().install_default());
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
            let response = client().unwrap().get(format!("http://{address}")).send().await.unwrap();
            body(response, 4_096).await
        };
        let (said, ()) = tokio::join!(asking, server);
        assert!(matches!(said, Err(BodyError::TooLong(4_096))), "{said:?}");
    }
}
