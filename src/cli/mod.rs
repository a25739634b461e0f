//! The commands: arguments in, exit status out.

mod bridge_client;
mod discover;
mod doctor;
mod exit;
mod export;
mod healthcheck;
mod init;
pub mod process;
mod read;
mod run;
mod simulate;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{CommandFactory as _, Parser, Subcommand, ValueEnum as _};
use clap_complete::Shell;

use crate::config::log::{EXPECTED_LEVEL, parse_level};

/// Version and, where the build knew it, commit.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), env!("HOYMILES_COMMIT_SUFFIX"));

/// Reads Hoymiles DTUs and pushes their inverters' values to Home Assistant.
#[derive(Debug, Parser)]
#[command(name = "hoymiles-bridge", version = VERSION, about)]
struct Arguments {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Options of every command.
#[derive(Debug, clap::Args)]
struct Global {
    /// The configuration file [default: /config/hoymiles-bridge.toml, then
    /// config/hoymiles-bridge.toml]
    #[arg(long, value_name = "FILE", env = "HOYMILES_CONFIG", global = true)]
    config: Option<PathBuf>,
    /// error, warn, info, debug, trace, or a tracing filter
    #[arg(long, value_name = "LEVEL", value_parser = log_level, global = true)]
    log_level: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the bridge
    Run,
    /// Run the bridge with a built-in simulated plant: no hardware, no configuration file
    Demo,
    /// Validate the configuration and print what would run
    Check,
    /// Poll each configured DTU once, or the one given, and print a table
    Read(read::Arguments),
    /// Test the bridge, every DTU and every target step by step: what is wrong and how to fix it
    Doctor(doctor::Arguments),
    /// Look for DTUs on this machine's own networks
    Discover(discover::Arguments),
    /// Find the DTUs, ask for the rest, and write a configuration file
    Init(init::Arguments),
    /// Simulate a DTU for testing
    Simulate(simulate::SimulateArgs),
    /// Print the history as CSV or JSON
    Export(export::Arguments),
    /// Check whether the running bridge is ready: for a container's HEALTHCHECK
    Healthcheck,
    /// Write shell completions and the manual pages into a folder: for packages
    #[command(hide = true)]
    Manual {
        /// The folder; created if it does not exist
        folder: PathBuf,
    },
}

/// Runs the command line. Exit status: 0 fine, 1 failed, 2 a bad configuration or command line.
pub fn main() -> ExitCode {
    let Arguments { global, command } = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return exit::usage(&error),
    };
    let runtime =
        match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return exit::failed(&anyhow::Error::new(error).context("cannot start")),
        };
    let code = runtime.block_on(async {
        match command {
            Command::Run => run::run(&global).await,
            Command::Demo => run::demo(&global).await,
            Command::Check => run::check(&global),
            Command::Read(arguments) => read::read(&global, arguments).await,
            Command::Doctor(arguments) => doctor::doctor(&global, arguments).await,
            Command::Discover(arguments) => discover::discover(&global, arguments).await,
            Command::Init(arguments) => init::init(&global, arguments).await,
            Command::Simulate(arguments) => run::simulate(&global, arguments).await,
            Command::Export(arguments) => export::export(&global, &arguments),
            Command::Healthcheck => run::healthcheck(&global).await,
            Command::Manual { folder } => match write_manual(Arguments::command(), &folder) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => exit::failed(&error),
            },
        }
    });
    // A name look-up in a blocking thread must not delay the exit.
    runtime.shutdown_background();
    code
}

fn log_level(text: &str) -> Result<String, String> {
    let is_valid = parse_level(text).is_some();
    if is_valid { Ok(text.to_owned()) } else { Err(format!("expected {EXPECTED_LEVEL}")) }
}

/// Writes completions for every shell and the manual page of every command into `folder`.
fn write_manual(mut command: clap::Command, folder: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder)
        .and_then(|()| {
            for shell in Shell::value_variants() {
                clap_complete::generate_to(*shell, &mut command, "hoymiles-bridge", folder)?;
            }
            clap_mangen::generate_to(command, folder)
        })
        .with_context(|| format!("cannot write to {}", folder.display()))
}
