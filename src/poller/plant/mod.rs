//! All that is known of the plant, and how the outcome of a poll changes it. Pure: no socket, no
//! clock, no task.

mod apply;
mod confirm;
mod merge;
mod meters;
mod missing;
mod sums;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

pub use self::apply::{RejectedReading, Subject};
use self::confirm::NewDeviceConfirmation;
use self::merge::Moment;
use self::meters::Meters;
use self::missing::MissingDeviceMonitor;
use self::sums::{ListingWait, Sums};
use super::night::NightDetector;
use crate::plant::day_curve::DayCurve;
use crate::plant::identity::{Identity, KnownDtu};
use crate::plant::ledger::{PortKey, PortLedger};
use crate::plant::reading::{DtuReading, Unread};
use crate::plant::serial::{InverterSerial, MeterSerial};
use crate::plant::units::Watts;
use crate::problem::Problem;
use crate::snapshot::health::silence_limit;
use crate::snapshot::json::Rendered;
use crate::snapshot::state::{DtuState, DtuStatus, Failing, InverterState, MeterState, SlowPoll};

/// The midnights of one date lie closer together than this in any two zones that somebody moves
/// between; those of two days do not.
const BETWEEN_ZONES: SignedDuration = SignedDuration::from_hours(20);
/// Ledgers of DTUs that do not answer look at the clock at least this often.
const ROLL_OVER_EVERY: SignedDuration = SignedDuration::from_hours(1);

/// All that is known of the plant.
#[derive(Debug)]
pub struct PlantState {
    zone: TimeZone,
    dtus: Vec<Dtu>,
    inverters: BTreeMap<InverterSerial, Arc<Rendered<InverterState>>>,
    meters: Meters,
    ledgers: BTreeMap<PortKey, PortLedger>,
    /// When inverters were first seen that the configuration has left out since: they may return, as
    /// when their DTU gets another name.
    departed: BTreeMap<InverterSerial, Timestamp>,
    sums: Sums,
    day_curve: Arc<DayCurve>,
    /// When all ledgers last looked at the clock.
    rolled_over_at: Option<Timestamp>,
}

#[derive(Debug)]
struct Dtu {
    state: Arc<DtuState>,
    night: NightDetector,
    missing: MissingDeviceMonitor,
    new_inverters: NewDeviceConfirmation<InverterSerial>,
    new_ports: NewDeviceConfirmation<PortKey>,
    new_meters: NewDeviceConfirmation<MeterSerial>,
    wait: ListingWait,
}

impl Dtu {
    fn new(state: DtuState, night: NightDetector) -> Self {
        Self {
            state: Arc::new(state),
            night,
            missing: MissingDeviceMonitor::default(),
            new_inverters: NewDeviceConfirmation::at_most(confirm::MOST_INVERTERS),
            new_ports: NewDeviceConfirmation::at_most(confirm::MOST_PORTS),
            new_meters: NewDeviceConfirmation::at_most(confirm::MOST_METERS),
            wait: ListingWait::default(),
        }
    }

    fn state_mut(&mut self) -> &mut DtuState {
        Arc::make_mut(&mut self.state)
    }
}

impl PlantState {
    /// What was known before the bridge started.
    pub fn new(
        zone: TimeZone,
        dtus: Vec<DtuState>,
        inverters: impl IntoIterator<Item = InverterState>,
        ledgers: impl IntoIterator<Item = (PortKey, PortLedger)>,
    ) -> Self {
        let shared = |state: InverterState| (state.serial, Arc::new(Rendered::from(state)));
        let mut plant = Self {
            zone,
            dtus: Vec::new(),
            inverters: inverters.into_iter().map(shared).collect(),
            meters: Meters::default(),
            ledgers: ledgers.into_iter().collect(),
            departed: BTreeMap::new(),
            sums: Sums::default(),
            day_curve: Arc::default(),
            rolled_over_at: None,
        };
        plant.dtus = dtus.into_iter().map(|state| plant.new_dtu(state)).collect();
        plant.start_sums_of_ledgers();
        plant
    }

    /// With these meters, which were known before the bridge started as well.
    #[must_use]
    pub fn with_meters(mut self, meters: impl IntoIterator<Item = MeterState>) -> Self {
        meters.into_iter().for_each(|state| self.meters.restore(state));
        self
    }

