//! Counters and histograms that the modules update as things happen.

use std::sync::Arc;

use prometheus::core::Collector;
use prometheus::proto::MetricFamily;
use prometheus::{
    HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};

/// What each name begins with.
pub const PREFIX: &str = "hoymiles";

/// In seconds: from one port of a quick DTU to a large plant behind a slow one.
const POLL_BUCKETS: [f64; 10] = [0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0];
/// In seconds: most answers are in memory; a registration waits for disk and name server.
const REQUEST_BUCKETS: [f64; 8] = [0.000_1, 0.000_5, 0.001, 0.005, 0.025, 0.1, 0.5, 2.5];

/// All counters. Cheap to clone; all clones count together.
///
/// Label values are names from the configuration or constants, so that no client can add series.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    registry: Registry,
    polls: IntCounterVec,
    poll_seconds: HistogramVec,
    readings_refused: IntCounterVec,
    http_requests: IntCounterVec,
    http_seconds: HistogramVec,
    http_connections: IntGauge,
    http_connections_refused: IntCounter,
    stream: StreamMetrics,
    mqtt_connected: IntGaugeVec,
    mqtt_connections: IntCounterVec,
    mqtt_messages: IntCounterVec,
    mqtt_failures: IntCounterVec,
}

impl Metrics {
    /// Everything at zero.
    pub fn new() -> Self {
        let registry = valid(Registry::new_custom(Some(PREFIX.to_owned()), None));
        let counters = |name: &str, labels: &[&str], help: &str| {
            registered(&registry, IntCounterVec::new(Opts::new(name, help), labels))
        };
        let gauges = |name: &str, labels: &[&str], help: &str| {
            registered(&registry, IntGaugeVec::new(Opts::new(name, help), labels))
        };
        let histograms = |name: &str, labels: &[&str], help: &str, buckets: &[f64]| {
            let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
            registered(&registry, HistogramVec::new(options, labels))
        };
        let build = gauges("build_info", &["version"], "Version of the running bridge, always 1.");
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        let polls = "Polls of a DTU that ended, by outcome.";
        let poll_seconds = "Time that a DTU took for a poll, without the bridge's own pauses.";
        let refused = "Energy readings that were refused as implausible.";
        let http_labels = ["route", "method", "status"];
        let http_seconds = "Time from an HTTP request's header to its answer.";
        let open = IntGauge::new("http_connections", "HTTP connections that are open.");
        let http_refused = IntCounter::new(
            "http_connections_refused_total",
            "HTTP connections refused because too many were open.",
        );
        let connected = "Whether the MQTT broker is connected and has accepted the bridge.";
        let connections = "Times that the MQTT broker accepted the bridge.";
        let messages = "Messages that were published, and acknowledged unless mqtt.qos is 0.";
        let failures = "Attempts and connections to the MQTT broker that ended, by cause.";
        Self(Arc::new(Inner {
            polls: counters("polls_total", &["dtu", "outcome"], polls),
            poll_seconds: histograms(
                "poll_duration_seconds",
                &["dtu"],
                poll_seconds,
                &POLL_BUCKETS,
            ),
            readings_refused: counters("readings_refused_total", &["dtu"], refused),
            http_requests: counters("http_requests_total", &http_labels, "HTTP requests answered."),
            http_seconds: histograms(
                "http_request_duration_seconds",
                &["route"],
                http_seconds,
                &REQUEST_BUCKETS,
            ),
            http_connections: registered(&registry, open),
            http_connections_refused: registered(&registry, http_refused),
            stream: StreamMetrics::new(&registry),
            mqtt_connected: gauges("mqtt_connected", &["broker"], connected),
            mqtt_connections: counters("mqtt_connections_total", &["broker"], connections),
            mqtt_messages: counters("mqtt_messages_published_total", &["broker"], messages),
            mqtt_failures: counters("mqtt_failures_total", &["broker", "cause"], failures),
            registry,
        }))
    }

    /// A poll of `dtu` ended, which took the DTU so many `seconds`.
    pub fn poll_finished(&self, dtu: &str, succeeded: bool, seconds: f64) {
        for (outcome, happened) in [("succeeded", succeeded), ("failed", !succeeded)] {
            // Both exist from the first poll on, so that `rate()` sees the first failure.
            let polls = self.0.polls.with_label_values(&[dtu, outcome]);
            polls.inc_by(u64::from(happened));
        }
        self.0.poll_seconds.with_label_values(&[dtu]).observe(seconds);
    }

