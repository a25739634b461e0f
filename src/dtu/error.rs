//! Why asking a DTU failed, sorted by what the caller does about it.

use std::io;
use std::time::Duration;

use thiserror::Error;

/// Why asking a DTU failed. The texts say the cause and the cure.
#[derive(Debug, Error)]
pub enum DtuError {
    /// The host name has no address: the link is dialled again.
    #[error("the name {host} could not be resolved ({source}); check `host` and the DNS server")]
    Name {
        /// As configured.
        host: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// Nobody home: the link is dropped and dialled again.
    #[error("{address} cannot be reached ({source}); {cure}")]
    Unreachable {
        /// Host and port.
        address: String,
        /// What the operating system said.
        source: io::Error,
        /// What to look at.
        cure: &'static str,
    },
    /// Connecting took too long: the link is dialled again.
    #[error(
        "{address} did not accept a connection within {limit:?}; is it switched on and in this network?"
    )]
    ConnectTimeout {
        /// Host and port.
        address: String,
        /// The time limit.
        limit: Duration,
    },
    /// No answer in time: the link is dropped, since the next answer may belong to this request.
    #[error(
        "the DTU accepted the connection but did not answer within {0:?}; another program may be using it"
    )]
    Timeout(Duration),
    /// The DTU hung up: the link is dialled again.
    #[error("the DTU closed the connection ({0}); another program may be using it")]
    Closed(io::Error),
    /// The DTU understood and said no: the link is kept.
    #[error("the DTU refused the request (exception code {0}); is `unit_id` right?")]
    Refused(u8),
    /// The DTU has not built its list of ports yet: asked again at the next poll.
    #[error("the DTU has not mapped its inverters yet; it does so some minutes after its start")]
    NotMapped,
    /// Bytes that are not the protocol: the link is dropped, since framing is lost.
    #[error("the DTU sent a malformed answer: {0}")]
    Malformed(String),
    /// The answer was encrypted with another key, or is not the DTU's: what the bridge knows of the
    /// DTU's encryption is out of date and is asked for again.
    #[error("the DTU's answer could not be decrypted; it may have restarted just now")]
    Unauthentic,
}
