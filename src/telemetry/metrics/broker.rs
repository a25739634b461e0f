//! The figures of the connection to the MQTT broker. Absent while MQTT is off.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// The figures of all brokers.
#[derive(Clone, Debug, Default)]
pub(super) struct Figures {
    connected: Family<Labels, Gauge>,
    connections: Family<Labels, Counter>,
    messages: Family<Labels, Counter>,
    failures: Family<FailureLabels, Counter>,
}

impl Figures {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "mqtt_connected",
            "Whether the MQTT broker is connected and has accepted the bridge",
            self.connected.clone(),
        );
        registry.register(
            "mqtt_connections",
            "Times that the MQTT broker accepted the bridge",
            self.connections.clone(),
        );
        registry.register(
            "mqtt_messages_published",
            "Messages that were published, and acknowledged unless mqtt.qos is 0",
            self.messages.clone(),
        );
        registry.register(
            "mqtt_failures",
            "Attempts and connections to the MQTT broker that ended, by cause",
            self.failures.clone(),
        );
    }
}

/// The figures of one broker.
#[derive(Clone, Debug)]
pub struct BrokerFigures {
    figures: Figures,
    labels: Labels,
}

impl BrokerFigures {
    pub(super) fn new(figures: &Figures, broker: String) -> Self {
        let labels = Labels { broker };
        // All are there from the start on, so that a rate sees the first of each.
        figures.connected.get_or_create(&labels).set(0);
        drop(figures.connections.get_or_create(&labels));
        drop(figures.messages.get_or_create(&labels));
        Self { figures: figures.clone(), labels }
    }

    /// Those of the broker at another place, at zero.
    #[must_use]
    pub fn at(&self, place: String) -> Self {
        Self::new(&self.figures, place)
    }

    /// The broker has accepted us.
    pub fn connected(&self) {
        self.figures.connected.get_or_create(&self.labels).set(1);
        self.figures.connections.get_or_create(&self.labels).inc();
    }

    /// An attempt or the connection ended; `cause` is a word of ours.
    pub fn failed(&self, cause: &'static str) {
        self.figures.connected.get_or_create(&self.labels).set(0);
        let labels = FailureLabels { broker: self.labels.broker.clone(), cause };
        self.figures.failures.get_or_create(&labels).inc();
    }

    /// So many messages were published.
    pub fn published(&self, messages: usize) {
        let count = u64::try_from(messages).unwrap_or(u64::MAX);
        self.figures.messages.get_or_create(&self.labels).inc_by(count);
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    broker: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FailureLabels {
    broker: String,
    cause: &'static str,
}

#[cfg(test)]
mod tests {
    use super::super::Metrics;
    use super::super::tests::check;

    #[test]
    fn a_broker_is_connected_until_its_connection_ends() {
        let metrics = Metrics::new();
        let broker = metrics.broker("10.0.0.2:1883".to_owned());
        let connected = |value: u8, times: u8| {
            check(
                &metrics,
                &[
                    &format!(r#"hoymiles_mqtt_connected{{broker="10.0.0.2:1883"}} {value}"#),
                    &format!(
                        r#"hoymiles_mqtt_connections_total{{broker="10.0.0.2:1883"}} {times}"#
                    ),
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
