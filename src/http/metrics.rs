//! `GET /metrics` in Prometheus' text format: the counters, and the plant and targets as they are now.

use jiff::Timestamp;
use prometheus::TextEncoder;
use prometheus::proto::{self, LabelPair, MetricFamily, MetricType};

use super::request::Context;
use super::respond::{self, Response};
use crate::entities::{Entity, State, Subject, of};
use crate::plant::meter::MeterPhase;
use crate::plant::model;
use crate::plant::units::{Amperes, MeterVolts, Watts};
use crate::snapshot::Snapshot;
use crate::snapshot::health::is_healthy;
use crate::snapshot::state::{DtuState, DtuStatus, InverterState, MeterState};
use crate::targets::TargetStatus;
use crate::telemetry::metrics::PREFIX;

/// One metric of a `T`. The name carries the unit, as Prometheus recommends.
struct Metric<T> {
    name: &'static str,
    help: &'static str,
    kind: MetricType,
    /// An unknown value is left out: 0 would be a claim.
    value: fn(&T) -> Option<f64>,
}

const fn gauge<T>(
    name: &'static str,
    help: &'static str,
    value: fn(&T) -> Option<f64>,
) -> Metric<T> {
    Metric { name, help, kind: MetricType::GAUGE, value }
}

const fn counter<T>(
    name: &'static str,
    help: &'static str,
    value: fn(&T) -> Option<f64>,
) -> Metric<T> {
    Metric { name, help, kind: MetricType::COUNTER, value }
}

/// A gauge whose labels are what it says.
const fn info<T>(name: &'static str, help: &'static str) -> Metric<T> {
    gauge(name, help, |_| Some(1.0))
}

const HEALTHY: [Metric<bool>; 1] = [gauge(
    "healthy",
    "Whether some DTU answered within its limit or is known to be asleep, as /ready says.",
    |is_healthy| Some(flag(*is_healthy)),
)];

const DTU: [Metric<DtuState>; 7] = [
    gauge(
        "dtu_up",
        "Whether the last poll of the DTU succeeded; absent before the first.",
        |dtu| match dtu.status {
            DtuStatus::Unknown => None,
            DtuStatus::Online => Some(1.0),
            DtuStatus::Asleep | DtuStatus::Error => Some(0.0),
        },
    ),
    gauge(
        "dtu_failures_in_a_row",
        "Polls of the DTU that failed since the last one that did not.",
        |dtu| Some(dtu.failing.map_or(0.0, |failing| number(failing.polls))),
    ),
    gauge(
        "dtu_failing_since_timestamp_seconds",
        "When the first of these polls failed; absent while the DTU answers.",
        |dtu| dtu.failing.map(|failing| seconds(failing.since)),
    ),
    gauge(
        "dtu_stale_since_timestamp_seconds",
        "Since when the DTU has repeated the same values; absent while they are new.",
        |dtu| dtu.stale_since.map(seconds),
    ),
    gauge(
        "dtu_listed_inverters",
        "Inverters that the last successful poll of the DTU listed.",
        |dtu| dtu.listed.map(|listed| size(listed.inverters)),
    ),
    gauge(
        "dtu_missing_inverters",
        "Inverters that the DTU has not listed for long, although it is day.",
        |dtu| Some(size(dtu.missing.len())),
    ),
    counter(
        "dtu_energy_watt_hours_total",
        "Energy of the DTU's panels in their lifetime; never falls, and an inverter that is added \
         adds no past.",
        |dtu| dtu.energy.total.map(|total| number(total.get())),
    ),
];

const DTU_STATUS: [Metric<DtuState>; 1] =
    [info("dtu_status", "How the DTU is: online, asleep, error or unknown.")];

const DTU_INFO: [Metric<DtuState>; 1] = [gauge(
    "dtu_info",
    "What the DTU reports about itself, always 1; absent before it does.",
    |dtu| (dtu.serial.is_some() || dtu.firmware.is_some()).then_some(1.0),
)];

const TARGET: [Metric<TargetStatus>; 5] = [
    gauge(
        "target_connected",
        "Whether the target is connected and has accepted the bridge.",
        |target| Some(flag(target.connected_since.is_some())),
    ),
    counter("target_connection_attempts_total", "Attempts to connect to the target.", |target| {
        Some(number(target.attempts))
    }),
    counter("target_updates_sent_total", "Updates that were sent to the target.", |target| {
        Some(number(target.updates_sent))
    }),
    counter(
        "target_updates_skipped_total",
        "Updates that were skipped because a newer one replaced them.",
        |target| Some(number(target.updates_skipped)),
    ),
    gauge(
        "target_last_sent_timestamp_seconds",
        "When the last update was sent to the target, in Unix time.",
        |target| target.last_sent_at.map(seconds),
    ),
];

