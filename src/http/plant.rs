//! The plant as JSON: inverters, ports, meters, production; health and statistics.

use bytes::Bytes;
use hyper::StatusCode;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;

use super::Api;
use super::cache::Resource;
use super::request::Context;
use super::respond::{self, Response};
use crate::plant::day_curve::STEP;
use crate::plant::serial::InverterSerial;
use crate::plant::units::{WattHours, Watts};
use crate::snapshot::Snapshot;
use crate::snapshot::health::{Health, is_healthy};
use crate::snapshot::json::{self, Json};
use crate::snapshot::state::InverterState;

pub(super) fn health(context: &Context) -> Response {
    let api = &context.api;
    let snapshot = api.snapshot.latest();
    let now = api.clock.now();
    let status = if is_healthy(snapshot.dtus(), now) {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    // Not that of the snapshot: it may have come or gone since.
    let problem = api.targets.storage_problem();
    let health = Health::of(&snapshot, problem, now, &api.zone);
    let health = health.with_mqtt(json!(api.broker.status(&api.zone)));
    respond::object(status, &health)
}

pub(super) fn ready(context: &Context) -> Response {
    let api = &context.api;
    if is_healthy(api.snapshot.latest().dtus(), api.clock.now()) {
        respond::text("OK")
    } else {
        let message = "no DTU has answered within its threshold; see /health";
        respond::problem(StatusCode::SERVICE_UNAVAILABLE, message)
    }
}

pub(super) fn stats(context: &Context) -> Response {
    respond::object(StatusCode::OK, context.api.snapshot.latest().stats())
}

pub(super) fn whole(context: &Context) -> Response {
    cached(context, Resource::Plant, |snapshot, api| {
        json::to_bytes(&Json(&snapshot.totals(), &api.zone))
    })
}

/// `GET /api/plant/day`: what the dashboard's curve begins with.
pub(super) fn day(context: &Context) -> Response {
    let snapshot = context.api.snapshot.latest();
    let curve = snapshot.day_curve();
    let begin = curve.begin().map(Timestamp::as_second);
    let times = begin.into_iter().flat_map(|begin| (begin..).step_by(300));
    let points = times.zip(curve.means());
    let points: Vec<_> =
        points.map(|(time, mean)| json!([time, mean.map(Watts::as_f64)])).collect();
    let peak = curve.peak().map(|(time, power)| {
        json!({ "time": json::time(time, &context.api.zone), "value": power.as_f64() })
    });
    let body = json!({ "from": begin, "step": STEP, "points": points, "peak": peak });
    respond::object(StatusCode::OK, &body)
}

pub(super) fn inverters(context: &Context) -> Response {
    cached(context, Resource::Inverters, |snapshot, _| snapshot.inverters_json())
}

pub(super) fn meters(context: &Context) -> Response {
    cached(context, Resource::Meters, |snapshot, _| snapshot.meters_json())
}

fn cached(context: &Context, resource: Resource, make: fn(&Snapshot, &Api) -> Bytes) -> Response {
    let Context { api, head, .. } = context;
    api.cache.respond(api, head, resource, make)
}

pub(super) fn inverter(context: &Context) -> Response {
    match find(&context.api.snapshot.latest(), &context.parameter) {
        Ok(state) => respond::object(StatusCode::OK, &Json(state, &context.api.zone)),
        Err(message) => respond::problem(StatusCode::NOT_FOUND, &message),
    }
}

pub(super) fn inverter_ports(context: &Context) -> Response {
    match find(&context.api.snapshot.latest(), &context.parameter) {
        Ok(state) => {
            let ports: Vec<_> = json::ports(state, &context.api.zone).collect();
            respond::object(StatusCode::OK, &ports)
        }
        Err(message) => respond::problem(StatusCode::NOT_FOUND, &message),
    }
}

pub(super) fn ports(context: &Context) -> Response {
    cached(context, Resource::Ports, |snapshot, api| {
        let ports = snapshot.inverters().flat_map(|state| json::ports(state, &api.zone));
        json::to_bytes(&ports.collect::<Vec<_>>())
    })
}

#[derive(Debug, Serialize)]
struct PortEnergy {
    serial_number: String,
    port_number: u8,
    today_production: Option<u64>,
    total_production: Option<u64>,
}

pub(super) fn current_production(context: &Context) -> Response {
    let snapshot = context.api.snapshot.latest();
    let inverters = snapshot.inverters();
    respond::object(StatusCode::OK, &inverters.flat_map(productions).collect::<Vec<_>>())
}

fn productions(state: &InverterState) -> impl Iterator<Item = PortEnergy> {
    state.ports.iter().map(|(&port_number, port)| PortEnergy {
        serial_number: state.serial.to_string(),
        port_number,
        today_production: port.energy.today.map(WattHours::get),
        total_production: port.energy.total.map(WattHours::get),
    })
}

/// The inverter with that serial number, in upper or lower case.
fn find<'snapshot>(
    snapshot: &'snapshot Snapshot,
    serial: &str,
) -> Result<&'snapshot InverterState, String> {
    let serial: InverterSerial = serial.parse().map_err(|invalid| format!("{invalid}"))?;
    let found = snapshot.inverters().find(|state| state.serial == serial);
    found.ok_or_else(|| {
        format!("inverter {serial} has not been read yet; /api/inverters lists all that have")
    })
}
