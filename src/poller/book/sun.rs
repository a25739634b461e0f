//! What a DTU's plant delivers, by which the evening is known.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::Book;
use crate::plant::reading::DtuReading;
use crate::plant::serial::InverterSerial;
use crate::plant::units::Watts;
use crate::snapshot::state::InverterState;

impl Book {
    /// Whether a DTU that does not answer now may be asleep.
    pub fn may_sleep(&self, dtu: &str, now: Timestamp) -> bool {
        self.dusks.get(dtu).is_some_and(|dusk| dusk.is_asleep(now, &self.zone))
    }

    /// Remembers what the plant delivers now, after `reading` was entered.
    pub(super) fn look_at_the_sun(&mut self, dtu: &str, reading: &DtuReading, now: Timestamp) {
        let (power, ports) = output(&self.inverters, dtu);
        match self.dusks.get_mut(dtu) {
            Some(dusk) if reading.stale => dusk.answered_as_before(now),
            Some(dusk) if reading.is_live() => {
                dusk.answered(power.unwrap_or_default(), ports, now, &self.zone);
            }
            Some(dusk) => dusk.answered_in_the_dark(now),
            None => {}
        }
    }
}

/// What the inverters of one DTU deliver together, as far as it is known of any, and how many ports
/// they have.
pub(super) fn output(
    inverters: &BTreeMap<InverterSerial, InverterState>,
    dtu: &str,
) -> (Option<Watts>, usize) {
    let of_dtu = || inverters.values().filter(|state| &*state.dtu_name == dtu);
    let power = of_dtu().filter_map(InverterState::pv_power).reduce(Watts::saturating_add);
    (power, of_dtu().map(|state| state.ports.len()).sum())
}
