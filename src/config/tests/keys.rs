//! The table of all keys, from which the documentation is made.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{DTU, TARGET, loaded};
use crate::config::{Config, Key};

#[test]
fn every_key_is_described() {
    for Key { path, expected, description, .. } in Config::keys() {
        assert!(description.ends_with('.') && !description.contains("  "), "{path}: {description}");
        assert!(!expected.is_empty(), "{path}");
    }
}

#[test]
fn keys_without_a_value_have_no_default() {
    let keys: BTreeMap<String, Key> =
        Config::keys().into_iter().map(|key| (key.path.clone(), key)).collect();
    for (path, default, is_required) in [
        ("poll.interval", Some("\"1m\""), false),
        ("dtu.name", None, true),
        ("dtu.protocol", None, true),
        ("dtu.port", None, false),
        ("dtu.retries", Some("3"), false),
        ("dtu.exclude", Some("[]"), false),
        ("target.url", None, true),
        ("http.listen", Some("\"0.0.0.0:8080\""), false),
        ("http.token", None, false),
        ("http.registration.allow", Some("[\"private\"]"), false),
        ("log.format", Some("\"text\""), false),
    ] {
        let key = &keys[path];
        assert_eq!((key.default.as_deref(), key.is_required), (default, is_required), "{path}");
    }
    for path in ["target.url", "target.token", "http.token", "mqtt.password"] {
        assert!(keys[path].is_secret, "{path}");
    }
}

#[test]
fn each_default_can_be_written_into_the_file() {
    let mut toml = String::new();
    for section in
        ["", "poll", "dtu", "target", "mqtt", "http", "http.registration", "mdns", "history", "log"]
    {
        match section {
            "dtu" => toml += DTU,
            "target" => toml += TARGET,
            "" => {}
            _ => writeln!(toml, "[{section}]").unwrap(),
        }
        if section == "mqtt" {
            toml += "host = \"broker\"\n";
        }
        for key in Config::keys() {
            let (of, name) = key.path.rsplit_once('.').unwrap_or(("", &key.path));
            if let Some(default) = key.default.filter(|_| of == section)
                && default != "\"\""
            {
                writeln!(toml, "{name} = {default}").unwrap();
            }
        }
    }
    let explicit = loaded(&toml, &[]).unwrap().config;
    let implicit = loaded(&format!("{DTU}{TARGET}[mqtt]\nhost = \"broker\"\n"), &[]).unwrap();
    assert_eq!(format!("{explicit:?}"), format!("{:?}", implicit.config));
}
