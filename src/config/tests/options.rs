//! The add-on's options as a configuration.

use std::fs;
use std::path::PathBuf;

use secrecy::ExposeSecret as _;
use tempfile::TempDir;

use crate::config::describe;
use crate::config::load::{Loaded, load, load_builtin};

/// An `options.json`, loaded with this environment; the folder it was in.
fn loaded(json: &str, environment: &[(&str, &str)]) -> (Result<Loaded, String>, PathBuf) {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("options.json");
    fs::write(&file, json).unwrap();
    let environment = environment.iter().map(|&(name, value)| (name.to_owned(), value.to_owned()));
    let loaded = load(Some(&file), environment).map_err(|error| error.to_string());
    (loaded, folder.path().to_owned())
}

/// The options are refused with all of `expected`, each under the name of the file.
#[track_caller]
fn check(json: &str, environment: &[(&str, &str)], expected: &[&str]) {
    let (loaded, folder) = loaded(json, environment);
    let message = loaded.unwrap_err();
    for text in expected {
        assert!(message.contains(text), "no {text:?} in\n{message}");
    }
    assert!(message.contains(folder.to_str().unwrap()) || message.starts_with("environment"));
    assert!(!message.contains("s3cret") && !message.contains("[["), "{message}");
}

const DTU: &str = r#""dtu": [{"name": "DTU", "protocol": "simulated", "host": ""}]"#;
const SUPERVISED: [(&str, &str); 2] =
    [("SUPERVISOR_TOKEN", "s3cret"), ("HOYMILES_SUPERVISOR", "http://127.0.0.1:1/")];

/// Every option but those that name files, with a value that is not its default.
const ALL_AS_OPTIONS: &str = r#"{
    "timezone": "Europe/Berlin", "poll": {"interval": "2m"},
    "dtu": [
        {"name": "House", "protocol": "modbus", "host": "192.168.1.191", "port": 5020,
         "unit_id": 2, "timeout": "5s", "retries": 1, "request_gap": "100ms",
         "records_per_read": 6, "interval": "1m", "exclude": ["114172606403", ""]},
        {"name": "Barn", "protocol": "protobuf", "host": "192.168.1.192",
         "performance_mode": true, "avoid_cloud_upload": true, "exclude": []}
    ],
    "target": [{"name": "Mine", "url": "ws://192.168.1.5/ws", "token": "t0ken",
                "connect_timeout": "5s", "heartbeat": "10s", "max_message_bytes": 2048}],
    "mqtt": {"enabled": true, "host": "192.168.1.23", "port": 1884, "username": "me",
             "password": "s3cret", "tls": true, "discovery_prefix": "ha", "topic_prefix": "sun",
             "birth_topic": "ha/born", "child_devices": true, "qos": 2, "client_id": "roof"},
    "http": {"token": "ap1"}, "log": {"level": "debug", "format": "json"}
}"#;

/// The same in TOML.
const ALL_AS_TOML: &str = r#"
timezone = "Europe/Berlin"
state_dir = "FOLDER"
poll.interval = "2m"
http.token = "ap1"
log = { level = "debug", format = "json" }
[[dtu]]
name = "House"
protocol = "modbus"
host = "192.168.1.191"
port = 5020
unit_id = 2
timeout = "5s"
retries = 1
request_gap = "100ms"
records_per_read = 6
interval = "1m"
exclude = ["114172606403"]
[[dtu]]
name = "Barn"
protocol = "protobuf"
host = "192.168.1.192"
performance_mode = true
avoid_cloud_upload = true
[[target]]
name = "Mine"
url = "ws://192.168.1.5/ws"
token = "t0ken"
connect_timeout = "5s"
heartbeat = "10s"
max_message_bytes = 2048
[mqtt]
host = "192.168.1.23"
port = 1884
username = "me"
password = "s3cret"
tls = true
discovery_prefix = "ha"
topic_prefix = "sun"
birth_topic = "ha/born"
child_devices = true
qos = 2
client_id = "roof"
"#;

#[test]
fn options_equal_the_same_keys_in_the_file() {
    let (options, folder) = loaded(ALL_AS_OPTIONS, &[]);
    let options = options.unwrap();
    let toml = ALL_AS_TOML.replace("FOLDER", folder.to_str().unwrap());
    let file = load_builtin("a.toml", &toml, []).unwrap();
    assert_eq!(format!("{:?}", options.config), format!("{:?}", file.config));
    let secrets = |loaded: &Loaded| {
        let config = loaded.config.clone();
        let target = config.targets.into_iter().next().unwrap();
        let password = config.mqtt.and_then(|mqtt| mqtt.password);
        [config.http.token, password, target.token, Some(target.url)]
            .map(|secret| secret.unwrap().expose_secret().to_owned())
    };
    assert_eq!(secrets(&options), secrets(&file));
    assert!(options.supervisor_broker.is_none());
    assert_eq!(options.ingress_proxy, Some([172, 30, 32, 2].into()));
}

#[test]
fn empty_options_count_as_not_given() {
    let json = format!(
        r#"{{"timezone": "", "poll": {{"interval": null}}, {DTU}, "target": [],
            "mqtt": {{"enabled": false, "host": "", "port": null}}, "http": {{"token": " "}},
            "log": {{}}}}"#
    );
    let (loaded, folder) = loaded(&json, &[]);
    let loaded = loaded.unwrap();
    let toml =
        format!("state_dir = {folder:?}\n[[dtu]]\nname = \"DTU\"\nprotocol = \"simulated\"\n");
    let file = load_builtin("a.toml", &toml, []).unwrap();
    assert_eq!(format!("{:?}", loaded.config), format!("{:?}", file.config));
}

