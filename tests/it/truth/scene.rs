//! A plant of two inverters with a port each, read by a script, and what all outputs say of it.

use std::sync::Arc;
use std::time::Duration;

use hoymiles_bridge::clock::WallClock;
use hoymiles_bridge::config::{HttpConfig, MqttConfig, Protocol};
use hoymiles_bridge::dtu::{DtuError, PollError};
use hoymiles_bridge::http::{self, Api, Limits};
use hoymiles_bridge::mqtt;
use hoymiles_bridge::plant::ledger::PortLedger;
use hoymiles_bridge::plant::reading::{AcReading, DtuReading, InverterReading, PortReading};
use hoymiles_bridge::plant::serial::InverterSerial;
use hoymiles_bridge::plant::units::{Celsius, Volts, WattHours, Watts};
use hoymiles_bridge::poller::book::Book;
use hoymiles_bridge::poller::keeper::Keeper;
use hoymiles_bridge::poller::restore;
use hoymiles_bridge::snapshot::SnapshotReader;
use hoymiles_bridge::snapshot::state::{DtuState, DtuStatus};
use hoymiles_bridge::store::Store;
use hoymiles_bridge::targets::Directory;
use hoymiles_bridge::tasks::Tasks;
use hoymiles_bridge::telemetry::metrics::Metrics;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::support::{client, within_guard};

const DTU: &str = "House";
const HOLD: Duration = Duration::from_secs(300);

/// What the DTU says at one poll, or what happens instead.
#[derive(Clone, Copy, Debug)]
pub(super) enum Reads {
    /// Both inverters deliver so much; counters in Wh.
    Both { watts: i32, today: u64, total: u64 },
    /// Both deliver so much, and do not tell their counters.
    NoCounters { watts: i32 },
    /// The DTU does not reach the first inverter.
    OneMissing { watts: i32, today: u64, total: u64 },
    /// It reaches neither.
    NoneReached,
    /// It does not answer.
    Silence,
    /// It is midnight.
    Midnight,
    /// The bridge starts anew, with what it has kept.
    Restart,
}

/// What is seen of the first inverter, and of the plant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Seen {
    pub(super) power: Option<f64>,
    pub(super) voltage: Option<f64>,
    pub(super) temperature: Option<f64>,
    pub(super) reachable: Option<&'static str>,
    pub(super) today: u64,
    pub(super) since: &'static str,
    pub(super) total: u64,
    pub(super) plant_power: Option<f64>,
    pub(super) plant_today: u64,
    pub(super) plant_total: u64,
}

/// A script under way.
pub(super) struct Scene {
    began: Timestamp,
    now: Timestamp,
    store: Store,
    keeper: Keeper,
    snapshot: SnapshotReader,
}

impl Scene {
    /// A bridge that starts at that time and knows nothing.
    pub(super) fn new(time: &str) -> Self {
        let began = time.parse().unwrap();
        let store = Store::in_memory();
        let book = Book::new(zone(), vec![dtu(None)], [], []);
        let (keeper, snapshot) = Keeper::new(book, store.clone(), began);
        Self { began, now: began, store, keeper, snapshot }
    }

    /// What happens so many minutes after the beginning.
    pub(super) fn then(self, minutes: i64, reads: Reads) -> Self {
        let at = self.began + minutes.minutes();
        self.happens(at, reads)
    }

    /// What happens at that time.
    pub(super) fn at(self, time: &str, reads: Reads) -> Self {
        self.happens(time.parse().unwrap(), reads)
    }

    fn happens(mut self, at: Timestamp, reads: Reads) -> Self {
        self.now = at;
        let counters = |today, total| (Some(WattHours::new(today)), Some(WattHours::new(total)));
        match reads {
            Reads::Both { watts, today, total } => {
                let counters = counters(today, total);
                self.answers(&[live(1, watts, counters), live(2, watts, counters)]);
            }
            Reads::NoCounters { watts } => {
                self.answers(&[live(1, watts, (None, None)), live(2, watts, (None, None))]);
            }
            Reads::OneMissing { watts, today, total } => {
                self.answers(&[dark(1), live(2, watts, counters(today, total))]);
            }
            Reads::NoneReached => self.answers(&[dark(1), dark(2)]),
            Reads::Silence => self.is_silent(),
            Reads::Midnight => self.keeper.roll(at),
            Reads::Restart => self.restarts(),
        }
        self
    }

