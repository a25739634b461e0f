//! What of the configuration cannot change while the bridge runs.

use secrecy::{ExposeSecret as _, SecretString};

use crate::config::{Config, HttpConfig, MqttConfig};

/// The part of a configuration that is used at the start only.
#[derive(Clone, Debug)]
pub(super) struct Fixed {
    config: Config,
}

impl Fixed {
    pub(super) fn of(config: &Config) -> Self {
        Self { config: config.clone() }
    }

    /// The keys whose new values have no effect before a restart.
    pub(super) fn changed(&self, new: &Config) -> Vec<&'static str> {
        let old = &self.config;
        let is_same_token = |one: &Option<SecretString>, other: &Option<SecretString>| {
            let expose = |token: &Option<SecretString>| {
                token.as_ref().map(|token| token.expose_secret().to_owned())
            };
            expose(one) == expose(other)
        };
        // Taken apart, so that a new key must be thought of here.
        let Config { timezone, state_dir, poll: _, dtus: _, targets: _, mqtt, http, log } = new;
        let HttpConfig {
            listen,
            token,
            token_file: _,
            max_connections,
            header_timeout,
            max_header_bytes,
            max_headers,
            body_timeout,
            write_timeout,
            registration: _,
        } = http;
        [
            ("timezone", *timezone == old.timezone),
            ("state_dir", *state_dir == old.state_dir),
            ("mqtt", is_same_broker(mqtt.as_ref(), old.mqtt.as_ref())),
            ("http.listen", *listen == old.http.listen),
            ("http.token", is_same_token(token, &old.http.token)),
            ("http.max_connections", *max_connections == old.http.max_connections),
            ("http.header_timeout", *header_timeout == old.http.header_timeout),
            ("http.max_header_bytes", *max_header_bytes == old.http.max_header_bytes),
            ("http.max_headers", *max_headers == old.http.max_headers),
            ("http.body_timeout", *body_timeout == old.http.body_timeout),
            ("http.write_timeout", *write_timeout == old.http.write_timeout),
            ("log.level", log.level == old.log.level),
            ("log.format", log.format == old.log.format),
        ]
        .into_iter()
        .filter_map(|(key, is_same)| (!is_same).then_some(key))
        .collect()
    }
}

/// Secrets do not show in the text of a configuration, and are compared by themselves.
fn is_same_broker(one: Option<&MqttConfig>, other: Option<&MqttConfig>) -> bool {
    let password = |config: Option<&MqttConfig>| {
        config.and_then(|it| it.password.as_ref()).map(|it| it.expose_secret().to_owned())
    };
    format!("{one:?}") == format!("{other:?}") && password(one) == password(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needs_a_restart_is_named() {
        let old = Config::default();
        let mut new = old.clone();
        new.state_dir = "elsewhere".into();
        new.http.token = Some("hush".into());
        new.http.max_headers = 20;
        new.mqtt = Some(MqttConfig::default());
        new.poll.interval *= 2;
        assert_eq!(
            Fixed::of(&old).changed(&new),
            ["state_dir", "mqtt", "http.token", "http.max_headers"]
        );
        let mut other = new.clone();
        other.mqtt = Some(MqttConfig { password: Some("hush".into()), ..MqttConfig::default() });
        assert_eq!(Fixed::of(&new).changed(&other), ["mqtt"], "a password");
        assert!(Fixed::of(&old).changed(&old).is_empty());
    }
}