    /// The ledger refused `count` readings of `dtu`.
    pub fn readings_refused(&self, dtu: &str, count: u64) {
        self.0.readings_refused.with_label_values(&[dtu]).inc_by(count);
    }

    /// An HTTP request was answered, `seconds` after its header was read.
    pub fn http_request(&self, route: &str, method: &str, status: &str, seconds: f64) {
        self.0.http_requests.with_label_values(&[route, method, status]).inc();
        self.0.http_seconds.with_label_values(&[route]).observe(seconds);
    }

    /// An HTTP connection was opened.
    pub fn http_connection_opened(&self) {
        self.0.http_connections.inc();
    }

    /// An HTTP connection was closed.
    pub fn http_connection_closed(&self) {
        self.0.http_connections.dec();
    }

    /// An HTTP connection was refused because too many were open.
    pub fn http_connection_refused(&self) {
        self.0.http_connections_refused.inc();
    }

    /// A client began to follow the live stream.
    pub fn stream_opened(&self, transport: &str) {
        self.0.stream.clients.with_label_values(&[transport]).inc();
    }

    /// A client stopped following the live stream.
    pub fn stream_closed(&self, transport: &str) {
        self.0.stream.clients.with_label_values(&[transport]).dec();
    }

    /// A message was sent to a client of the live stream, after so many skipped ones.
    pub fn stream_sent(&self, bytes: usize, skipped: u64) {
        self.0.stream.messages.inc();
        self.0.stream.bytes.inc_by(u64::try_from(bytes).unwrap_or(0));
        self.0.stream.skipped.inc_by(skipped);
    }

    /// A WebSocket of the live stream ended with this code. Codes that only a client can choose
    /// count together.
    pub fn stream_close(&self, code: u16) {
        let code = match code {
            1000 | 1001 | 1005 | 1006 | 1009 | 1013 | 4401 | 4429 => code.to_string(),
            _ => "other".to_owned(),
        };
        self.0.stream.closes.with_label_values(&[code.as_str()]).inc();
    }

    /// The metrics of the MQTT broker at `address`, at zero.
    pub fn broker(&self, address: String) -> BrokerMetrics {
        BrokerMetrics::new(Arc::clone(&self.0), address)
    }

    /// All of them as they are now.
    pub fn gather(&self) -> Vec<MetricFamily> {
        self.0.registry.gather()
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

#[derive(Debug)]
struct StreamMetrics {
    clients: IntGaugeVec,
    messages: IntCounter,
    bytes: IntCounter,
    skipped: IntCounter,
    closes: IntCounterVec,
}

impl StreamMetrics {
    fn new(registry: &Registry) -> Self {
        let counter = |name: &str, help: &str| registered(registry, IntCounter::new(name, help));
        let clients = Opts::new("stream_clients", "Clients that follow the live stream.");
        let closes = "WebSockets of the live stream that ended, by close code.";
        let closes = Opts::new("stream_closes_total", closes);
        Self {
            clients: registered(registry, IntGaugeVec::new(clients, &["transport"])),
            messages: counter(
                "stream_messages_total",
                "Messages sent to clients of the live stream.",
            ),
            bytes: counter("stream_bytes_total", "Bytes sent to clients of the live stream."),
            skipped: counter(
                "stream_skipped_total",
                "Messages that clients of the live stream skipped because they lagged.",
            ),
            closes: registered(registry, IntCounterVec::new(closes, &["code"])),
        }
    }
}

fn registered<C: Collector + Clone + 'static>(
    registry: &Registry,
    metric: prometheus::Result<C>,
) -> C {
    let metric = valid(metric);
    valid(registry.register(Box::new(metric.clone())));
    metric
}

#[expect(clippy::expect_used, reason = "names and labels are constants; any test finds a bad one")]
fn valid<T>(outcome: prometheus::Result<T>) -> T {
    outcome.expect("metric names are valid and unique")
}

/// The metrics of one MQTT broker. Absent while MQTT is off.
#[derive(Clone, Debug)]
pub struct BrokerMetrics {
    metrics: Arc<Inner>,
    address: String,
}

impl BrokerMetrics {
    fn new(metrics: Arc<Inner>, address: String) -> Self {
        // All exist from the start on, so that `rate()` sees the first of each.
        metrics.mqtt_connected.with_label_values(&[&address]).set(0);
        metrics.mqtt_connections.with_label_values(&[&address]).inc_by(0);
        metrics.mqtt_messages.with_label_values(&[&address]).inc_by(0);
        Self { metrics, address }
    }

