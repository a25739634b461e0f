//! The documents are true: generated tables are current, and every link leads somewhere.
#![expect(clippy::unwrap_used, reason = "a failed step of a test should say where")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use hoymiles_bridge::config::{Config, Key};
use hoymiles_bridge::entities::{self, Given, Subject};
use hoymiles_bridge::problem::Problem;
use hoymiles_bridge::{dtu, mqtt, net, push, store};

/// How to rewrite the generated tables.
const UPDATE: &str = "UPDATE_DOCS=1 cargo test --test docs";

/// Every generated table by the name that its marker has.
fn tables() -> BTreeMap<&'static str, String> {
    BTreeMap::from([
        ("broker failures", failures(mqtt::failure::table())),
        ("dtu failures", failures(dtu::error::table())),
        ("entities", entity_tables()),
        ("configuration keys", key_tables()),
        ("connection failures", failures(net::error::table())),
        ("storage failures", failures(store::table())),
        ("target failures", failures(push::failure::table())),
    ])
}

/// One table per kind of device.
fn entity_tables() -> String {
    let of_subject = |subject: Subject| {
        let title = match subject {
            Subject::Bridge => "Bridge and plant",
            Subject::Dtu => "DTU",
            Subject::Inverter => "Inverter",
            Subject::Port => "Port",
            Subject::Meter => "Energy meter",
        };
        let rows = entities::of(subject).iter().map(|entity| {
            let unit = entity.number().and_then(|number| number.unit).unwrap_or("–");
            let given = match entity.given {
                Given::Always => "",
                Given::OverModbus => " `modbus` only.",
                Given::OverProtobuf => " `protobuf` only.",
                Given::OnceSeen => " Appears with its first value.",
            };
            let enabled = if entity.is_enabled { "" } else { " Off by default." };
            [
                entity.name.replace("{port}", "*n*"),
                format!("`{}`", entity.key),
                unit.to_owned(),
                format!("{}{given}{enabled}", entity.about),
            ]
        });
        format!("## {title}\n\n{}", table(["Name", "Key", "Unit", "Meaning"], rows))
    };
    Subject::ALL.map(of_subject).join("\n")
}

/// One table per section of the configuration file.
fn key_tables() -> String {
    let keys = Config::keys();
    let mut sections: Vec<&str> = keys.iter().map(|key| section_of(key).0).collect();
    sections.dedup();
    let of_section = |section: &&str| {
        let keys = keys.iter().filter(|key| section_of(key).0 == *section);
        let title = match keys.clone().next() {
            _ if section.is_empty() => "Top of the file".to_owned(),
            Some(key) if key.is_in_list => format!("`[[{section}]]`"),
            _ => format!("`[{section}]`"),
        };
        let rows = keys.map(|key| {
            let default = match &key.default {
                _ if key.is_required => "required".to_owned(),
                Some(default) if default != "\"\"" => format!("`{default}`"),
                _ => "–".to_owned(),
            };
            // The form of a duration stands above the tables.
            let value = key.expected.replace(" like \"500ms\", \"10s\" or \"5m\"", "");
            let name = format!("`{}`", section_of(key).1);
            [name, default, value, key.description.to_owned()]
        });
        format!("### {title}\n\n{}", table(["Key", "Default", "Value", "Meaning"], rows))
    };
    sections.iter().map(of_section).collect::<Vec<_>>().join("\n")
}

/// The section and the name of a key.
fn section_of(key: &Key) -> (&str, &str) {
    key.path.rsplit_once('.').unwrap_or(("", &key.path))
}

/// One row per kind of failure.
fn failures(problems: impl IntoIterator<Item = Problem>) -> String {
    let rows = problems.into_iter().map(|problem| {
        let remedy = problem.remedy.unwrap_or_else(|| "nothing needs to be done".into());
        [problem.cause.replace("...", "…"), sentence(&remedy), format!("`{}`", problem.label)]
    });
    table(["Message", "Remedy", "Label"], rows)
}