const TARGET_STATE: [Metric<TargetStatus>; 1] =
    [info("target_state", "State of the connection to the target, always 1.")];

const TARGET_FAILURES: [Metric<u64>; 1] = [counter(
    "target_failures_total",
    "Attempts and connections to the target that ended, by cause.",
    |count| Some(number(*count)),
)];

const INVERTER_INFO: [Metric<InverterState>; 1] =
    [info("inverter_info", "What the inverter is and which DTU reads it, always 1.")];

const METER_PHASE: [Metric<MeterPhase>; 3] = [
    gauge("meter_phase_power_watts", "Power of the phase, signed as the meter's.", |phase| {
        phase.power.map(Watts::as_f64)
    }),
    gauge("meter_phase_voltage_volts", "Voltage of the phase to neutral.", |phase| {
        phase.voltage.map(MeterVolts::as_f64)
    }),
    gauge("meter_phase_current_amperes", "Current of the phase, never negative.", |phase| {
        phase.current.map(Amperes::as_f64)
    }),
];

const PHASES: [&str; 3] = ["A", "B", "C"];

pub(super) fn page(context: &Context) -> Response {
    let api = &context.api;
    let snapshot = api.snapshot.latest();
    let mut page = Page(api.metrics.gather());
    page.add(&HEALTHY, [(vec![], &is_healthy(snapshot.dtus(), api.clock.now()))]);
    page.add_entities(Subject::Bridge, [(vec![], State::Bridge(&snapshot))]);
    page.add_dtus(&snapshot);
    page.add_targets(&api.targets.statuses(&api.zone));
    page.add_inverters(&snapshot);
    page.add_meters(&snapshot);
    match TextEncoder::new().encode_to_string(&page.0) {
        Ok(text) => respond::metrics(text),
        Err(error) => respond::internal_error(&error),
    }
}

