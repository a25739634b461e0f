//! Keys from the environment: `HOYMILES__HTTP__LISTEN` is `http.listen`.

use config::ValueKind;

use super::fault::{Faults, Origins};
use super::kind::Given;
use super::nearest::nearest;
use super::schema::environment_keys;

/// What each variable of ours begins with; `HOYMILES_CONFIG` and the like are no keys.
const PREFIX: &str = "HOYMILES__";

/// The key paths that the environment sets, with their values.
///
/// An empty variable counts as not set, as compose files make one of `${SOMETHING:-}`; its name
/// must exist all the same. What is not text in it has become U+FFFD before it comes here.
pub(super) fn read(
    environment: impl IntoIterator<Item = (String, String)>,
    origins: &mut Origins,
    faults: &mut Faults,
) -> Vec<(String, ValueKind)> {
    let known = environment_keys();
    let mut found = Vec::new();
    for (name, text) in environment {
        let Some(key) = name.to_uppercase().strip_prefix(PREFIX).map(str::to_lowercase) else {
            continue;
        };
        let path = key.replace("__", ".");
        let Some(&(_, kind)) = known.iter().find(|(known, _)| *known == path) else {
            faults
                .add_variable(&name, unknown(&path, known.iter().map(|(known, _)| known.as_str())));
            continue;
        };
        if text.is_empty() {
            continue;
        }
        if text.contains(char::REPLACEMENT_CHARACTER) {
            faults.add_variable(&name, format!("{path}: is not text; expected UTF-8"));
            continue;
        }
        origins.variables.insert(path.clone(), name);
        match kind.accept(Given::from_variable(&text, kind)) {
            Ok(value) => found.push((path, value)),
            Err(wrong) => faults.add(&path, wrong),
        }
    }
    found
}

/// Why there is no such variable, and which one may be meant.
fn unknown<'a>(path: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    if let Some(list @ ("dtu" | "target")) = path.split('.').next() {
        return format!(
            "keys of [[{list}]] cannot be set from the environment; expected them in the file"
        );
    }
    let variable = |path: &str| format!("{PREFIX}{}", path.replace('.', "__").to_uppercase());
    // The last part alone may be right in the wrong section.
    let last = path.rsplit('.').next().unwrap_or_default();
    let same_name = || known.clone().find(|known| known.rsplit('.').next() == Some(last));
    if let Some(meant) = nearest(path, known.clone()).or_else(same_name) {
        return format!("no such key; did you mean {} ({meant})?", variable(meant));
    }
    let all: Vec<String> = known.map(variable).collect();
    format!("no such key; expected one of {}", all.join(", "))
}
