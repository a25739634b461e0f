//! The schema, the structs and the documents name the same keys.

use std::collections::BTreeSet;

use crate::config::Config;
use crate::config::load::schema::{Key, ROOT, Shape};

/// The keys that the struct behind a section knows, as serde tells them.
fn struct_keys(toml: &str) -> BTreeSet<String> {
    let error = toml::from_str::<Config>(toml).unwrap_err().to_string();
    let list = error.split("expected one of ").nth(1).or_else(|| error.split("expected ").nth(1));
    list.unwrap_or_else(|| panic!("{error}"))
        .split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

#[test]
fn schema_and_structs_know_the_same_keys() {
    fn compare(keys: &[Key], header: &str) {
        let ours: BTreeSet<String> = keys.iter().map(|key| key.name.to_owned()).collect();
        assert_eq!(ours, struct_keys(&format!("{header}\nno_such_key = 1\n")), "{header}");
        for key in keys {
            let name = key.name;
            let path = header.trim_matches(['[', ']']);
            let path = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
            match key.shape {
                Shape::Section(keys) => compare(keys, &format!("[{path}]")),
                Shape::List(keys) => compare(keys, &format!("[[{path}]]")),
                Shape::Value(_) | Shape::Required(_) => (),
            }
        }
    }
    compare(ROOT, "");
}
