//! What a client may take: connections, time, bytes.

use std::time::Duration;

use crate::config::HttpConfig;

/// The body of a registration is a URL and a name; this is far more than either may be.
const BODY_BYTES: usize = 64 * 1024;

/// What a client may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How many connections are open at once.
    pub max_connections: usize,
    /// For the header of a request, and for the pause before it on a connection that is kept.
    pub header_timeout: Duration,
    /// Of the header of a request.
    pub header_bytes: usize,
    /// Lines of the header of a request.
    pub headers: usize,
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
            header_bytes: config.max_header_bytes,
            headers: config.max_headers,
            body_bytes: BODY_BYTES,
            body_timeout: config.body_timeout,
            write_timeout: config.write_timeout,
            stall_time: config.stall_timeout,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_is_that_of_the_configuration() {
        let config = HttpConfig {
            max_connections: 1,
            header_timeout: Duration::from_secs(2),
            max_header_bytes: 3,
            max_headers: 4,
            body_timeout: Duration::from_secs(5),
            write_timeout: Duration::from_secs(6),
            stall_timeout: Duration::from_secs(7),
            ..HttpConfig::default()
        };
        let limits = Limits::from(&config);
        let times = [limits.header_timeout, limits.body_timeout, limits.write_timeout];
        assert_eq!(times.map(|time| time.as_secs()), [2, 5, 6]);
        assert_eq!(limits.stall_time.as_secs(), 7);
        assert_eq!([limits.max_connections, limits.header_bytes, limits.headers], [1, 3, 4]);
        assert_eq!(limits.body_bytes, 65_536);
    }
}