    fn answers(&self, inverters: &[InverterReading]) {
        let reading = DtuReading { inverters: inverters.to_vec(), ..DtuReading::default() };
        self.keeper.succeeded(DTU, &reading, self.now);
    }

    /// As the poller enters it.
    fn is_silent(&self) {
        if !self.keeper.fell_asleep(DTU, self.now) {
            let error = DtuError::Unreachable {
                address: "10.0.0.1:502".to_owned(),
                source: std::io::ErrorKind::ConnectionRefused.into(),
                cure: "is it on?",
            };
            self.keeper.failed(DTU, &PollError::from(error), self.now);
        }
    }

    fn restarts(&mut self) {
        let saved = self.store.load();
        let known = restore::inverters(saved.snapshot_json.as_deref().unwrap());
        let ledgers = saved.ledgers.into_iter();
        let ledgers = ledgers.map(|(key, record)| (key, PortLedger::from_record(record)));
        let dtu = dtu(saved.last_success.get(DTU).copied());
        let book = Book::new(zone(), vec![dtu], known, ledgers);
        (self.keeper, self.snapshot) = Keeper::new(book, self.store.clone(), self.now);
    }

    /// How often those who listen were told something.
    pub(super) fn sequence(&self) -> u64 {
        self.snapshot.latest().sequence
    }

    /// JSON, metrics and MQTT all say this.
    pub(super) async fn shows(self, what: &str, expected: &Seen) {
        let seen = [
            ("update", self.update()),
            ("API", self.api().await),
            ("metrics", self.metrics(expected).await),
            ("MQTT", self.mqtt()),
        ];
        for (output, seen) in seen {
            assert_eq!(seen, *expected, "{what}: {output}");
        }
    }

    fn update(&self) -> Seen {
        let update: Value = serde_json::from_slice(&self.snapshot.latest().update_json).unwrap();
        seen(&update["data"]["inverters"][0], &update["data"]["plant"], 1.0)
    }

    async fn api(&self) -> Seen {
        let inverters = serde_json::from_str(&self.get("/api/inverters").await).unwrap();
        let inverters: Value = inverters;
        let plant: Value = serde_json::from_str(&self.get("/api/plant").await).unwrap();
        seen(&inverters[0], &plant, 1.0)
    }

    fn mqtt(&self) -> Seen {
        let mut board = mqtt::board(&MqttConfig::default(), &[]);
        let messages = board.news(&self.snapshot.latest());
        let state = |topic: &str| -> Value {
            let found = messages.iter().find(|message| message.topic == topic).unwrap();
            serde_json::from_slice(&found.payload).unwrap()
        };
        let inverter = state("hoymiles/inverter/114100000001/state");
        let mut object = inverter.clone();
        object["link_status"] = match inverter["reachable"].as_str() {
            Some("on") => json!(1),
            Some("off") => json!(0),
            Some(_) | None => Value::Null,
        };
        // Its port says the same, since it has one.
        for key in ["pv_power", "today_production", "total_production"] {
            assert_eq!(inverter[format!("p1_{key}")], inverter[key], "{key}");
        }
        let availability = "hoymiles/inverter/114100000001/availability";
        let is_online = messages
            .iter()
            .any(|message| message.topic == availability && message.payload == "online");
        assert!(is_online, "what is known of it stands");
        seen(&object, &state("hoymiles/bridge/state"), 1000.0)
    }

    /// Metrics have no sums and no midnight; these are taken as expected.
    async fn metrics(&self, expected: &Seen) -> Seen {
        let page = self.get("/metrics").await;
        let value = |name: &str, labels: &str| -> Option<f64> {
            let start = format!("hoymiles_{name}{{serial=\"11410000000{labels}}} ");
            let line = page.lines().find_map(|line| line.strip_prefix(&start))?;
            Some(line.parse().unwrap())
        };
        let sum = |name: &str| -> Option<f64> {
            let known = [value(name, "1\",port=\"1\""), value(name, "2\",port=\"1\"")];
            known.into_iter().flatten().reduce(|one, other| one + other)
        };
        Seen {
            power: value("port_pv_power_watts", "1\",port=\"1\""),
            voltage: value("inverter_grid_voltage_volts", "1\""),
            temperature: value("inverter_temperature_celsius", "1\""),
            reachable: value("inverter_link_status", "1\"").map(on),
            today: whole(value("port_today_energy_watt_hours", "1\",port=\"1\"")),
            total: whole(value("port_energy_watt_hours_total", "1\",port=\"1\"")),
            plant_power: sum("port_pv_power_watts"),
            plant_today: whole(sum("port_today_energy_watt_hours")),
            plant_total: whole(sum("port_energy_watt_hours_total")),
            since: expected.since,
        }
    }

