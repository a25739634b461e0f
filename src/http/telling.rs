//! Which requests the log tells of: all of normal use, and not all of a flood.

use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::http::request::Parts;
use tokio::time::{Instant, interval_at};
use tracing::{Level, enabled, info, warn};

use super::answer::is_reading;
use super::router::is_api;
use crate::telemetry::quota::{Quota, Untold};

/// How often it is told how many requests were not.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// What of each client is told.
#[derive(Debug)]
pub(super) struct Telling {
    quota: Mutex<Quota<Kind>>,
}

/// Whose requests: a client that polls in a hurry must not hide why it cannot register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Kind {
    client: IpAddr,
    is_reading: bool,
}

impl Telling {
    /// Nobody has asked anything yet.
    pub(super) fn new() -> Self {
        Self { quota: Mutex::new(Quota::new(Instant::now())) }
    }

    /// Whether the lines that this request causes are to be logged.
    pub(super) fn admits(&self, request: &Parts, peer: IpAddr) -> bool {
        let is_reading = is_reading(&request.method);
        // What causes no line takes no share.
        let is_logged = match (is_api(request.uri.path()), is_reading) {
            (false, _) => enabled!(Level::DEBUG),
            (true, true) => enabled!(Level::INFO),
            (true, false) => enabled!(Level::WARN),
        };
        let kind = Kind { client: peer.to_canonical(), is_reading };
        !is_logged || self.quota().admits(kind, Instant::now())
    }

    /// Tells now and then how much was not told.
    pub(super) async fn tell_now_and_then(&self) {
        let mut times = interval_at(Instant::now() + TELL_EVERY, TELL_EVERY);
        loop {
            times.tick().await;
            self.tell_rest();
        }
    }

    /// Tells how much was not told since the last time.
    pub(super) fn tell_rest(&self) {
        let rest = self.quota().untold();
        for Untold { who, count } in rest {
            match who {
                Some(Kind { client, is_reading: true }) => {
                    info!("[API Request] {count} more requests from {client} were not logged");
                }
                Some(Kind { client, is_reading: false }) => warn!(
                    "[API Request] {count} more POST and DELETE requests from {client} were not \
                     logged, nor the [WebSocket] lines of them"
                ),
                None => info!("[API Request] {count} more requests from others were not logged"),
            }
        }
    }

    fn quota(&self) -> MutexGuard<'_, Quota<Kind>> {
        self.quota.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
