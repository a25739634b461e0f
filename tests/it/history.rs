//! The history of a real bridge with a simulated DTU: it equals the totals, survives, and is exported.

use serde_json::Value;

use crate::support::bridge::{Bridge, Home, output};
use crate::support::plant::Plant;
use crate::support::{client, within_guard};

/// Energy of all periods of all series together.
fn energy(answer: &Value) -> u64 {
    let series = answer["series"].as_array().unwrap();
    let periods = series.iter().flat_map(|series| series["periods"].as_array().unwrap());
    periods.map(|period| period["energy"].as_u64().unwrap()).sum()
}

/// What the ports have counted together.
fn lifetime(plant: &Value) -> u64 {
    plant["lifetime_sum"].as_u64().unwrap_or_default()
}

async fn until(what: &str, bridge: &Bridge, path: &str, is_it: impl Fn(&Value) -> bool) -> Value {
    within_guard(what, async {
        loop {
            let (_, answer) = bridge.get(path).await;
            if is_it(&answer) {
                return answer;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}

async fn polled(bridge: &Bridge, times: u64) {
    until("polls", bridge, "/health", |health| {
        health.pointer("/dtus/Roof/query_count").and_then(Value::as_u64) >= Some(times)
    })
    .await;
}

#[tokio::test]
async fn the_history_equals_the_totals_through_restart_kill_and_damage() {
    let plant = Plant::start(&["--inverters", "2", "--ports-per-inverter", "2"]).await;
    let home = Home::new(&plant.dtu("Roof"));
    let bridge = home.run().await;
    polled(&bridge, 1).await;
    let first = until("first total", &bridge, "/api/plant", |plant| lifetime(plant) > 0).await;
    polled(&bridge, 3).await;
    let points =
        until("points", &bridge, "/api/history?series=plant.pv_power,Roof.pv_power", |answer| {
            answer["series"][1]["points"].as_array().is_some_and(|points| !points.is_empty())
        })
        .await;
    assert_eq!(points["resolution"], "minute", "{points}");
    assert_eq!(points["series"][0]["points"], points["series"][1]["points"], "{points}");
    let last = points["series"][0]["points"].as_array().unwrap().last().unwrap().clone();
    assert!(last[1].as_f64().unwrap() > 0.0, "{points}");

    let growth = |plant: &Value| lifetime(plant) - lifetime(&first);
    bridge.signal("KILL").await;
    bridge.ended().await;
    let bridge = home.run().await;
    polled(&bridge, 2).await;
    let (status, _) = bridge.stop().await;
    assert_eq!(status.code(), Some(0));
    let bridge = home.run().await;
    polled(&bridge, 1).await;
    // The poll is written by another thread, and the next one may come between two requests.
    for by in ["day", "hour", "year"] {
        for of in ["plant", "dtu", "inverter", "port"] {
            let path = format!("/api/energy?by={by}&of={of}");
            let (_, before) = bridge.get("/api/plant").await;
            let answer = until("the same energy", &bridge, &path, |answer| {
                energy(answer) >= growth(&before)
            })
            .await;
            let (_, after) = bridge.get("/api/plant").await;
            assert!(energy(&answer) <= growth(&after), "{answer} {after}");
        }
    }
    answers(&bridge).await;
    exported(&home).await;

    a_damaged_file_costs_no_total(&home, bridge, &first).await;
    plant.stop().await;
}

async fn a_damaged_file_costs_no_total(home: &Home, bridge: Bridge, first: &Value) {
    bridge.signal("KILL").await;
    bridge.ended().await;
    let data = home.folder.path().join("data");
    std::fs::write(data.join("history.db"), [b'x'; 9_000]).unwrap();
    let bridge = home.run().await;
    bridge.logged("a new history begins").await;
    polled(&bridge, 1).await;
    let (_, plant_now) = bridge.get("/api/plant").await;
    assert!(lifetime(&plant_now) >= lifetime(first), "{plant_now}");
    let names = std::fs::read_dir(&data).unwrap().map(|entry| entry.unwrap().file_name());
    let kept = names.filter(|name| name.to_string_lossy().starts_with("history.damaged-"));
    assert!(kept.count() >= 1);
    bridge.stop().await;
}

/// Tables, and refusals.
async fn answers(bridge: &Bridge) {
    let tables = [
        ("/api/energy.csv?of=port", "start,unix_seconds,end,key,energy_wh,quality\r\n"),
        ("/api/history.csv", "time,unix_seconds,plant.pv_power\r\n"),
    ];
    for (path, header) in tables {
        let response = client().get(format!("{}{path}", bridge.api)).send().await.unwrap();
        assert_eq!(response.headers().get("content-type").unwrap(), "text/csv; charset=utf-8");
        let text = response.text().await.unwrap();
        assert!(text.starts_with(header) && text.ends_with("\r\n"), "{text}");
    }
    for (path, expected) in [
        ("/api/history?from=yesterday", 400),
        ("/api/history?from=10&to=10", 400),
        ("/api/history?resolution=week", 400),
        ("/api/history?series=Barn.pv_power", 404),
        ("/api/history?series=plant.pv_voltage", 404),
        ("/api/energy?by=minute", 400),
        ("/api/energy?of=roof", 400),
        ("/api/energy?from=1990-01-01&to=1991-01-01", 200),
    ] {
        assert_eq!(bridge.get(path).await.0, expected, "{path}");
    }
}

/// `export` beside the running bridge.
async fn exported(home: &Home) {
    let config = home.config();
    let run = async |arguments: &[&str]| {
        let all = [&["export", "--config", config.to_str().unwrap()], arguments].concat();
        output(&all, None).await
    };
    let range = ["--from", "2020-01-01", "--to", "2120-01-01"];
    let (code, csv, _) = run(&[&range[..], &["--by", "day", "--of", "inverter"]].concat()).await;
    assert_eq!(
        (code, csv.lines().next()),
        (0, Some("start,unix_seconds,end,key,energy_wh,quality"))
    );
    assert_eq!(csv.lines().count(), 3, "{csv}");
    let (code, json, _) = run(&[&range[..], &["--format", "json"]].concat()).await;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((code, json.pointer("/series/0/key")), (0, Some(&"plant.pv_power".into())));
    for wrong in [
        &["--from", "monday", "--to", "2026-01-01"][..],
        &["--from", "2026-01-01"],
        &["--from", "2026-01-01", "--to", "2025-01-01"],
        &["--from", "2026-01-01", "--to", "2026-01-02", "--by", "week"],
    ] {
        assert_eq!(run(wrong).await.0, 2, "{wrong:?}");
    }
}