    async fn get(&self, path: &str) -> String {
        // Whoever makes a client has the library know how TLS would be spoken.
        let client = client();
        let now = self.now;
        let clock = WallClock::from_fn(move || now);
        let http = HttpConfig::default();
        let targets =
            Directory::new(&[], Vec::new(), &http.registration, self.store.clone(), clock.clone());
        let api = Api {
            snapshot: self.snapshot.clone(),
            targets: targets.unwrap(),
            clock,
            zone: zone(),
            token: None,
            metrics: Metrics::new(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}{path}", listener.local_addr().unwrap());
        let tasks = Tasks::new();
        let serving = http::serve(listener, Arc::new(api), Limits::from(&http), tasks.stop());
        tasks.spawn("http", serving);
        let text = client.get(url).send().await.unwrap().text().await.unwrap();
        within_guard("end of the API", tasks.shut_down(Duration::from_secs(5))).await;
        text
    }
}

/// From an inverter object and one of the plant, whose totals are in that many Wh.
fn seen(inverter: &Value, plant: &Value, total_unit: f64) -> Seen {
    let total = |object: &Value| {
        whole(object["total_production"].as_f64().map(|total| (total * total_unit).round()))
    };
    // The table names the midnights that can be.
    let since = [super::THAT_DAY, super::NEXT_DAY];
    let since = since.into_iter().find(|since| inverter["today_since"] == *since).unwrap();
    assert_eq!(plant["today_since"], since, "one day for all");
    Seen {
        power: inverter["pv_power"].as_f64(),
        voltage: inverter["grid_voltage"].as_f64(),
        temperature: inverter["temperature"].as_f64(),
        reachable: inverter["link_status"].as_f64().map(on),
        today: inverter["today_production"].as_u64().unwrap(),
        since,
        total: total(inverter),
        plant_power: plant["pv_power"].as_f64(),
        plant_today: plant["today_production"].as_u64().unwrap(),
        plant_total: total(plant),
    }
}

fn on(link_status: f64) -> &'static str {
    if link_status > 0.5 { "on" } else { "off" }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "energies of a test")]
fn whole(value: Option<f64>) -> u64 {
    value.unwrap() as u64
}

fn zone() -> TimeZone {
    TimeZone::get("Europe/Berlin").unwrap()
}

fn dtu(last_success: Option<Timestamp>) -> DtuState {
    DtuState {
        name: Arc::from(DTU),
        protocol: Protocol::Modbus,
        serial: None,
        firmware: None,
        status: DtuStatus::Unknown,
        silence_limit: HOLD,
        last_success,
        query_count: 0,
        error_count: 0,
        last_error: None,
        last_error_time: None,
    }
}

fn serial(number: u8) -> InverterSerial {
    InverterSerial::from_bytes([0x11, 0x41, 0, 0, 0, number])
}

fn live(
    number: u8,
    watts: i32,
    (today, total): (Option<WattHours>, Option<WattHours>),
) -> InverterReading {
    InverterReading {
        link_status: Some(1),
        operating_status: Some(3),
        alarm_code: Some(0),
        alarm_count: Some(0),
        grid_voltage: Some(Volts::from_tenths(2_334)),
        temperature: Some(Celsius::from_tenths(315)),
        ac: AcReading::default(),
        ports: vec![PortReading {
            pv_voltage: Some(Volts::from_tenths(341)),
            pv_power: Some(Watts::from_tenths(watts * 10)),
            today,
            total,
            ..PortReading::unknown(1)
        }],
        ..InverterReading::unknown(serial(number))
    }
}

/// As a DTU lists an inverter that it does not reach: with zeros, which the decoder leaves out.
fn dark(number: u8) -> InverterReading {
    InverterReading {
        link_status: Some(0),
        operating_status: Some(0),
        ports: vec![PortReading::unknown(1)],
        ..InverterReading::unknown(serial(number))
    }
}
