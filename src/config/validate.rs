//! The rules that concern several keys at once. Pure.

use std::collections::BTreeMap;

use secrecy::ExposeSecret as _;

use super::load::Fault;
use super::section::{Kind as _, quoted};
use super::types::{BrokerHost, Host};
use super::{Config, DtuConfig, MqttConfig, Protocol, TargetConfig, websocket_url};

/// The first rule that is broken. `is_addon` says whether the user fills in a form instead of a
/// file.
pub(super) fn check(config: &Config, is_addon: bool) -> Result<(), Fault> {
    check_dtus(&config.dtus, is_addon)?;
    check_targets(&config.targets)?;
    if let Some(mqtt) = &config.mqtt {
        check_mqtt(mqtt)?;
    }
    let http = &config.http;
    one_of_two("http", "token", http.token.is_some(), http.token_file.is_some())
}

fn check_dtus(dtus: &[DtuConfig], is_addon: bool) -> Result<(), Fault> {
    if dtus.is_empty() {
        let example = if is_addon {
            "at least one, with `name`, `protocol` and `host`"
        } else {
            "at least one section like\n\n[[dtu]]\nname = \"DTU\"\nprotocol = \"modbus\"\n\
             host = \"192.168.1.191\"\n"
        };
        return Err(Fault::new("dtu", format!("there is no DTU; expected {example}")));
    }
    unique_names("dtu", dtus.iter().map(|dtu| dtu.name.as_str()))?;
    unique_serials(dtus)?;
    let without_host =
        dtus.iter().position(|dtu| dtu.protocol != Protocol::Simulated && dtu.host.is_empty());
    without_host.map_or(Ok(()), |index| {
        let wrong = format!("is missing; expected {}", Host::expected());
        Err(Fault::new(format!("dtu[{index}].host"), wrong))
    })
}

fn unique_names<'a>(list: &str, names: impl Iterator<Item = &'a str>) -> Result<(), Fault> {
    let mut seen = BTreeMap::new();
    for (index, name) in names.enumerate() {
        if let Some(first) = seen.insert(name, index) {
            let wrong = format!(
                "{} is also the name of {list}[{first}]; expected a unique name for each [[{list}]]",
                quoted(name)
            );
            return Err(Fault::new(format!("{list}[{index}].name"), wrong));
        }
    }
    Ok(())
}

/// One DTU in two sections would be polled twice, and its inverters shown once only.
fn unique_serials(dtus: &[DtuConfig]) -> Result<(), Fault> {
    let mut seen = BTreeMap::new();
    for (index, dtu) in dtus.iter().enumerate() {
        if let Some(serial) = &dtu.serial
            && let Some(first) = seen.insert(serial, index)
        {
            let wrong = format!(
                "{} is also the serial number of dtu[{first}]; expected each DTU in one section",
                quoted(serial)
            );
            return Err(Fault::new(format!("dtu[{index}].serial"), wrong));
        }
    }
    Ok(())
}

/// A URL may carry a token, so none is ever shown.
fn check_targets(targets: &[TargetConfig]) -> Result<(), Fault> {
    unique_names("target", targets.iter().map(|target| target.name.as_str()))?;
    let mut seen = BTreeMap::new();
    for (index, target) in targets.iter().enumerate() {
        let section = format!("target[{index}]");
        one_of_two(&section, "token", target.token.is_some(), target.token_file.is_some())?;
        let path = format!("{section}.url");
        let mut url = websocket_url::parse(target.url.expose_secret())
            .map_err(|wrong| Fault::new(&path, wrong.to_string()))?;
        let has_token = target.token.is_some() || target.token_file.is_some();
        if has_token && url.query_pairs().any(|(name, _)| name == "token") {
            let wrong = "contains a token, and token or token_file is given too; expected only one \
                         of them";
            return Err(Fault::new(path, wrong));
        }
        url.set_query(None);
        if let Some(first) = seen.insert(url, index) {
            let wrong = format!(
                "is also the URL of target[{first}], apart from the query; expected each endpoint \
                 once"
            );
            return Err(Fault::new(path, wrong));
        }
    }
    Ok(())
}

/// A token or password is given by itself or as a file, not both.
fn one_of_two(section: &str, key: &str, has_text: bool, has_file: bool) -> Result<(), Fault> {
    if has_text && has_file {
        let wrong = format!("{section}.{key} is given too; expected only one of the two");
        return Err(Fault::new(format!("{section}.{key}_file"), wrong));
    }
    Ok(())
}

fn check_mqtt(mqtt: &MqttConfig) -> Result<(), Fault> {
    let wrong = |key: &str, text: &str| Err(Fault::new(format!("mqtt.{key}"), text));
    if mqtt.host.is_empty() {
        return wrong("host", &format!("is missing; expected {}", BrokerHost::expected()));
    }
    let (has_password, has_file) = (mqtt.password.is_some(), mqtt.password_file.is_some());
    one_of_two("mqtt", "password", has_password, has_file)?;
    if mqtt.username.is_none() && (has_password || has_file) {
        return wrong("username", "is missing; expected the name that the password belongs to");
    }
    let (certificate, key) = (mqtt.client_cert.is_some(), mqtt.client_key.is_some());
    let files =
        [("ca_file", mqtt.ca_file.is_some()), ("client_cert", certificate), ("client_key", key)];
    if let Some((name, _)) = files.iter().find(|(_, is_given)| *is_given && !mqtt.tls) {
        return wrong(name, "is given, but `tls` is not true; expected both or none");
    }
    if certificate != key {
        let missing = if key { "client_cert" } else { "client_key" };
        return wrong(missing, "is missing; expected a client certificate and its key, or neither");
    }
    if let Some(birth) = mqtt.birth_topic.as_ref().filter(|topic| is_published(topic, mqtt)) {
        let text = format!(
            "{} is a topic that the bridge itself writes to; expected the one of Home Assistant's \
             birth message, by default \"{}/status\"",
            quoted(birth),
            mqtt.discovery_prefix
        );
        return wrong("birth_topic", &text);
    }
    if format!("{}/", mqtt.topic_prefix).starts_with(&format!("{}/", mqtt.discovery_prefix)) {
        let text = format!(
            "{} is within discovery_prefix, where Home Assistant would mistake states for devices; \
             expected another prefix like \"hoymiles\"",
            quoted(&mqtt.topic_prefix)
        );
        return wrong("topic_prefix", &text);
    }
    Ok(())
}

/// Whether the bridge may publish there.
fn is_published(topic: &str, mqtt: &MqttConfig) -> bool {
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
