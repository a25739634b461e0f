//! Helpers shared by the integration tests.

pub(crate) mod bridge;
pub(crate) mod broker;
pub(crate) mod log;
pub(crate) mod namespace;
pub(crate) mod pipeline;
pub(crate) mod plant;
pub(crate) mod simulated;
pub(crate) mod target;

use std::io::Write as _;
use std::time::Duration;

/// No event takes longer than this on a slow machine; a test that waits longer has failed.
pub(crate) const GUARD: Duration = Duration::from_secs(30);

/// Waits for `event`, at most for the guard time.
pub(crate) async fn within_guard<T>(what: &str, event: impl Future<Output = T>) -> T {
    tokio::time::timeout(GUARD, event)
        .await
        .unwrap_or_else(|_| panic!("no {what} within {GUARD:?}"))
}

/// An HTTP client.
pub(crate) fn client() -> reqwest::Client {
    reqwest::Client::new()
}

/// Prints a line even if the test passes, for example that it was skipped.
pub(crate) fn print(text: &str) {
    drop(writeln!(std::io::stderr(), "{text}"));
}
