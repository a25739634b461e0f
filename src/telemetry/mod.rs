//! What the bridge tells about itself: figures for Prometheus.

pub mod metrics;
