//! Measurements have a life: one that nobody has confirmed for long is not known any more.

use std::sync::Arc;

use jiff::Timestamp;

use super::super::merge::{self, Moment};
use super::Book;
use crate::snapshot::state::DtuStatus;

impl Book {
    /// Forgets measurements of DTUs that fail, which are asked rarely; whether there were any.
    pub fn expire_failing(&mut self, now: Timestamp) -> bool {
        let failing = self.dtus.iter().filter(|dtu| dtu.status == DtuStatus::Error);
        let failing: Vec<_> =
            failing.map(|dtu| (Arc::clone(&dtu.name), self.hold(&dtu.name))).collect();
        let mut is_anything = false;
        for (dtu, hold) in failing {
            let moment = Moment { now, hold, is_night: false };
            is_anything |= self.inverters.values().any(|state| {
                *state.dtu_name == *dtu
                    && state.pv_power().is_some()
                    && moment.is_over(state.timestamp)
            });
            self.expire(&dtu, moment);
        }
        is_anything
    }

    /// Forgets measurements that have outlived the hold time.
    pub(super) fn expire(&mut self, dtu: &str, moment: Moment) {
        for state in self.inverters.values_mut().filter(|state| &*state.dtu_name == dtu) {
            merge::expire(state, moment);
        }
        self.meters.expire(dtu, moment);
    }
}
