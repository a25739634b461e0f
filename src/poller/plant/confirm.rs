//! Confirms devices and ports that a DTU names for the first time: garbage invents them, and what is
//! once known stays known.

use std::collections::{BTreeMap, BTreeSet};

/// A DTU serves 99 inverters at most (models of DTU-Pro and DTU-Pro-S); one that names more is broken.
pub(super) const MOST_INVERTERS: usize = 200;
/// What so many inverters have, of which a large one has eight; most have two or four.
pub(super) const MOST_PORTS: usize = 8 * MOST_INVERTERS;
/// A DTU reads one meter for the house and perhaps one for the plant; there is room for more.
pub(super) const MOST_METERS: usize = 16;

/// What one DTU has named once, by serial numbers or by ports.
#[derive(Debug)]
pub(super) struct NewDeviceConfirmation<S> {
    named: BTreeSet<S>,
    most: usize,
}

impl<S: Copy + Ord> NewDeviceConfirmation<S> {
    /// For a DTU of which no more than so many are believed.
    pub(super) const fn at_most(most: usize) -> Self {
        Self { named: BTreeSet::new(), most }
    }

    /// Checks what a DTU with so many `known` devices names now and nobody knows; returns those that
    /// are not believed yet, and why. Of a DTU that `is_known` itself, two polls in a row must name a
    /// new device.
    pub(super) fn check(
        &mut self,
        is_known: bool,
        known: usize,
        new: BTreeSet<S>,
    ) -> BTreeMap<S, String> {
        let before = std::mem::take(&mut self.named);
        let mut unconfirmed = BTreeMap::new();
        let mut room = self.most.saturating_sub(known);
        for serial in &new {
            let reason = if is_known && !before.contains(serial) {
                "reported for the first time; accepted when the next poll reports it again"
                    .to_owned()
            } else if room == 0 {
                format!("the DTU reports more than {}", self.most)
            } else {
                room -= 1;
                continue;
            };
            unconfirmed.insert(*serial, reason);
        }
        if is_known {
            self.named = new.into_iter().take(self.most).collect();
        }
        unconfirmed
    }

    /// The same for a poll that did not read all: what it leaves out was not denied.
    pub(super) fn check_part(
        &mut self,
        is_known: bool,
        known: usize,
        new: BTreeSet<S>,
    ) -> BTreeMap<S, String> {
        let before = self.named.clone();
        let unconfirmed = self.check(is_known, known, new);
        let room = self.most.saturating_sub(self.named.len());
        self.named.extend(before.into_iter().take(room));
        unconfirmed
    }
}
