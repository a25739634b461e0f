//! The rules of the code that the compiler does not check.
#![expect(clippy::unwrap_used, reason = "a test that cannot continue says where it stopped")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The layers, lowest first. A module may use modules of lower layers only; those of one layer that
/// may use each other are listed below.
const LAYERS: [&[&str]; 6] = [
    &["files", "problem", "sanitize"],
    &["clock", "config", "net", "plant", "tasks", "telemetry"],
    &["addon", "dtu", "entities", "history", "snapshot", "store", "targets"],
    &["http", "mdns", "mqtt", "poller", "push", "sim"],
    &["app"],
    &["cli"],
];

/// Imports allowed within a layer, from module to module.
const WITHIN_LAYER: [(&str, &str); 9] = [
    ("plant", "clock"),
    ("telemetry", "clock"),
    ("telemetry", "config"),
    ("net", "clock"),
    ("config", "net"),
    ("config", "plant"),
    ("entities", "snapshot"),
    ("history", "store"),
    ("targets", "store"),
];

const MAX_LINES: usize = 700;

#[test]
fn every_file_starts_with_a_module_comment() {
    for (path, text) in sources() {
        assert!(text.starts_with("//! "), "{} does not start with //!", path.display());
    }
}

#[test]
fn no_file_is_too_long() {
    for (path, text) in sources() {
        let lines = text.lines().count();
        assert!(lines <= MAX_LINES, "{} has {lines} lines", path.display());
    }
}

#[test]
fn imports_run_only_downward() {
    let layer_of: BTreeMap<&str, usize> = LAYERS
        .iter()
        .enumerate()
        .flat_map(|(layer, modules)| modules.iter().map(move |module| (*module, layer)))
        .collect();
    let source = root().join("src");
    for (path, text) in sources() {
        let Ok(inside) = path.strip_prefix(&source) else { continue };
        let first = inside.iter().next().and_then(|part| part.to_str()).unwrap_or_default();
        let module = first.trim_end_matches(".rs");
        let Some(&layer) = layer_of.get(module) else {
            assert!(["lib", "main"].contains(&module), "{} is in no layer", path.display());
            continue;
        };
        for used in modules_used(&text) {
            let Some(&below) = layer_of.get(used) else { continue };
            let is_allowed =
                used == module || below < layer || WITHIN_LAYER.contains(&(module, used));
            assert!(is_allowed, "{}: {module} uses {used}", path.display());
        }
    }
}

#[test]
fn plant_uses_neither_networks_nor_clocks_nor_serde() {
    for (path, text) in sources() {
        if path.starts_with(root().join("src/plant")) {
            for word in ["tokio", "tracing", "serde", "std::net", "std::time::Instant"] {
                assert!(!text.contains(&format!("use {word}")), "{}: {word}", path.display());
            }
        }
    }
}

#[test]
fn no_test_sleeps_or_is_ignored() {
    for (path, text) in sources() {
        if path.ends_with("tests/tidy.rs") {
            continue;
        }
        assert!(!text.contains("#[ignore"), "{} ignores a test", path.display());
        assert!(!text.contains("thread::sleep("), "{} sleeps in a thread", path.display());
    }
}

/// The modules that a file names as `crate::module`.
fn modules_used(text: &str) -> impl Iterator<Item = &str> {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    code.flat_map(|line| line.split("crate::").skip(1)).map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        end.and_then(|end| rest.get(..end)).unwrap_or(rest)
    })
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file of the project, with its text.
fn sources() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for folder in ["src", "tests", "benches"] {
        collect(&root().join(folder), &mut found);
    }
    assert!(found.len() > 20, "the source files were found");
    found
}

fn collect(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            found.push((path, text));
        }
    }
}
