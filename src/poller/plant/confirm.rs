//! Confirms devices and ports that a DTU names for the first time: garbage invents them, and what is
//! once known stays known.

use std::collections::{BTreeMap, BTreeSet};

use crate::plant::reading::DtuReading;

/// A DTU serves 99 inverters at most (models of DTU-Pro and DTU-Pro-S); one that names more is broken.
pub(super) const MOST_INVERTERS: usize = 200;
/// What so many inverters have, of which a large one has eight; most have two or four.
pub(super) const MOST_PORTS: usize = 8 * MOST_INVERTERS;
/// A DTU reads one meter for the house and perhaps one for the plant; there is room for more.
pub(super) const MOST_METERS: usize = 16;

/// How much a poll says of what a DTU lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coverage {
    /// All of it: what it leaves out is not there.
    Whole,
    /// A part, perhaps none: what it leaves out may be there.
    Part,
    /// What a poll before it has said already.
    Repeated,
}

impl Coverage {
    /// That of a poll which brought `reading`; `is_complete` unless it failed before its end.
    pub(super) const fn of(reading: &DtuReading, is_complete: bool) -> Self {
        if reading.stale {
            Self::Repeated
        } else if is_complete && reading.unread.is_empty() {
            Self::Whole
        } else {
            Self::Part
        }
    }
}

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
    /// are not believed yet, and why.
    ///
    /// Of a DTU that `is_known` itself, two polls must name a new device, and no poll between them
    /// that says all may leave it out.
    pub(super) fn check(
        &mut self,
        coverage: Coverage,
        is_known: bool,
        known: usize,
        new: &BTreeSet<S>,
    ) -> BTreeMap<S, String> {
        if coverage == Coverage::Repeated {
            return BTreeMap::new();
        }
        let mut unconfirmed = BTreeMap::new();
        let mut room = self.most.saturating_sub(known);
        for serial in new {
            let reason = if is_known && !self.named.contains(serial) {
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
        // What is believed now needs no confirmation any more.
        let before = std::mem::take(&mut self.named);
        let before = before.into_iter().filter(|serial| !new.contains(serial));
        let kept = before.filter(|_| coverage == Coverage::Part);
        let named = unconfirmed.keys().copied().chain(kept);
        self.named = named.take(self.most).collect();
        unconfirmed
    }
}