/// With a capital letter, as a cell of a table begins.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// A Markdown table.
fn table<const N: usize>(header: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | ").replace('\n', " "));
    let rows: Vec<String> = rows.into_iter().map(|row| line(&row)).collect();
    format!("{}|{}\n{}", line(&header.map(str::to_owned)), "---|".repeat(N), rows.concat())
}

#[test]
fn generated_tables_are_current() {
    let mut missing: BTreeSet<&str> = tables().into_keys().collect();
    let mut stale = Vec::new();
    for path in documents() {
        let text = fs::read_to_string(&path).unwrap();
        let mut current = String::new();
        let mut rest = text.as_str();
        while let Some((before, after)) = rest.split_once("<!-- generated: ") {
            let (name, after) = after.split_once(" -->").unwrap();
            let (_, after) = after.split_once("<!-- end -->").unwrap();
            let tables = tables();
            let table = tables.get(name).unwrap_or_else(|| panic!("no table is named {name}"));
            missing.remove(name);
            let marked = ["<!-- generated: ", name, " -->\n\n", table, "\n<!-- end -->"];
            current += before;
            current += &marked.concat();
            rest = after;
        }
        current += rest;
        if current != text {
            if std::env::var_os("UPDATE_DOCS").is_some() {
                // Renamed, since the other tests read it meanwhile.
                let new = path.with_extension("new");
                fs::write(&new, current).unwrap();
                fs::rename(&new, &path).unwrap();
            } else {
                stale.push(path);
            }
        }
    }
    assert!(missing.is_empty(), "no document has the tables {missing:?}");
    assert!(stale.is_empty(), "{stale:?} are out of date; rewrite them with {UPDATE}");
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut broken = Vec::new();
    for path in documents() {
        let text = fs::read_to_string(&path).unwrap();
        let folder = path.parent().unwrap();
        for link in links(&text) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { path.clone() } else { folder.join(file) };
            let is_there = target.exists()
                && (anchor.is_empty()
                    || anchors(&fs::read_to_string(&target).unwrap()).contains(anchor));
            if !is_there {
                broken.push(format!("{}: {link}", path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn anchors_are_those_of_github() {
    let text = "# Add-on: 3 steps, `run`\n## What the *log* says\n```sh\n# no heading\n```\n## Run\n## Run\n";
    let expected = ["add-on-3-steps-run", "what-the-log-says", "run", "run-1"];
    assert_eq!(anchors(text), expected.map(str::to_owned).into());
}

/// Everything written for people, except the text of licences.
fn documents() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = ["", "docs", "homeassistant-addon", "custom_components/hoymiles_smiles"];
    let mut found: Vec<PathBuf> = folders
        .iter()
        .flat_map(|folder| fs::read_dir(root.join(folder)).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    found.sort();
    assert!(found.len() >= 10, "{found:?}");
    found
}

/// The lines outside code blocks.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut is_code = false;
    text.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence
    })
}

/// Links to other documents and pictures, without those to other sites.
fn links(text: &str) -> Vec<&str> {
    prose(text)
        .flat_map(|line| line.split("](").skip(1))
        .filter_map(|rest| rest.split_once(')').map(|(link, _)| link))
        .filter(|link| !link.contains("://"))
        .collect()
}

/// The anchors of all headings, as GitHub makes them.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for heading in prose(text).filter_map(|line| line.strip_prefix('#')) {
        let slug: String = heading
            .trim_start_matches('#')
            .trim()
            .to_lowercase()
            .chars()
            .filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c))
            .map(|c| if c == ' ' { '-' } else { c })
            .collect();
        let numbered = (1..).map(|number| format!("{slug}-{number}"));
        let anchor =
            std::iter::once(slug.clone()).chain(numbered).find(|anchor| !found.contains(anchor));
        found.extend(anchor);
    }
    found
}
