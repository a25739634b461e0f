//! Reads the configuration: a file, over it the environment; checks all of it and tells all that
//! is wrong at once. `check`, `run` and the others see the same faults, since all load through here.

mod check;
mod describe;
mod environment;
mod fault;
mod file;
mod kind;
mod nearest;
mod options;
mod schema;
mod secret;
mod syntax;
#[cfg(test)]
mod tests;
mod toml_file;
mod walk;
mod warning;
mod whereabouts;
mod written;

use std::path::{Path, PathBuf};

use config::{Map, Source, Value};
use jiff::tz::TimeZone;

pub use self::describe::describe;
pub use self::fault::ConfigError;
use self::fault::{Faults, Origins};
pub use self::options::{OfferedBroker, Supervisor};
use self::options::{Surroundings, Wish};
pub use self::whereabouts::{Whereabouts, whereabouts};
use super::Config;

/// A configuration that can be used.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// Checked; `token` holds what `token_file` held.
    pub config: Config,
    /// Where it came from.
    pub file: PathBuf,
    /// The zone that `timezone` names.
    pub zone: TimeZone,
    /// What is allowed but probably not wanted.
    pub warnings: Vec<String>,
    /// Instead of `mqtt`: the broker that Home Assistant's Supervisor is to tell.
    pub offered: Option<Box<OfferedBroker>>,
}

/// The language of a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// The configuration file.
    Toml,
    /// The options of the Home Assistant add-on, in JSON.
    Options,
}

impl Form {
    fn of(file: &Path) -> Self {
        let is_json = file.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("json"));
        if is_json { Self::Options } else { Self::Toml }
    }
}

/// Loads `file`, or else the first default file that exists, and what the environment sets.
pub fn load(
    file: Option<&Path>,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Loaded, ConfigError> {
    let (path, text) = file::read(file, &file::DEFAULTS)?;
    let form = Form::of(&path);
    let mut loaded = load_text(path, form, &text, environment)?;
    if form == Form::Toml {
        loaded.warnings.extend(warning::readable_secret(&loaded.file, &text));
    }
    Ok(loaded)
}

/// Whether there is a file where it is looked for when nobody names one.
pub fn file_exists() -> bool {
    file::DEFAULTS.iter().any(|path| Path::new(path).exists())
}

/// Loads a configuration that is built in, under a `name` that takes the place of a file's.
pub fn load_builtin(
    name: &str,
    toml: &str,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Loaded, ConfigError> {
    load_text(PathBuf::from(name), Form::Toml, toml, environment)
}

fn load_text(
    file: PathBuf,
    form: Form,
    text: &str,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Loaded, ConfigError> {
    let environment: Vec<(String, String)> = environment.into_iter().collect();
    let surroundings = Surroundings::of(&environment);
    let mut origins = Origins { file: file.clone(), ..Origins::default() };
    let mut faults = Faults::default();
    let (from_file, wish) = match form {
        Form::Toml => {
            let written = toml_file::read(&file, text)?;
            (walk::walk(&written, |_| true, &mut origins, &mut faults), Wish::Given)
        }
        Form::Options => {
            let mut written = options::read(&file, text)?;
            let enabled = options::take_enabled(&mut written, &mut faults);
            let mut found = walk::walk(&written, options::is_offered, &mut origins, &mut faults);
            surroundings.complete(&file, &mut found, &mut origins);
            let wish = options::wish(enabled, &mut found, &mut faults);
            (found, wish)
        }
    };
    let from_environment = environment::read(environment, &mut origins, &mut faults);

    let mut builder = config::Config::builder().add_source(FromFile(from_file));
    for (path, value) in from_environment {
        builder = builder.set_override(path, value).map_err(|error| internal(&file, &error))?;
    }
    let layered = builder.build().map_err(|error| internal(&file, &error))?;
    let mut config: Config =
        serde_path_to_error::deserialize(layered).map_err(|error| internal(&file, &error))?;

    for name in names(&mut config) {
        *name = name.trim().to_owned();
    }
    let zone = check::check(&config, form, &mut faults);
    secret::read_files(&mut config, &mut faults);
    let offered = surroundings.offered(wish, &mut config, &mut faults);
    if let Some(error) = faults.into_error(&origins) {
        return Err(error);
    }
    let warnings = warning::warnings(&config, &origins);
    Ok(Loaded { config, file, zone: zone.unwrap_or(TimeZone::UTC), warnings, offered })
}

/// The names of DTUs and targets, which lose their blanks at both ends as those that register do.
fn names(config: &mut Config) -> impl Iterator<Item = &mut String> {
    let targets = config.targets.iter_mut().map(|target| &mut target.name);
    config.dtus.iter_mut().map(|dtu| &mut dtu.name).chain(targets)
}

/// What the schema let through, the structs must take: they are kept together by a test, so this
/// is not expected to be seen by anyone.
fn internal(file: &Path, error: &dyn std::error::Error) -> ConfigError {
    ConfigError::new(format!("{}: {error}", file.display()))
}

/// The values of the file as the lowest layer.
#[derive(Clone, Debug)]
struct FromFile(Map<String, Value>);

impl Source for FromFile {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, config::ConfigError> {
        Ok(self.0.clone())
    }
}
