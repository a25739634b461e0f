//! Which of two DTUs an inverter belongs to that both read, such as both protocols of one box.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::Book;
use super::doubt::Rivalry;
use crate::plant::reading::InverterReading;
use crate::plant::serial::InverterSerial;
use crate::poller::merge::Moment;
use crate::snapshot::state::{DtuState, InverterState};

/// What is known of DTUs that read inverters of others.
#[derive(Debug, Default)]
pub(super) struct Claims {
    /// Since when another DTU has had live values that its owner has not.
    live_since: BTreeMap<(InverterSerial, Arc<str>), Timestamp>,
    /// What was told, whichever of the two was the owner then.
    told: BTreeSet<(InverterSerial, [Arc<str>; 2])>,
    news: Vec<Rivalry>,
}

impl Claims {
    /// What was not told before.
    pub(super) fn take_news(&mut self) -> Vec<Rivalry> {
        std::mem::take(&mut self.news)
    }

    fn tell(&mut self, serial: InverterSerial, owner: &Arc<str>, rival: &Arc<str>) {
        let mut pair = [Arc::clone(owner), Arc::clone(rival)];
        pair.sort();
        if !self.told.insert((serial, pair)) {
            return;
        }
        let same = |one: &&mut Rivalry| one.owner == *owner && one.rival == *rival;
        match self.news.iter_mut().find(same) {
            Some(known) => known.inverters.push(serial),
            None => self.news.push(Rivalry {
                owner: Arc::clone(owner),
                rival: Arc::clone(rival),
                inverters: vec![serial],
            }),
        }
    }
}

impl Book {
    /// Whether what a DTU says of an inverter is not to be taken, since another DTU reads it.
    ///
    /// An inverter stays with its DTU until that has had no live values for its hold time while
    /// another one has. Where neither has any, as at night, it stays as long as it is listed.
    pub(super) fn belongs_to_another(
        &mut self,
        dtu: &str,
        (inverter, is_stale): (&InverterReading, bool),
        now: Timestamp,
    ) -> bool {
        let Some(state) = self.inverters.get(&inverter.serial) else { return false };
        let place = |name: &str| self.dtus.iter().position(|dtu| &*dtu.name == name);
        let (Some(owner), Some(rival)) = (place(&state.dtu_name), place(dtu)) else { return false };
        if owner == rival {
            return false;
        }
        let is_first = rival < owner;
        let (Some(owner), Some(rival)) = (self.dtus.get(owner), self.dtus.get(rival)) else {
            return false;
        };
        let is_live = inverter.is_live() && !is_stale;
        let key = (inverter.serial, Arc::clone(&rival.name));
        let live_since = is_live.then(|| {
            let known = self.claims.live_since.get(&key).copied();
            known.filter(|since| *since >= state.timestamp).unwrap_or(now)
        });
        let belongs = !(is_first && is_new(state, owner, is_live, now)
            || has_lost(state, owner, live_since, now));
        match live_since.filter(|_| belongs) {
            Some(since) => self.claims.live_since.insert(key, since),
            None => self.claims.live_since.remove(&key),
        };
        // Whichever it belongs to, both name it.
        let (kept, other) = if belongs { (owner, rival) } else { (rival, owner) };
        if belongs || !is_over(state.last_seen, owner, now) {
            self.claims.tell(inverter.serial, &kept.name, &other.name);
        }
        belongs
    }

    /// Forgets what was told of DTUs of another configuration.
    pub(super) fn forget_claims(&mut self) {
        self.claims = Claims::default();
    }
}

/// Where two DTUs answer at once, the order of the configuration decides, not that of the answers.
fn is_new(state: &InverterState, owner: &DtuState, is_live: bool, now: Timestamp) -> bool {
    !is_over(state.first_seen, owner, now) && (is_live || state.pv_power().is_none())
}

/// Whether the owner has nothing to say of the inverter any more, and another DTU has.
fn has_lost(
    state: &InverterState,
    owner: &DtuState,
    live_since: Option<Timestamp>,
    now: Timestamp,
) -> bool {
    let is_silent = is_over(state.last_seen, owner, now);
    match live_since {
        None => is_silent,
        // In the morning the owner is given as much time as the other one.
        Some(since) => {
            is_over(state.timestamp, owner, now) && (is_silent || is_over(since, owner, now))
        }
    }
}

fn is_over(timestamp: Timestamp, owner: &DtuState, now: Timestamp) -> bool {
    Moment { now, hold: owner.silence_limit, is_night: false }.is_over(timestamp)
}