#[test]
fn options_without_effect_cause_a_warning() {
    let json =
        r#"{"dtu": [{"name": "A", "protocol": "modbus", "host": "h", "performance_mode": true}]}"#;
    let warnings = loaded(json, &[]).0.unwrap().warnings;
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].starts_with("dtu[0].performance_mode: has no effect"), "{warnings:?}");
    assert!(!warnings[0].contains("line"), "{warnings:?}");
}

#[test]
fn the_time_zone_defaults_to_that_of_home_assistant() {
    let zone = |json: &str, environment: &[(&str, &str)]| {
        loaded(json, environment).0.unwrap().config.timezone
    };
    let none = format!("{{{DTU}}}");
    let berlin = format!(r#"{{"timezone": "Europe/Berlin", {DTU}}}"#);
    assert_eq!(zone(&none, &[("TZ", "Asia/Tokyo")]), "Asia/Tokyo");
    assert_eq!(zone(&berlin, &[("TZ", "Asia/Tokyo")]), "Europe/Berlin");
    assert_eq!(zone(&none, &[("TZ", "")]), "UTC");
    let toml = "[[dtu]]\nname = \"DTU\"\nprotocol = \"simulated\"\n";
    let of_file = load_builtin("a.toml", toml, [("TZ".to_owned(), "Asia/Tokyo".to_owned())]);
    assert_eq!(of_file.unwrap().config.timezone, "Asia/Tokyo");
    check(
        &none,
        &[("TZ", "Mars/Base")],
        &["environment: TZ: timezone: \"Mars/Base\" is not a known"],
    );
}

#[test]
fn a_broker_without_host_comes_from_the_supervisor() {
    let without_host = format!(r#"{{{DTU}, "mqtt": {{"enabled": true, "tls": false, "qos": 0}}}}"#);
    let loaded_now = loaded(&without_host, &SUPERVISED).0.unwrap();
    let offered = loaded_now.supervisor_broker.as_ref().unwrap();
    assert!(loaded_now.config.mqtt.is_none());
    assert_eq!(offered.supervisor.url, "http://127.0.0.1:1");
    assert_eq!(offered.supervisor.token.expose_secret(), "s3cret");
    assert_eq!(offered.rest.qos, 0);
    let described = describe(&loaded_now);
    assert!(described.contains("# mqtt: the Supervisor provides the broker"), "{described}");
    assert!(described.contains("topic_prefix = \"hoymiles\"\n"), "{described}");
    assert!(!format!("{described}{loaded_now:?}").contains("s3cret"), "{loaded_now:?}");

    let usual = loaded(&without_host, &SUPERVISED[..1]).0.unwrap().supervisor_broker.unwrap();
    assert_eq!(usual.supervisor.url, "http://supervisor");
    for off in [r#"{"enabled": false, "qos": 0}"#, r#"{"host": "192.168.1.23"}"#, "{}"] {
        let off = loaded(&format!(r#"{{{DTU}, "mqtt": {off}}}"#), &SUPERVISED).0.unwrap();
        assert!(off.supervisor_broker.is_none() && off.config.mqtt.is_none(), "{off:?}");
    }
    check(&without_host, &[], &["mqtt.host: is missing, and there is no Supervisor to ask"]);
    let half = r#"{"enabled": true, "username": "me", "password": "s3cret"}"#;
    let half = format!(r#"{{{DTU}, "mqtt": {half}}}"#);
    check(&half, &SUPERVISED, &["mqtt.username: is given without `host`"]);
}

#[test]
fn faulty_options_are_refused_by_name() {
    check(&format!(r#"{{{DTU}, "tmezone": "UTC"}}"#), &[], &["tmezone: no such key", "`timezone`"]);
    check(
        r#"{"dtu": [{"name": "A", "protocol": "modbus", "host": "h", "prot": 502}]}"#,
        &[],
        &["dtu[0].prot: no such key; did you mean `port`?"],
    );
    check(
        r#"{"dtu": [{"name": "A", "protocol": "modbus", "host": ""}]}"#,
        &[],
        &["dtu[0].host: is"],
    );
    check(r#"{"dtu": []}"#, &[], &["dtu: there is no DTU", "`name`, `protocol` and `host`"]);
    check(
        &format!(r#"{{{DTU}, "poll": {{"interval": "1s"}}}}"#),
        &[],
        &["poll.interval: \"1s\" is"],
    );
    check(
        &format!(r#"{{{DTU}, "mqtt": {{"enabled": "s"}}}}"#),
        &[],
        &["mqtt.enabled: is \"s\"; expected true or false"],
    );
    check(&format!(r#"{{{DTU}, "mqtt": {{"enabld": 1}}}}"#), &[], &["mqtt.enabld: no such key"]);
    check(
        &format!(r#"{{{DTU}, "mqtt": {{"enabled": true, "host": "h", "qos": 3}}}}"#),
        &[],
        &["mqtt.qos: 3 is out of range"],
    );
    check(&format!(r#"{{{DTU}, "state_dir": "/tmp"}}"#), &[], &["state_dir: no such key"]);
    check(&format!(r#"{{{DTU}, "http": {{"listen": "x"}}}}"#), &[], &["http.listen: no such key"]);
    check(&format!(r#"{{{DTU}, "log": {{"level": 1.5}}}}"#), &[], &["log.level", "fraction"]);
    check(
        &format!(r#"{{{DTU}, "http": {{"token": "s3cret s3cret"}}}}"#),
        &[],
        &["http.token: the"],
    );
    check("[]", &[], &["is no JSON object"]);
    check(r#"{"http": {"token": "s3cret}"#, &[], &["is not JSON: EOF", "line 1"]);
}
