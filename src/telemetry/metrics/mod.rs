//! The counters and histograms that the rooms feed, registered once, by their names for Prometheus.

mod broker;

use std::fmt;
use std::sync::Arc;

use prometheus_client::encoding::text::encode_registry;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

pub use self::broker::BrokerFigures;

/// What each name begins with.
pub const PREFIX: &str = "hoymiles";

/// From one port of a quick DTU to a large plant behind a slow one, which takes a minute.
const POLL_SECONDS: Buckets = Buckets(&[0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0]);

/// Most answers are in memory; a registration waits for the disk and for a name server.
const REQUEST_SECONDS: Buckets = Buckets(&[0.000_1, 0.000_5, 0.001, 0.005, 0.025, 0.1, 0.5, 2.5]);

/// The figures that are counted as things happen. Cheap to clone; all clones count together.
///
/// Labels are names from the configuration or words of ours, so that no stranger can make more.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    registry: Registry,
    polls: Family<PollLabels, Counter>,
    poll_seconds: Family<DtuLabel, Histogram, Buckets>,
    readings_refused: Family<DtuLabel, Counter>,
    http_requests: Family<RequestLabels, Counter>,
    http_seconds: Family<RouteLabel, Histogram, Buckets>,
    http_connections: Gauge,
    http_connections_refused: Counter,
    brokers: broker::Figures,
}

impl Metrics {
    /// All figures at zero.
    pub fn new() -> Self {
        let mut inner = Inner {
            registry: Registry::with_prefix(PREFIX),
            polls: Family::default(),
            poll_seconds: Family::new_with_constructor(POLL_SECONDS),
            readings_refused: Family::default(),
            http_requests: Family::default(),
            http_seconds: Family::new_with_constructor(REQUEST_SECONDS),
            http_connections: Gauge::default(),
            http_connections_refused: Counter::default(),
            brokers: broker::Figures::default(),
        };
        inner.register_dtu_figures();
        inner.register_http_figures();
        inner.brokers.register(&mut inner.registry);
        Self(Arc::new(inner))
    }

    /// A poll of `dtu` ended, which took the DTU so many `seconds`.
    pub fn poll_finished(&self, dtu: &str, succeeded: bool, seconds: f64) {
        for outcome in [Outcome::Succeeded, Outcome::Failed] {
            // Both are there from the first poll on, so that a rate sees the first failure.
            let polls = self.0.polls.get_or_create_owned(&PollLabels { dtu: dtu.into(), outcome });
            polls.inc_by(u64::from((outcome == Outcome::Succeeded) == succeeded));
        }
        self.0.poll_seconds.get_or_create(&DtuLabel { dtu: dtu.into() }).observe(seconds);
    }

    /// The ledger refused `count` readings of `dtu`.
    pub fn readings_refused(&self, dtu: &str, count: u64) {
        self.0.readings_refused.get_or_create(&DtuLabel { dtu: dtu.into() }).inc_by(count);
    }

    /// An HTTP request was answered, `seconds` after its header was there.
    pub fn http_request(
        &self,
        route: &'static str,
        method: &'static str,
        status: u16,
        seconds: f64,
    ) {
        self.0.http_requests.get_or_create(&RequestLabels { route, method, status }).inc();
        self.0.http_seconds.get_or_create(&RouteLabel { route }).observe(seconds);
    }

    /// An HTTP connection was opened.
    pub fn http_connection_opened(&self) {
        self.0.http_connections.inc();
    }

    /// An HTTP connection that was opened before is closed.
    pub fn http_connection_closed(&self) {
        self.0.http_connections.dec();
    }

    /// An HTTP connection was closed because too many were open.
    pub fn http_connection_refused(&self) {
        self.0.http_connections_refused.inc();
    }

    /// The figures of the MQTT broker at this place, at zero.
    pub fn broker(&self, place: String) -> BrokerFigures {
        BrokerFigures::new(&self.0.brokers, place)
    }

