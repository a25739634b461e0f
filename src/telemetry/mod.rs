//! What the bridge reports about itself: its log, and metrics for Prometheus.

pub mod logging;

pub mod metrics;
pub mod recent;

#[cfg(test)]
pub(crate) mod captured;
