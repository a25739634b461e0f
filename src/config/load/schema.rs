//! Every key of the configuration, what its value must be, and the texts that say so.
//!
//! The structs of `config` hold what was read; this table is what lets all faults be told at once,
//! with ranges and near misses. A test keeps the two together.

use std::time::Duration;

/// One key.
#[derive(Debug)]
pub(super) struct Key {
    /// As in the file.
    pub(super) name: &'static str,
    /// What stands behind it.
    pub(super) shape: Shape,
}

/// What stands behind a key.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shape {
    /// A value that may be left out.
    Value(Kind),
    /// A value that must be there.
    Required(Kind),
    /// `[section]`.
    Section(&'static [Key]),
    /// `[[list]]`.
    List(&'static [Key]),
}

/// What a value must be.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// Any text that is not empty.
    Text,
    /// A text that is never shown.
    Secret,
    /// `true` or `false`.
    Bool,
    /// A whole number within limits.
    Integer(i64, i64),
    /// A duration within limits.
    Duration(Duration, Duration),
    /// One of these words.
    Word(&'static [&'static str]),
    /// IP address and port.
    Address,
    /// A list of texts.
    Texts,
}

const fn key(name: &'static str, shape: Shape) -> Key {
    Key { name, shape }
}

const fn value(name: &'static str, kind: Kind) -> Key {
    key(name, Shape::Value(kind))
}

const fn duration(name: &'static str, least: u64, most: u64) -> Key {
    value(name, Kind::Duration(Duration::from_millis(least), Duration::from_millis(most)))
}

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const DAY: u64 = 24 * 60 * MINUTE;

/// The whole file.
pub(super) const ROOT: &[Key] = &[
    value("timezone", Kind::Text),
    value("state_dir", Kind::Text),
    key("poll", Shape::Section(POLL)),
    key("dtu", Shape::List(DTU)),
    key("target", Shape::List(TARGET)),
    key("mqtt", Shape::Section(MQTT)),
    key("http", Shape::Section(HTTP)),
    key("log", Shape::Section(LOG)),
];

const POLL: &[Key] = &[duration("interval", 5 * SECOND, DAY)];

const DTU: &[Key] = &[
    key("name", Shape::Required(Kind::Text)),
    key("protocol", Shape::Required(Kind::Word(&["modbus", "protobuf", "simulated"]))),
    value("host", Kind::Text),
    value("port", Kind::Integer(1, 65_535)),
    value("unit_id", Kind::Integer(0, 255)),
    duration("timeout", 10, 5 * MINUTE),
    value("retries", Kind::Integer(0, 10)),
    duration("request_gap", 0, MINUTE),
    value("records_per_read", Kind::Integer(1, 6)),
    value("performance_mode", Kind::Bool),
    value("avoid_cloud_upload", Kind::Bool),
    duration("interval", 5 * SECOND, DAY),
    value("exclude", Kind::Texts),
];

const TARGET: &[Key] = &[
    key("name", Shape::Required(Kind::Text)),
    key("url", Shape::Required(Kind::Secret)),
    value("token", Kind::Secret),
    value("token_file", Kind::Text),
    duration("connect_timeout", 100, MINUTE),
    duration("heartbeat", 100, 60 * MINUTE),
    value("max_message_bytes", Kind::Integer(1_024, 64 << 20)),
    value("ca_file", Kind::Text),
];

const MQTT: &[Key] = &[
    value("host", Kind::Text),
    value("port", Kind::Integer(1, 65_535)),
    value("username", Kind::Text),
    value("password", Kind::Secret),
    value("password_file", Kind::Text),
    value("tls", Kind::Bool),
    value("ca_file", Kind::Text),
    value("client_cert", Kind::Text),
    value("client_key", Kind::Text),
    value("discovery_prefix", Kind::Text),
    value("birth_topic", Kind::Text),
    value("child_devices", Kind::Bool),
    value("topic_prefix", Kind::Text),
    value("qos", Kind::Integer(0, 2)),
    value("client_id", Kind::Text),
];

const HTTP: &[Key] = &[
    value("listen", Kind::Address),
    value("token", Kind::Secret),
    value("token_file", Kind::Text),
    value("max_connections", Kind::Integer(1, 65_535)),
    duration("header_timeout", 100, 5 * MINUTE),
    value("max_header_bytes", Kind::Integer(8 << 10, 1 << 20)),
    value("max_headers", Kind::Integer(16, 1_000)),
    duration("body_timeout", 100, 5 * MINUTE),
    duration("write_timeout", 100, 5 * MINUTE),
    key("registration", Shape::Section(REGISTRATION)),
];

const REGISTRATION: &[Key] = &[
    value("enabled", Kind::Bool),
    value("allow", Kind::Texts),
    value("max_targets", Kind::Integer(1, 1_000)),
];

const LOG: &[Key] = &[value("level", Kind::Text), value("format", Kind::Word(&["text", "json"]))];

/// Every value that the environment can set, by its path.
pub(super) fn environment_keys() -> Vec<(String, Kind)> {
    fn collect(keys: &[Key], prefix: &str, found: &mut Vec<(String, Kind)>) {
        for key in keys {
            let path = format!("{prefix}{}", key.name);
            match key.shape {
                Shape::Value(kind) | Shape::Required(kind) => found.push((path, kind)),
                Shape::Section(keys) => collect(keys, &format!("{path}."), found),
                Shape::List(_) => (),
            }
        }
    }
    let mut found = Vec::new();
    collect(ROOT, "", &mut found);
    found
}
