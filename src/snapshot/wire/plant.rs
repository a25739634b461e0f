//! The plant as a whole as JSON.

use jiff::tz::TimeZone;
use serde::Serialize;

use super::time;
use crate::plant::units::{WattHours, Watts};
use crate::snapshot::state::InverterState;

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
    /// The sums of these inverters.
    pub fn of(inverters: &[InverterState], zone: &TimeZone) -> Self {
        let power = |value: fn(&InverterState) -> Option<Watts>| {
            inverters.iter().filter_map(value).reduce(Watts::saturating_add).map(Watts::as_f64)
        };
        let energy = |value: fn(&InverterState) -> Option<WattHours>| {
            let known = inverters.iter().filter_map(value);
            known.reduce(WattHours::saturating_add).map(WattHours::get)
        };
        let since = inverters.iter().filter_map(InverterState::today_since).max();
        Self {
            pv_power: power(InverterState::pv_power),
            active_power: power(|inverter| inverter.ac.active_power),
            today_production: energy(InverterState::today),
            today_since: since.map(|at| time(at, zone)),
            total_production: energy(InverterState::total),
        }
    }
}
