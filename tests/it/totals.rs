//! Totals that Home Assistant adds up: a real bridge over Modbus, with inverters that come and go.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::support::bridge::{Bridge, Home};
use crate::support::within_guard;

const FIRST: u64 = 0x1161_a000_0b41;
const SECOND: u64 = 0x1161_a000_0b42;

/// A live port: serial number, daily and lifetime counter.
type Port = (u64, u16, u32);

/// A DTU that answers its nth poll, from 1, with the ports of a script.
struct ScriptedDtu {
    address: SocketAddr,
    polls: Arc<AtomicU64>,
    server: JoinHandle<()>,
}

impl ScriptedDtu {
    async fn start(script: fn(u64) -> Vec<Port>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let polls = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&polls);
        #[expect(clippy::disallowed_methods, reason = "ends with the test")]
        let server = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // A broken connection ends with the next one.
                drop(answer(stream, script, &count).await);
            }
        });
        Self { address, polls, server }
    }

    fn section(&self, name: &str, more: &str) -> String {
        format!(
            "[[dtu]]\nname = \"{name}\"\nprotocol = \"modbus\"\nhost = \"127.0.0.1\"\nport = {}\n\
             timeout = \"1s\"\nretries = 0\ninterval = \"5s\"\n{more}\n",
            self.address.port()
        )
    }

    async fn stop(self) {
        self.server.abort();
        drop(self.server.await);
    }
}

async fn answer(
    mut stream: TcpStream,
    script: fn(u64) -> Vec<Port>,
    polls: &AtomicU64,
) -> std::io::Result<()> {
    loop {
        let mut request = [0; 12];
        stream.read_exact(&mut request).await?;
        let [t0, t1, _, _, _, _, unit, function, a0, a1, c0, c1] = request;
        let (address, count) = (u16::from_be_bytes([a0, a1]), u16::from_be_bytes([c0, c1]));
        let first = usize::from(address.saturating_sub(0x1000)) / 40;
        if address == 0x1000 {
            polls.fetch_add(1, Ordering::Relaxed);
        }
        let ports = script(polls.load(Ordering::Relaxed));
        let mut data: Vec<u8> = if address == 0x2000 {
            vec![0x10, 0xf8, 0xa0, 0, 0, 1]
        } else {
            let records =
                (first..).map(|place| ports.get(place).copied().map_or_else(null, record));
            records.take(usize::from(count) / 20 + 1).flatten().collect()
        };
        data.resize(usize::from(count) * 2, 0);
        let bytes = u8::try_from(data.len()).unwrap();
        let mut reply = vec![t0, t1, 0, 0, 0, bytes + 3, unit, function, bytes];
        reply.extend(data);
        stream.write_all(&reply).await?;
    }
}

fn record((serial, today, total): Port) -> Vec<u8> {
    let mut bytes = vec![0x0c];
    bytes.extend(&serial.to_be_bytes()[2..]);
    bytes.push(1);
    for field in [350, 400, 2300, 5000, 1400, today] {
        bytes.extend(u16::to_be_bytes(field));
    }
    bytes.extend(total.to_be_bytes());
    for field in [250_u16, 3, 0, 0] {
        bytes.extend(field.to_be_bytes());
    }
    bytes.extend([1, 7, 0, 0, 0, 0, 0, 0]);
    bytes
}

fn null() -> Vec<u8> {
    let mut bytes = vec![0x0c];
    bytes.resize(33, 0);
    bytes.push(7);
    bytes.resize(40, 0);
    bytes
}

fn growth(n: u64) -> u32 {
    u32::try_from(n).unwrap()
}

fn one(n: u64) -> Vec<Port> {
    vec![(FIRST, 500, 60_000 + growth(n))]
}

fn other(n: u64) -> Vec<Port> {
    vec![(SECOND, 500, 900_000 + growth(n))]
}

fn later(n: u64) -> Vec<Port> {
    if n >= 4 { [one(n), other(n)].concat() } else { one(n) }
}

fn both(n: u64) -> Vec<Port> {
    [one(n), other(n)].concat()
}