    /// With the course of the day, which was known before the bridge started.
    #[must_use]
    pub fn with_day_curve(mut self, day_curve: DayCurve) -> Self {
        self.day_curve = Arc::new(day_curve);
        self
    }

    /// The course of the present day.
    pub const fn day_curve(&self) -> &Arc<DayCurve> {
        &self.day_curve
    }

    /// Adds the plant's power to the course of the day.
    pub fn note_power(&mut self, now: Timestamp) {
        let powers = self.inverters.values().filter_map(|inverter| inverter.pv_power());
        if let Some(power) = powers.reduce(Watts::saturating_add) {
            Arc::make_mut(&mut self.day_curve).add(power, now, &self.zone);
        }
    }

    /// With the time at which these inverters, which are not in the plant now, were first seen.
    #[must_use]
    pub fn with_departed(mut self, departed: BTreeMap<InverterSerial, Timestamp>) -> Self {
        self.departed = departed;
        self
    }

    /// Takes over another list of DTUs. One that stays keeps what is known of it. Inverters that
    /// `stays` refuses are left out, as are meters of DTUs that are gone; ledgers stay for ever.
    pub fn reconfigure(&mut self, dtus: Vec<DtuState>, stays: impl Fn(&InverterState) -> bool) {
        let goes = self.inverters.values().filter(|inverter| !stays(inverter));
        for serial in goes.map(|inverter| inverter.serial).collect::<Vec<_>>() {
            self.forget(serial);
        }
        let mut old = std::mem::take(&mut self.dtus);
        self.dtus = dtus
            .into_iter()
            .map(|new| match old.iter().position(|old| old.state.name == new.name) {
                Some(place) => {
                    let mut dtu = old.swap_remove(place);
                    let state = dtu.state_mut();
                    state.silence_limit = new.silence_limit;
                    state.interval = new.interval;
                    state.protocol = new.protocol;
                    state.shared = None;
                    state.slow_poll = None;
                    state.other = None;
                    state.configured_serial = new.configured_serial;
                    // One that the configuration does not accept any more is forgotten.
                    let is_accepted =
                        new.configured_serial.is_none_or(|it| Some(it) == state.serial);
                    state.serial = state.serial.filter(|_| is_accepted);
                    dtu
                }
                None => self.new_dtu(new),
            })
            .collect();
        let names: Vec<_> = self.dtus.iter().map(|dtu| Arc::clone(&dtu.state.name)).collect();
        self.meters.retain(&names);
        for name in names {
            self.publish_sum_of(&name);
        }
    }

    /// The time zone in which days begin.
    pub const fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// The inverters, sorted by serial number.
    pub fn inverters(&self) -> impl Iterator<Item = &Arc<Rendered<InverterState>>> {
        self.inverters.values()
    }

    /// The meters, sorted by serial number.
    pub fn meters(&self) -> impl Iterator<Item = &Arc<Rendered<MeterState>>> {
        self.meters.states()
    }

    /// The DTUs, in the order of the configuration.
    pub fn dtus(&self) -> impl Iterator<Item = &Arc<DtuState>> {
        self.dtus.iter().map(|dtu| &dtu.state)
    }

    /// That DTU.
    pub fn dtu(&self, name: &str) -> Option<&Arc<DtuState>> {
        self.dtus().find(|dtu| &*dtu.name == name)
    }

    /// When inverters were first seen that have left the plant.
    pub const fn departed(&self) -> &BTreeMap<InverterSerial, Timestamp> {
        &self.departed
    }

    /// The energy ledgers of all ports.
    pub const fn ledgers(&self) -> &BTreeMap<PortKey, PortLedger> {
        &self.ledgers
    }

