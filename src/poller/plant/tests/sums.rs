//! Totals that Home Assistant adds up: when they start, and that they never leap and never fall.

use std::collections::BTreeMap;

use proptest::prelude::{Just, Strategy, any, prop_assert, prop_assert_eq, prop_oneof};
use proptest::test_runner::{Config, TestCaseError, TestRunner};

use prost::Message as _;

use super::*;
use crate::dtu::protobuf::app_info::AppInfo;
use crate::dtu::protobuf::decode;
use crate::dtu::protobuf::messages::RealDataNewReq;
use crate::plant::ledger::{SumKey, SumLedger};
use crate::poller::restore;
use crate::snapshot::state::Energy;

/// So many minutes after 10:00 UTC, when it is surely day.
fn day(minutes: i64) -> Timestamp {
    Timestamp::from_second(1_700_128_800 + 60 * minutes).unwrap()
}

fn plant_of(dtus: &[&str]) -> PlantState {
    let dtus = dtus.iter().map(|name| DtuState::unknown(name, Protocol::Modbus, HOLD));
    PlantState::new(TimeZone::UTC, dtus.collect(), [], [])
}

/// An inverter whose ports, from 1, have these counters; `None` of a port that is not reached.
fn counted(number: u8, counters: &[Option<u64>]) -> InverterReading {
    let port = |(counter, port): (&Option<u64>, u8)| {
        let Some(counter) = *counter else { return PortReading::unknown(port) };
        PortReading {
            pv_power: Some(Watts::from_tenths(1_000)),
            today: Some(WattHours::new(counter % 1_000)),
            total: Some(WattHours::new(counter)),
            ..PortReading::unknown(port)
        }
    };
    let ports = counters.iter().zip(1..).map(port).collect();
    InverterReading { ports, ..live(number, &[], 0) }
}

fn total(energy: Energy) -> Option<u64> {
    energy.total.map(WattHours::get)
}

fn of_inverter(plant: &PlantState, number: u8) -> Option<u64> {
    total(plant.inverters[&serial(number)].energy)
}

fn of_dtu(plant: &PlantState, name: &str) -> Option<u64> {
    total(plant.dtu(name).unwrap().energy)
}

/// The plant as a bridge has it that starts then with what was stored.
fn restarted(plant: &PlantState, now: Timestamp) -> PlantState {
    let stored = restore::to_store(plant);
    let dtus = plant.dtus().map(|dtu| DtuState {
        last_success: dtu.last_success,
        ..DtuState::unknown(&dtu.name, dtu.protocol, dtu.silence_limit)
    });
    let ledgers = restore::ledgers(&stored);
    let zone = plant.zone().clone();
    let known = restore::inverters(stored.inverters);
    let mut again = PlantState::new(zone, dtus.collect(), known, ledgers).with_sums(stored.sums);
    again.roll_over(now);
    again
}

#[test]
fn totals_start_when_every_listed_port_is_known() {
    let mut plant = plant_of(&["Roof"]);
    let first = counted(1, &[Some(60_000), Some(59_873), None, None]);
    plant.succeeded("Roof", &reading(vec![first]), day(0));
    assert_eq!((of_inverter(&plant, 1), of_dtu(&plant, "Roof")), (None, None));
    assert_eq!((plant.energy(), plant.energy().today), (Energy::default(), None));
    let all = counted(1, &[Some(60_007), Some(59_880), Some(53_123), Some(53_016)]);
    plant.succeeded("Roof", &reading(vec![all]), day(1));
    let sum = Some(226_026);
    assert_eq!((of_inverter(&plant, 1), of_dtu(&plant, "Roof")), (sum, sum));
    assert_eq!(total(plant.energy()), sum);
}

/// A captured first reply of a DTU that has just started, and the one after it: four ports of one
/// inverter, of which two are known at first.
const AFTER_A_START: [&str; 2] = [
    "0a0c31304638413030303042303410f5bbd29106180128014a1308c19680809aac04100158c0e101a00183800c5a1a08\
     c19680809aac04100118e60220bd0128a50530d9d90338c00d5a1a08c19680809aac04100218e60220f20128e40630e8\
     ce0338a00d5a1308c19680809aac04100318df0220f70128e4065a1308c19680809aac04100418df0220fe0128fb06",
    "0a0c31304638413030303042303410b1bcd29106180128014a1e08c19680809aac04100118cc1220882728e41958c0e1\
     016001a00183800c5a1f08c19680809aac04100118e60220bd0128a50530e0d90338c70d40808080185a1f08c1968080\
     9aac04100218e60220f20128e40630f0ce0338a80d40808080185a1f08c19680809aac04100318df0220f70128e40630\
     839b0338f30c40808080185a1f08c19680809aac04100418df0220fe0128fb0630a1a20338910d4080808018",
];