/// The plant once `is_it` is true of it.
async fn plant_when(bridge: &Bridge, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
    within_guard(what, async {
        loop {
            let (_, plant) = bridge.get("/api/plant").await;
            if is_it(&plant) {
                return plant;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}

fn total(plant: &Value) -> u64 {
    plant["total_production"].as_u64().unwrap()
}

#[tokio::test]
async fn an_inverter_that_turns_up_later_adds_no_past() {
    let dtu = ScriptedDtu::start(later).await;
    let bridge = Home::new(&dtu.section("Roof", "")).run().await;
    for n in 3..=4 {
        plant_when(&bridge, "total", |plant| plant["total_production"] == 60_000 + n).await;
    }
    let is_joined = |plant: &Value| plant["lifetime_sum"] == 960_010;
    let joined = plant_when(&bridge, "second inverter", is_joined).await;
    assert_eq!(joined["total_production"], 60_005, "{joined}");
    let next = plant_when(&bridge, "sixth poll", |plant| plant["lifetime_sum"] == 960_012).await;
    assert_eq!(next["total_production"], 60_007, "{next}");
    let (_, inverter) = bridge.get("/api/inverters/1161a0000b42").await;
    assert_eq!(inverter["total_production"], 900_006, "{inverter}");
    let (_, health) = bridge.get("/health").await;
    assert_eq!(health["dtus"]["Roof"]["total_production"], 60_007, "{health}");
    let (_, metrics) = bridge.get("/metrics").await;
    for line in [
        "hoymiles_plant_energy_watt_hours_total 60007",
        "hoymiles_dtu_energy_watt_hours_total{dtu=\"Roof\"} 60007",
        "hoymiles_inverter_energy_watt_hours_total{serial=\"1161a0000b42\"} 900006",
    ] {
        assert!(metrics.as_str().unwrap().lines().any(|one| one == line), "{line}: {metrics}");
    }
    bridge.stop().await;
    dtu.stop().await;
}

#[tokio::test]
async fn totals_and_the_last_answer_survive_kill_9() {
    let dtu = ScriptedDtu::start(|n| both(20 * n)).await;
    let home = Home::new(&dtu.section("Roof", ""));
    let bridge = home.run().await;
    let is_third = |plant: &Value| plant["lifetime_sum"].as_u64() >= Some(960_120);
    let before = plant_when(&bridge, "third poll", is_third).await;
    let (_, health) = bridge.get("/health").await;
    // The poll is stored by another thread.
    let file = home.folder.path().join("data/last-polls");
    let written = format!("[[1,{},", 900_000 + 20 * dtu.polls.load(Ordering::Relaxed));
    within_guard("last poll in the file", async {
        while !std::fs::read_to_string(&file).is_ok_and(|text| text.contains(&written)) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    bridge.signal("KILL").await;
    bridge.ended().await;
    dtu.stop().await;

    let bridge = home.run().await;
    let (_, after) = bridge.get("/api/plant").await;
    // The fourth poll may have come meanwhile.
    for key in ["today_production", "lifetime_sum", "total_production"] {
        let [before, after] = [&before, &after].map(|plant| plant[key].as_u64().unwrap());
        assert!((before..=before + 40).contains(&after), "{key}: {before}, then {after}");
    }
    let (_, health_now) = bridge.get("/health").await;
    let last = |health: &Value| {
        health["dtus"]["Roof"]["last_successful_query"].as_str().unwrap().to_owned()
    };
    assert!(last(&health_now) >= last(&health), "{health}, then {health_now}");
    bridge.stop().await;
}

#[tokio::test]
async fn excluding_and_removing_changes_no_total() {
    let (roof, barn) = (ScriptedDtu::start(one).await, ScriptedDtu::start(other).await);
    let all = [roof.section("Roof", ""), barn.section("Barn", "")].concat();
    let home = Home::new(&all);
    let bridge = home.run().await;
    let whole = plant_when(&bridge, "both DTUs", |plant| plant["total_production"].is_u64()).await;
    assert_eq!(whole["total_production"], whole["lifetime_sum"], "{whole}");
    let mut last = total(&whole);
    let excluded = barn.section("Barn", "exclude = [\"1161A0000B42\"]");
    let steps = [
        (1, [roof.section("Roof", ""), excluded].concat()),
        (2, all.clone()),
        (1, roof.section("Roof", "")),
        (2, all),
    ];
    for (place, (inverters, toml)) in steps.iter().enumerate() {
        home.configure(toml);
        bridge.signal("HUP").await;
        bridge.logged_times("the new configuration is in effect", place + 1).await;
        bridge.inverters_when(|all| all.as_array().unwrap().len() == *inverters).await;
        let (_, plant) = bridge.get("/api/plant").await;
        let now = total(&plant);
        // Two inverters that grow by 1 Wh a poll, of which there were a few.
        assert!((last..last + 20).contains(&now), "step {place}: {last}, then {plant}");
        last = now;
    }
    bridge.stop().await;
    let bridge = home.run().await;
    let (_, plant) = bridge.get("/api/plant").await;
    assert!((last..last + 20).contains(&total(&plant)), "{last}, after the restart {plant}");
    bridge.stop().await;
    roof.stop().await;
    barn.stop().await;
}
