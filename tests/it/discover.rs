//! `discover`, in a network of the test.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::support::bridge::{Home, output};
use crate::support::namespace::{ip, is_inside};
use crate::support::plant::Plant;

/// A home network: 10.20.0.1 is this machine, 10.20.0.2 to 10.20.0.54 are devices, and the other
/// 200 addresses are silent, as those of devices that are off.
const DEVICES: std::ops::RangeInclusive<u8> = 2..=54;

pub(crate) async fn home_network() {
    // The cable of the namespace is a network of its own.
    ip("link del cable").await;
    link("lan", "10.20.0.1/24").await;
    for device in DEVICES {
        ip(&format!("address add 10.20.0.{device}/32 dev lan")).await;
    }
    link("docker0", "172.17.0.1/16").await;
    link("wan", "203.0.113.7/24").await;
}

async fn link(name: &str, address: &str) {
    ip(&format!("link add {name} type veth peer name {name}-end")).await;
    ip(&format!("address add {address} dev {name}")).await;
    ip(&format!("link set {name} up")).await;
    ip(&format!("link set {name}-end up")).await;
}

/// Answers every request at that address with these bytes, and counts the connections.
async fn device(address: &str, answer: &'static [u8]) -> tokio::task::JoinHandle<()> {
    let listener = TcpListener::bind(address).await.unwrap();
    #[expect(clippy::disallowed_methods, reason = "ends with the runtime of the test")]
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0; 256];
            drop(stream.read(&mut request).await);
            // The transaction of a Modbus answer is that of its request.
            request.truncate(if answer.starts_with(&[0, 0]) { 2 } else { 0 });
            let rest = answer.get(request.len()..).unwrap_or_default();
            drop(stream.write_all(&[&request, rest].concat()).await);
            // Holds the connection until the client closes it.
            drop(stream.read(&mut [0; 256]).await);
        }
    })
}

const HEAT_PUMP: &[u8] = &[0, 0, 0, 0, 0, 3, 1, 0x83, 2];
const WEB_SERVER: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";

#[tokio::test]
async fn discover_finds_dtus_among_other_devices_within_20_seconds() {
    if !is_inside("discover::discover_finds_dtus_among_other_devices_within_20_seconds").await {
        return;
    }
    home_network().await;
    let modbus = ["--inverters", "19", "--ports", "37", "--seed", "1"];
    let modbus = Plant::start_at("10.20.0.20:502", &modbus).await;
    let protobuf = ["--inverters", "2", "--seed", "2"];
    let protobuf = Plant::start_protobuf_at("10.20.0.50:10081", &protobuf).await;
    let encrypted = ["--inverters", "1", "--seed", "3", "--encrypted"];
    let encrypted = Plant::start_protobuf_at("10.20.0.51:10081", &encrypted).await;
    let others = [
        device("10.20.0.30:502", WEB_SERVER).await,
        device("10.20.0.32:502", HEAT_PUMP).await,
        device("10.20.0.33:10081", WEB_SERVER).await,
        device("10.20.0.34:502", b"").await,
    ];
    let started = Instant::now();
    let (code, text, message) = output(&["discover"], None).await;
    let took = started.elapsed();
    assert_eq!((code, message.as_str()), (0, ""), "{text}");
    assert!(took < Duration::from_secs(20), "{took:?}");
    assert!(text.starts_with("Looking for DTUs in 10.20.0.0/24: 254 addresses, "), "{text}");
    for expected in [
        "10.20.0.20:502    modbus    10F8",
        "  DTU-Pro  19 inverters\n",
        "10.20.0.50:10081  protobuf  ",
        "  2 inverters\n",
        "  1 inverter\n",
        "no DTU: 10.20.0.30:502: it speaks HTTP\n",
        "no DTU: 10.20.0.32:502: it speaks Modbus, but refuses",
        "no DTU: 10.20.0.33:10081: ",
        "no DTU: 10.20.0.34:502: it accepts connections, but does not answer",
        "\n[[dtu]]\nname = \"DTU\"\nprotocol = \"modbus\"\nhost = \"10.20.0.20\"\n",
        "\n[[dtu]]\nname = \"DTU 2\"\nprotocol = \"protobuf\"\nhost = \"10.20.0.50\"\n",
        "\n[[dtu]]\nname = \"DTU 3\"\nprotocol = \"protobuf\"\nhost = \"10.20.0.51\"\n",
    ] {
        assert!(text.contains(expected), "{expected:?} is missing in\n{text}");
    }
    crate::support::print(&format!("searched 254 addresses in {took:?}"));

    for plant in [modbus, protobuf, encrypted] {
        plant.stop().await;
    }
    others.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn discover_leaves_configured_dtus_to_the_running_bridge() {
    if !is_inside("discover::discover_leaves_configured_dtus_to_the_running_bridge").await {
        return;
    }
    home_network().await;
    let plant = Plant::start_at("10.20.0.20:502", &["--inverters", "19"]).await;
    let home =
        Home::new("[[dtu]]\nname = \"Roof\"\nprotocol = \"modbus\"\nhost = \"10.20.0.20\"\n");
    let config = home.config();
    let config = config.to_str().unwrap();
    let arguments = ["discover", "--json", "--config", config, "--network", "10.20.0.20/31"];
    let found = async || {
        let (code, text, _) = output(&arguments, None).await;
        assert_eq!(code, 0, "{text}");
        let found: Value = serde_json::from_str(&text).unwrap();
        let dtu = found["dtus"][0].clone();
        assert_eq!(
            (&dtu["configured_as"], &dtu["section"], &dtu["model"], &dtu["inverters"]),
            (&json!("Roof"), &Value::Null, &json!("DTU-Pro"), &json!(19)),
            "{dtu}"
        );
        dtu["probed"].clone()
    };
    assert_eq!(found().await, json!(true), "no bridge is running");
    let bridge = home.run().await;
    bridge.inverters_when(|inverters| inverters.as_array().unwrap().len() == 19).await;
    assert_eq!(found().await, json!(false));
    bridge.stop().await;
    plant.stop().await;
}

#[tokio::test]
async fn discover_that_finds_nothing_names_the_likely_causes() {
    let (code, text, message) = output(&["discover", "--network", "127.7.0.0/30"], None).await;
    assert_eq!(code, 1, "{text}");
    for cause in
        ["no DTU found in 127.7.0.0/30", "night", "VLAN", "guest", "--network host", "MS-A2"]
    {
        assert!(message.contains(cause), "{cause}: {message}");
    }
    let (code, text, _) = output(&["discover", "--json", "--network", "127.7.0.1"], None).await;
    assert_eq!(code, 1, "{text}");
    let found: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&found["dtus"], &found["networks"]), (&json!([]), &json!(["127.7.0.1/32"])));
    assert!(found["causes"][0]["remedy"].is_string(), "{text}");
}

#[tokio::test]
async fn discover_refuses_networks_that_are_too_large_or_none() {
    for (network, reason) in [
        ("10.0.0.0/8", "at most a /22, such as 10.0.0.0/22"),
        ("fe80::/64", "expected an IPv4 network like 192.168.1.0/24"),
        ("192.168.1.0/33", "expected an IPv4 network"),
    ] {
        let (code, _, message) = output(&["discover", "--network", network], None).await;
        assert_eq!(code, 2, "{message}");
        assert!(message.contains(reason), "{message}");
    }
}