#[test]
fn captured_replies_after_a_start_have_no_total_before_all_ports_are_known() {
    let mut plant = plant_of(&["Roof"]);
    let mut totals = Vec::new();
    for (minute, hex) in (0..).zip(AFTER_A_START) {
        let digits = hex.as_bytes().chunks(2).map(|two| std::str::from_utf8(two).unwrap());
        let bytes: Vec<_> = digits.map(|two| u8::from_str_radix(two, 16).unwrap()).collect();
        let message = RealDataNewReq::decode(&*bytes).unwrap();
        plant.succeeded("Roof", &decode::reading(&message, &AppInfo::default()), day(minute));
        let inverter = plant.inverters().next().unwrap();
        totals.push((total(inverter.energy), total(plant.energy()), inverter.ports.len()));
    }
    assert_eq!(totals, [(None, None, 4), (Some(226_036), Some(226_036), 4)]);
}

#[test]
fn a_live_port_that_has_counted_nothing_holds_nothing_up() {
    let mut plant = plant_of(&["Roof"]);
    plant.succeeded("Roof", &reading(vec![counted(1, &[Some(700), Some(0)])]), day(0));
    assert_eq!(total(plant.energy()), Some(700));
    plant.succeeded("Roof", &reading(vec![counted(1, &[Some(701), Some(2)])]), day(1));
    assert_eq!(total(plant.energy()), Some(703), "it grows from 0");

    let mut plant = plant_of(&["Roof"]);
    plant.succeeded("Roof", &reading(vec![counted(1, &[Some(700), Some(0)])]), day(0));
    plant.succeeded("Roof", &reading(vec![counted(1, &[Some(701), Some(140_000)])]), day(1));
    assert_eq!(total(plant.energy()), Some(701), "the zero was none");
    plant.succeeded("Roof", &reading(vec![counted(1, &[Some(702), Some(140_003)])]), day(2));
    assert_eq!(total(plant.energy()), Some(705));
}

#[test]
fn a_port_that_is_never_reached_holds_totals_up_for_ten_minutes() {
    let mut plant = plant_of(&["Roof"]);
    for minute in 0..10 {
        let inverter = counted(1, &[Some(700 + u64::try_from(minute).unwrap()), None]);
        plant.succeeded("Roof", &reading(vec![inverter]), day(minute));
        assert_eq!((of_inverter(&plant, 1), plant.energy().total), (None, None), "{minute}");
    }
    plant.succeeded("Roof", &reading(vec![counted(1, &[Some(710), None])]), day(10));
    assert_eq!((of_inverter(&plant, 1), total(plant.energy())), (Some(710), Some(710)));
    plant.succeeded("Roof", &reading(vec![counted(1, &[Some(711), Some(50_000)])]), day(11));
    assert_eq!((of_inverter(&plant, 1), total(plant.energy())), (Some(711), Some(711)));
}

#[test]
fn by_night_the_time_does_not_run() {
    let mut plant = plant_of(&["Roof"]);
    let night = |minute: i64| at(180 + minute);
    for minute in 0..30 {
        plant.succeeded("Roof", &reading(vec![dark(1)]), night(minute));
    }
    let morning = |minute: i64| at(15 * 60 + minute);
    plant.succeeded("Roof", &reading(vec![counted(1, &[Some(700), None])]), morning(0));
    assert_eq!(plant.energy().total, None);
    plant.succeeded("Roof", &reading(vec![counted(1, &[Some(701), Some(900)])]), morning(1));
    assert_eq!(total(plant.energy()), Some(1_601));
}

#[test]
fn the_plant_waits_for_every_dtu() {
    let mut plant = plant_of(&["Roof", "Barn"]);
    plant.succeeded("Roof", &reading(vec![counted(1, &[Some(20_000_000)])]), day(0));
    plant.failed("Barn", problem(), &DtuReading::default(), day(0));
    assert_eq!((of_dtu(&plant, "Roof"), plant.energy().total), (Some(20_000_000), None));
    let barn = counted(2, &[Some(30_000_000)]);
    plant.succeeded("Barn", &reading(vec![barn.clone()]), day(3));
    assert_eq!(total(plant.energy()), Some(50_000_000));

    let mut plant = plant_of(&["Roof", "Barn"]);
    for minute in 0..=10 {
        plant.succeeded("Roof", &reading(vec![counted(1, &[Some(20_000_000)])]), day(minute));
    }
    assert_eq!(total(plant.energy()), Some(20_000_000), "but not for one that stays away");
    plant.succeeded("Barn", &reading(vec![barn]), day(11));
    assert_eq!(total(plant.energy()), Some(20_000_000));
    assert_eq!(of_dtu(&plant, "Barn"), Some(30_000_000));
}