    /// Those of the broker at another address, at zero.
    #[must_use]
    pub fn at(&self, address: String) -> Self {
        Self::new(Arc::clone(&self.metrics), address)
    }

    /// The broker has accepted the bridge.
    pub fn connected(&self) {
        self.metrics.mqtt_connected.with_label_values(&[&self.address]).set(1);
        self.metrics.mqtt_connections.with_label_values(&[&self.address]).inc();
    }

    /// An attempt or the connection ended.
    pub fn failed(&self, cause: &'static str) {
        self.metrics.mqtt_connected.with_label_values(&[&self.address]).set(0);
        self.metrics.mqtt_failures.with_label_values(&[self.address.as_str(), cause]).inc();
    }

    /// So many messages were published.
    pub fn published(&self, messages: usize) {
        let count = u64::try_from(messages).unwrap_or(u64::MAX);
        self.metrics.mqtt_messages.with_label_values(&[&self.address]).inc_by(count);
    }
}

#[cfg(test)]
mod tests {
    use prometheus::TextEncoder;

    use super::*;

    #[track_caller]
    fn check(metrics: &Metrics, lines: &[&str]) {
        let text = TextEncoder::new().encode_to_string(&metrics.gather()).unwrap();
        for line in lines {
            assert!(text.lines().any(|present| present == *line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn both_outcomes_of_a_poll_exist_after_the_first() {
        let metrics = Metrics::new();
        metrics.poll_finished("House", true, 0.3);
        check(
            &metrics,
            &[
                r#"hoymiles_polls_total{dtu="House",outcome="succeeded"} 1"#,
                r#"hoymiles_polls_total{dtu="House",outcome="failed"} 0"#,
                r#"hoymiles_poll_duration_seconds_bucket{dtu="House",le="0.25"} 0"#,
                r#"hoymiles_poll_duration_seconds_bucket{dtu="House",le="0.5"} 1"#,
            ],
        );
    }

    #[test]
    fn clones_count_together() {
        let metrics = Metrics::new();
        metrics.readings_refused("House", 37);
        metrics.clone().readings_refused("House", 3);
        metrics.http_request("/ready", "GET", "200", 0.0002);
        metrics.http_connection_opened();
        metrics.http_connection_opened();
        metrics.http_connection_closed();
        metrics.http_connection_refused();
        check(
            &metrics,
            &[
                r#"hoymiles_readings_refused_total{dtu="House"} 40"#,
                r#"hoymiles_http_requests_total{method="GET",route="/ready",status="200"} 1"#,
                "hoymiles_http_connections 1",
                "hoymiles_http_connections_refused_total 1",
                concat!(r#"hoymiles_build_info{version=""#, env!("CARGO_PKG_VERSION"), r#""} 1"#),
            ],
        );
    }

    #[test]
    fn a_broker_is_connected_until_its_connection_ends() {
        let metrics = Metrics::new();
        let broker = metrics.broker("10.0.0.2:1883".to_owned());
        let connected = |value: u8, times: u8| {
            let label = r#"broker="10.0.0.2:1883""#;
            check(
                &metrics,
                &[
                    &format!("hoymiles_mqtt_connected{{{label}}} {value}"),
                    &format!("hoymiles_mqtt_connections_total{{{label}}} {times}"),
                ],
            );
        };
        connected(0, 0);
        broker.failed("refused");
        broker.connected();
        connected(1, 1);
        broker.published(9);
        broker.published(1);
        broker.failed("closed");
        connected(0, 1);
        check(
            &metrics,
            &[
                r#"hoymiles_mqtt_messages_published_total{broker="10.0.0.2:1883"} 10"#,
                r#"hoymiles_mqtt_failures_total{broker="10.0.0.2:1883",cause="refused"} 1"#,
                r#"hoymiles_mqtt_failures_total{broker="10.0.0.2:1883",cause="closed"} 1"#,
            ],
        );
    }
}
