//! What `check` prints: the configuration with all defaults, as TOML without secrets.

use secrecy::ExposeSecret as _;
use url::Url;

use super::load::Loaded;
use super::section::Setting as _;
use super::{Config, Protocol, TargetConfig};

/// Names in the configuration that a published report must not show.
#[derive(Clone, Debug, Default)]
pub struct PrivateNames {
    /// Host names and login names.
    pub hosts: Vec<String>,
    /// Names of targets.
    pub targets: Vec<String>,
}

impl PrivateNames {
    /// Those of this configuration.
    pub fn of(config: &Config) -> Self {
        let Config { dtus, targets, mqtt, http, .. } = config;
        let host_of = |target: &TargetConfig| {
            let url = Url::parse(target.url.expose_secret()).ok()?;
            Some(url.host_str()?.to_owned())
        };
        let mut hosts: Vec<String> = dtus.iter().map(|dtu| dtu.host.clone()).collect();
        hosts.extend(targets.iter().filter_map(host_of));
        hosts.extend(http.hosts.iter().cloned());
        hosts.extend(http.registration.allow.iter().cloned());
        hosts.retain(|host| !["private", "any"].contains(&host.as_str()));
        if let Some(mqtt) = mqtt {
            hosts.push(mqtt.host.clone());
            hosts.extend(mqtt.username.clone());
        }
        Self { hosts, targets: targets.iter().map(|target| target.name.clone()).collect() }
    }
}

/// What `check` prints.
pub fn describe(loaded: &Loaded) -> String {
    let Loaded { config, file, warnings, supervisor_broker, .. } = loaded;
    let mut toml = format!("# {}, with all defaults\n", file.display());
    Config::write(&effective(loaded), "", &mut toml);
    let has_mqtt = config.mqtt.is_some() || supervisor_broker.is_some();
    let notes = [
        (config.targets.is_empty(), "no target is configured; Home Assistant registers itself"),
        (supervisor_broker.is_some(), "mqtt: the Supervisor provides the broker and its login"),
        (!has_mqtt, "mqtt: off"),
    ];
    let notes = notes.iter().filter(|(applies, _)| *applies).map(|(_, note)| format!("# {note}\n"));
    let warnings = warnings.iter().map(|warning| format!("# warning: {warning}\n"));
    let chosen = loaded.note().map(|note| format!("# {note}\n"));
    let comments: String = chosen.into_iter().chain(notes).chain(warnings).collect();
    format!("{toml}\n{comments}")
}

/// With the values of keys whose defaults depend on others, and without what secret files hold.
fn effective(loaded: &Loaded) -> Config {
    let mut config = loaded.config.clone();
    for dtu in &mut config.dtus {
        dtu.port = Some(dtu.port()).filter(|_| dtu.protocol != Protocol::Simulated);
        dtu.interval = Some(dtu.interval_or(config.poll.interval));
    }
    for target in &mut config.targets {
        target.token = target.token.take().filter(|_| target.token_file.is_none());
    }
    config.http.token = config.http.token.take().filter(|_| config.http.token_file.is_none());
    if let Some(broker) = &loaded.supervisor_broker {
        config.mqtt = Some(broker.rest.clone());
    } else if let Some(mqtt) = &mut config.mqtt {
        mqtt.port = Some(mqtt.port());
    }
    if let Some(mqtt) = &mut config.mqtt {
        mqtt.password = mqtt.password.take().filter(|_| mqtt.password_file.is_none());
        mqtt.birth_topic = Some(mqtt.birth_topic());
        mqtt.client_id = Some(mqtt.client_id());
    }
    config
}
