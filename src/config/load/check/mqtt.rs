//! What must hold for the MQTT broker and the names of topics there.

use super::token;
use crate::config::MqttConfig;
use crate::config::load::fault::Faults;
use crate::config::load::kind::shown;

/// What the protocol's length field allows is far more; nobody means such a name.
const LONGEST: usize = 200;

pub(super) fn check(mqtt: &MqttConfig, faults: &mut Faults) {
    host(&mqtt.host, faults);
    login(mqtt, faults);
    tls(mqtt, faults);
    let prefixes =
        [("discovery_prefix", &mqtt.discovery_prefix), ("topic_prefix", &mqtt.topic_prefix)];
    let birth = mqtt.birth_topic.as_ref().map(|topic| ("birth_topic", topic));
    for (key, topic) in prefixes.into_iter().chain(birth) {
        if let Some(wrong) = wrong_topic(topic) {
            let wrong = format!("{} {wrong}; expected a topic like \"home/roof\"", shown(topic));
            faults.add(&format!("mqtt.{key}"), wrong);
        }
    }
    if let Some(birth) = mqtt.birth_topic.as_ref().filter(|topic| is_ours(topic, mqtt)) {
        let wrong = format!(
            "{} is a topic that the bridge itself writes to; expected the one of Home Assistant's \
             birth message, by default \"{}/status\"",
            shown(birth),
            mqtt.discovery_prefix
        );
        faults.add("mqtt.birth_topic", wrong);
    }
    let below = format!("{}/", mqtt.discovery_prefix);
    if format!("{}/", mqtt.topic_prefix).starts_with(&below) {
        let wrong = format!(
            "{} lies within discovery_prefix, where Home Assistant would take states for devices; \
             expected another place like \"hoymiles\"",
            shown(&mqtt.topic_prefix)
        );
        faults.add("mqtt.topic_prefix", wrong);
    }
    if mqtt.client_id.as_ref().is_some_and(|id| is_unfit(id)) {
        faults.add("mqtt.client_id", "is too long or has control characters; expected a name");
    }
}

fn host(host: &str, faults: &mut Faults) {
    let expected = "expected the broker's name or IP address like \"192.168.1.23\"";
    let is_address = host.parse::<std::net::IpAddr>().is_ok();
    if host.is_empty() {
        faults.add("mqtt.host", format!("is missing; {expected}"));
    } else if host.contains("://") {
        let wrong = format!("{} is a URL; {expected}, and `tls = true` for TLS", shown(host));
        faults.add("mqtt.host", wrong);
    } else if host.contains(':') && !is_address {
        let wrong = format!("{} has a port; {expected}, and the port under `port`", shown(host));
        faults.add("mqtt.host", wrong);
    } else if host.contains(['/', '@']) || host.chars().any(char::is_whitespace) {
        faults.add("mqtt.host", format!("{} is no host; {expected}", shown(host)));
    }
}

fn login(mqtt: &MqttConfig, faults: &mut Faults) {
    let (has_password, has_file) = (mqtt.password.is_some(), mqtt.password_file.is_some());
    token("mqtt", "password", has_password, has_file, faults);
    if mqtt.username.is_none() && (has_password || has_file) {
        faults.add("mqtt.username", "is missing; expected the name that the password belongs to");
    }
    if mqtt.username.as_ref().is_some_and(|name| is_unfit(name)) {
        faults.add("mqtt.username", "is too long or has control characters; expected a name");
    }
}

fn tls(mqtt: &MqttConfig, faults: &mut Faults) {
    let files = [
        ("ca_file", &mqtt.ca_file),
        ("client_cert", &mqtt.client_cert),
        ("client_key", &mqtt.client_key),
    ];
    for (key, file) in files {
        if file.is_some() && !mqtt.tls {
            let wrong = "is given, but `tls` is not true; expected both or none";
            faults.add(&format!("mqtt.{key}"), wrong);
        }
    }
    let missing = match (&mqtt.client_cert, &mqtt.client_key) {
        (Some(_), None) => "client_key",
        (None, Some(_)) => "client_cert",
        (Some(_), Some(_)) | (None, None) => return,
    };
    let wrong = "is missing; expected a client's certificate and its key, or none of them";
    faults.add(&format!("mqtt.{missing}"), wrong);
}

/// Whether the bridge may publish there.
fn is_ours(topic: &str, mqtt: &MqttConfig) -> bool {
    let below = |prefix: &str| -> Vec<&str> {
        let rest = topic.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('/'));
        rest.into_iter().flat_map(|rest| rest.split('/')).collect()
    };
    let is_value = matches!(
        *below(&mqtt.topic_prefix),
        ["bridge", "state" | "availability"]
            | ["dtu" | "inverter" | "meter", _, "state" | "availability"]
    );
    is_value || matches!(*below(&mqtt.discovery_prefix), ["device", _, "config"])
}

fn wrong_topic(topic: &str) -> Option<&'static str> {
    if topic.contains(char::is_whitespace) {
        Some("has a blank")
    } else if topic.split('/').any(str::is_empty) {
        Some("has an empty level")
    } else if topic.contains(['+', '#', '$']) {
        Some("has a character with a meaning of its own")
    } else if is_unfit(topic) {
        Some("is too long or has control characters")
    } else {
        None
    }
}

fn is_unfit(text: &str) -> bool {
    text.len() > LONGEST || text.chars().any(char::is_control)
}
