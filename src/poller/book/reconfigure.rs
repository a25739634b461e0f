//! Another list of DTUs while the bridge runs.

use std::sync::Arc;

use super::super::night::Dusk;
use super::Book;
use super::sun::output;
use crate::snapshot::state::{DtuState, InverterState};

impl Book {
    /// Takes over another list of DTUs. One that stays keeps what is known of it. Inverters that
    /// `stays` refuses are left out, as are meters of DTUs that are gone; ledgers are for ever.
    pub fn reconfigure(&mut self, dtus: Vec<DtuState>, stays: impl Fn(&InverterState) -> bool) {
        self.inverters.retain(|_, inverter| stays(inverter));
        let old = std::mem::take(&mut self.dtus);
        self.dtus = dtus
            .into_iter()
            .map(|new| match old.iter().find(|old| old.name == new.name) {
                Some(old) => DtuState {
                    silence_limit: new.silence_limit,
                    protocol: new.protocol,
                    ..old.clone()
                },
                None => new,
            })
            .collect();
        let names: Vec<Arc<str>> = self.dtus.iter().map(|dtu| Arc::clone(&dtu.name)).collect();
        self.meters.retain(&names);
        self.forget_claims();
        self.dusks.retain(|name, _| names.contains(name));
        self.watches.retain(|name, _| names.contains(name));
        for dtu in &self.dtus {
            let (power, ports) = output(&self.inverters, &dtu.name);
            self.dusks
                .entry(Arc::clone(&dtu.name))
                .or_insert_with(|| Dusk::restored(dtu.last_success, power, ports));
        }
    }
}
