//! The options of the Home Assistant add-on: what its Supervisor has written into `options.json`.
//!
//! They are the keys of the configuration file, but for those that the Supervisor decides, and one
//! more: `mqtt.enabled`, since a form cannot leave out a section.

use std::path::Path;

use config::{Map, Value, ValueKind};
use secrecy::SecretString;
use serde_json::Value as Json;

use super::fault::{ConfigError, Faults, Origins};
use super::kind::Given;
use super::schema::Kind;
use super::written::{Entry, Item, Written};
use crate::config::{Config, MqttConfig};

/// Where an add-on finds its Supervisor.
const SUPERVISOR: &str = "http://supervisor";
/// The variable that names another, as tests do.
const SUPERVISOR_VARIABLE: &str = "HOYMILES_SUPERVISOR";
const TOKEN_VARIABLE: &str = "SUPERVISOR_TOKEN";
/// The variable in which the Supervisor tells Home Assistant's time zone.
const ZONE_VARIABLE: &str = "TZ";

/// Keys of the file that are no options: the image and the Supervisor decide them, a secret needs no
/// file of its own in a file that only the bridge reads, and a section within a section is more than
/// older Supervisors take.
const NOT_OFFERED: [&str; 12] = [
    "state_dir",
    "target.token_file",
    "mqtt.password_file",
    "http.listen",
    "http.token_file",
    "http.max_connections",
    "http.header_timeout",
    "http.max_header_bytes",
    "http.max_headers",
    "http.body_timeout",
    "http.write_timeout",
    "http.registration",
];

/// A broker of which Home Assistant's Supervisor is to tell place and login.
#[derive(Clone, Debug)]
pub struct OfferedBroker {
    /// Whom to ask.
    pub supervisor: Supervisor,
    /// Everything but place and login.
    pub rest: MqttConfig,
}

/// Home Assistant's Supervisor, as an add-on sees it.
#[derive(Clone, Debug)]
pub struct Supervisor {
    /// Its API, without a slash at the end.
    pub url: String,
    /// What an add-on shows there.
    pub token: SecretString,
}

/// Whether a key of the schema, by its path without indices, is an option.
pub(super) fn is_offered(path: &str) -> bool {
    !NOT_OFFERED.contains(&path)
}

/// The options in the file. What a form leaves empty counts as not given.
pub(super) fn read(file: &Path, text: &str) -> Result<Vec<Entry>, ConfigError> {
    let wrong = |what: &str| ConfigError::new(format!("{}: {what}", file.display()));
    match serde_json::from_str(text) {
        Ok(Json::Object(options)) => Ok(section(options)),
        Ok(_) => Err(wrong("is no JSON object; expected the options of the add-on")),
        // It tells a place and what was expected there, never what stands there.
        Err(error) => Err(wrong(&format!("is not JSON: {error}"))),
    }
}

fn section(options: serde_json::Map<String, Json>) -> Vec<Entry> {
    let entries = options
        .into_iter()
        .filter_map(|(name, json)| Some(Entry { name, line: None, value: written(json)? }));
    entries.collect()
}

fn written(json: Json) -> Option<Written> {
    Some(match json {
        Json::Null => return None,
        Json::String(text) if text.trim().is_empty() => return None,
        Json::String(text) => Written::Text(text),
        Json::Bool(yes) => Written::Bool(yes),
        Json::Number(number) => match (number.as_i64(), number.is_f64()) {
            (Some(number), _) => Written::Integer(number),
            (None, true) => Written::Other("a number with a fraction"),
            (None, false) => Written::Other("a number that is too large"),
        },
        Json::Array(items) => {
            let items = items.into_iter().filter_map(written);
            Written::List(items.map(|value| Item { line: None, value }).collect())
        }
        Json::Object(options) => Written::Section(section(options)),
    })
}

/// What an add-on's configuration takes from its surroundings.
#[derive(Debug)]
pub(super) struct Surroundings {
    supervisor: Option<Supervisor>,
    zone: Option<String>,
}

