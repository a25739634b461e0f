//! Shell completions and the manual page, made from the command line's own definition.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use clap::{Command, ValueEnum as _};
use clap_complete::Shell;

/// Writes completions for every shell and the manual page of every command into `folder`.
pub(super) fn write(mut command: Command, folder: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder)
        .and_then(|()| {
            for shell in Shell::value_variants() {
                clap_complete::generate_to(*shell, &mut command, "hoymiles-bridge", folder)?;
            }
            clap_mangen::generate_to(command, folder)
        })
        .with_context(|| format!("cannot write to {}", folder.display()))
}
