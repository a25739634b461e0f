//! What a client may take: connections, time, bytes.

use std::time::Duration;

use crate::config::HttpConfig;

/// The body of a registration is a URL and a name; this is far more than either may be.
const BODY_BYTES: usize = 64 * 1024;
/// A body of that size over the slowest of home networks.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// A client that takes nothing for so long is not reading any more.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// Longer than a home network takes for what is on its way.
const STALL_TIME: Duration = Duration::from_millis(100);

/// What a client may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How many connections are open at once.
    pub max_connections: usize,
    /// For the header of a request, and for the pause before it on a connection that is kept.
    pub header_timeout: Duration,
    /// Of a request.
    pub body_bytes: usize,
    /// For the whole body of a request.
    pub body_timeout: Duration,
    /// How long a client may take nothing of an answer.
    pub write_timeout: Duration,
    /// How long a client may hold up its own request or answer before it makes room for a newcomer
    /// that finds all connections taken.
    pub stall_time: Duration,
}

impl From<&HttpConfig> for Limits {
    fn from(config: &HttpConfig) -> Self {
        Self {
            max_connections: config.max_connections,
            header_timeout: config.header_timeout,
            body_bytes: BODY_BYTES,
            body_timeout: BODY_TIMEOUT,
            write_timeout: WRITE_TIMEOUT,
            stall_time: STALL_TIME,
        }
    }
}
