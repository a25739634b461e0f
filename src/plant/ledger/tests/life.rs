//! Random events of a port: dropouts, stale replies, restarts, midnights, outages, exchanges.

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::{ProptestConfig, Strategy, any, prop_assert, prop_oneof, proptest};
use proptest::test_runner::TestCaseError;

use super::{Counters, PortLedger, WattHours, berlin};

/// What happens to a port and its DTU from one poll to the next.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// A good reading after so many seconds at so many watts.
    Reading { seconds: u16, watts: u16 },
    /// The DTU reports 0, as when it sleeps, wakes or restarts.
    Zero,
    /// The DTU leaves this port out.
    Missing,
    /// The DTU repeats its last reply.
    Stale,
    /// It repeats the values of an inverter that it reports as unreachable.
    Asleep,
    /// One value far off, as overloaded DTUs send.
    Garbage(u32),
    /// The bridge restarts.
    Restart,
    /// No poll for so many minutes, while the port goes on producing.
    Outage { minutes: u16, watts: u16 },
    /// The device sets its daily counter to 0.
    DailyReset,
    /// A new inverter takes the place of the old one.
    New,
    /// A used one does.
    Used(u32),
    /// The clock is wrong by so many days for some polls, by others for some more, perhaps with a
    /// restart of the bridge; then it is right again.
    Clock { days: [i16; 2], is_restarted: bool },
}

fn event() -> impl Strategy<Value = Event> {
    let reading = (20_u16..400, 150_u16..700);
    let outage = (30_u16..1_500, 0_u16..400);
    prop_oneof![
        60 => reading.prop_map(|(seconds, watts)| Event::Reading { seconds, watts }),
        6 => proptest::strategy::Just(Event::Zero),
        6 => proptest::strategy::Just(Event::Missing),
        5 => proptest::strategy::Just(Event::Stale),
        5 => proptest::strategy::Just(Event::Asleep),
        3 => any::<u32>().prop_map(Event::Garbage),
        5 => proptest::strategy::Just(Event::Restart),
        3 => outage.prop_map(|(minutes, watts)| Event::Outage { minutes, watts }),
        3 => proptest::strategy::Just(Event::DailyReset),
        1 => proptest::strategy::Just(Event::New),
        1 => (5_000_u32..3_000_000).prop_map(Event::Used),
        2 => (any::<[i16; 2]>(), any::<bool>(), any::<bool>()).prop_map(|(days, is_near, is_restarted)| {
            let days = if is_near { days.map(|days| days % 3) } else { days };
            Event::Clock { days, is_restarted }
        }),
    ]
}

/// The true device, and what the bridge should know of it.
struct Life {
    now: Timestamp,
    /// By so much the bridge's clock is wrong.
    clock_error: SignedDuration,
    ledger: PortLedger,
    /// Energy of the present device, exact, in milliwatt hours.
    energy_mwh: u64,
    daily: u64,
    last_reply: Counters,
    /// The energy of all devices since each one's first reading, as far as it was read.
    truth: u64,
    last_good: u64,
    /// Good readings that rose since the last exchange or outage.
    good: u32,
    /// Counter of the device before it.
    predecessor: u64,
    published: Option<(Timestamp, u64, u64)>,
    /// Whether each clock jump returned to its day, and to none that an outage had ended.
    is_certain: bool,
}

impl Life {
    /// A bridge that is first started at `start`; a device that sleeps at first repeats what it had
    /// counted the day before.
    fn new(first: u32, start: i64, slept_with: Option<u16>) -> Self {
        let mut life = Self {
            now: Timestamp::from_second(1_772_000_000 + start).unwrap(),
            clock_error: SignedDuration::ZERO,
            ledger: PortLedger::default(),
            energy_mwh: u64::from(first) * 1_000,
            daily: slept_with.unwrap_or(0).into(),
            last_reply: Counters::default(),
            truth: u64::from(first),
            last_good: u64::from(first),
            good: 0,
            predecessor: u64::MAX,
            published: None,
            is_certain: true,
        };
        if slept_with.is_some() {
            let (total, today) = (WattHours::new(first.into()), WattHours::new(life.daily));
            life.reply(Counters { total: Some(total), today: Some(today), is_live: false });
        }
        life.read(0, 0);
        // Three readings confirm it.
        life.read(60, 300);
        life.read(60, 300);
        life
    }

    fn pass(&mut self, seconds: u64, watts: u64) {
        let energy = seconds * watts * 1_000 / 3_600;
        self.energy_mwh += energy;
        self.daily += energy / 1_000;
        self.now += SignedDuration::from_secs(i64::try_from(seconds).unwrap());
    }

    fn read(&mut self, seconds: u64, watts: u64) {
        self.pass(seconds, watts);
        let counter = self.energy_mwh / 1_000;
        // A constant value confirms nothing.
        self.good += u32::from(counter > self.last_good || self.good == 0);
        self.truth += counter - self.last_good;
        self.last_good = counter;
        let daily = WattHours::new(self.daily);
        self.reply(Counters {
            total: Some(WattHours::new(counter)),
            today: Some(daily),
            is_live: true,
        });
    }

    fn reply(&mut self, reply: Counters) {
        self.last_reply = reply;
        self.ledger.record(reply, self.now + self.clock_error, &berlin());
    }

    /// Whether the last exchange or outage is confirmed: by three readings and one more that shows
    /// that they were not garbage.
    fn is_settled(&self) -> bool {
        self.good >= 4
    }

