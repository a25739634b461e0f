//! The HTTP client for the bridge that runs on this machine.

use std::time::Duration;

use reqwest::Client;

pub(super) use crate::net::http::{BodyError, read_body as body};

/// Limit for one answer, including its body.
pub(super) const LIMIT: Duration = Duration::from_secs(5);
/// `/health` and `/ready` are far smaller, in bytes.
pub(super) const SMALL: usize = 1 << 20;

/// A new client.
pub(super) fn client() -> reqwest::Result<Client> {
    crate::net::http::client(LIMIT).build()
}