    /// Whether `reading`, of which nothing was applied yet, is that DTU's. What another one says must
    /// not be applied.
    pub fn identify(&mut self, dtu: &str, reading: &DtuReading) -> Identity {
        let is_known_by_devices = self.is_known_by_devices(dtu, reading);
        let others: Vec<_> = self.dtus().filter(|one| &*one.name != dtu).map(Arc::clone).collect();
        let Some(state) = self.dtu_mut(dtu).map(Dtu::state_mut) else { return Identity::Known };
        let known = KnownDtu { configured: state.configured_serial, remembered: state.serial };
        let is_empty = reading.inverters.is_empty() && reading.meters.is_empty();
        // An answer without a serial number, after one of another DTU, is of that one as well.
        let doubted = state.other.take().filter(|_| !is_empty && !is_known_by_devices);
        let found = reading.dtu_serial.or(doubted.map(|other| other.found));
        let mut identity = known.judge(found, is_known_by_devices);
        if let Identity::Other(other) = &mut identity {
            let owner = others.iter().find(|one| one.serial == Some(other.found));
            other.belongs_to = owner.map(|one| Arc::clone(&one.name));
            state.other = Some(other.clone());
        }
        identity
    }

    /// Whether `reading` has an inverter or meter that is known of that DTU, or none is known.
    fn is_known_by_devices(&self, dtu: &str, reading: &DtuReading) -> bool {
        let mut known = self.serials_of(dtu);
        known.extend(
            self.dtu(dtu)
                .iter()
                .filter_map(|dtu| dtu.shared.as_ref())
                .flat_map(|shared| shared.inverters.iter().copied()),
        );
        let mut listed =
            reading.inverters.iter().map(|one| one.serial).chain(reading.own.iter().copied());
        let mut meters = self.meters().filter(|meter| &*meter.dtu_name == dtu).peekable();
        if known.is_empty() && meters.peek().is_none() {
            return true;
        }
        let is_listed = |known: MeterSerial| reading.meters.iter().any(|one| one.serial == known);
        listed.any(|serial| known.contains(&serial))
            || meters.any(|one| is_listed(one.reading.serial))
    }

    /// Applies a poll that reached its end; returns what was not believed.
    pub fn succeeded(
        &mut self,
        dtu: &str,
        reading: &DtuReading,
        now: Timestamp,
    ) -> Vec<RejectedReading> {
        let Some(Dtu { state, night, .. }) = self.dtu_mut(dtu) else { return Vec::new() };
        // A DTU that reaches no inverter says that none delivers; that is true of the night only.
        let is_night = !reading.is_live() && night.has_faded();
        let state = Arc::make_mut(state);
        state.status = DtuStatus::Online;
        state.serial = reading.dtu_serial.or(state.serial);
        state.firmware = reading.dtu_firmware.clone().or(state.firmware.take());
        state.last_success = Some(now);
        state.last_reply = Some(now);
        state.failing = None;
        state.query_count += 1;
        state.unread.clone_from(&reading.unread);
        let moment = Moment { now, hold: state.silence_limit, is_complete: true, is_night };
        let rejected = self.apply(dtu, reading, moment);
        // What was not read may deliver.
        if reading.unread.is_empty() || reading.is_live() {
            self.observe_power(dtu, reading, now);
        }
        self.look_for_missing(dtu, reading, now);
        self.note_listing(dtu, reading, now);
        self.start_sums(dtu, now);
        rejected
    }

    /// Notes that a DTU has answered during a poll that goes on.
    pub fn replied(&mut self, dtu: &str, now: Timestamp) {
        if let Some(state) = self.dtu_mut(dtu).map(Dtu::state_mut) {
            state.last_reply = Some(now);
        }
    }

    /// Notes how long a successful poll took. If that is long, silence is normal for longer.
    pub fn poll_took(&mut self, dtu: &str, interval: Duration, took: Duration) {
        if let Some(state) = self.dtu_mut(dtu).map(Dtu::state_mut) {
            state.slow_poll = (took > interval).then_some(SlowPoll { took, interval });
            state.silence_limit = silence_limit(interval.max(took));
        }
    }

    /// Applies that a DTU did not answer, if that is sleep: powers become 0, energies and times
    /// stay. Whether it is.
    pub fn fell_asleep(&mut self, dtu: &str, now: Timestamp) -> bool {
        if !self.may_sleep(dtu, now) {
            return false;
        }
        let serials = self.serials_of(dtu);
        for serial in &serials {
            if let Some(state) = self.inverters.get_mut(serial).map(Arc::make_mut) {
                merge::darken(state);
            }
        }
        self.meters.forget(dtu);
        if let Some(dtu) = self.dtu_mut(dtu) {
            dtu.missing = MissingDeviceMonitor::default();
            dtu.wait.night();
            let state = dtu.state_mut();
            state.status = DtuStatus::Asleep;
            state.failing = None;
            state.query_count += 1;
            state.stale_since = None;
            state.lists_none = false;
            state.missing.clear();
            state.unread = Unread::default();
        }
        self.roll_over_some(serials, now);
        true
    }

