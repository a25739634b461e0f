//! Devices and ports that a DTU names for the first time: garbage invents them, and what is once in
//! the book stays there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A DTU serves 99 inverters at most (models of DTU-Pro and DTU-Pro-S); what names more is broken.
pub(super) const MOST_INVERTERS: usize = 200;

/// What so many inverters have, of which a large one has eight; most have two or four.
pub(super) const MOST_PORTS: usize = 8 * MOST_INVERTERS;

/// A DTU reads one meter for the house and perhaps one for the plant; there is room for more.
pub(super) const MOST_METERS: usize = 16;

/// What each DTU named once, by serial numbers or by ports.
#[derive(Debug)]
pub(super) struct Strangers<S> {
    named: BTreeMap<Arc<str>, BTreeSet<S>>,
    most: usize,
}

impl<S: Copy + Ord> Strangers<S> {
    /// For a DTU of which no more than so many are believed.
    pub(super) const fn at_most(most: usize) -> Self {
        Self { named: BTreeMap::new(), most }
    }

    /// Looks at what a DTU with so many `known` devices names now and nobody knows; returns those that
    /// are doubtful, and why. Of a DTU that `is_known` itself, a new one must be named by two polls
    /// in a row.
    pub(super) fn look_at(
        &mut self,
        dtu: &str,
        (is_known, known): (bool, usize),
        unknown: impl Iterator<Item = S>,
    ) -> BTreeMap<S, String> {
        let unknown: BTreeSet<S> = unknown.collect();
        let before = self.named.remove(dtu).unwrap_or_default();
        let mut doubts = BTreeMap::new();
        let mut room = self.most.saturating_sub(known);
        for serial in &unknown {
            let reason = if is_known && !before.contains(serial) {
                "named for the first time; believed when the next poll names it again".to_owned()
            } else if room == 0 {
                format!("the DTU names more than {}", self.most)
            } else {
                room -= 1;
                continue;
            };
            doubts.insert(*serial, reason);
        }
        if !unknown.is_empty() && is_known {
            let named = unknown.into_iter().take(self.most).collect();
            self.named.insert(Arc::from(dtu), named);
        }
        doubts
    }
}
