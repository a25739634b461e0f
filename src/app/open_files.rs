//! How many HTTP clients fit, so that everything else always finds a file descriptor.

use rustix::process::{Resource, getrlimit};
use tracing::warn;

use crate::config::{DtuConfig, HttpConfig, Protocol};

/// Of the process itself: its standard streams, runtime, signals, database, log and time zone, name
/// look-ups, mDNS, and a client that is about to be refused.
const OF_PROCESS: u64 = 32;
/// Of a broker, and of a DTU: the connection, and the next one while that is being closed.
const OF_CONNECTION: u64 = 2;
/// Of a simulated DTU, which has a listener and the other end of each connection, too.
const OF_SIMULATED: u64 = 5;
/// HTTP clients are never left with less than this part of all.
const LEAST_PART: u64 = 8;

/// Limits HTTP clients, those of the live stream included, to what the limit of open files leaves
/// beside DTUs, targets, broker and database.
pub(super) fn limit_clients(http: &mut HttpConfig, dtus: &[DtuConfig], targets: usize) {
    let Some(limit) = getrlimit(Resource::Nofile).current else { return };
    let most = most_clients(limit, http, dtus, targets);
    let (connections, stream) = shares(most, http.max_connections, http.max_stream_clients);
    if (connections, stream) != (http.max_connections, http.max_stream_clients) {
        warn!(
            "only {limit} files may be open: at most {connections} HTTP connections \
             (http.max_connections: {}) and {stream} clients of the live stream \
             (http.max_stream_clients: {}) are served at a time; raise that limit (ulimits: nofile \
             in docker-compose.yml)",
            http.max_connections, http.max_stream_clients
        );
        (http.max_connections, http.max_stream_clients) = (connections, stream);
    }
}

/// How many connections and how many clients of the live stream are possible, `most` together: each
/// may have half, and what the other one does not need.
fn shares(most: usize, connections: usize, stream: usize) -> (usize, usize) {
    let half = most.div_euclid(2);
    let connections = connections.min(half.max(most.saturating_sub(stream))).max(1);
    (connections, stream.min(most.saturating_sub(connections)).max(1))
}

fn most_clients(limit: u64, http: &HttpConfig, dtus: &[DtuConfig], targets: usize) -> usize {
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    let of_dtu = |dtu: &DtuConfig| match dtu.protocol {
        Protocol::Simulated => OF_SIMULATED,
        Protocol::Modbus | Protocol::Protobuf => OF_CONNECTION,
    };
    let reserved = dtus
        .iter()
        .map(of_dtu)
        .chain([OF_PROCESS, OF_CONNECTION, count(targets), count(http.registration.max_targets)])
        .fold(0, u64::saturating_add);
    let most = limit.saturating_sub(reserved).max(limit.div_euclid(LEAST_PART)).max(2);
    usize::try_from(most).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::RegistrationConfig;

    #[test]
    fn connections_leave_files_for_dtus_and_targets() {
        let http = HttpConfig::default();
        let dtus =
            [Protocol::Modbus, Protocol::Protobuf].map(|one| DtuConfig::new("A", one, "10.0.0.1"));
        assert_eq!(most_clients(1_024, &http, &[], 0), 974);
        assert_eq!(most_clients(1_024, &http, &dtus, 10), 960);
        assert_eq!(most_clients(64, &http, &[], 0), 14);
        assert_eq!(most_clients(16, &http, &dtus, 10), 2, "some must be possible");
        let registration = RegistrationConfig { max_targets: 1_000, ..http.registration.clone() };
        let many = HttpConfig { registration, ..http };
        assert_eq!(most_clients(1_024, &many, &[], 0), 128);
    }

    #[test]
    fn connections_and_stream_share_what_there_is() {
        assert_eq!(shares(2_000, 256, 1_000), (256, 1_000));
        assert_eq!(shares(974, 256, 1_000), (256, 718));
        assert_eq!(shares(974, 900, 100), (874, 100));
        assert_eq!(shares(14, 256, 1_000), (7, 7));
        assert_eq!(shares(2, 256, 1_000), (1, 1), "some must be possible");
    }
}
