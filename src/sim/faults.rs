//! The switchboard of faults: whoever holds it can break a running simulation and mend it again.

use std::mem::discriminant;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::fault::{Fault, PlannedFault};
use crate::clock::WallClock;

/// The faults of one simulation. Cheap to clone; all clones are the same switchboard.
#[derive(Clone, Debug)]
pub struct Faults {
    clock: WallClock,
    planned: Arc<Mutex<Vec<Planned>>>,
}

#[derive(Clone, Copy, Debug)]
struct Planned {
    fault: PlannedFault,
    begins: Timestamp,
    ends: Option<Timestamp>,
}

impl Faults {
    /// No fault yet. The clock tells when planned ones begin and end.
    pub fn new(clock: WallClock) -> Self {
        Self { clock, planned: Arc::default() }
    }

    /// Something goes wrong from now on, or, with a [`PlannedFault`], at its time. It takes the
    /// place of one of the same name.
    pub fn set(&self, fault: impl Into<PlannedFault>) {
        let fault = fault.into();
        let now = self.clock.now();
        let after = |span: Duration| {
            let span = SignedDuration::try_from(span).unwrap_or(SignedDuration::MAX);
            now.saturating_add(span).unwrap_or(Timestamp::MAX)
        };
        let (begins, ends) = (after(fault.from), fault.to.map(after));
        let mut planned = self.lock();
        planned.retain(|other| discriminant(&other.fault.fault) != discriminant(&fault.fault));
        planned.push(Planned { fault, begins, ends });
    }

    /// Mends what goes wrong under this name, whatever its value.
    pub fn clear(&self, fault: Fault) {
        self.lock().retain(|other| discriminant(&other.fault.fault) != discriminant(&fault));
    }

    /// Mends everything.
    pub fn clear_all(&self) {
        self.lock().clear();
    }

    /// What goes wrong at this moment.
    pub fn active(&self) -> ActiveFaults {
        let now = self.clock.now();
        let is_active = |planned: &&Planned| {
            planned.begins <= now && planned.ends.is_none_or(|ends| now < ends)
        };
        let planned = self.lock();
        let active = planned.iter().filter(is_active);
        ActiveFaults(active.map(|planned| (planned.fault.fault, planned.begins)).collect())
    }

    /// A panic of another thread leaves the list whole, for it is changed in single steps.
    fn lock(&self) -> MutexGuard<'_, Vec<Planned>> {
        self.planned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What goes wrong at one moment, and since when.
#[derive(Clone, Debug, Default)]
pub struct ActiveFaults(Vec<(Fault, Timestamp)>);

impl ActiveFaults {
    /// Whether exactly this goes wrong.
    pub fn has(&self, fault: Fault) -> bool {
        self.0.iter().any(|(active, _)| *active == fault)
    }

    /// The value of a fault that carries one: `value(|fault| if let Fault::Slow(by) = fault ...)`.
    pub fn value<T>(&self, of: impl Fn(Fault) -> Option<T>) -> Option<T> {
        self.0.iter().find_map(|(active, _)| of(*active))
    }

    /// Since when exactly this goes wrong.
    pub fn since(&self, fault: Fault) -> Option<Timestamp> {
        self.0.iter().find(|(active, _)| *active == fault).map(|(_, since)| *since)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;

    #[test]
    fn a_fault_shows_in_its_span_and_until_it_is_cleared() {
        let seconds = Arc::new(AtomicI64::new(1000));
        let faults = Faults::new(WallClock::from_fn({
            let seconds = Arc::clone(&seconds);
            move || Timestamp::from_second(seconds.load(Ordering::Relaxed)).unwrap()
        }));
        faults.set("silence@10..20".parse::<PlannedFault>().unwrap());
        faults.set(Fault::Slow(Duration::from_secs(1)));
        faults.set(Fault::Slow(Duration::from_secs(2)));
        let shows = |second| {
            seconds.store(second, Ordering::Relaxed);
            let active = faults.active();
            let slow =
                active.value(|fault| if let Fault::Slow(by) = fault { Some(by) } else { None });
            (active.has(Fault::Silence), slow.map(|by| by.as_secs()))
        };
        assert_eq!(shows(1000), (false, Some(2)));
        assert_eq!(shows(1010), (true, Some(2)));
        assert_eq!(faults.active().since(Fault::Silence), Timestamp::from_second(1010).ok());
        faults.clear(Fault::Slow(Duration::ZERO));
        assert_eq!(shows(1019), (true, None));
        assert_eq!(shows(1020), (false, None));
        faults.clear_all();
        assert_eq!(shows(1015), (false, None));
    }
}
