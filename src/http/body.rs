//! Reads the body of a request within limits, and takes away what nobody wants to read.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::Body;
use thiserror::Error;
use tokio::time::timeout;

use super::Limits;

/// How much of an unwanted body is taken, and how long that may last.
const DRAINED_BYTES: usize = 1024 * 1024;
const DRAINING_TIME: Duration = Duration::from_secs(1);

/// Why there is no body. The texts are the answer to the client.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(super) enum BodyError {
    #[error("the body is larger than {0} bytes")]
    TooLarge(usize),
    #[error("the body did not come within {0:?}")]
    TooSlow(Duration),
    #[error("the body ended before its end")]
    CutShort,
}

/// The whole body. Ends as soon as it is clear that there is too much of it.
pub(super) async fn read<B>(body: &mut B, limits: &Limits) -> Result<Bytes, BodyError>
where
    B: Body<Data = Bytes> + Unpin,
{
    let limit = limits.body_bytes;
    if usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX) > limit {
        return Err(BodyError::TooLarge(limit));
    }
    timeout(limits.body_timeout, read_at_most(body, limit))
        .await
        .unwrap_or(Err(BodyError::TooSlow(limits.body_timeout)))
}

async fn read_at_most<B>(body: &mut B, limit: usize) -> Result<Bytes, BodyError>
where
    B: Body<Data = Bytes> + Unpin,
{
    let mut whole = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| BodyError::CutShort)?;
        let Ok(data) = frame.into_data() else { continue };
        if whole.len().saturating_add(data.len()) > limit {
            return Err(BodyError::TooLarge(limit));
        }
        whole.extend_from_slice(&data);
    }
    Ok(Bytes::from(whole))
}

/// Takes the rest of a body that was answered before it was read.
///
/// A connection that is closed over unread bytes is reset, and the client, still sending, would
/// never see why it was refused. A client that sends for ever is not waited for.
pub(super) async fn drain<B>(mut body: B)
where
    B: Body<Data = Bytes> + Unpin,
{
    let drained = async {
        let mut left = DRAINED_BYTES;
        while let Some(Ok(frame)) = body.frame().await {
            let taken = frame.data_ref().map_or(0, Bytes::len);
            let Some(rest) = left.checked_sub(taken) else { break };
            left = rest;
        }
    };
    // Whether all of it came makes no difference any more.
    drop(timeout(DRAINING_TIME, drained).await);
}
