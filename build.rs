//! Compiles `proto/hoymiles.proto` with a compiler that is a crate, so that no `protoc` needs to be
//! installed, prepares the dashboard, and finds the commit for `--version`.

#[path = "build/dashboard.rs"]
mod dashboard;

use std::env;
use std::path::Path;
use std::process::Command;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=proto");
    let files = protox::compile(["proto/hoymiles.proto"], ["proto"])?;
    prost_build::Config::new()
        // Tests compare messages with the fields of captured frames by name.
        .message_attribute(".", "#[cfg_attr(test, derive(serde::Serialize))]")
        .compile_fds(files)?;
    let web = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("web");
    let out = env::var("OUT_DIR")?;
    let (version, repository) = (env::var("CARGO_PKG_VERSION")?, env::var("CARGO_PKG_REPOSITORY")?);
    dashboard::prepare(&web, Path::new(&out), &version, &repository)?;
    let suffix = commit().map_or_else(String::new, |commit| format!(" ({commit})"));
    println!("cargo::rustc-env=HOYMILES_COMMIT_SUFFIX={suffix}");
    Ok(())
}

/// The commit that is built: from `HOYMILES_COMMIT`, else from git. A debug build has none, since it
/// would be compiled again after each commit.
fn commit() -> Option<String> {
    println!("cargo::rerun-if-env-changed=HOYMILES_COMMIT");
    let given = env::var("HOYMILES_COMMIT").ok().filter(|commit| !commit.is_empty());
    let commit = match given {
        Some(commit) => commit,
        None if env::var("PROFILE").is_ok_and(|profile| profile == "release") => {
            println!("cargo::rerun-if-changed=.git/logs/HEAD");
            let output = Command::new("git").args(["rev-parse", "HEAD"]).output().ok()?;
            String::from_utf8(output.status.success().then_some(output.stdout)?).ok()?
        }
        None => return None,
    };
    Some(commit.trim().chars().take(12).collect())
}
