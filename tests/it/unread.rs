//! What a DTU's list cannot tell: unreadable records, its end, and lists that are none. With the real
//! binary on both sides.

use serde_json::{Value, json};

use crate::support::bridge::{Bridge, Home, output};
use crate::support::plant::Plant;
use crate::support::within_guard;

const SIX: [&str; 4] = ["--inverters", "3", "--ports-per-inverter", "2"];

/// As in the file, but with quick time limits.
fn dtu(plant: &Plant) -> String {
    let port = plant.address.port();
    format!(
        "[[dtu]]\nname = \"DTU\"\nprotocol = \"modbus\"\nhost = \"127.0.0.1\"\nport = {port}\n\
         timeout = \"100ms\"\nretries = 1\ninterval = \"5s\"\n"
    )
}

async fn health_when(bridge: &Bridge, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
    within_guard(what, async {
        loop {
            let (_, health) = bridge.get("/health").await;
            let dtu = health.pointer("/dtus/DTU").unwrap().clone();
            if is_it(&dtu) {
                return dtu;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}

fn ports(inverters: &Value) -> usize {
    let inverters = inverters.as_array().unwrap();
    inverters.iter().map(|inverter| inverter["ports"].as_array().unwrap().len()).sum()
}

#[tokio::test]
async fn an_unreadable_record_hides_no_other_and_is_named() {
    for (fault, how) in [
        ("silent-record=2", "is not answered"),
        ("refused-record=2", "is refused (exception code 1)"),
    ] {
        let plant = Plant::start(&[&SIX[..], &["--fault", &format!("{fault}@..6")]].concat()).await;
        let bridge = Home::new(&dtu(&plant)).run().await;
        let line = bridge.logged("ports read").await;
        assert!(line.contains(&format!("record 2 (0x1028) {how}; 5 of 6 ports read; ")), "{line}");
        let health = health_when(&bridge, "a reading", |dtu| dtu["status"] != "unknown").await;
        assert_eq!(health["status"], "online", "{health}");
        assert_eq!(health["unread_records"], json!([2]), "{health}");
        assert_eq!((&health["error_count"], &health["ports"]), (&json!(0), &json!(5)), "{health}");
        let (_, all) = bridge.get("/health").await;
        assert_eq!(all["healthy"], true);
        assert_eq!(ports(&bridge.get("/api/inverters").await.1), 5);
        // It is over.
        bridge.logged("all ports of the DTU's list are read again").await;
        bridge.inverters_when(|inverters| ports(inverters) == 6).await;
        let health = bridge.get("/health").await.1["dtus"]["DTU"].take();
        assert_eq!(health["unread_records"], json!([]), "{health}");
        let told = bridge
            .log()
            .iter()
            .filter(|line| line.contains("WARN") && line.contains("ports read"))
            .count();
        assert_eq!(told, 1, "{:#?}", bridge.log());
        bridge.stop().await;
        plant.stop().await;
    }
}

#[tokio::test]
async fn a_port_that_is_no_longer_read_keeps_its_values() {
    let plant = Plant::start(&[&SIX[..], &["--fault", "silent-record=2@3.."]].concat()).await;
    let bridge = Home::new(&dtu(&plant)).run().await;
    let before = bridge.inverters_when(|inverters| ports(inverters) == 6).await;
    health_when(&bridge, "an unread record", |dtu| dtu["unread_records"] == json!([2])).await;
    let (_, after) = bridge.get("/api/inverters").await;
    assert_eq!(ports(&after), 6);
    assert_eq!(after[0]["ports"][1], before[0]["ports"][1], "it keeps its values and their time");
    assert_ne!(after[0]["ports"][0]["timestamp"], before[0]["ports"][0]["timestamp"]);
    bridge.stop().await;
    plant.stop().await;
}

#[tokio::test]
async fn an_exception_behind_the_last_record_is_the_end_of_the_list() {
    for code in ["1", "2"] {
        let plant =
            Plant::start(&[&SIX[..], &["--fault", &format!("exception-at-end={code}")]].concat())
                .await;
        let port = plant.address.port().to_string();
        let read = ["read", "--host", "127.0.0.1", "--port", &port];
        let (status, table, errors) = output(&read, None).await;
        assert_eq!((status, errors.as_str()), (0, ""), "{table}");
        assert!(
            table.contains("6 ports of 3 inverters") && !table.contains("INCOMPLETE"),
            "{table}"
        );
        plant.stop().await;
    }
}

#[tokio::test]
async fn a_foreign_modbus_device_is_never_an_inverter() {
    let plant = Plant::start(&["--fault", "foreign-device"]).await;
    let home = Home::new(&dtu(&plant));
    let port = plant.address.port().to_string();
    let says = format!("what answers at 127.0.0.1:{port} is not a DTU");

    let read = ["read", "--host", "127.0.0.1", "--port", &port];
    let (status, table, errors) = output(&read, None).await;
    assert!(status == 1 && errors.contains(&says), "{status}: {table}{errors}");
    assert!(table.contains("nothing was read"), "{table}");

    let config = home.config();
    let doctor = ["doctor", "--config", config.to_str().unwrap()];
    let (status, report, _) = output(&doctor, None).await;
    assert!(status != 0 && report.contains(&says) && !report.contains("All is well"), "{report}");

    let bridge = home.run().await;
    let line = bridge.logged_times("poll failed", 2).await;
    assert!(line.contains(&says), "{line}");
    let health = bridge.get("/health").await.1["dtus"]["DTU"].take();
    assert_eq!(health["status"], "error", "{health}");
    assert_eq!(health["last_error_cause"], "not_a_dtu", "{health}");
    assert_eq!(bridge.get("/api/inverters").await.1, json!([]));
    bridge.stop().await;
    plant.stop().await;
}
