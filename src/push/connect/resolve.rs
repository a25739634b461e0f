//! From a name to addresses.

use std::net::{IpAddr, SocketAddr};

use tokio::net::lookup_host;

use crate::push::failure::Failure;
use crate::targets::endpoint::Endpoint;

/// More addresses than this are not tried: a name server may list thousands.
const MOST_ADDRESSES: usize = 16;

/// The addresses of the target's host, in the system's order of preference.
///
/// All of them are checked against the rule for registered targets, so none is left out before.
pub(super) async fn addresses(endpoint: &Endpoint) -> Result<Vec<SocketAddr>, Failure> {
    let (host, port) = (endpoint.host(), endpoint.port());
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let unknown = |detail: String| Failure::NameUnknown { host: host.clone(), detail };
    let found = lookup_host((host.as_str(), port)).await;
    let mut found: Vec<SocketAddr> = found.map_err(|error| unknown(plain(&error)))?.collect();
    found.dedup();
    found.truncate(MOST_ADDRESSES);
    if found.is_empty() { Err(unknown("it has no address".to_owned())) } else { Ok(found) }
}

/// Without the preamble that the standard library puts before the system's words.
fn plain(error: &std::io::Error) -> String {
    let text = error.to_string();
    let preamble = "failed to lookup address information: ";
    text.strip_prefix(preamble).unwrap_or(&text).to_lowercase()
}