    /// Applies a poll that failed, with what had been read before; returns what was not believed.
    pub fn failed(
        &mut self,
        dtu: &str,
        error: Problem,
        partial: &DtuReading,
        now: Timestamp,
    ) -> Vec<RejectedReading> {
        let Some(Dtu { state, wait, .. }) = self.dtu_mut(dtu) else { return Vec::new() };
        let state = Arc::make_mut(state);
        wait.failed(state.silence_limit, now);
        state.status = DtuStatus::Error;
        state.query_count += 1;
        state.error_count += 1;
        state.last_error = Some(error);
        state.last_error_time = Some(now);
        let Failing { since, polls } = state.failing.unwrap_or(Failing { since: now, polls: 0 });
        state.failing = Some(Failing { since, polls: polls.saturating_add(1) });
        if !partial.inverters.is_empty() {
            state.last_reply = Some(now);
        }
        state.serial = partial.dtu_serial.or(state.serial);
        let moment = Moment { now, hold: state.silence_limit, is_complete: false, is_night: false };
        let rejected = self.apply(dtu, partial, moment);
        if partial.is_live() {
            self.observe_power(dtu, partial, now);
        }
        self.start_sums(dtu, now);
        rejected
    }

    /// Whether a DTU that does not answer now may be asleep.
    pub fn may_sleep(&self, dtu: &str, now: Timestamp) -> bool {
        let dtu = self.dtus.iter().find(|one| &*one.state.name == dtu);
        dtu.is_some_and(|dtu| dtu.night.is_asleep(now, &self.zone))
    }

    /// Forgets measurements of DTUs that fail, which are polled rarely; whether there were any.
    pub fn expire_failing(&mut self, now: Timestamp) -> bool {
        let failing = self.dtus().filter(|dtu| dtu.status == DtuStatus::Error);
        let failing: Vec<_> = failing.map(Arc::clone).collect();
        let mut is_any = false;
        for dtu in failing {
            let moment =
                Moment { now, hold: dtu.silence_limit, is_complete: false, is_night: false };
            is_any |= self.inverters().any(|state| {
                state.dtu_name == dtu.name
                    && state.pv_power().is_some()
                    && moment.is_over(state.timestamp)
            });
            let serials = self.serials_of(&dtu.name);
            self.expire(&dtu.name, &serials, moment);
        }
        is_any
    }

    /// Lets a new day begin at local midnight, whether or not a DTU answers.
    pub fn roll_over(&mut self, now: Timestamp) {
        self.rolled_over_at = Some(now);
        for (key, ledger) in &mut self.ledgers {
            roll_over_port(&mut self.inverters, *key, ledger, now, &self.zone);
        }
        self.sums.roll_over(now, &self.zone);
        self.add_up_all();
    }

    /// The same for the ports of these inverters, and for all others when they have not looked at the
    /// clock for long, or the day has changed.
    fn roll_over_some(&mut self, serials: BTreeSet<InverterSerial>, now: Timestamp) {
        let is_recent = self.rolled_over_at.is_some_and(|at| {
            let date = |at| self.zone.to_datetime(at).date();
            now.duration_since(at).abs() < ROLL_OVER_EVERY && date(at) == date(now)
        });
        if !is_recent {
            return self.roll_over(now);
        }
        for &serial in &serials {
            for (key, ledger) in self.ledgers.range_mut((serial, 0)..=(serial, u8::MAX)) {
                roll_over_port(&mut self.inverters, *key, ledger, now, &self.zone);
            }
        }
        self.add_up(serials);
    }

    /// Forgets measurements of a DTU's inverters and meters that have outlived the hold time.
    fn expire(&mut self, dtu: &str, serials: &BTreeSet<InverterSerial>, moment: Moment) {
        for serial in serials {
            let Some(state) = self.inverters.get_mut(serial) else { continue };
            if merge::is_anything_over(state, moment) {
                let state = Arc::make_mut(state);
                merge::expire(state, moment);
            }
        }
        self.meters.expire(dtu, moment);
    }

