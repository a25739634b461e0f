//! A healthy MQTT broker, one that refuses, and none at all.

use std::net::TcpListener;

use super::{ALONE, Findings, doctor};
use crate::support::bridge::Home;
use crate::support::broker::{Broker, is_missing};

/// Findings of `doctor` with this `[mqtt]` section.
async fn with(section: &str) -> Findings {
    let dtu = "[[dtu]]\nname = \"DTU\"\nprotocol = \"simulated\"\n";
    let found = doctor(&Home::new(&format!("{dtu}{section}")), ALONE, &[]).await;
    assert!(!format!("{:?}", found.subjects).contains("s3cret"), "the password is not shown");
    found
}

#[tokio::test]
async fn tests_a_healthy_broker_up_to_the_login() {
    if is_missing() {
        return;
    }
    let broker = Broker::start().await;
    let found = with(&broker.section("")).await;
    assert_eq!(found.marks("MQTT"), ["name+", "tcp+", "login+"], "{:#?}", found.subjects);
    assert_eq!(found.code, 0, "{:#?}", found.subjects);
}

#[tokio::test]
async fn a_broker_that_refuses_has_cause_and_remedy() {
    if is_missing() {
        return;
    }
    let broker = Broker::start_with("allow_anonymous false\n", &[]).await;
    let login = "username = \"hoymiles\"\npassword = \"s3cret\"\n";
    let found = with(&broker.section(login)).await;
    assert_eq!(found.marks("MQTT"), ["name+", "tcp+", "login-"]);
    assert_eq!(found.step("MQTT", "login")["label"], "login_refused");
    let text = found.text("MQTT", "login");
    assert!(text.contains("refused the user name or password"), "{text}");
    assert!(text.contains("mqtt.username"), "{text}");
    assert_eq!(found.code, 1);
    let found = with(&broker.section("tls = true\n")).await;
    assert_eq!(found.marks("MQTT"), ["name+", "tcp+", "tls-"]);
    let text = found.text("MQTT", "tls");
    assert!(text.contains("`tls = false`"), "{text}");
}

#[tokio::test]
async fn reports_that_no_broker_listens() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let found = with(&format!("[mqtt]\nhost = \"127.0.0.1\"\nport = {port}\n")).await;
    assert_eq!(found.marks("MQTT"), ["name+", "tcp-"]);
    assert!(found.text("MQTT", "tcp").contains("connection refused"));
}
