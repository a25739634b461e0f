//! What users type, and what they are told.

use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpSocket;

use crate::support::bridge::{Bridge, Home, command, output};
use crate::support::plant::Plant;
use crate::support::within_guard;

const HOST: &str = "[[dtu]]\nname = \"Roof\"\nprotocol = \"modbus\"\nhost = \"127.0.0.1\"\n";

/// Exit status and all output of the command.
async fn run(arguments: &[&str]) -> (i32, String) {
    let (status, out, errors) = output(arguments, None).await;
    (status, out + &errors)
}

/// Checks this configuration, with these variables.
async fn check(bytes: &[u8], environment: &[(&str, &str)]) -> (i32, String) {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("bridge.toml");
    std::fs::write(&file, bytes).unwrap();
    check_file(&file, environment).await
}

async fn check_file(file: &Path, environment: &[(&str, &str)]) -> (i32, String) {
    let mut check = command(&["check", "--config", file.to_str().unwrap()]);
    check.envs(environment.iter().copied());
    let output = within_guard("end of check", check.output()).await.unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(text).unwrap())
}

#[track_caller]
fn assert_says((status, text): &(i32, String), expected: i32, parts: &[&str]) {
    assert_eq!(*status, expected, "{text}");
    for part in parts {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
}

pub(super) async fn leading_zeros() {
    let file = HOST.replace("127.0.0.1", "192.168.178.041");
    let right = "\"192.168.178.041\" has leading zeros; write 192.168.178.41";
    assert_says(&check(file.as_bytes(), &[]).await, 2, &["dtu[0].host", right]);
    let mqtt = format!("{HOST}[mqtt]\nhost = \"192.168.178.041\"\n");
    assert_says(&check(mqtt.as_bytes(), &[]).await, 2, &["mqtt.host", right]);
    assert_says(&run(&["read", "--host", "127.0.0.010"]).await, 2, &["write 127.0.0.10"]);
}

/// A port of this machine that nothing listens to, as long as the socket is kept.
fn closed_port() -> (TcpSocket, u16) {
    let unused = TcpSocket::new_v4().unwrap();
    unused.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = unused.local_addr().unwrap().port();
    (unused, port)
}

/// What log, `read` and `doctor` say of a DTU whose port is closed.
async fn words_about_a_closed_port(protocol: &str) -> [String; 3] {
    let (_unused, port) = closed_port();
    let section = HOST.replace("modbus", protocol) + &format!("port = {port}\nretries = 0\n");
    let home = Home::new(&section);
    let config = home.config();
    let config = config.to_str().unwrap();
    let port = port.to_string();
    let read = run(&["read", "--host", "127.0.0.1", "--protocol", protocol, "--port", &port]).await;
    let doctor = run(&["doctor", "--config", config]).await;
    let bridge = home.run().await;
    let log = bridge.logged("poll failed").await;
    bridge.stop().await;
    [log, read.1, doctor.1]
}

pub(super) async fn the_other_protocol() {
    for text in words_about_a_closed_port("modbus").await {
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for part in ["protocol = \"protobuf\"", "HMS-…W", "DTU-WLite", "Remote Control"] {
            assert!(text.contains(part), "no {part} in {text}");
        }
    }
}

pub(super) async fn devices_without_a_port() {
    for protocol in ["modbus", "protobuf"] {
        for text in words_about_a_closed_port(protocol).await {
            assert!(text.contains("HiFlow") && text.contains("MS-A2"), "{text}");
        }
    }
}

pub(super) async fn slow_and_silent_dtus() {
    for options in [["--fault", "slow=700"], ["--fault", "silence"]] {
        let plant = Plant::start_protobuf(&options).await;
        let section = HOST.replace("modbus", "protobuf")
            + &format!("port = {}\ntimeout = \"100ms\"\nretries = 0\n", plant.address.port());
        let home = Home::new(&section);
        let config = home.config();
        let read = run(&["read", "--config", config.to_str().unwrap()]).await;
        assert_says(&read, 1, &["did not answer within 100ms", "longer `timeout`", "firewall"]);
        plant.stop().await;
    }
}

pub(super) async fn connects_and_never_answers() {
    let plant = Plant::start(&["--fault", "silence"]).await;
    let section = plant.dtu("Roof").replace("\"1s\"", "\"100ms\"");
    let home = Home::new(&section);
    let config = home.config();
    let doctor = run(&["doctor", "--config", config.to_str().unwrap()]).await;
    assert_says(&doctor, 1, &["other programs", "`protocol`", "`timeout`", "firewall"]);
    plant.stop().await;
}

pub(super) async fn variable_tz() {
    let berlin = [("TZ", "Europe/Berlin")];
    assert_says(&check(HOST.as_bytes(), &berlin).await, 0, &["timezone = \"Europe/Berlin\""]);
}

pub(super) async fn offsets_for_time_zones() {
    for zone in ["GMT+2", "GMT+1", "GMT-3"] {
        let checked = check(format!("timezone = \"{zone}\"\n{HOST}").as_bytes(), &[]).await;
        assert_says(&checked, 2, &["timezone", zone]);
        assert!(!checked.1.contains("GMT+0") && !checked.1.contains("GMT-0"), "{}", checked.1);
    }
}

pub(super) async fn hosts_in_other_forms() {
    for (host, right) in [
        ("http://192.168.1.5/", "write 192.168.1.5"),
        ("127.0.1.1:502", "`port`"),
        ("127.0.1.1 ", "write 127.0.1.1"),
        ("[::1]", "write ::1"),
    ] {
        assert_says(&run(&["read", "--host", host]).await, 2, &[right]);
        let file = HOST.replace("127.0.0.1", host);
        assert_says(&check(file.as_bytes(), &[]).await, 2, &["dtu[0].host", right]);
    }
}

pub(super) async fn health_page_of_a_dead_dtu() {
    let (_unused, port) = closed_port();
    let bridge = Home::new(&format!("{HOST}port = {port}\nretries = 0\n")).run().await;
    bridge.logged("poll failed").await;
    assert_eq!(bridge.get("/ready").await.0, 503);
    bridge.stop().await;
    let documents = include_str!("../../../homeassistant-addon/DOCS.md");
    assert!(documents.contains("Watchdog") || documents.contains("watchdog"));
}

/// A password that needs no escape in single quotes, and its form in JSON.
const PASSWORD: &str = "p@ss\"w\\o#r{d}ä$%&";

pub(super) async fn passwords_with_special_characters() {
    let mqtt = |password: &str| {
        format!("{HOST}[mqtt]\nhost = \"127.0.0.1\"\nusername = \"me\"\n{password}\n")
    };
    let good = check(mqtt(&format!("password = '{PASSWORD}'")).as_bytes(), &[]).await;
    assert_says(&good, 0, &[]);
    let wrong = check(mqtt("password = \"s3c\\ret\\q\"").as_bytes(), &[]).await;
    assert_says(&wrong, 2, &["line 8"]);
    for (_, text) in [good, wrong] {
        assert!(!text.contains(PASSWORD) && !text.contains("s3c"), "{text}");
    }
    let mqtt =
        json!({"enabled": true, "host": "127.0.0.1", "username": "me", "password": PASSWORD});
    assert_says(&options(&json!({"mqtt": mqtt})).await, 0, &[]);
}

/// Checks these options of the add-on, beside a simulated DTU.
async fn options(options: &Value) -> (i32, String) {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("options.json");
    let mut all = json!({"dtu": [{"name": "DTU", "protocol": "simulated", "host": ""}]});
    let more = options.as_object().unwrap().clone();
    all.as_object_mut().unwrap().extend(more);
    std::fs::write(&file, all.to_string()).unwrap();
    check_file(&file, &[("TZ", "UTC")]).await
}

pub(super) async fn options_of_the_add_on() {
    for good in [
        json!({}),
        json!({"target": [], "mqtt": {}, "http": {}, "log": {}, "poll": {}}),
        json!({"target": null, "mqtt": null}),
        json!({"mqtt": {"enabled": false, "host": ""}}),
        json!({"log": {"level": null}}),
        json!({"http": {"token": ""}}),
    ] {
        assert_says(&options(&good).await, 0, &[]);
    }
    for (wrong, key) in [
        (json!({"poll": {"interval": "often"}}), "poll.interval"),
        (json!({"dtu": [{"name": "DTU", "protocol": "modbus", "host": ""}]}), "dtu[0].host"),
    ] {
        assert_says(&options(&wrong).await, 2, &[key]);
    }
}

pub(super) async fn folders_and_files_that_cannot_be_used() {
    let home = Home::new("[[dtu]]\nname = \"DTU\"\nprotocol = \"simulated\"\n");
    // A file in the place of the folder: not even root can write into it.
    std::fs::write(home.folder.path().join("data"), "in the way").unwrap();
    let bridge: Bridge = home.run().await;
    let warning = bridge.logged("WARN").await;
    assert!(warning.contains("data"), "{warning}");
    assert_eq!(bridge.get("/stats").await.1.get("database_type"), Some(&json!("memory")));
    bridge.stop().await;
    // A folder that Docker made in the place of the file.
    let folder = TempDir::new().unwrap();
    let text = check_file(folder.path(), &[]).await;
    assert_says(&text, 2, &[folder.path().to_str().unwrap()]);
}

pub(super) async fn files_of_other_systems() {
    let with_crlf = HOST.replace('\n', "\r\n");
    for good in [format!("\u{feff}{HOST}"), with_crlf] {
        assert_says(&check(good.as_bytes(), &[]).await, 0, &[]);
    }
    let utf_16 = |text: &str| -> Vec<u8> {
        [0xfeff].into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
    };
    let latin_1 = [HOST.as_bytes(), b"# Dach S\xfcd\n"].concat();
    for (wrong, part) in [
        (utf_16(HOST), ""),
        (latin_1, "UTF-8"),
        (HOST.replace('\n', "\r").into_bytes(), ""),
        (HOST.replace("\"modbus\"", "“modbus”").into_bytes(), "line 3"),
        (HOST.replace("protocol =", "protocol\u{a0}=").into_bytes(), "line 3"),
        (b"dtu:\n  - name: Roof\n    host: 127.0.0.1\n".to_vec(), "line 1"),
        (b"<!DOCTYPE html>\n<html></html>\n".to_vec(), "line 1"),
    ] {
        assert_says(&check(&wrong, &[]).await, 2, &["bridge.toml", part]);
    }
}
