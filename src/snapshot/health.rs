//! Whether the bridge works, from the snapshot and the time.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;
use serde_json::Value;

use super::Snapshot;
use super::json::time;
use super::state::{DtuState, DtuStatus};
use super::warning::Warning;
use crate::plant::model;
use crate::plant::units::WattHours;
use crate::problem::Problem;

/// For how long a DTU that is polled at this interval, or whose polls take this long if that is longer,
/// may not answer before it counts as unhealthy, and its measurements as unknown.
pub fn silence_limit(interval: Duration) -> Duration {
    Duration::from_secs(300).max(interval.saturating_mul(3))
}

/// Whether some DTU answered within its limit, also during a poll that goes on, or is known to be
/// asleep.
pub fn is_healthy<'a>(dtus: impl IntoIterator<Item = &'a DtuState>, now: Timestamp) -> bool {
    dtus.into_iter().any(|dtu| {
        dtu.status == DtuStatus::Asleep
            || dtu.last_success.max(dtu.last_reply).is_some_and(|at| {
                // A clock that was set back leaves the last answer in the future: that is recent.
                now.duration_since(at).unsigned_abs() <= dtu.silence_limit || now < at
            })
    })
}

/// The body of `GET /health`, and a part of each update.
#[derive(Clone, Debug, Serialize)]
pub struct Health {
    instance: Option<String>,
    healthy: bool,
    version: &'static str,
    uptime_seconds: u64,
    start_time: String,
    dtus: BTreeMap<String, DtuHealth>,
    /// The MQTT broker, in the form of a target; absent where it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    mqtt: Option<Value>,
    /// Of the bridge itself; those of each DTU are in `dtus`.
    problems: Vec<ProblemJson>,
}

#[derive(Clone, Debug, Serialize)]
struct DtuHealth {
    status: &'static str,
    protocol: String,
    last_successful_query: Option<String>,
    seconds_since_last_success: Option<i64>,
    last_reply: Option<String>,
    seconds_since_last_reply: Option<i64>,
    interval_seconds: Option<u64>,
    query_count: u64,
    error_count: u64,
    last_error: Option<String>,
    last_error_cause: Option<&'static str>,
    last_error_remedy: Option<String>,
    last_error_time: Option<String>,
    failing_since: Option<String>,
    failures_in_a_row: u64,
    serial_number: Option<String>,
    model: Option<&'static str>,
    firmware_version: Option<String>,
    stale_since: Option<String>,
    inverters: Option<usize>,
    ports: Option<usize>,
    missing_inverters: Vec<String>,
    today_production: Option<u64>,
    total_production: Option<u64>,
    /// By their numbers in the DTU's list, from 1.
    unread_records: Vec<u16>,
    /// Each as `cause; remedy`, for the integration; their parts are in `problems`.
    warnings: Vec<String>,
    problems: Vec<ProblemJson>,
}

#[derive(Clone, Debug, Serialize)]
struct ProblemJson {
    label: &'static str,
    cause: String,
    remedy: Option<Cow<'static, str>>,
}

impl From<Problem> for ProblemJson {
    fn from(Problem { label, cause, remedy }: Problem) -> Self {
        Self { label, cause, remedy }
    }
}

impl Health {
    /// With the state of the MQTT broker; null while MQTT is off.
    #[must_use]
    pub fn with_mqtt(self, broker: Value) -> Self {
        Self { mqtt: Some(broker), ..self }
    }

    /// The objects of the DTUs, by name.
    pub fn dtus(&self) -> &impl Serialize {
        &self.dtus
    }

    /// The health object of `snapshot` and of a bridge with this problem, seen at `now`.
    pub fn of(
        snapshot: &Snapshot,
        problem: Option<Problem>,
        now: Timestamp,
        zone: &TimeZone,
    ) -> Self {
        let (dtus, start) = (snapshot.dtus(), snapshot.start());
        Self {
            instance: snapshot.contents.instance.as_deref().map(str::to_owned),
            healthy: is_healthy(dtus.clone(), now),
            version: env!("CARGO_PKG_VERSION"),
            uptime_seconds: start.uptime().as_secs(),
            start_time: time(start.time(now), zone),
            dtus: dtus.map(|dtu| (dtu.name.to_string(), dtu_health(dtu, now, zone))).collect(),
            mqtt: None,
            problems: problem.into_iter().map(ProblemJson::from).collect(),
        }
    }
}

fn dtu_health(dtu: &DtuState, now: Timestamp, zone: &TimeZone) -> DtuHealth {
    let error = dtu.last_error.as_ref();
    let problems: Vec<_> = Warning::of(dtu, now).iter().map(Warning::problem).collect();
    DtuHealth {
        status: dtu.status.as_str(),
        protocol: dtu.protocol.to_string(),
        last_successful_query: dtu.last_success.map(|at| time(at, zone)),
        seconds_since_last_success: dtu.last_success.map(|at| seconds_between(at, now)),
        last_reply: dtu.last_reply.map(|at| time(at, zone)),
        seconds_since_last_reply: dtu.last_reply.map(|at| seconds_between(at, now)),
        interval_seconds: dtu.interval.map(|interval| interval.as_secs()),
        query_count: dtu.query_count,
        error_count: dtu.error_count,
        last_error: error.map(|error| error.cause.clone()),
        last_error_cause: error.map(|error| error.label),
        last_error_remedy: error.and_then(|error| error.remedy.as_deref().map(str::to_owned)),
        last_error_time: dtu.last_error_time.map(|at| time(at, zone)),
        failing_since: dtu.failing.map(|failing| time(failing.since, zone)),
        failures_in_a_row: dtu.failing.map_or(0, |failing| failing.polls),
        serial_number: dtu.serial.map(|serial| serial.to_string()),
        model: dtu.serial.and_then(model::dtu_name),
        firmware_version: dtu.firmware.clone(),
        stale_since: dtu.stale_since.map(|at| time(at, zone)),
        inverters: dtu.listed.map(|listed| listed.inverters),
        ports: dtu.listed.map(|listed| listed.ports),
        today_production: dtu.energy.today.map(WattHours::get),
        total_production: dtu.energy.total.map(WattHours::get),
        missing_inverters: dtu.missing.iter().map(ToString::to_string).collect(),
        unread_records: dtu.unread.records.clone(),
        warnings: problems.iter().map(ToString::to_string).collect(),
        problems: problems.into_iter().map(ProblemJson::from).collect(),
    }
}

fn seconds_between(earlier: Timestamp, later: Timestamp) -> i64 {
    later.duration_since(earlier).as_secs().max(0)
}
