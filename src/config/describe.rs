//! What `check` prints: the configuration in words, without secrets.

use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::load::Loaded;
use super::types::duration_text;
use super::{Config, DtuConfig, HttpConfig, LogFormat, MqttConfig, Protocol, TargetConfig};

/// What `check` prints.
pub fn describe(loaded: &Loaded) -> String {
    let Config { timezone, state_dir, poll, dtus, targets, mqtt, http, log } = &loaded.config;
    let format = match log.format {
        LogFormat::Text => "text",
        LogFormat::Json => "json",
    };
    let mut lines = Vec::new();
    let mut line = |name: &str, value: &str| lines.push(format!("{name:<14} {value}\n"));
    line("configuration", &loaded.file.display().to_string());
    line("timezone", timezone);
    line("state_dir", &state_dir.display().to_string());
    for one in dtus {
        line("dtu", &dtu(one, poll.interval));
    }
    for one in targets {
        line("target", &target(one));
    }
    if targets.is_empty() {
        line("target", "none configured; Home Assistant registers itself");
    }
    line(
        "mqtt",
        &match (mqtt, &loaded.offered) {
            (Some(mqtt), _) => broker(mqtt),
            (None, Some(offered)) => from_supervisor(&offered.rest),
            (None, None) => "off".to_owned(),
        },
    );
    line("http", &server(http));
    line("registration", &registration(http));
    line("log", &format!("{}, {format}", log.level));
    for warning in &loaded.warnings {
        line("warning", warning);
    }
    lines.concat()
}

fn dtu(dtu: &DtuConfig, interval: Duration) -> String {
    let mut parts = vec![match dtu.protocol {
        Protocol::Simulated => format!("{}: simulated", dtu.name),
        // An IPv6 address and its port need brackets between them.
        Protocol::Modbus | Protocol::Protobuf if dtu.host.contains(':') => {
            format!("{}: {} [{}]:{}", dtu.name, dtu.protocol, dtu.host, dtu.port())
        }
        Protocol::Modbus | Protocol::Protobuf => {
            format!("{}: {} {}:{}", dtu.name, dtu.protocol, dtu.host, dtu.port())
        }
    }];
    if dtu.protocol == Protocol::Modbus {
        parts.push(format!("unit_id {}", dtu.unit_id));
        parts.push(format!("records_per_read {}", dtu.records_per_read));
    }
    parts.push(format!("interval {}", duration_text(dtu.interval_or(interval))));
    parts.push(format!("timeout {}", duration_text(dtu.timeout)));
    parts.push(format!("retries {}", dtu.retries));
    if let Some(gap) = dtu.request_gap {
        parts.push(format!("request_gap {}", duration_text(gap)));
    }
    if dtu.protocol == Protocol::Protobuf {
        let modes = [
            (dtu.performance_mode, "performance_mode"),
            (dtu.avoid_cloud_upload, "avoid_cloud_upload"),
        ];
        parts.extend(modes.iter().filter(|(is_on, _)| *is_on).map(|(_, mode)| (*mode).to_owned()));
    }
    if !dtu.exclude.is_empty() {
        parts.push(format!("without {}", dtu.exclude.join(" ")));
    }
    parts.join(", ")
}

/// Of the URL no more than scheme, host and port.
fn target(target: &TargetConfig) -> String {
    let address = Url::parse(target.url.expose_secret().trim()).ok().and_then(|url| {
        Some(format!("{}://{}:{}", url.scheme(), url.host_str()?, url.port_or_known_default()?))
    });
    let mut parts = vec![
        format!("{}: {}", target.name, address.unwrap_or_default()),
        token(target.token.as_ref(), target.token_file.is_some()).to_owned(),
        format!("connect_timeout {}", duration_text(target.connect_timeout)),
        format!("heartbeat {}", duration_text(target.heartbeat)),
    ];
    if let Some(file) = &target.ca_file {
        parts.push(format!("ca_file {}", file.display()));
    }
    parts.join(", ")
}

fn broker(mqtt: &MqttConfig) -> String {
    let mut parts = vec![mqtt.place()];
    parts.push(if mqtt.tls { "TLS" } else { "no TLS" }.to_owned());
    if let Some(file) = &mqtt.ca_file {
        parts.push(format!("ca_file {}", file.display()));
    }
    if let Some(file) = &mqtt.client_cert {
        parts.push(format!("client_cert {}", file.display()));
    }
    parts.push(match (&mqtt.username, &mqtt.password) {
        (None, _) => "no login".to_owned(),
        (Some(name), None) => format!("as {name} without a password"),
        (Some(name), Some(_)) => format!("as {name} with a password"),
    });
    parts.push(published(mqtt));
    parts.join(", ")
}

fn from_supervisor(rest: &MqttConfig) -> String {
    format!("the broker that Home Assistant's Supervisor provides, {}", published(rest))
}

fn published(mqtt: &MqttConfig) -> String {
    let MqttConfig { topic_prefix, discovery_prefix, qos, .. } = mqtt;
    let client_id = mqtt.client_id();
    format!(
        "topics {topic_prefix}/... and {discovery_prefix}/..., qos {qos}, client_id {client_id}"
    )
}

fn server(http: &HttpConfig) -> String {
    format!(
        "{}, {}, max_connections {}, header_timeout {}, max_header_bytes {}, max_headers {}, \
         body_timeout {}, write_timeout {}",
        http.listen,
        token(http.token.as_ref(), http.token_file.is_some()),
        http.max_connections,
        duration_text(http.header_timeout),
        http.max_header_bytes,
        http.max_headers,
        duration_text(http.body_timeout),
        duration_text(http.write_timeout),
    )
}

fn registration(http: &HttpConfig) -> String {
    let registration = &http.registration;
    if !registration.enabled {
        return "off".to_owned();
    }
    let allowed = match registration.allow.as_slice() {
        [] => "nobody".to_owned(),
        entries => entries.join(" "),
    };
    format!("allowed for {allowed}, max_targets {}", registration.max_targets)
}

fn token(token: Option<&SecretString>, from_file: bool) -> &'static str {
    match (token, from_file) {
        (None, _) => "no token",
        (Some(_), false) => "token given",
        (Some(_), true) => "token from a file",
    }
}
