//! `GET /metrics` in Prometheus' text format: the counters, and the plant and targets as they are now.

use jiff::Timestamp;
use prometheus::TextEncoder;
use prometheus::proto::{self, LabelPair, MetricFamily, MetricType};

use super::request::Context;
use super::respond::{self, Response};
use crate::entities::Subject::{Bridge, Dtu, Inverter, Meter, Port};
use crate::entities::about;
use crate::plant::meter::MeterPhase;
use crate::plant::model;
use crate::plant::units::{
    Amperes, Celsius, Hertz, MeterVolts, Percent, PowerFactor, Vars, Volts, WattHours, Watts,
};
use crate::snapshot::Snapshot;
use crate::snapshot::health::is_healthy;
use crate::snapshot::state::{DtuState, DtuStatus, InverterState, MeterState, PortState};
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

const BRIDGE: [Metric<Snapshot>; 3] = [
    gauge("start_time_seconds", about(Bridge, "start_time"), |snapshot| {
        Some(seconds(snapshot.start().last_reported()))
    }),
    gauge("database_size_bytes", about(Bridge, "database_size_bytes"), |snapshot| {
        Some(number(snapshot.stats().database_size_bytes))
    }),
    gauge("inverters", about(Bridge, "inverters_count"), |snapshot| {
        Some(number(snapshot.stats().inverters_count))
    }),
];

const HEALTHY: [Metric<bool>; 1] =
    [gauge("healthy", about(Bridge, "healthy"), |is_healthy| Some(flag(*is_healthy)))];

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
    gauge("dtu_last_success_timestamp_seconds", about(Dtu, "last_successful_query"), |dtu| {
        dtu.last_success.map(seconds)
    }),
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
];

const DTU_STATUS: [Metric<DtuState>; 1] = [info("dtu_status", about(Dtu, "status"))];

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

const INVERTER: [Metric<InverterState>; 15] = [
    gauge("inverter_grid_voltage_volts", about(Inverter, "grid_voltage"), |inverter| {
        inverter.values.grid_voltage.map(Volts::as_f64)
    }),
    gauge("inverter_grid_frequency_hertz", about(Inverter, "grid_frequency"), |inverter| {
        inverter.values.grid_frequency.map(Hertz::as_f64)
    }),
    gauge("inverter_grid_current_amperes", about(Inverter, "current"), |inverter| {
        inverter.values.ac.current.map(Amperes::as_f64)
    }),
    gauge("inverter_active_power_watts", about(Inverter, "active_power"), |inverter| {
        inverter.values.ac.active_power.map(Watts::as_f64)
    }),
    gauge("inverter_reactive_power_vars", about(Inverter, "reactive_power"), |inverter| {
        inverter.values.ac.reactive_power.map(Vars::as_f64)
    }),
    gauge("inverter_power_factor_ratio", about(Inverter, "power_factor"), |inverter| {
        inverter.values.ac.power_factor.map(PowerFactor::as_f64)
    }),
    gauge("inverter_temperature_celsius", about(Inverter, "temperature"), |inverter| {
        inverter.values.temperature.map(Celsius::as_f64)
    }),
    gauge("inverter_power_limit_ratio", about(Inverter, "power_limit"), |inverter| {
        inverter.values.ac.power_limit.map(|limit| Percent::as_f64(limit) / 100.0)
    }),
    gauge("inverter_signal_ratio", about(Inverter, "signal"), |inverter| {
        inverter.values.ac.signal.map(|percent| f64::from(percent) / 100.0)
    }),
    gauge("inverter_link_status", about(Inverter, "link_status"), |inverter| {
        inverter.values.link_status.map(f64::from)
    }),
    gauge("inverter_operating_status", about(Inverter, "operating_status"), |inverter| {
        inverter.values.operating_status.map(f64::from)
    }),
    gauge("inverter_alarm_code", about(Inverter, "alarm_code"), |inverter| {
        inverter.values.alarm_code.map(f64::from)
    }),
    gauge("inverter_alarms", about(Inverter, "alarm_count"), |inverter| {
        inverter.values.alarm_count.map(f64::from)
    }),
    gauge("inverter_reading_timestamp_seconds", about(Inverter, "timestamp"), |inverter| {
        Some(seconds(inverter.timestamp))
    }),
    gauge("inverter_last_seen_timestamp_seconds", about(Inverter, "last_seen"), |inverter| {
        Some(seconds(inverter.last_seen))
    }),
];