#[test]
fn a_new_inverter_adds_no_past() {
    let mut plant = plant_of(&["Roof"]);
    let mut seen = Vec::new();
    for n in 1..=8 {
        let mut inverters = vec![counted(1, &[Some(60_000 + n)])];
        if n >= 4 {
            inverters.push(counted(2, &[Some(900_000 + n)]));
        }
        plant.succeeded("Roof", &reading(inverters), day(n.try_into().unwrap()));
        seen.push((total(plant.energy()).unwrap(), plant.energy().today.unwrap().get()));
    }
    let totals: Vec<_> = seen.iter().map(|seen| seen.0).collect();
    // The second inverter is believed when the fifth poll names it again.
    assert_eq!(totals, [60_001, 60_002, 60_003, 60_004, 60_005, 60_007, 60_009, 60_011]);
    let today: Vec<_> = seen.iter().map(|seen| seen.1).collect();
    assert_eq!(today, [1, 2, 3, 4, 5, 7, 9, 11], "nor has today a past");
    assert_eq!(of_inverter(&plant, 2), Some(900_008), "its own total is its lifetime");
}

#[test]
fn stored_ledgers_without_sums_are_added_up() {
    let mut plant = plant_of(&["Roof"]);
    plant.succeeded("Roof", &reading(vec![counted(1, &[Some(700), None])]), day(0));
    assert_eq!(plant.energy().total, None);
    let stored = restore::to_store(&plant);
    let ledgers = restore::ledgers(&stored);
    let dtu = DtuState::unknown("Roof", Protocol::Modbus, HOLD);
    let known = restore::inverters(stored.inverters);
    let mut upgraded = PlantState::new(TimeZone::UTC, vec![dtu], known, ledgers);
    upgraded.roll_over(day(1));
    assert_eq!((of_inverter(&upgraded, 1), total(upgraded.energy())), (Some(700), Some(700)));
    assert_eq!(restarted(&plant, day(1)).energy().total, None, "but not if they only wait");
}

/// What happens to a plant of two DTUs that can both read four inverters with two ports.
#[derive(Clone, Debug)]
enum Event {
    /// A good poll: which inverters the DTU lists, which of their ports it reaches, and what each
    /// has produced since.
    Polled {
        dtu: usize,
        lists: u8,
        reaches: u8,
        growth: u8,
    },
    /// The poll failed after the first inverter.
    Failed {
        dtu: usize,
        growth: u8,
    },
    /// The configuration has these DTUs, and leaves these inverters out.
    Reloaded {
        dtus: u8,
        excludes: u8,
    },
    /// The device is another one, with this counter.
    Exchanged {
        port: usize,
        counter: u32,
    },
    Restarted,
    /// So many hours pass.
    Passed {
        hours: u8,
    },
}

fn event() -> impl Strategy<Value = Event> {
    let polled = (0..2_usize, any::<u8>(), any::<u8>(), 0..30_u8)
        .prop_map(|(dtu, lists, reaches, growth)| Event::Polled { dtu, lists, reaches, growth });
    prop_oneof![
        4 => (0..2_usize, 0..30_u8).prop_map(|(dtu, growth)| {
            Event::Polled { dtu, lists: 255, reaches: 255, growth }
        }),
        4 => polled,
        1 => (0..2_usize, 0..30_u8).prop_map(|(dtu, growth)| Event::Failed { dtu, growth }),
        2 => (1..4_u8, any::<u8>(), any::<u8>())
            .prop_map(|(dtus, one, other)| Event::Reloaded { dtus, excludes: one & other }),
        1 => (0..8_usize, 1..3_000_000_u32)
            .prop_map(|(port, counter)| Event::Exchanged { port, counter }),
        2 => Just(Event::Restarted),
        2 => (0..30_u8).prop_map(|hours| Event::Passed { hours }),
    ]
}

const DTUS: [&str; 2] = ["Roof", "Barn"];

/// A plant, and the devices that it reads.
struct History {
    plant: PlantState,
    now: Timestamp,
    counters: [u64; 8],
    excludes: u8,
}

impl History {
    fn new() -> Self {
        let counters = [60_000, 0, 900_000, 7, 2_000_000, 2_100_000, 1, 44_000];
        Self { plant: plant_of(&DTUS), now: day(0), counters, excludes: 0 }
    }

