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
        // One that belongs to another DTU shows the sun as well.
        let (power, ports) = sum(self.known_to(dtu, reading));
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
    sum(inverters.values().filter(|state| &*state.dtu_name == dtu))
}

fn sum<'a>(inverters: impl Iterator<Item = &'a InverterState>) -> (Option<Watts>, usize) {
    inverters.fold((None, 0), |(power, ports), state| {
        let both = [power, state.pv_power()];
        let power = both.into_iter().flatten().reduce(Watts::saturating_add);
        (power, ports.saturating_add(state.ports.len()))
    })
}