const PORT: [Metric<PortState>; 6] = [
    gauge("port_pv_voltage_volts", about(Port, "pv_voltage"), |port| {
        port.reading.pv_voltage.map(Volts::as_f64)
    }),
    gauge("port_pv_current_amperes", about(Port, "pv_current"), |port| {
        port.reading.pv_current.map(Amperes::as_f64)
    }),
    gauge("port_pv_power_watts", about(Port, "pv_power"), |port| {
        port.reading.pv_power.map(Watts::as_f64)
    }),
    gauge("port_today_energy_watt_hours", about(Port, "today_production"), |port| {
        port.energy.today.map(watt_hours)
    }),
    counter("port_energy_watt_hours_total", about(Port, "total_production"), |port| {
        port.energy.total.map(watt_hours)
    }),
    gauge("port_reading_timestamp_seconds", about(Port, "timestamp"), |port| {
        Some(seconds(port.timestamp))
    }),
];

const METER: [Metric<MeterState>; 5] = [
    gauge("meter_power_watts", about(Meter, "power"), |meter| {
        meter.reading.power.map(Watts::as_f64)
    }),
    gauge("meter_power_factor_ratio", about(Meter, "power_factor"), |meter| {
        meter.reading.power_factor.map(PowerFactor::as_f64)
    }),
    counter("meter_exported_energy_watt_hours_total", about(Meter, "energy_exported"), |meter| {
        meter.reading.exported.map(watt_hours)
    }),
    counter("meter_imported_energy_watt_hours_total", about(Meter, "energy_imported"), |meter| {
        meter.reading.imported.map(watt_hours)
    }),
    gauge("meter_reading_timestamp_seconds", about(Meter, "timestamp"), |meter| {
        Some(seconds(meter.timestamp))
    }),
];

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

/// `GET /metrics`.
pub(super) fn page(context: &Context) -> Response {
    let api = &context.api;
    let snapshot = api.snapshot.latest();
    let mut page = Page(api.metrics.gather());
    page.add(&HEALTHY, [(vec![], &is_healthy(snapshot.dtus(), api.clock.now()))]);
    page.add(&BRIDGE, [(vec![], &*snapshot)]);
    page.add_dtus(&snapshot);
    page.add_targets(&api.targets.statuses(&api.zone));
    page.add_inverters(&snapshot);
    page.add_meters(&snapshot);
    match TextEncoder::new().encode_to_string(&page.0) {
        Ok(text) => respond::metrics(text),
        Err(error) => respond::internal_error(&error),
    }
}

/// Name and value of each label.
type Labels = Vec<(&'static str, String)>;

struct Page(Vec<MetricFamily>);

impl Page {
    fn add_dtus(&mut self, snapshot: &Snapshot) {
        let name = |dtu: &DtuState| ("dtu", dtu.name.to_string());
        self.add(&DTU, snapshot.dtus().map(|dtu| (vec![name(dtu)], dtu)));
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
        self.add(
            &INVERTER,
            snapshot.inverters().map(|inverter| (vec![serial(inverter)], inverter)),
        );
        self.add(
            &PORT,
            snapshot.inverters().flat_map(|inverter| {
                inverter.ports.iter().map(move |(number, port)| {
                    (vec![serial(inverter), ("port", number.to_string())], port)
                })
            }),
        );
    }

    fn add_meters(&mut self, snapshot: &Snapshot) {
        let serial = |meter: &MeterState| ("serial", meter.reading.serial.to_string());
        self.add(&METER, snapshot.meters().map(|meter| (vec![serial(meter)], meter)));
        self.add(
            &METER_PHASE,
            snapshot.meters().flat_map(|meter| {
                PHASES.iter().zip(&meter.reading.phases).map(move |(name, phase)| {
                    (vec![serial(meter), ("phase", (*name).to_owned())], phase)
                })
            }),
        );
    }

    /// Adds all `metrics` of all `things`.
    fn add<'a, T: 'a>(
        &mut self,
        metrics: &[Metric<T>],
        things: impl IntoIterator<Item = (Labels, &'a T)>,
    ) {
        let things: Vec<(Vec<LabelPair>, &T)> = things
            .into_iter()
            .map(|(labels, thing)| (labels.into_iter().map(label_pair).collect(), thing))
            .collect();
        for metric in metrics {
            let samples = things.iter().filter_map(|(labels, thing)| {
                (metric.value)(thing).map(|value| sample(metric.kind, labels.clone(), value))
            });
            let samples: Vec<proto::Metric> = samples.collect();
            if !samples.is_empty() {
                let mut family = MetricFamily::default();
                family.set_name(format!("{PREFIX}_{}", metric.name));
                family.set_help(metric.help.to_owned());
                family.set_field_type(metric.kind);
                family.set_metric(samples);
                self.0.push(family);
            }
        }
    }
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

fn watt_hours(energy: WattHours) -> f64 {
    number(energy.get())
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
