//! Writes figures from tables: a row is a name, a help text, and where the value is found.

use std::fmt;

use jiff::Timestamp;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

/// One figure of a `T`. The name carries the unit, as Prometheus recommends; that of a counter is
/// without `_total`, which the encoder appends.
pub(super) struct Figure<T> {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) value: Value<T>,
}

/// Where the value is found. What is not known is left out: 0 would be a claim.
pub(super) enum Value<T> {
    Gauge(fn(&T) -> Option<f64>),
    Counter(fn(&T) -> Option<u64>),
}

impl<T> Value<T> {
    const fn kind(&self) -> MetricType {
        match self {
            Self::Gauge(_) => MetricType::Gauge,
            Self::Counter(_) => MetricType::Counter,
        }
    }

    fn is_known(&self, thing: &T) -> bool {
        match self {
            Self::Gauge(value) => value(thing).is_some(),
            Self::Counter(value) => value(thing).is_some(),
        }
    }

    fn encode(&self, thing: &T, encoder: &mut MetricEncoder<'_>) -> fmt::Result {
        match self {
            Self::Gauge(value) => value(thing).map_or(Ok(()), |value| encoder.encode_gauge(&value)),
            Self::Counter(value) => value(thing).map_or(Ok(()), |value| {
                encoder.encode_counter::<NoLabelSet, u64, u64>(&value, None)
            }),
        }
    }
}

/// What tells one thing from another: name and value of each label.
pub(super) type Labels = Vec<(&'static str, String)>;

/// The page of figures.
#[derive(Debug)]
pub(super) struct Page<'a>(DescriptorEncoder<'a>);

impl<'a> Page<'a> {
    /// An empty page.
    pub(super) const fn new(encoder: DescriptorEncoder<'a>) -> Self {
        Self(encoder)
    }

    /// Writes all `figures` of all `things`.
    pub(super) fn write<T>(
        &mut self,
        figures: &[Figure<T>],
        things: &[(Labels, &T)],
    ) -> fmt::Result {
        figures.iter().try_for_each(|figure| self.write_one(figure, things))
    }

    fn write_one<T>(&mut self, figure: &Figure<T>, things: &[(Labels, &T)]) -> fmt::Result {
        if !things.iter().any(|(_, thing)| figure.value.is_known(thing)) {
            return Ok(());
        }
        let kind = figure.value.kind();
        let mut family = self.0.encode_descriptor(figure.name, figure.help, None, kind)?;
        for (labels, thing) in things {
            if labels.is_empty() {
                figure.value.encode(thing, &mut family)?;
            } else {
                figure.value.encode(thing, &mut family.encode_family(labels)?)?;
            }
        }
        Ok(())
    }
}

/// Seconds since 1970, as Prometheus wants a time.
pub(super) fn seconds(at: Timestamp) -> f64 {
    at.duration_since(Timestamp::UNIX_EPOCH).as_secs_f64()
}
