//! How an attempt comes along, stage by stage, for whoever wants to tell it.

use std::net::SocketAddr;
use std::time::Duration;

/// A stage that an attempt has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passed<'a> {
    /// The name has these addresses.
    Name(&'a [SocketAddr]),
    /// This address accepted the connection.
    Tcp(SocketAddr),
    /// TLS is spoken, and the certificate is trusted.
    Tls,
    /// The other side speaks WebSocket.
    Upgrade,
    /// It sends us to this place, and everything begins again there.
    Redirected(&'a str),
}

/// Who is told how an attempt comes along. `()` does not care.
pub trait Progress: Send {
    /// A stage was passed, and took so long.
    fn passed(&mut self, stage: Passed<'_>, took: Duration);
}

impl Progress for () {
    fn passed(&mut self, _stage: Passed<'_>, _took: Duration) {}
}