impl Surroundings {
    /// What the Supervisor has put into the environment.
    pub(super) fn of(environment: &[(String, String)]) -> Self {
        let variable = |wanted: &str| {
            let found =
                environment.iter().find(|(name, value)| name == wanted && !value.is_empty());
            found.map(|(_, value)| value.clone())
        };
        let url = variable(SUPERVISOR_VARIABLE).unwrap_or_else(|| SUPERVISOR.to_owned());
        Self {
            supervisor: variable(TOKEN_VARIABLE).map(|token| Supervisor {
                url: url.trim_end_matches('/').to_owned(),
                token: token.into(),
            }),
            zone: variable(ZONE_VARIABLE),
        }
    }

    /// Fills in what the options leave to the surroundings.
    pub(super) fn complete(
        &self,
        file: &Path,
        options: &mut Map<String, Value>,
        origins: &mut Origins,
    ) {
        // Beside the options: the folder that outlives an update of the add-on.
        let folder = file.parent().unwrap_or(Path::new(".")).display().to_string();
        options.insert("state_dir".to_owned(), Value::new(None, folder));
        if let Some(zone) = &self.zone
            && !options.contains_key("timezone")
        {
            options.insert("timezone".to_owned(), Value::new(None, zone.as_str()));
            origins.variables.insert("timezone".to_owned(), ZONE_VARIABLE.to_owned());
        }
    }

    /// Takes the broker out of the configuration if the Supervisor is to tell it.
    pub(super) fn offered(
        &self,
        wish: Wish,
        config: &mut Config,
        faults: &mut Faults,
    ) -> Option<Box<OfferedBroker>> {
        if wish != Wish::Told {
            return None;
        }
        let rest = config.mqtt.take()?;
        if self.supervisor.is_none() {
            faults.add(
                "mqtt.host",
                format!(
                    "is missing, and there is no Supervisor to ask ({TOKEN_VARIABLE} is not set); \
                     expected the broker's name or IP address"
                ),
            );
        }
        Some(Box::new(OfferedBroker { supervisor: self.supervisor.clone()?, rest }))
    }
}

/// Which broker is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// None.
    Off,
    /// That of the options.
    Given,
    /// The one that the Supervisor tells.
    Told,
}

/// Takes `mqtt.enabled` out of the options.
pub(super) fn take_enabled(options: &mut [Entry], faults: &mut Faults) -> bool {
    let mqtt = options.iter_mut().find(|entry| entry.name == "mqtt");
    let Some(Entry { value: Written::Section(mqtt), .. }) = mqtt else { return false };
    let Some(at) = mqtt.iter().position(|entry| entry.name == "enabled") else { return false };
    let enabled = mqtt.remove(at).value;
    match Kind::Bool.accept(Given::from_written(&enabled)) {
        Ok(enabled) => enabled == ValueKind::Boolean(true),
        Err(wrong) => {
            faults.add("mqtt.enabled", wrong);
            false
        }
    }
}

/// Which broker these options want; what is no use for it is taken out of them, or told.
pub(super) fn wish(enabled: bool, options: &mut Map<String, Value>, faults: &mut Faults) -> Wish {
    if !enabled {
        options.remove("mqtt");
        return Wish::Off;
    }
    let Some(ValueKind::Table(mqtt)) = options.get_mut("mqtt").map(|mqtt| &mut mqtt.kind) else {
        return Wish::Off;
    };
    if mqtt.contains_key("host") {
        return Wish::Given;
    }
    for key in ["port", "username", "password", "tls", "ca_file", "client_cert", "client_key"] {
        let is_given =
            mqtt.remove(key).is_some_and(|value| value.kind != ValueKind::Boolean(false));
        if is_given {
            let wrong = "is given without `host`; expected both, or neither: then the Supervisor \
                         tells the broker and its login";
            faults.add(&format!("mqtt.{key}"), wrong);
        }
    }
    // So that the other keys can be checked.
    mqtt.insert("host".to_owned(), Value::new(None, "supervisor"));
    Wish::Told
}
