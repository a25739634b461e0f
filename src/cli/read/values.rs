//! The values that `read` prints, in the form of the API.

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::poller::plant::PlantState;
use crate::snapshot::json::Json;
use crate::snapshot::state::{Energy, InverterState, MeterState, PlantTotals};

/// `plant`, `inverters` and `meters`. The fields are those of the API that the table shows.
#[derive(Debug, Deserialize)]
pub(super) struct Values {
    pub(super) plant: Plant,
    pub(super) inverters: Vec<Inverter>,
    pub(super) meters: Vec<Meter>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Plant {
    pub(super) pv_power: Option<f64>,
    pub(super) active_power: Option<f64>,
    pub(super) today_production: Option<u64>,
    pub(super) total_production: Option<u64>,
}

#[expect(clippy::struct_field_names, reason = "they are the keys of the API")]
#[derive(Debug, Deserialize)]
pub(super) struct Inverter {
    pub(super) serial_number: String,
    pub(super) dtu_name: String,
    pub(super) inverter_type: Option<String>,
    pub(super) grid_voltage: Option<f64>,
    pub(super) grid_frequency: Option<f64>,
    pub(super) temperature: Option<f64>,
    pub(super) operating_status_text: Option<String>,
    pub(super) alarm_code: Option<u32>,
    pub(super) alarm_text: Option<String>,
    pub(super) alarm_count: Option<u32>,
    pub(super) link_status: Option<u32>,
    pub(super) link_status_text: Option<String>,
    pub(super) active_power: Option<f64>,
    #[serde(default)]
    pub(super) phase_voltages: Vec<f64>,
    pub(super) power_limit: Option<f64>,
    pub(super) firmware_version: Option<String>,
    pub(super) signal: Option<f64>,
    pub(super) pv_power: Option<f64>,
    pub(super) today_production: Option<u64>,
    pub(super) total_production: Option<u64>,
    pub(super) ports: Vec<Port>,
}

#[expect(clippy::struct_field_names, reason = "they are the keys of the API")]
#[derive(Debug, Deserialize)]
pub(super) struct Port {
    pub(super) port_number: u32,
    pub(super) pv_voltage: Option<f64>,
    pub(super) pv_current: Option<f64>,
    pub(super) pv_power: Option<f64>,
    pub(super) today_production: Option<u64>,
    pub(super) total_production: Option<u64>,
}

/// A meter.
#[derive(Debug, Deserialize)]
pub(super) struct Meter {
    pub(super) serial_number: String,
    pub(super) dtu_name: String,
    pub(super) power: Option<f64>,
    pub(super) power_factor: Option<f64>,
    pub(super) energy_exported: Option<u64>,
    pub(super) energy_imported: Option<u64>,
    #[serde(default)]
    pub(super) phases: Vec<Phase>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Phase {
    pub(super) power: Option<f64>,
    pub(super) voltage: Option<f64>,
    pub(super) current: Option<f64>,
    pub(super) power_factor: Option<f64>,
    pub(super) energy_exported: Option<u64>,
    pub(super) energy_imported: Option<u64>,
}

/// [`Values`] in full, to be written.
#[derive(Serialize)]
struct Document<'a> {
    plant: Json<'a, PlantTotals>,
    inverters: Vec<Json<'a, InverterState>>,
    meters: Vec<Json<'a, MeterState>>,
}

impl Values {
    /// The JSON of a plant.
    pub(super) fn json(plant: &PlantState, zone: &TimeZone) -> String {
        // Totals of their own are known only to a bridge that has been running for a while.
        let states: Vec<InverterState> =
            plant.inverters().map(|one| InverterState::clone(one).with_sum_of_ports()).collect();
        let energy = Energy::sum(states.iter().map(|one| one.energy));
        let totals = PlantTotals::of(states.iter(), energy);
        let inverters = states.iter().map(|one| Json(one, zone)).collect();
        let meters: Vec<_> = plant.meters().map(|one| Json(&***one, zone)).collect();
        let document = Document { plant: Json(&totals, zone), inverters, meters };
        // Strings, numbers and booleans cannot fail to become JSON.
        serde_json::to_string(&document).unwrap_or_default()
    }
}
