//! `demo`: the daemon with a built-in simulated plant.

use std::process::ExitCode;

use super::{Global, exit, run};
use crate::app::Memory;
use crate::config::load::{ConfigError, Loaded, load_builtin};

/// What `demo` runs; the environment may change it, as it may change a file.
const CONFIGURATION: &str = r#"
[poll]
interval = "5s"

[[dtu]]
name = "DTU"
protocol = "simulated"
"#;

/// Runs the daemon with a built-in simulated plant. Its energies are not kept: they are not real.
pub(super) async fn demo(global: &Global) -> ExitCode {
    match loaded() {
        Ok(demo) => run::run_loaded(global, demo, Memory::Forgotten, loaded).await,
        Err(error) => exit::bad_configuration(&error),
    }
}

/// The configuration of the demo.
pub(super) fn loaded() -> Result<Loaded, ConfigError> {
    load_builtin("the built-in demo", CONFIGURATION, run::environment())
}
