//! Inverters that a DTU names for the first time: garbage invents serial numbers, and what is once
//! in the book stays there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Doubt;
use crate::plant::serial::InverterSerial;

/// A DTU serves 99 inverters at most (models of DTU-Pro and DTU-Pro-S); what names more is broken.
const MOST_INVERTERS: usize = 200;

/// Serial numbers that each DTU named once.
#[derive(Debug, Default)]
pub(super) struct Strangers(BTreeMap<Arc<str>, BTreeSet<InverterSerial>>);

impl Strangers {
    /// Looks at what a DTU with so many `known` inverters names now and nobody knows; returns those
    /// that are doubtful. Beside known inverters, a new one must be named by two polls in a row.
    pub(super) fn look_at(
        &mut self,
        dtu: &str,
        known: usize,
        unknown: impl Iterator<Item = InverterSerial>,
    ) -> Vec<Doubt> {
        let unknown: BTreeSet<InverterSerial> = unknown.collect();
        let before = self.0.remove(dtu).unwrap_or_default();
        let mut doubts = Vec::new();
        let mut room = MOST_INVERTERS.saturating_sub(known);
        for serial in &unknown {
            let reason = if known > 0 && !before.contains(serial) {
                "named for the first time; believed when the next poll names it again".to_owned()
            } else if room == 0 {
                format!("the DTU names more than {MOST_INVERTERS} inverters")
            } else {
                room -= 1;
                continue;
            };
            doubts.push(Doubt { serial: *serial, port: 0, reason });
        }
        if !unknown.is_empty() && known > 0 {
            self.0.insert(Arc::from(dtu), unknown.into_iter().take(MOST_INVERTERS).collect());
        }
        doubts
    }
}