    fn happens(&mut self, event: &Event) {
        if !matches!(event, Event::Restarted) {
            self.now += Duration::from_secs(60);
        }
        match *event {
            Event::Polled { dtu, lists, reaches, growth } => {
                self.grow(growth);
                let inverters = self.listed(lists, reaches);
                self.plant.succeeded(DTUS[dtu], &reading(inverters), self.now);
            }
            Event::Failed { dtu, growth } => {
                self.grow(growth);
                let partial = reading(self.listed(1, 255));
                self.plant.failed(DTUS[dtu], problem(), &partial, self.now);
            }
            Event::Reloaded { dtus, excludes } => {
                self.excludes = excludes;
                let names = (0..2).filter(|nth| dtus >> nth & 1 == 1).map(|nth| DTUS[nth]);
                let names: Vec<_> = names.collect();
                let states =
                    names.iter().map(|name| DtuState::unknown(name, Protocol::Modbus, HOLD));
                let stays = |inverter: &InverterState| {
                    names.contains(&&*inverter.dtu_name)
                        && (0..4).all(|nth| {
                            inverter.serial != serial(nth + 1) || excludes >> nth & 1 == 0
                        })
                };
                self.plant.roll_over(self.now);
                self.plant.reconfigure(states.collect(), stays);
            }
            Event::Exchanged { port, counter } => self.counters[port] = counter.into(),
            Event::Restarted => self.plant = restarted(&self.plant, self.now),
            Event::Passed { hours } => {
                self.now += Duration::from_secs(3_600 * u64::from(hours));
                self.plant.roll_over(self.now);
            }
        }
    }

    fn grow(&mut self, growth: u8) {
        for counter in self.counters.iter_mut().filter(|counter| **counter > 0) {
            *counter += u64::from(growth);
        }
    }

    fn listed(&self, lists: u8, reaches: u8) -> Vec<InverterReading> {
        let is_listed = |nth: &u8| lists >> nth & 1 == 1 && self.excludes >> nth & 1 == 0;
        let inverter = |nth: u8| {
            let port = |port: u8| {
                let place = usize::from(2 * nth + port);
                (reaches >> place & 1 == 1).then_some(self.counters[place])
            };
            counted(nth + 1, &[port(0), port(1)])
        };
        (0..4).filter(is_listed).map(inverter).collect()
    }

    /// Every sum with its ports.
    fn sums(&self) -> BTreeMap<SumKey, (Option<u64>, Vec<PortKey>)> {
        let sum = |(key, sum): (&SumKey, &SumLedger)| {
            (key.clone(), (sum.total().map(WattHours::get), sum.ports().collect()))
        };
        self.plant.sums().map(sum).collect()
    }

    /// The total of each port that has one.
    fn ports(&self) -> BTreeMap<PortKey, u64> {
        let ledgers = self.plant.ledgers().iter();
        ledgers.filter_map(|(key, ledger)| Some((*key, ledger.total()?.get()))).collect()
    }
}

fn check(
    before: &History,
    sums: &BTreeMap<SumKey, (Option<u64>, Vec<PortKey>)>,
    ports: &BTreeMap<PortKey, u64>,
) -> Result<(), TestCaseError> {
    for (key, (total, members)) in before.sums() {
        let Some((Some(old), known)) = sums.get(&key) else { continue };
        prop_assert!(total.is_some(), "{key} is not known any more");
        let total = total.unwrap_or_default();
        let growth = |port: &PortKey| {
            let now = before.ports().get(port).copied().unwrap_or_default();
            now - ports.get(port).copied().unwrap_or_default()
        };
        let stayed = members.iter().filter(|port| known.contains(port));
        let most: u64 = stayed.map(growth).sum();
        prop_assert!((*old..=old + most).contains(&total), "{key}: {old}, then {total}");
    }
    Ok(())
}

#[test]
fn totals_never_fall_and_never_leap_whatever_joins_and_leaves() {
    let mut runner = TestRunner::new(Config { cases: 300, ..Config::default() });
    let events = proptest::collection::vec(event(), 1..60);
    let outcome = runner.run(&events, |events| {
        let mut history = History::new();
        for event in events {
            let (sums, ports) = (history.sums(), history.ports());
            let today = history.plant.energy().today;
            history.happens(&event);
            check(&history, &sums, &ports)?;
            if matches!(event, Event::Restarted) {
                prop_assert_eq!(&history.sums(), &sums, "a restart changes nothing");
                prop_assert_eq!(history.plant.energy().today, today);
            }
            if matches!(event, Event::Reloaded { .. }) {
                let total = |(_, (total, _)): (SumKey, (Option<u64>, Vec<PortKey>))| total;
                let now: Vec<_> = history.sums().into_iter().map(total).collect();
                prop_assert_eq!(now, sums.into_iter().map(total).collect::<Vec<_>>());
            }
        }
        Ok(())
    });
    outcome.unwrap();
}
