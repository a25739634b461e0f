//! The plant as a whole as JSON.

use jiff::tz::TimeZone;
use serde::Serialize;

use super::time;
use crate::plant::units::{WattHours, Watts};
use crate::snapshot::state::PlantTotals;

/// Sums over all inverters. Each takes the last good value of every part of the plant, so that an
/// inverter that is away tears no hole into an energy; what nobody knows is null.
#[derive(Clone, Debug, Serialize)]
pub struct Plant {
    /// W, PV side.
    pub pv_power: Option<f64>,
    /// W, mains side; null where no protocol gives it.
    pub active_power: Option<f64>,
    /// Wh since local midnight.
    pub today_production: Option<u64>,
    /// RFC 3339, the local midnight since which `today_production` counts.
    pub today_since: Option<String>,
    /// Wh; never falls.
    pub total_production: Option<u64>,
}

impl Plant {
    /// The object of these totals.
    pub fn of(totals: &PlantTotals, zone: &TimeZone) -> Self {
        let PlantTotals { pv_power, active_power, energy } = totals;
        Self {
            pv_power: pv_power.map(Watts::as_f64),
            active_power: active_power.map(Watts::as_f64),
            today_production: energy.today.map(WattHours::get),
            today_since: energy.today_since.map(|at| time(at, zone)),
            total_production: energy.total.map(WattHours::get),
        }
    }
}
