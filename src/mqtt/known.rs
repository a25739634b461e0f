//! The broker as far as it is known: where it is, how to log in, who said so, and its figures.

use super::failure::{Failure, Source};
use crate::addon::SupervisorClient;
use crate::config::MqttConfig;
use crate::telemetry::metrics::BrokerMetrics;

/// The broker that is dialled.
#[derive(Debug)]
pub(super) struct KnownBroker {
    config: MqttConfig,
    /// Who told it, if not the owner: its password may be another one by now.
    adviser: Option<SupervisorClient>,
    has_failed: bool,
    figures: BrokerMetrics,
}

impl KnownBroker {
    pub(super) const fn new(
        config: MqttConfig,
        adviser: Option<SupervisorClient>,
        figures: BrokerMetrics,
    ) -> Self {
        Self { config, adviser, has_failed: false, figures }
    }

    /// After an attempt that failed, asks who told it for what is right now; without an answer all
    /// stays as it is.
    pub(super) async fn look_for_news(&mut self) {
        let Some(adviser) = self.adviser.as_mut().filter(|_| self.has_failed) else { return };
        let Some(config) = adviser.changed(&self.config).await else { return };
        if config.place() != self.config.place() {
            self.figures = self.figures.at(config.place());
        }
        self.config = config;
    }

    pub(super) const fn config(&self) -> &MqttConfig {
        &self.config
    }

    pub(super) const fn source(&self) -> Source {
        if self.adviser.is_some() { Source::Supervisor } else { Source::Owner }
    }

    pub(super) fn figures(&self) -> BrokerMetrics {
        self.figures.clone()
    }

    /// It has accepted us.
    pub(super) fn connected(&mut self) {
        self.has_failed = false;
        self.figures.connected();
    }

    /// An attempt failed.
    pub(super) fn failed(&mut self, failure: &Failure) {
        self.has_failed = true;
        self.figures.failed(failure.label());
    }

    /// The connection ended.
    pub(super) fn lost(&self, failure: &Failure) {
        self.figures.failed(failure.label());
    }
}
