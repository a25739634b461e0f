//! One request as handlers see it, and the reading of its body.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::Body;
use hyper::http::request::Parts;
use thiserror::Error;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Api;
use super::client::Client;

/// The body of a registration is a URL and a name; this is far more than either may be.
const MOST_BYTES: usize = 64 * 1024;
/// How much of an unwanted body is discarded, and for how long.
const MOST_DISCARDED: usize = 1024 * 1024;
const DISCARD_TIME: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Context {
    pub(super) api: Arc<Api>,
    pub(super) head: Parts,
    /// The variable part of the path, decoded; empty if the route has none.
    pub(super) parameter: String,
    /// Empty if the method only reads.
    pub(super) body: Result<Bytes, BodyError>,
    pub(super) client: Client,
    /// Cancelled when the browser session ends that stands for the token in this request.
    pub(super) session: Option<CancellationToken>,
    /// Where whatever outlives the request runs.
    pub(super) tasks: TaskTracker,
}

/// Why there is no body. The texts are for the client.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(super) enum BodyError {
    #[error("the body is larger than {MOST_BYTES} bytes")]
    TooLarge,
    #[error("the body did not arrive within {0:?}")]
    TooSlow(Duration),
    #[error("the connection ended before the body did")]
    Incomplete,
}

/// Reads the whole body, or as much as it takes to see that it is too large.
pub(super) async fn read_body<B>(body: &mut B, limit: Duration) -> Result<Bytes, BodyError>
where
    B: Body<Data = Bytes> + Unpin,
{
    let most = u64::try_from(MOST_BYTES).unwrap_or(u64::MAX);
    if body.size_hint().lower() > most {
        return Err(BodyError::TooLarge);
    }
    let read = async {
        let mut whole = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| BodyError::Incomplete)?;
            let Ok(data) = frame.into_data() else { continue };
            if whole.len().saturating_add(data.len()) > MOST_BYTES {
                return Err(BodyError::TooLarge);
            }
            whole.extend_from_slice(&data);
        }
        Ok(Bytes::from(whole))
    };
    timeout(limit, read).await.unwrap_or(Err(BodyError::TooSlow(limit)))
}

/// Discards the rest of a body that was answered before it was read.
///
/// Closing a connection with unread bytes resets it, and the client, still sending, would not see
/// why it was refused.
pub(super) async fn discard<B>(mut body: B)
where
    B: Body<Data = Bytes> + Unpin,
{
    let discard = async {
        let mut left = MOST_DISCARDED;
        while let Some(Ok(frame)) = body.frame().await {
            let taken = frame.data_ref().map_or(0, Bytes::len);
            let Some(rest) = left.checked_sub(taken) else { break };
            left = rest;
        }
    };
    drop(timeout(DISCARD_TIME, discard).await);
}