    /// Appends all of them to `text` in the `OpenMetrics` format, without the closing `# EOF`.
    pub fn write(&self, text: &mut String) -> fmt::Result {
        encode_registry(text, &self.0.registry)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Inner {
    fn register_dtu_figures(&mut self) {
        let registry = &mut self.registry;
        registry.register("polls", "Polls of a DTU that ended, by outcome", self.polls.clone());
        registry.register_with_unit(
            "poll_duration",
            "Time that a DTU took for a poll, without the pauses that the bridge makes for it",
            Unit::Seconds,
            self.poll_seconds.clone(),
        );
        registry.register(
            "readings_refused",
            "Energy readings that were refused as implausible",
            self.readings_refused.clone(),
        );
    }

    fn register_http_figures(&mut self) {
        let registry = &mut self.registry;
        registry.register("http_requests", "HTTP requests answered", self.http_requests.clone());
        registry.register_with_unit(
            "http_request_duration",
            "Time from an HTTP request's header to its answer",
            Unit::Seconds,
            self.http_seconds.clone(),
        );
        registry.register(
            "http_connections",
            "HTTP connections that are open",
            self.http_connections.clone(),
        );
        registry.register(
            "http_connections_refused",
            "HTTP connections closed because too many were open",
            self.http_connections_refused.clone(),
        );
        let build = Family::<BuildLabels, Gauge>::default();
        build.get_or_create(&BuildLabels { version: env!("CARGO_PKG_VERSION") }).set(1);
        registry.register("build_info", "Version of the bridge that runs, always 1", build);
    }
}

/// The upper bounds of a histogram's buckets in seconds.
#[derive(Clone, Copy, Debug)]
struct Buckets(&'static [f64]);

impl MetricConstructor<Histogram> for Buckets {
    fn new_metric(&self) -> Histogram {
        Histogram::new(self.0.iter().copied())
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DtuLabel {
    dtu: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PollLabels {
    dtu: String,
    outcome: Outcome,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Outcome {
    Succeeded,
    Failed,
}

impl EncodeLabelValue for Outcome {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
        }
        .encode(encoder)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    route: &'static str,
    method: &'static str,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabel {
    route: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BuildLabels {
    version: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    pub(super) fn check(metrics: &Metrics, lines: &[&str]) {
        let mut text = String::new();
        metrics.write(&mut text).unwrap();
        for line in lines {
            assert!(text.lines().any(|there| there == *line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn both_outcomes_of_a_poll_are_there_from_the_first_on() {
        let metrics = Metrics::new();
        metrics.poll_finished("House", true, 0.3);
        check(
            &metrics,
            &[
                r#"hoymiles_polls_total{dtu="House",outcome="succeeded"} 1"#,
                r#"hoymiles_polls_total{dtu="House",outcome="failed"} 0"#,
                r#"hoymiles_poll_duration_seconds_bucket{le="0.25",dtu="House"} 0"#,
                r#"hoymiles_poll_duration_seconds_bucket{le="0.5",dtu="House"} 1"#,
            ],
        );
    }

    #[test]
    fn clones_count_together() {
        let metrics = Metrics::new();
        metrics.readings_refused("House", 37);
        metrics.clone().readings_refused("House", 3);
        metrics.http_request("/ready", "GET", 200, 0.0002);
        metrics.http_connection_opened();
        metrics.http_connection_opened();
        metrics.http_connection_closed();
        metrics.http_connection_refused();
        check(
            &metrics,
            &[
                r#"hoymiles_readings_refused_total{dtu="House"} 40"#,
                r#"hoymiles_http_requests_total{route="/ready",method="GET",status="200"} 1"#,
                "hoymiles_http_connections 1",
                "hoymiles_http_connections_refused_total 1",
                concat!(r#"hoymiles_build_info{version=""#, env!("CARGO_PKG_VERSION"), r#""} 1"#),
            ],
        );
    }
}
