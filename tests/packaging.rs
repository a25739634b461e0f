//! Packages and workflows agree with the program and with Cargo.toml.
#![expect(clippy::unwrap_used, reason = "a failed step of a test should say where")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap()
}

#[test]
fn every_file_names_the_repository_of_the_manifest() {
    let repository = env!("CARGO_PKG_REPOSITORY").trim_start_matches("https://github.com/");
    for file in [
        "custom_components/hoymiles_smiles/manifest.json",
        "homeassistant-addon/config.yaml",
        "homeassistant-addon/DOCS.md",
        "homeassistant-addon/CHANGELOG.md",
        "repository.yaml",
    ] {
        let text = read(file);
        let places = text.split("github.com/").skip(1).chain(text.split("ghcr.io/").skip(1));
        let mut count = 0;
        for place in places {
            assert!(place.starts_with(repository), "{file}: {}", place.lines().next().unwrap());
            count += 1;
        }
        assert!(count > 0, "{file} names no repository");
        assert!(!text.contains("example.org/hoymiles-bridge"), "{file}");
    }
}

#[test]
fn completions_and_manual_pages_are_written_for_every_command() {
    let folder = tempfile::tempdir().unwrap();
    let binary = Path::new(env!("CARGO_BIN_EXE_hoymiles-bridge"));
    let status = Command::new(binary).arg("manual").arg(folder.path()).status().unwrap();
    assert!(status.success());
    let page = fs::read_to_string(folder.path().join("hoymiles-bridge.1")).unwrap();
    let completions = fs::read_to_string(folder.path().join("hoymiles-bridge.bash")).unwrap();
    for command in
        ["run", "demo", "check", "read", "doctor", "discover", "init", "simulate", "healthcheck"]
    {
        assert!(page.contains(command), "{command} is missing in the manual page");
        assert!(completions.contains(command), "{command} is missing in the completions");
        assert!(folder.path().join(format!("hoymiles-bridge-{command}.1")).exists(), "{command}");
    }
}

#[test]
fn every_file_of_the_debian_package_exists_or_is_built() {
    let manifest = read("Cargo.toml");
    let assets = manifest.split("assets = [").nth(1).unwrap().split("\n]").next().unwrap();
    let sources: Vec<_> = assets
        .lines()
        .filter_map(|line| line.trim().strip_prefix("[\"")?.split('"').next())
        .collect();
    assert!(sources.len() >= 6, "{sources:?}");
    for source in sources {
        let is_built = source.starts_with("target/");
        assert!(is_built || root().join(source).exists(), "{source}");
    }
}

#[test]
fn unit_and_package_agree_on_paths() {
    let unit = read("packaging/hoymiles-bridge.service");
    for line in [
        "ExecStart=/usr/bin/hoymiles-bridge run",
        "Environment=HOYMILES_CONFIG=/etc/hoymiles-bridge/hoymiles-bridge.toml",
        "StateDirectory=hoymiles-bridge",
        "User=hoymiles-bridge",
    ] {
        assert!(unit.contains(line), "{line}");
    }
    assert!(read("packaging/debian/postinst").contains("/etc/hoymiles-bridge"));
}
