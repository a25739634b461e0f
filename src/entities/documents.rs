//! `entities.json` is current, and the table is one that Home Assistant accepts.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::StateClass::{Measurement, TotalIncreasing, TotalSinceMidnight};
use super::{Entity, Kind, On, StateClass, Subject, all};

fn read(path: &str) -> String {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// One row of `entities.json`: what the integration needs to show the same.
fn row(entity: &Entity) -> Value {
    let number = entity.number();
    let on = match entity.kind {
        Kind::Flag { on, .. } => Some(match on {
            On::True => json!({"is": true}),
            On::Is(number) => json!({"is": number}),
            On::Word(word) => json!({"is": word}),
            On::NotZero => json!({"is_not": 0}),
        }),
        Kind::Number(_) | Kind::Choice(_) | Kind::Text | Kind::Time => None,
    };
    let choice = match entity.kind {
        Kind::Choice(choice) => Some(choice),
        Kind::Number(_) | Kind::Flag { .. } | Kind::Text | Kind::Time => None,
    };
    let state_class = number.and_then(|number| number.state_class);
    let starts_over = state_class == Some(StateClass::TotalSinceMidnight);
    json!({
        "subject": entity.subject.as_str(),
        "key": entity.key,
        "name": entity.name,
        "about": entity.about,
        "source": entity.source(),
        "platform": entity.platform(),
        "device_class": entity.device_class(),
        "state_class": state_class.map(StateClass::as_str),
        "last_reset": starts_over.then(|| entity.subject.midnight()),
        "unit": number.and_then(|number| number.unit),
        "precision": number.map(|number| number.precision),
        "divisor": number.map(|number| if number.is_kilo { 1000 } else { 1 }),
        "on": on,
        "words": choice.map(|choice| choice.words.iter().copied().collect::<std::collections::BTreeMap<_, _>>()),
        "other_word": choice.and_then(|choice| choice.other),
        "category": entity.is_diagnostic.then_some("diagnostic"),
        "enabled": entity.is_enabled,
        "given": entity.given.as_str(),
    })
}

/// The whole table, a line an entity.
fn table() -> String {
    let subjects: Vec<String> = Subject::ALL
        .iter()
        .map(|subject| format!("    {}: {}", json!(subject.as_str()), json!(subject.object())))
        .collect();
    let rows: Vec<String> = all().map(|entity| format!("    {}", row(entity))).collect();
    format!(
        "{{\n  \"subjects\": {{\n{}\n  }},\n  \"entities\": [\n{}\n  ]\n}}\n",
        subjects.join(",\n"),
        rows.join(",\n")
    )
}

#[test]
fn the_table_for_other_programs_is_current() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/entities/entities.json");
    if std::env::var_os("RENEW").is_some() {
        fs::write(&path, table()).unwrap();
    }
    let parsed: Value = serde_json::from_str(&table()).unwrap();
    assert_eq!(parsed["entities"].as_array().unwrap().len(), all().count());
    assert!(
        read("src/entities/entities.json") == table(),
        "entities.json is old: RENEW=1 cargo test --lib entities"
    );
}

#[test]
fn keys_and_names_are_unique_where_they_meet() {
    for subject in Subject::ALL {
        let entities = super::of(subject);
        assert!(entities.iter().all(|entity| entity.subject == subject));
        let keys: BTreeSet<_> = entities.iter().map(|entity| entity.key).collect();
        let names: BTreeSet<_> = entities.iter().map(|entity| entity.name).collect();
        assert_eq!((keys.len(), names.len()), (entities.len(), entities.len()), "{subject:?}");
        for entity in entities {
            let is_word = |c: char| c.is_ascii_lowercase() || c == '_';
            assert!(entity.key.chars().all(is_word), "{}", entity.key);
            assert_eq!(entity.name.contains("{port}"), subject == Subject::Port, "{}", entity.name);
            assert!(entity.about.ends_with('.'), "{}", entity.about);
        }
    }
}

#[test]
fn classes_and_units_are_such_that_home_assistant_takes_them() {
    for entity in all() {
        let Some(number) = entity.number() else { continue };
        let classes = (number.device_class, number.unit, number.state_class);
        let is_fine = matches!(
            classes,
            (Some("energy"), Some("Wh" | "kWh"), Some(TotalIncreasing | TotalSinceMidnight))
                | (Some("power"), Some("W"), Some(Measurement))
                | (Some("voltage"), Some("V"), Some(Measurement))
                | (Some("current"), Some("A"), Some(Measurement))
                | (Some("frequency"), Some("Hz"), Some(Measurement))
                | (Some("temperature"), Some("°C"), Some(Measurement))
                | (Some("reactive_power"), Some("var"), Some(Measurement))
                | (Some("power_factor"), None, Some(Measurement))
                | (Some("data_size"), Some("B"), Some(Measurement))
                | (None, Some("%"), Some(Measurement))
                | (None, Some("queries" | "errors"), Some(TotalIncreasing))
                | (None, None, Some(TotalIncreasing) | None)
        );
        assert!(is_fine, "{} {}: {classes:?}", entity.subject.as_str(), entity.key);
        assert_eq!(number.is_kilo, number.unit.is_some_and(|unit| unit.starts_with('k')));
    }
}