    fn exchange(&mut self, counter: u64) {
        self.predecessor = self.energy_mwh / 1_000;
        self.energy_mwh = counter * 1_000;
        self.daily = 0;
        self.last_good = counter;
        self.good = 0;
        // The first poll after the exchange, before it has counted.
        if counter > 0 {
            self.read(30, 0);
        }
        self.read(60, 300);
        self.read(60, 300);
        self.read(60, 300);
    }

    fn live(&mut self, event: Event) {
        match event {
            Event::Reading { seconds, watts } => self.read(seconds.into(), watts.into()),
            Event::Zero => {
                self.pass(60, 100);
                let zero = Some(WattHours::new(0));
                self.reply(Counters { total: zero, today: zero, is_live: false });
            }
            Event::Missing => {
                self.pass(60, 100);
                self.reply(Counters::default());
            }
            Event::Stale => {
                self.pass(60, 100);
                self.reply(self.last_reply);
            }
            Event::Asleep => {
                self.pass(60, 0);
                self.reply(Counters { is_live: false, ..self.last_reply });
            }
            Event::Garbage(value) => {
                self.pass(60, 100);
                let (value, counter) = (u64::from(value), self.energy_mwh / 1_000);
                // A value near the truth cannot be recognised as garbage.
                if value.abs_diff(counter) > 200_000 && value > 200_000 {
                    // Readings that confirm a step agree with each other, one after the other.
                    self.good = if self.is_settled() { self.good } else { 0 };
                    self.reply(Counters {
                        total: Some(WattHours::new(value)),
                        today: None,
                        is_live: true,
                    });
                }
                self.read(60, 300);
            }
            Event::Restart => {
                let record = self.ledger.to_record();
                assert!(record.is_sound(), "{record:?}");
                self.ledger = PortLedger::from_record(record);
            }
            Event::Outage { minutes, watts } => {
                self.pass(u64::from(minutes) * 60, watts.into());
                // Next comes a step, which may be true or not at first.
                self.good = 0;
            }
            Event::DailyReset => self.daily = 0,
            // A new device after a new one starts at the same counter.
            Event::New if self.is_settled() && self.last_good.min(self.predecessor) > 1_000 => {
                self.exchange(0);
            }
            Event::Used(counter) if self.is_settled() => {
                let (now, counter) = (self.energy_mwh / 1_000, u64::from(counter));
                // A device with the counter of one of the last two cannot be distinguished from it.
                let is_another = |known: u64| counter.abs_diff(known) > 200_000;
                if is_another(now) && is_another(self.predecessor) {
                    self.exchange(counter);
                }
            }
            Event::New | Event::Used(_) | Event::Clock { .. } => {}
        }
    }

    /// Whatever dates a wrong clock gives meanwhile, the true day loses nothing, unless one of them
    /// ended in an outage: then it is unknown which is wrong.
    fn leap(&mut self, days: [i16; 2], is_restarted: bool) -> Result<(), TestCaseError> {
        self.read(60, 300);
        self.check()?;
        let (before, left) = (self.published, self.ledger.left_days.clone());
        let mut is_certain = true;
        for days in days {
            self.clock_error = SignedDuration::from_hours(24 * i64::from(days));
            self.read(60, 300);
            let date = berlin().to_datetime(self.now + self.clock_error).date();
            is_certain &= left.find(date, 0).is_none();
            if is_restarted {
                self.live(Event::Restart);
            }
        }
        self.clock_error = SignedDuration::ZERO;
        self.read(60, 300);
        // Midnight may have come meanwhile.
        is_certain &= before.is_some_and(|before| before.0 == self.since());
        self.is_certain &= is_certain;
        // A day that comes back begins with more than nothing.
        self.published = before.filter(|_| is_certain);
        self.check()
    }

    fn since(&self) -> Timestamp {
        self.ledger.today_since(&berlin()).unwrap_or_default()
    }

    /// The total never falls, nor does today's production within a day.
    fn check(&mut self) -> Result<(), TestCaseError> {
        let total = self.ledger.total().unwrap_or_default().get();
        let today = self.ledger.today().unwrap_or_default().get();
        let since = self.since();
        if let Some((day, total_before, today_before)) = self.published {
            prop_assert!(total >= total_before, "the total fell from {total_before} to {total}");
            if day == since {
                prop_assert!(today >= today_before, "today fell from {today_before} to {today}");
            }
            let growth = total - total_before;
            if day != since && self.is_certain {
                prop_assert!(today <= growth, "a day began with {today} Wh, grown by {growth}");
            }
        }
        self.published = Some((since, total, today));
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn the_total_never_falls_and_ends_at_the_truth(
        first in 5_000_u32..3_000_000,
        // Half a year: both changes of the clock lie in it.
        start in 0_i64..22_000_000,
        slept_with in any::<Option<u16>>(),
        events in proptest::collection::vec(event(), 1..250),
    ) {
        let mut life = Life::new(first, start, slept_with);
        for event in events {
            if let Event::Clock { days, is_restarted } = event {
                life.leap(days, is_restarted)?;
            } else {
                life.live(event);
                life.check()?;
            }
        }
        for _ in 0..4 {
            life.read(300, 300);
            life.check()?;
        }
        let total = life.ledger.total().unwrap_or_default().get();
        prop_assert!(total.abs_diff(life.truth) <= 1, "{total} Wh, in truth {}", life.truth);
    }
}
