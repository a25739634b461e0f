//! What the bridge tells about itself: its log, and figures for Prometheus.

pub mod metrics;

pub mod logging;

pub mod quota;

#[cfg(test)]
pub(crate) mod heard;
