//! The options of the Home Assistant add-on, as its Supervisor writes them into `options.json`.
//!
//! They are the keys of the configuration file, apart from those that the Supervisor decides, and
//! one more: `mqtt.enabled`, since a form cannot leave out a section.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use config::{File, FileFormat, FileSourceString, Map, Value};
use secrecy::SecretString;
use serde_json::{Map as JsonMap, Value as Json, json};

use super::load::Fault;
use super::section::Kind as _;
use super::types::Bool;
use super::{Config, Key, MqttConfig};

/// Where an add-on finds its Supervisor, unless this variable names another (for tests).
const SUPERVISOR: &str = "http://supervisor";
/// From where the Supervisor passes on what users of Home Assistant ask the add-on's panel, after
/// their login (Home Assistant's documentation for developers of add-ons, "Ingress").
pub(super) const INGRESS_PROXY: IpAddr = IpAddr::V4(Ipv4Addr::new(172, 30, 32, 2));
const SUPERVISOR_VARIABLE: &str = "HOYMILES_SUPERVISOR";
const TOKEN_VARIABLE: &str = "SUPERVISOR_TOKEN";

/// Keys and sections that are not options: image and Supervisor decide them, a secret needs no file
/// of its own, and older Supervisors take no section within a section.
const NOT_OFFERED: [&str; 6] =
    ["state_dir", "target.token_file", "mqtt.password_file", "http.", "mdns.", "history."];
/// The only option of its section.
const OFFERED: &str = "http.token";

/// A broker whose address and login Home Assistant's Supervisor provides.
#[derive(Clone, Debug)]
pub struct SupervisorBroker {
    /// Whom to ask.
    pub supervisor: Supervisor,
    /// Everything but address and login.
    pub rest: MqttConfig,
}

/// Home Assistant's Supervisor, as an add-on sees it.
#[derive(Clone, Debug)]
pub struct Supervisor {
    /// Its API, without a slash at the end.
    pub url: String,
    /// The add-on's token for it.
    pub token: SecretString,
}

/// The options, read but not yet checked.
pub(super) struct Options {
    /// What the user has filled in.
    pub(super) given: Map<String, Value>,
    /// The same with what the bridge adds.
    pub(super) completed: File<FileSourceString, FileFormat>,
    /// Whether the Supervisor provides the MQTT broker.
    pub(super) uses_supervisor: bool,
}

/// The keys that are options.
pub(super) fn offered(keys: &[Key]) -> Vec<Key> {
    let is_offered = |key: &&Key| {
        key.path == OFFERED || !NOT_OFFERED.iter().any(|prefix| key.path.starts_with(prefix))
    };
    keys.iter().filter(is_offered).cloned().collect()
}

/// Beside the options: the folder that survives an update of the add-on.
pub(super) fn state_dir(options: &Path) -> PathBuf {
    options.parent().unwrap_or(Path::new(".")).to_owned()
}

/// Reads the options. What a form leaves empty counts as not given.
pub(super) fn read(text: &str, file: &Path) -> Result<Options, Fault> {
    let mut options = match serde_json::from_str(text) {
        Ok(Json::Object(options)) => without_empty(options),
        Ok(_) => {
            return Err(Fault::new("", "is no JSON object; expected the options of the add-on"));
        }
        // The message names the position and what was expected there, never what stands there.
        Err(error) => return Err(Fault::new("", format!("is not JSON: {error}"))),
    };
    let enabled = take_enabled(&mut options)?;
    let given = serde_json::from_value(Json::Object(options.clone()))
        .map_err(|error| Fault::new("", error.to_string()))?;
    let uses_supervisor = choose_broker(enabled, &mut options)?;
    options.insert("state_dir".to_owned(), json!(state_dir(file).display().to_string()));
    let completed = File::from_str(&Json::Object(options).to_string(), FileFormat::Json);
    Ok(Options { given, completed, uses_supervisor })
}

fn without_empty(options: JsonMap<String, Json>) -> JsonMap<String, Json> {
    options.into_iter().filter_map(|(name, json)| Some((name, filled(json)?))).collect()
}

fn filled(json: Json) -> Option<Json> {
    match json {
        Json::Null => None,
        Json::String(text) if text.trim().is_empty() => None,
        Json::Array(items) => Some(items.into_iter().filter_map(filled).collect()),
        Json::Object(options) => Some(Json::Object(without_empty(options))),
        Json::String(_) | Json::Bool(_) | Json::Number(_) => Some(json),
    }
}

/// Takes `mqtt.enabled` out of the options.
fn take_enabled(options: &mut JsonMap<String, Json>) -> Result<bool, Fault> {
    let Some(Json::Object(mqtt)) = options.get_mut("mqtt") else { return Ok(false) };
    match mqtt.remove("enabled") {
        None => Ok(false),
        Some(Json::Bool(enabled)) => Ok(enabled),
        Some(other) => Err(Fault::new("mqtt.enabled", Bool::not(&format!("is {other}")))),
    }
}

/// Whether the Supervisor provides the broker. Removes from the options what does not matter then.
fn choose_broker(enabled: bool, options: &mut JsonMap<String, Json>) -> Result<bool, Fault> {
    if !enabled {
        options.remove("mqtt");
    }
    let Some(Json::Object(mqtt)) = options.get_mut("mqtt") else { return Ok(false) };
    if mqtt.contains_key("host") {
        return Ok(false);
    }
    for key in ["port", "username", "password", "tls", "ca_file", "client_cert", "client_key"] {
        if mqtt.remove(key).is_some_and(|value| value != json!(false)) {
            let wrong = "is given without `host`; expected both, or neither: then the Supervisor \
                         provides the broker and its login";
            return Err(Fault::new(format!("mqtt.{key}"), wrong));
        }
    }
    // So that the other keys can be checked.
    mqtt.insert("host".to_owned(), json!("supervisor"));
    Ok(true)
}

/// Takes the broker that the Supervisor provides out of the configuration.
pub(super) fn take_supervisor_broker(
    config: &mut Config,
    environment: &BTreeMap<String, String>,
) -> Result<Option<Box<SupervisorBroker>>, Fault> {
    let Some(rest) = config.mqtt.take() else { return Ok(None) };
    let variable = |name| environment.get(name).filter(|value| !value.is_empty()).cloned();
    let Some(token) = variable(TOKEN_VARIABLE) else {
        let wrong = format!(
            "is missing, and there is no Supervisor to ask ({TOKEN_VARIABLE} is not set); expected \
             the broker's name or IP address"
        );
        return Err(Fault::new("mqtt.host", wrong));
    };
    let url = variable(SUPERVISOR_VARIABLE).unwrap_or_else(|| SUPERVISOR.to_owned());
    let url = url.trim_end_matches('/').to_owned();
    Ok(Some(Box::new(SupervisorBroker {
        supervisor: Supervisor { url, token: token.into() },
        rest,
    })))
}