type Labels = Vec<(&'static str, String)>;

struct Page(Vec<MetricFamily>);

impl Page {
    fn add_dtus(&mut self, snapshot: &Snapshot) {
        let name = |dtu: &DtuState| ("dtu", dtu.name.to_string());
        self.add(&DTU, snapshot.dtus().map(|dtu| (vec![name(dtu)], dtu)));
        let dtus = snapshot.dtus().map(|dtu| (vec![name(dtu)], State::Dtu(dtu)));
        self.add_entities(Subject::Dtu, dtus);
        let status = |dtu: &DtuState| ("status", dtu.status.as_str().to_owned());
        self.add(&DTU_STATUS, snapshot.dtus().map(|dtu| (vec![name(dtu), status(dtu)], dtu)));
        self.add(
            &DTU_INFO,
            snapshot.dtus().map(|dtu| {
                let serial = dtu.serial.map(|serial| ("serial", serial.to_string()));
                let firmware = dtu.firmware.clone().map(|firmware| ("firmware", firmware));
                ([Some(name(dtu)), serial, firmware].into_iter().flatten().collect(), dtu)
            }),
        );
    }

    fn add_targets(&mut self, targets: &[TargetStatus]) {
        let name = |target: &TargetStatus| ("target", target.name.clone());
        self.add(&TARGET, targets.iter().map(|target| (vec![name(target)], target)));
        let state = |target: &TargetStatus| ("state", target.state.to_string());
        self.add(
            &TARGET_STATE,
            targets.iter().map(|target| (vec![name(target), state(target)], target)),
        );
        self.add(
            &TARGET_FAILURES,
            targets.iter().flat_map(|target| {
                let labels = move |cause: &str| vec![name(target), ("cause", cause.to_owned())];
                target.failures.iter().map(move |(cause, count)| (labels(cause), count))
            }),
        );
    }

    fn add_inverters(&mut self, snapshot: &Snapshot) {
        let serial = |inverter: &InverterState| ("serial", inverter.serial.to_string());
        self.add(
            &INVERTER_INFO,
            snapshot.inverters().map(|inverter| {
                let dtu = ("dtu", inverter.dtu_name.to_string());
                let model = model::name(inverter.serial, inverter.ports.len());
                let firmware = inverter.values.ac.firmware_version.clone();
                let optional = [model.map(|it| ("model", it)), firmware.map(|it| ("firmware", it))];
                let known = [serial(inverter), dtu].into_iter();
                (known.chain(optional.into_iter().flatten()).collect(), inverter)
            }),
        );
        let inverters = snapshot.inverters().map(|it| (vec![serial(it)], State::Inverter(it)));
        self.add_entities(Subject::Inverter, inverters);
        let ports = snapshot.inverters().flat_map(|inverter| {
            inverter.ports.iter().map(move |(number, port)| {
                (vec![serial(inverter), ("port", number.to_string())], State::Port(port))
            })
        });
        self.add_entities(Subject::Port, ports);
    }

    fn add_meters(&mut self, snapshot: &Snapshot) {
        let serial = |meter: &MeterState| ("serial", meter.reading.serial.to_string());
        let meters = snapshot.meters().map(|it| (vec![serial(it)], State::Meter(it)));
        self.add_entities(Subject::Meter, meters);
        self.add(
            &METER_PHASE,
            snapshot.meters().flat_map(|meter| {
                PHASES.iter().zip(&meter.reading.phases).map(move |(name, phase)| {
                    (vec![serial(meter), ("phase", (*name).to_owned())], phase)
                })
            }),
        );
    }

    /// Adds the metrics of these entities.
    fn add_entities<'a>(
        &mut self,
        subject: Subject,
        states: impl IntoIterator<Item = (Labels, State<'a>)>,
    ) {
        let states: Vec<(Vec<LabelPair>, State<'_>)> =
            states.into_iter().map(|(labels, state)| (label_pairs(labels), state)).collect();
        for entity in of(subject) {
            let Some(name) = entity.metric else { continue };
            let is_counter = name.ends_with("_total");
            let kind = if is_counter { MetricType::COUNTER } else { MetricType::GAUGE };
            let samples = states.iter().filter_map(|(labels, state)| {
                measured(entity, *state).map(|value| sample(kind, labels.clone(), value))
            });
            self.add_family(name, entity.about, kind, samples.collect());
        }
    }

    fn add<'a, T: 'a>(
        &mut self,
        metrics: &[Metric<T>],
        things: impl IntoIterator<Item = (Labels, &'a T)>,
    ) {
        let things: Vec<(Vec<LabelPair>, &T)> =
            things.into_iter().map(|(labels, thing)| (label_pairs(labels), thing)).collect();
        for metric in metrics {
            let samples = things.iter().filter_map(|(labels, thing)| {
                (metric.value)(thing).map(|value| sample(metric.kind, labels.clone(), value))
            });
            self.add_family(metric.name, metric.help, metric.kind, samples.collect());
        }
    }

    fn add_family(
        &mut self,
        name: &str,
        help: &str,
        kind: MetricType,
        samples: Vec<proto::Metric>,
    ) {
        if !samples.is_empty() {
            let mut family = MetricFamily::default();
            family.set_name(format!("{PREFIX}_{name}"));
            family.set_help(help.to_owned());
            family.set_field_type(kind);
            family.set_metric(samples);
            self.0.push(family);
        }
    }
}

/// The value of an entity in the unit of its metric: Prometheus counts shares from 0 to 1.
fn measured(entity: &Entity, state: State<'_>) -> Option<f64> {
    let value = entity.value(state)?.as_f64()?;
    let is_percent = entity.number().is_some_and(|number| number.unit == Some("%"));
    Some(if is_percent { value / 100.0 } else { value })
}

fn label_pairs(labels: Labels) -> Vec<LabelPair> {
    labels.into_iter().map(label_pair).collect()
}

fn label_pair((name, value): (&'static str, String)) -> LabelPair {
    let mut pair = LabelPair::default();
    pair.set_name(name.to_owned());
    pair.set_value(value);
    pair
}

fn sample(kind: MetricType, labels: Vec<LabelPair>, value: f64) -> proto::Metric {
    let mut sample = proto::Metric::from_label(labels);
    if kind == MetricType::COUNTER {
        let mut counter = proto::Counter::default();
        counter.set_value(value);
        sample.set_counter(counter);
    } else {
        let mut gauge = proto::Gauge::default();
        gauge.set_value(value);
        sample.set_gauge(gauge);
    }
    sample
}

/// Seconds since 1970, as Prometheus wants a time.
fn seconds(at: Timestamp) -> f64 {
    at.duration_since(Timestamp::UNIX_EPOCH).as_secs_f64()
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53, as all numbers in Prometheus")]
const fn number(count: u64) -> f64 {
    count as f64
}

fn size(count: usize) -> f64 {
    number(u64::try_from(count).unwrap_or(u64::MAX))
}

fn flag(is_set: bool) -> f64 {
    f64::from(u8::from(is_set))
}
