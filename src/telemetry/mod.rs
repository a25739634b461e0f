//! What the bridge reports about itself: its log, and metrics for Prometheus.

pub mod metrics;

pub mod logging;

#[cfg(test)]
pub(crate) mod heard;
