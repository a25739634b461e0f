//! `GET /metrics`: what was counted as it happened, and what the snapshot and the targets say now.

mod bridge;

pub(super) mod format;

mod inverters;

mod meters;

mod page;

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::registry::Registry;

use self::format::Format;
use self::page::Page;
use super::Api;
use super::respond::{self, Response};
use crate::snapshot::Snapshot;
use crate::snapshot::health::is_healthy;
use crate::targets::TargetStatus;
use crate::telemetry::metrics::PREFIX;
use hyper::StatusCode;

/// `GET /metrics`.
pub(super) fn page(api: &Api, format: Format) -> Response {
    let mut text = String::new();
    match write(api, &mut text) {
        Ok(()) => respond::figures(format.content_type(), format.of(text)),
        Err(fmt::Error) => {
            respond::problem(StatusCode::INTERNAL_SERVER_ERROR, "the figures cannot be written")
        }
    }
}

fn write(api: &Api, text: &mut String) -> fmt::Result {
    api.metrics.write(text)?;
    let snapshot = api.snapshot.latest();
    let is_healthy = is_healthy(snapshot.dtus(), api.clock.now());
    let targets = api.targets.statuses();
    let mut registry = Registry::with_prefix(PREFIX);
    registry.register_collector(Box::new(Present { snapshot, is_healthy, targets }));
    encode_registry(text, &registry)?;
    encode_eof(text)
}

/// What is so at the moment of a scrape.
#[derive(Debug)]
struct Present {
    snapshot: Arc<Snapshot>,
    is_healthy: bool,
    targets: Vec<TargetStatus>,
}

impl Collector for Present {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page::new(encoder);
        bridge::write(&mut page, &self.snapshot, self.is_healthy)?;
        bridge::write_dtus(&mut page, &self.snapshot)?;
        bridge::write_targets(&mut page, &self.targets)?;
        inverters::write(&mut page, &self.snapshot)?;
        inverters::write_ports(&mut page, &self.snapshot)?;
        meters::write(&mut page, &self.snapshot)
    }
}
