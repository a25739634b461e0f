//! The documents and `config/` describe every key correctly.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::{DTU, loaded};
use crate::config::Config;
use crate::config::load::load;

fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn read(path: &str) -> String {
    fs::read_to_string(project(path)).unwrap()
}

/// Every key as `section.key`, lists without an index.
fn known() -> BTreeSet<String> {
    Config::keys().into_iter().map(|key| key.path).collect()
}

/// The section that a line opens: `http.` for `[http]`, whether or not it is commented out.
fn opened(line: &str) -> Option<String> {
    let name = line.trim_start_matches('[').trim_end_matches(']');
    let is_header = line.starts_with('[')
        && line.ends_with(']')
        && name.chars().all(|c| c.is_ascii_lowercase() || c == '.');
    is_header.then(|| format!("{name}."))
}

/// The key of a line such as `port = 502`.
fn key(line: &str) -> Option<&str> {
    let (key, _) = line.split_once(" = ")?;
    key.chars().all(|c| c.is_ascii_lowercase() || c == '_').then_some(key)
}

#[test]
fn every_file_of_the_config_folder_loads() {
    let files = fs::read_dir(project("config")).unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<PathBuf> = files
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    assert!(files.len() >= 2, "{files:?}");
    for file in files {
        let loaded = load(Some(&file), []).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(loaded.warnings.len(), 0, "{:?}", loaded.warnings);
    }
}

#[test]
fn the_annotated_file_names_exactly_the_keys_that_exist() {
    let (mut section, mut named) = (String::new(), BTreeSet::new());
    for line in read("config/hoymiles-bridge.example.toml").lines() {
        let line = line.trim_start_matches(['#', ' ']);
        section = opened(line).unwrap_or(section);
        named.extend(key(line).map(|key| format!("{section}{key}")));
    }
    assert_eq!(named, known());
}

#[test]
fn commented_out_lines_of_the_annotated_file_are_valid() {
    let text = read("config/hoymiles-bridge.example.toml");
    let lines = text.lines().map(|line| {
        let bare = line.trim_start_matches(['#', ' ']);
        if opened(bare).is_some() || key(bare).is_some() { bare } else { "" }
    });
    let mut seen = BTreeSet::new();
    let mut section = String::new();
    let live: Vec<&str> = lines
        .filter(|line| {
            if let Some(header) = opened(line) {
                section = header;
                // A second example of a list starts over.
                seen.retain(|known: &String| !known.starts_with(&section));
                return true;
            }
            key(line).is_none_or(|key| seen.insert(format!("{section}{key}")))
        })
        .collect();
    // Files that are not here, and two ways to give a secret.
    let is_kept = |line: &&str| !["_file =", "client_"].iter().any(|part| line.contains(part));
    let live: Vec<&str> = live.into_iter().filter(is_kept).collect();
    loaded(&live.join("\n"), &[]).unwrap();
}

#[test]
fn every_toml_block_of_the_documents_loads() {
    let documents = ["README.md", "docs/configuration.md", "docs/mqtt.md"].map(read).concat();
    for block in documents.split("```toml\n").skip(1) {
        let toml = block.split("```").next().unwrap();
        let toml =
            if toml.contains("[[dtu]]") { toml.to_owned() } else { format!("{toml}\n{DTU}") };
        loaded(&toml, &[]).unwrap();
    }
}

#[test]
fn variables_that_the_documents_name_exist() {
    for path in [
        "docs/configuration.md",
        "docs/getting-started.md",
        "docs/troubleshooting.md",
        "config/hoymiles-bridge.example.toml",
        "docker-compose.yml",
    ] {
        for rest in read(path).split("HOYMILES__").skip(1) {
            let is_part = |c: char| c.is_ascii_uppercase() || c == '_';
            let name: String = rest.chars().take_while(|&c| is_part(c)).collect();
            let known = known().iter().any(|key| key.replace('.', "__").to_uppercase() == name);
            assert!(known || name.is_empty(), "{path}: HOYMILES__{name}");
        }
    }
}
