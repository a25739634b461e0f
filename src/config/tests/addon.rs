//! The add-on's files agree with the configuration keys of the bridge.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use saphyr::{LoadableYamlNode as _, Scalar, Yaml};
use serde_json::{Value, json};

use crate::config::addon;
use crate::config::load::load;
use crate::config::{Config, HttpConfig, Key};

const DURATION: &str = r"match(^\d+\s*(ms|s|m|min|h|d)$)";

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// A YAML file as JSON, which is easier to query.
fn yaml(path: &str) -> Value {
    let text = read(path);
    let documents = Yaml::load_from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"));
    assert_eq!(documents.len(), 1, "{path}");
    as_json(&documents[0])
}

fn as_json(yaml: &Yaml<'_>) -> Value {
    match yaml {
        Yaml::Mapping(entries) => entries
            .iter()
            .map(|(key, value)| (key.as_str().unwrap().to_owned(), as_json(value)))
            .collect(),
        Yaml::Sequence(items) => items.iter().map(as_json).collect(),
        Yaml::Value(Scalar::Null) => Value::Null,
        Yaml::Value(Scalar::Boolean(yes)) => json!(yes),
        Yaml::Value(Scalar::Integer(number)) => json!(number),
        Yaml::Value(Scalar::String(text)) => json!(text),
        Yaml::Value(Scalar::FloatingPoint(_))
        | Yaml::Representation(..)
        | Yaml::Tagged(..)
        | Yaml::Alias(_)
        | Yaml::BadValue => panic!("no use for {yaml:?}"),
    }
}

fn config_yaml() -> Value {
    yaml("homeassistant-addon/config.yaml")
}

/// Each option of the add-on's schema by its path, with its type.
fn offered() -> BTreeMap<String, String> {
    fn collect(schema: &Value, prefix: &str, found: &mut BTreeMap<String, String>) {
        for (name, shape) in schema.as_object().unwrap() {
            let path = format!("{prefix}{name}");
            let inner = shape.get(0).filter(|inner| inner.is_object()).unwrap_or(shape);
            if inner.is_object() {
                assert_eq!(prefix, "", "{path}: older Supervisors take no deeper schema");
                collect(inner, &format!("{path}."), found);
            } else {
                let text = shape.get(0).map_or_else(|| shape.clone(), |item| json!([item]));
                found.insert(path, text.to_string());
            }
        }
    }
    let mut found = BTreeMap::new();
    collect(&config_yaml()["schema"], "", &mut found);
    found
}

/// The Supervisor's type for a key.
fn supervisors_type(key: &Key) -> String {
    let optional = if key.is_required { "" } else { "?" };
    let quoted: Vec<&str> = key.expected.split('"').skip(1).step_by(2).collect();
    let name = match &*key.expected {
        // A filter of modules is for developers: the form offers the levels.
        _ if key.path == "log.level" => "list(error|warn|info|debug|trace)".to_owned(),
        // People must see what they type; a token may stand by itself.
        _ if key.path == "target.url" => "str".to_owned(),
        _ if key.is_secret => "password".to_owned(),
        "true or false" => "bool".to_owned(),
        words if words.starts_with('"') => format!("list({})", quoted.join("|")),
        text if text.starts_with("a duration") => DURATION.to_owned(),
        text if text.starts_with("a list") => return json!(["str?"]).to_string(),
        text => match text.strip_prefix("a whole number from ") {
            Some(r#"1 to 6 or "auto""#) => "list(1|2|3|4|5|6|auto)".to_owned(),
            Some(range) => format!("int({})", range.replace(" to ", ",")),
            None => "str".to_owned(),
        },
    };
    json!(format!("{name}{optional}")).to_string()
}

#[test]
fn add_on_options_and_configuration_keys_agree() {
    let keys = addon::offered(&Config::keys());
    let mut known: BTreeMap<String, String> =
        keys.iter().map(|key| (key.path.clone(), supervisors_type(key))).collect();
    known.insert("mqtt.enabled".to_owned(), json!("bool").to_string());
    assert_eq!(offered(), known);
}

#[test]
fn a_new_add_on_needs_only_the_address_of_the_dtu() {
    let config = config_yaml();
    let (options, schema) = (&config["options"], &config["schema"]);
    // The Supervisor starts no add-on that lacks a section of its schema.
    for (name, shape) in schema.as_object().unwrap() {
        assert!(shape.is_string() || !options[name].is_null(), "no default for {name}");
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("options.json");
    let message = |options: &Value| {
        fs::write(&file, options.to_string()).unwrap();
        load(Some(&file), []).map(|loaded| loaded.warnings).map_err(|error| error.to_string())
    };
    let missing = format!(
        "{}: dtu[0].host: is missing; expected the DTU's IP address or host name",
        file.display()
    );
    assert_eq!(message(options), Err(missing));
    let mut filled = options.clone();
    filled["dtu"][0]["host"] = json!("192.168.1.191");
    assert_eq!(message(&filled), Ok(Vec::new()));
}

#[test]
fn the_add_on_is_this_version_at_its_port() {
    let config = config_yaml();
    assert_eq!(config["version"], env!("CARGO_PKG_VERSION"));
    let port = HttpConfig::default().listen.port();
    assert_eq!(config["ingress_port"], port);
    assert_eq!(config["watchdog"], format!("http://[HOST]:[PORT:{port}]/ready"));
    assert_eq!(config["ports"], json!({ format!("{port}/tcp"): null }));
    assert_eq!(config["environment"], json!({"HOYMILES_CONFIG": "/data/options.json"}));
    assert_eq!(config["services"], json!(["mqtt:want"]));
    let repository = yaml("repository.yaml");
    for key in ["name", "url", "maintainer"] {
        assert!(repository[key].is_string(), "{key}");
    }
}

#[test]
fn every_option_is_named_and_explained_in_each_language() {
    /// Each text by its path.
    fn texts(value: &Value, path: &str, found: &mut BTreeMap<String, String>) {
        for (key, value) in value.as_object().unwrap() {
            match value.as_str() {
                Some(text) => drop(found.insert(format!("{path}{key}"), text.to_owned())),
                None => texts(value, &format!("{path}{key}."), found),
            }
        }
    }
    let mut expected = vec!["network.8080/tcp".to_owned()];
    for path in offered().keys() {
        let fields = path.replace('.', ".fields.");
        let section = path.split_once('.').map(|(section, _)| section.to_owned());
        for option in section.into_iter().chain([fields]) {
            expected.push(format!("configuration.{option}.name"));
            expected.push(format!("configuration.{option}.description"));
        }
    }
    expected.sort();
    expected.dedup();
    let [english, german] = ["en", "de"].map(|language| {
        let mut found = BTreeMap::new();
        let path = format!("homeassistant-addon/translations/{language}.yaml");
        texts(&yaml(&path), "", &mut found);
        let names: Vec<String> = found.keys().cloned().collect();
        assert_eq!(names, expected, "{language}");
        assert!(found.values().all(|text| !text.trim().is_empty()), "{language}");
        found
    });
    let descriptions = english.iter().filter(|(path, _)| path.ends_with("description"));
    for (path, text) in descriptions {
        assert_ne!(text, &german[path], "{path} is not translated");
    }
}
