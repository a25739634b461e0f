//! The plant as JSON: inverters, ports, meters, production.

use hyper::StatusCode;
use serde::Serialize;

use super::Api;
use super::respond::{self, Response};
use crate::plant::serial::InverterSerial;
use crate::plant::units::WattHours;
use crate::snapshot::Snapshot;
use crate::snapshot::state::InverterState;
use crate::snapshot::wire::{self, Inverter};

/// `GET /api/plant`.
pub(super) fn whole(api: &Api) -> Response {
    let snapshot = api.snapshot.latest();
    respond::object(StatusCode::OK, &wire::Plant::of(&snapshot.totals(), &api.zone))
}

/// `GET /api/inverters`: the bytes that were made with the snapshot.
pub(super) fn inverters(api: &Api) -> Response {
    respond::json(api.snapshot.latest().inverters_json())
}

/// `GET /api/meters`: the bytes that were made with the snapshot.
pub(super) fn meters(api: &Api) -> Response {
    respond::json(api.snapshot.latest().meters_json())
}

/// `GET /api/inverters/{serial}`.
pub(super) fn inverter(api: &Api, serial: &str) -> Response {
    match find(&api.snapshot.latest(), serial) {
        Ok(state) => respond::object(StatusCode::OK, &Inverter::of(state, &api.zone)),
        Err(message) => respond::problem(StatusCode::NOT_FOUND, &message),
    }
}

/// `GET /api/inverters/{serial}/ports`.
pub(super) fn inverter_ports(api: &Api, serial: &str) -> Response {
    match find(&api.snapshot.latest(), serial) {
        Ok(state) => respond::object(StatusCode::OK, &wire::ports(state, &api.zone)),
        Err(message) => respond::problem(StatusCode::NOT_FOUND, &message),
    }
}

/// `GET /api/ports`.
pub(super) fn ports(api: &Api) -> Response {
    let snapshot = api.snapshot.latest();
    let inverters = snapshot.inverters();
    let ports: Vec<_> = inverters.flat_map(|state| wire::ports(state, &api.zone)).collect();
    respond::object(StatusCode::OK, &ports)
}

/// The production of one port.
#[derive(Debug, Serialize)]
struct PortEnergy {
    /// Of its inverter.
    serial_number: String,
    /// From 1.
    port_number: u8,
    /// Wh since local midnight.
    today_production: Option<u64>,
    /// Wh.
    total_production: Option<u64>,
}

/// `GET /api/production/current`.
pub(super) fn current_production(api: &Api) -> Response {
    let snapshot = api.snapshot.latest();
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

/// The inverter of that serial number, whose letters may be of either case.
fn find<'snapshot>(
    snapshot: &'snapshot Snapshot,
    serial: &str,
) -> Result<&'snapshot InverterState, String> {
    let serial: InverterSerial = serial.parse().map_err(|invalid| format!("{invalid}"))?;
    let found = snapshot.inverters().find(|state| state.serial == serial);
    found.ok_or_else(|| {
        format!("no inverter {serial} was read so far; /api/inverters lists those that were")
    })
}