    /// Remembers what the plant delivers now, after `reading` was applied.
    fn observe_power(&mut self, dtu: &str, reading: &DtuReading, now: Timestamp) {
        // An inverter that belongs to another DTU shows the sun as well.
        let mut known = self.serials_of(dtu);
        known.extend(reading.inverters.iter().map(|inverter| inverter.serial));
        let known = known.iter().filter_map(|serial| self.inverters.get(serial));
        let (power, ports) = output(known.map(|state| &***state));
        let zone = self.zone.clone();
        let Some(Dtu { night, .. }) = self.dtu_mut(dtu) else { return };
        if reading.stale {
            night.answered_as_before(now);
        } else if reading.is_live() {
            night.answered(power.unwrap_or_default(), ports, now, &zone);
        } else {
            night.answered_in_the_dark(now);
        }
    }

    /// Notes what `reading`, which was applied, leaves out.
    fn look_for_missing(&mut self, dtu: &str, reading: &DtuReading, now: Timestamp) {
        let Some(Dtu { state, night, missing, .. }) =
            self.dtus.iter_mut().find(|one| &*one.state.name == dtu)
        else {
            return;
        };
        let is_day = night.is_surely_day(now, &self.zone);
        let light = missing::Light { is_day, is_dark: !is_day && night.has_faded(), now };
        missing.observe(Arc::make_mut(state), reading, &self.inverters, light);
    }

    fn serials_of(&self, dtu: &str) -> BTreeSet<InverterSerial> {
        self.inverters().filter(|state| &*state.dtu_name == dtu).map(|state| state.serial).collect()
    }

    fn new_dtu(&self, state: DtuState) -> Dtu {
        let mine = self.inverters().filter(|inverter| inverter.dtu_name == state.name);
        let (power, ports) = output(mine.map(|inverter| &***inverter));
        let night = NightDetector::restored(state.last_success, power, ports);
        Dtu::new(state, night)
    }

    fn dtu_mut(&mut self, name: &str) -> Option<&mut Dtu> {
        self.dtus.iter_mut().find(|dtu| &*dtu.state.name == name)
    }
}

/// What these inverters deliver together, as far as it is known of any, and how many ports they have.
fn output<'a>(inverters: impl Iterator<Item = &'a InverterState>) -> (Option<Watts>, usize) {
    inverters.fold((None, 0), |(power, ports), state| {
        let both = [power, state.pv_power()];
        let power = both.into_iter().flatten().reduce(Watts::saturating_add);
        (power, ports.saturating_add(state.ports.len()))
    })
}

/// Lets a port's ledger look at the clock, and publishes its energy.
fn roll_over_port(
    inverters: &mut BTreeMap<InverterSerial, Arc<Rendered<InverterState>>>,
    (serial, number): PortKey,
    ledger: &mut PortLedger,
    now: Timestamp,
    zone: &TimeZone,
) {
    let before = ledger.today_since(zone);
    ledger.roll_over(now, zone);
    let Some(inverter) = inverters.get_mut(&serial) else { return };
    let Some(port) = inverter.ports.get(&number) else { return };
    let mut energy = port.energy;
    let since = ledger.today_since(zone);
    let began = energy.today_since.filter(|_| before == since);
    energy.today = ledger.today().or(energy.today);
    energy.today_since = day_begin(began, since).or(energy.today_since);
    energy.total = ledger.total().or(energy.total);
    if energy != port.energy
        && let Some(port) = Arc::make_mut(inverter).ports.get_mut(&number)
    {
        port.energy = energy;
    }
}

/// When a day began that goes on, though the zone says now that it began `by_zone`. With another zone
/// since then, what was produced since is still all of it: with another midnight, Home Assistant
/// would count it again.
fn day_begin(known: Option<Timestamp>, by_zone: Option<Timestamp>) -> Option<Timestamp> {
    let by_zone = by_zone?;
    let of_this_day = |known: &Timestamp| known.duration_since(by_zone).abs() < BETWEEN_ZONES;
    known.filter(of_this_day).or(Some(by_zone))
}
