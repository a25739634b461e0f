//! A faulty `[mqtt]` and a good one.

use secrecy::ExposeSecret as _;

use super::{DTU, check, describe, loaded};
use crate::config::MqttConfig;

#[track_caller]
fn check_mqtt(lines: &str, expected: &[&str]) {
    check(&format!("[mqtt]\nhost = \"broker\"\n{lines}\n"), expected);
}

fn mqtt(lines: &str, environment: &[(&str, &str)]) -> Option<MqttConfig> {
    loaded(&format!("{DTU}{lines}"), environment).unwrap().config.mqtt
}

#[test]
fn without_the_section_mqtt_is_off() {
    assert!(mqtt("", &[]).is_none());
    assert!(describe(&loaded(DTU, &[]).unwrap()).contains("# mqtt: off\n"));
    let broker = mqtt("", &[("HOYMILES__MQTT__HOST", "broker")]).unwrap();
    assert_eq!(broker.place(), "broker:1883", "the environment alone is enough");
}

#[test]
fn a_host_has_neither_scheme_nor_port() {
    check("[mqtt]\n", &["mqtt.host: is missing; expected the broker's name or IP address"]);
    check("[mqtt]\nport = 1883\n", &["mqtt.host: is missing"]);
    for (host, expected) in [
        ("mqtt://broker", "is a URL"),
        ("broker:1883", "has a port"),
        ("me@broker", "has an @"),
        ("my broker", "has blanks"),
    ] {
        check(&format!("[mqtt]\nhost = \"{host}\"\n"), &["mqtt.host", expected]);
    }
    let place = |host: &str, more: &str| {
        mqtt(&format!("[mqtt]\nhost = \"{host}\"\n{more}"), &[]).unwrap().place()
    };
    assert_eq!(place("::1", "tls = true"), "[::1]:8883");
    assert_eq!(place("192.168.1.23", "port = 1884"), "192.168.1.23:1884");
}

#[test]
fn faulty_logins_and_tls_are_refused_without_showing_secrets() {
    check_mqtt("password = \"s3cret\"", &["mqtt.username: is missing; expected the name"]);
    check_mqtt(
        "username = \"me\"\npassword = \"s3cret\"\npassword_file = \"/nowhere/p\"",
        &["mqtt.password_file: mqtt.password is given too"],
    );
    check_mqtt(
        "username = \"me\"\npassword_file = \"/nowhere/p\"",
        &["mqtt.password_file: /nowhere/p cannot be read"],
    );
    check_mqtt("ca_file = \"/nowhere/ca\"", &["mqtt.ca_file: is given, but `tls` is not true"]);
    check_mqtt("tls = true\nca_file = \"/nowhere/ca\"", &["mqtt.ca_file: /nowhere/ca cannot be"]);
    check_mqtt("tls = true\nclient_cert = \"/c\"", &["mqtt.client_key: is missing"]);
    check_mqtt("tls = true\nclient_key = \"/k\"", &["mqtt.client_cert: is missing"]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    std::fs::write(&file, "s3cret").unwrap();
    let file = file.display();
    let lines = format!("tls = true\nclient_cert = \"{file}\"\nclient_key = \"{file}\"");
    check_mqtt(&lines, &["mqtt.client_cert: ", "holds no certificate"]);
    let signed = rcgen::generate_simple_self_signed(["a".to_owned()]).unwrap();
    std::fs::write(folder.path().join("cert"), signed.cert.pem()).unwrap();
    let lines = lines.replacen("/key\"", "/cert\"", 1);
    check_mqtt(&lines, &["mqtt.client_key: ", "holds no private key"]);
}

#[test]
fn faulty_topics_are_refused() {
    check_mqtt("discovery_prefix = \"a/#\"", &["mqtt.discovery_prefix", "reserves"]);
    check_mqtt("topic_prefix = \"/hoymiles\"", &["mqtt.topic_prefix", "has an empty level"]);
    check_mqtt("topic_prefix = \"homeassistant/x\"", &["is within discovery_prefix"]);
    check_mqtt("topic_prefix = \"homeassistant\"", &["is within discovery_prefix"]);
    check_mqtt("birth_topic = \"a/\"", &["mqtt.birth_topic", "has an empty level"]);
    for key in ["topic_prefix", "discovery_prefix", "birth_topic"] {
        for topic in ["my roof", " roof", "roof\\t"] {
            let expected = format!("mqtt.{key}: {topic:?}").replace("\\\\", "\\");
            check_mqtt(&format!("{key} = \"{topic}\""), &[&expected, "has a blank; expected a"]);
        }
    }
    check_mqtt("client_id = \"a\\u0000b\"", &["mqtt.client_id"]);
    check_mqtt("qos = 3", &["mqtt.qos: 3 is out of range; expected a whole number from 0 to 2"]);
}

#[test]
fn a_topic_of_the_bridge_cannot_be_the_birth_topic() {
    for topic in [
        "roof/bridge/availability",
        "roof/bridge/state",
        "roof/dtu/House/availability",
        "roof/inverter/114172606403/state",
        "roof/meter/10d5a0000001/state",
        "ha/device/roof_bridge/config",
    ] {
        let lines = format!(
            "topic_prefix = \"roof\"\ndiscovery_prefix = \"ha\"\nbirth_topic = \"{topic}\""
        );
        let expected =
            format!("mqtt.birth_topic: \"{topic}\" is a topic that the bridge itself writes");
        check_mqtt(&lines, &[&expected, "by default \"ha/status\""]);
    }
    for topic in ["roof/status", "roofs/bridge/state", "ha/status", "bridge/state"] {
        let lines = format!("topic_prefix = \"roof\"\nbirth_topic = \"{topic}\"\n");
        let broker = mqtt(&format!("[mqtt]\nhost = \"broker\"\n{lines}"), &[]).unwrap();
        assert_eq!(broker.birth_topic(), topic);
    }
}

#[test]
fn a_broker_is_described_without_its_password() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, "s3cret with blanks\n").unwrap();
    let toml = format!(
        "{DTU}[mqtt]\nhost = \"broker\"\ntls = true\nusername = \"me\"\npassword_file = \"{}\"\n\
         topic_prefix = \"home/roof\"\n",
        file.display()
    );
    let loaded = loaded(&toml, &[]).unwrap();
    let text = describe(&loaded);
    for expected in [
        "[mqtt]\nhost = \"broker\"\nport = 8883\nusername = \"me\"\npassword_file = ",
        "tls = true\n",
        "discovery_prefix = \"homeassistant\"\nbirth_topic = \"homeassistant/status\"\n",
        "topic_prefix = \"home/roof\"\nqos = 1\nclient_id = \"home/roof-bridge\"\n",
    ] {
        assert!(text.contains(expected), "no {expected:?} in\n{text}");
    }
    assert!(!text.contains("s3cret") && !format!("{loaded:?}").contains("s3cret"));
    let mqtt = loaded.config.mqtt.unwrap();
    assert_eq!(mqtt.password.unwrap().expose_secret(), "s3cret with blanks");
}
