//! Loads the configuration: the file, and the environment over it. The first thing that is wrong is
//! reported with file, key path and what was expected.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use config::builder::DefaultState;
use config::{ConfigBuilder, Environment, File, FileFormat, Map, Value, ValueKind};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use thiserror::Error;
use toml::de::{DeTable, DeValue};

use super::section::Read;
use super::types::nearest;
use super::zone::ZoneOrigin;
use super::{Config, Key, SupervisorBroker, addon, files, syntax, validate, warnings, zone};
use crate::files::{FileError, read};

/// Where the file is looked for unless it is named: in the container, then in the repository.
const DEFAULT_FILES: [&str; 2] = ["/config/hoymiles-bridge.toml", "config/hoymiles-bridge.toml"];

/// In bytes. The configuration of a plant with a hundred DTUs is a hundredth of that.
const LARGEST: u64 = 1 << 20;

/// What the variables of the environment begin with.
const PREFIX: &str = "HOYMILES__";

/// A configuration that can be used.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// Checked; `token` holds what `token_file` held.
    pub config: Config,
    /// Where it came from.
    pub file: PathBuf,
    /// The zone that `timezone` names.
    pub zone: TimeZone,
    zone_origin: ZoneOrigin,
    /// What is allowed but probably not wanted.
    pub warnings: Vec<String>,
    /// Instead of `mqtt`: the broker whose address and login Home Assistant's Supervisor provides.
    pub supervisor_broker: Option<Box<SupervisorBroker>>,
    /// In the add-on: the proxy that asks for Home Assistant's login.
    pub ingress_proxy: Option<IpAddr>,
}

impl Loaded {
    /// Adds a warning if no zone is given and this machine is not on UTC.
    #[must_use]
    pub fn compare_with_machine(mut self, now: Timestamp) -> Self {
        if self.zone_origin == ZoneOrigin::Default {
            self.warnings.extend(zone::warning(Path::new("/etc"), now));
        }
        self
    }

    /// What was chosen for the user, if anything.
    pub fn note(&self) -> Option<String> {
        let zone = &self.config.timezone;
        (self.zone_origin == ZoneOrigin::Variable)
            .then(|| format!("timezone: {zone}, from the variable TZ"))
    }
}

/// Why a configuration cannot be used: `file: key path: what is wrong; expected ...`. Never shows a
/// secret.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct ConfigError(String);

/// Something wrong at a key path such as `dtu[1].port`.
#[derive(Debug)]
pub(super) struct Fault {
    path: String,
    text: String,
}

impl Fault {
    pub(super) fn new(path: impl Into<String>, text: impl Into<String>) -> Self {
        Self { path: path.into(), text: text.into() }
    }
}

/// Loads `file`, or else the first default file that exists, and what the environment sets.
pub fn load(
    file: Option<&Path>,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Loaded, ConfigError> {
    let (file, text) = read_file(file, &DEFAULT_FILES)?;
    let mut loaded = load_text(file, &text, environment)?;
    if !is_options(&loaded.file) {
        loaded.warnings.extend(warnings::readable_secret(&loaded.file, &text));
    }
    Ok(loaded)
}

/// Loads a built-in configuration; `name` takes the place of the file in messages.
pub fn load_builtin(
    name: &str,
    toml: &str,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Loaded, ConfigError> {
    load_text(PathBuf::from(name), toml, environment)
}

/// Whether one of the default files exists.
pub fn file_exists() -> bool {
    DEFAULT_FILES.iter().any(|path| Path::new(path).exists())
}

/// Where a new file belongs: at the named path, or else where it is looked for.
pub fn file_to_write(named: Option<&Path>) -> PathBuf {
    if let Some(path) = named.filter(|path| !path.as_os_str().is_empty()) {
        return path.to_owned();
    }
    let defaults = DEFAULT_FILES.map(Path::new);
    let existing = defaults.into_iter().find(|path| path.exists());
    // The container has the folder of the first one.
    let has_folder = |path: &&Path| path.parent().is_some_and(Path::is_dir);
    let [_, last] = defaults;
    existing.or_else(|| defaults.into_iter().find(has_folder)).unwrap_or(last).to_owned()
}

/// `state_dir` and `http.listen`, even of a configuration that is otherwise faulty; what cannot be
/// read is as by default.
pub fn state_dir_and_listen(
    file: Option<&Path>,
    environment: impl IntoIterator<Item = (String, String)>,
) -> (PathBuf, SocketAddr) {
    let defaults = Config::default();
    let (mut state_dir, listen) = (defaults.state_dir, defaults.http.listen);
    let mut builder = config::Config::builder();
    if let Ok((path, text)) = read_file(file, &DEFAULT_FILES) {
        if is_options(&path) {
            state_dir = addon::state_dir(&path);
        } else if toml::from_str::<toml::Table>(&text).is_ok() {
            builder = builder.add_source(File::from_str(&text, FileFormat::Toml));
        }
    }
    let variables = environment.into_iter().filter(|(name, _)| key_of(name).is_some()).collect();
    let Ok(found) = builder.add_source(from_environment(variables)).build() else {
        return (state_dir, listen);
    };
    let text = |key| found.get_string(key).ok().filter(|text| !text.trim().is_empty());
    let configured_listen = text("http.listen").and_then(|text| text.parse().ok());
    (text("state_dir").map_or(state_dir, PathBuf::from), configured_listen.unwrap_or(listen))
}

/// Whether a file holds the options of the Home Assistant add-on, in JSON.
fn is_options(file: &Path) -> bool {
    file.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("json"))
}

fn load_text(
    file: PathBuf,
    text: &str,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Loaded, ConfigError> {
    let environment: BTreeMap<String, String> = environment.into_iter().collect();
    let mut places =
        Places { file, toml: None, layers: config::Config::default(), variables: BTreeMap::new() };
    let keys = Config::keys();
    let variables = check_variables(&keys, &environment)?;
    for name in variables.keys() {
        places.variables.insert(key_of(name).unwrap_or_default(), name.clone());
    }
    let is_addon = is_options(&places.file);
    let (from_file, uses_supervisor) = if is_addon {
        let options = addon::read(text, &places.file).map_err(|fault| places.error(&fault))?;
        check_section(&addon::offered(&keys), &options.given, "", "")
            .map_err(|fault| places.error(&fault))?;
        (options.completed, options.uses_supervisor)
    } else {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let table = DeTable::parse(text).map_err(|error| places.syntax_error(text, &error))?;
        places.toml = Some(text.to_owned());
        syntax::check_forms(table.get_ref(), &keys).map_err(|fault| places.error(&fault))?;
        (File::from_str(text, FileFormat::Toml), false)
    };
    let builder = config::Config::builder().add_source(from_file);
    let builder = builder.add_source(from_environment(variables));
    let layers = layers(builder, environment.get(zone::VARIABLE), is_addon);
    let (layers, zone_origin) =
        layers.map_err(|error| places.error(&Fault::new("", error.to_string())))?;
    places.layers = layers;
    if zone_origin == ZoneOrigin::Variable {
        places.variables.insert("timezone".to_owned(), zone::VARIABLE.to_owned());
    }

    let checked = || {
        if let ValueKind::Table(table) = &places.layers.cache.kind {
            check_section(&keys, table, "", "")?;
        }
        let mut config = deserialize(&places.layers)?;
        validate::check(&config, is_addon)?;
        files::read_files(&mut config)?;
        let supervisor_broker = if uses_supervisor {
            addon::take_supervisor_broker(&mut config, &environment)?
        } else {
            None
        };
        Ok((config, supervisor_broker))
    };
    let (config, supervisor_broker) = checked().map_err(|fault| places.error(&fault))?;
    let zone = TimeZone::get(&config.timezone).unwrap_or(TimeZone::UTC);
    let mut warnings = warnings::warnings(&config, &places);
    warnings.extend(warnings::unusable_zone(&zone_origin));
    warnings.extend(warnings::unknown_variables(&keys, &environment));
    let ingress_proxy = is_addon.then_some(addon::INGRESS_PROXY);
    let file = places.file;
    Ok(Loaded { config, file, zone, zone_origin, warnings, supervisor_broker, ingress_proxy })
}

/// The file and the environment as one. Without `timezone`, the zone is that of the variable `TZ`.
fn layers(
    builder: ConfigBuilder<DefaultState>,
    zone: Option<&String>,
    is_addon: bool,
) -> Result<(config::Config, ZoneOrigin), config::ConfigError> {
    let layers = builder.clone().build()?;
    if layers.get::<Value>("timezone").is_ok() {
        return Ok((layers, ZoneOrigin::Configuration));
    }
    let name = zone.map(|text| zone::of_variable(text)).unwrap_or_default();
    if name.is_empty() {
        return Ok((layers, ZoneOrigin::Default));
    }
    // For an add-on it is Home Assistant's zone; elsewhere `TZ` has forms that are not names.
    if !is_addon && zone::wrong_zone(name).is_some() {
        return Ok((layers, ZoneOrigin::Unusable(name.to_owned())));
    }
    Ok((builder.set_default("timezone", name)?.build()?, ZoneOrigin::Variable))
}

/// The path and the text of the named file, or else of the first of `defaults` that exists.
fn read_file(named: Option<&Path>, defaults: &[&str]) -> Result<(PathBuf, String), ConfigError> {
    if let Some(path) = named.filter(|path| !path.as_os_str().is_empty()) {
        return match read_text(path) {
            Some(text) => Ok((path.to_owned(), text?)),
            None => Err(ConfigError(format!(
                "{}: there is no such file; expected the configuration file that --config or \
                 HOYMILES_CONFIG names",
                path.display()
            ))),
        };
    }
    for path in defaults.iter().map(Path::new) {
        if let Some(text) = read_text(path) {
            return Ok((path.to_owned(), text?));
        }
    }
    Err(ConfigError(format!(
        "no configuration file at {}; let hoymiles-bridge init write one, or copy \
         config/hoymiles-bridge.example.toml to config/hoymiles-bridge.toml and set the address of your \
         DTU in it, or name another file with --config or HOYMILES_CONFIG. To try the bridge without \
         hardware: hoymiles-bridge demo",
        defaults.join(" or ")
    )))
}

/// What the file holds; `None` if there is none.
fn read_text(path: &Path) -> Option<Result<String, ConfigError>> {
    let cause = match read(path, LARGEST).map(String::from_utf8) {
        Ok(Ok(text)) => return Some(Ok(text)),
        Ok(Err(_)) => "is not text; expected a TOML file in UTF-8".to_owned(),
        Err(error) if error.is_missing() => return None,
        Err(error @ FileError::Unreadable(_)) => {
            format!("{error}; expected a file that this user can read")
        }
        Err(error) => format!("{error}; expected a TOML file"),
    };
    Some(Err(ConfigError(format!("{}: {cause}", path.display()))))
}

/// `http.listen` of `HOYMILES__HTTP__LISTEN`.
fn key_of(variable: &str) -> Option<String> {
    let name = variable.to_uppercase();
    name.strip_prefix(PREFIX).map(|key| key.to_lowercase().replace("__", "."))
}

/// The variables that set keys. An empty one counts as not set, as compose files make one of
/// `${SOMETHING:-}`, but its key must exist too.
fn check_variables(
    keys: &[Key],
    environment: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, ConfigError> {
    let known: Vec<&str> =
        keys.iter().filter(|key| !key.is_in_list).map(|key| key.path.as_str()).collect();
    let mut found = BTreeMap::new();
    for (name, text) in environment {
        let Some(path) = key_of(name) else { continue };
        let error = |wrong: &str| ConfigError(format!("environment: {name}: {wrong}"));
        if !known.contains(&path.as_str()) {
            return Err(error(&unknown_variable(&path, &known)));
        }
        // What is not text has become U+FFFD before it comes here.
        if text.contains(char::REPLACEMENT_CHARACTER) {
            return Err(error(&format!("{path}: is not text; expected UTF-8")));
        }
        if !text.is_empty() {
            found.insert(name.clone(), text.clone());
        }
    }
    Ok(found)
}

fn unknown_variable(path: &str, known: &[&str]) -> String {
    if let Some(list @ ("dtu" | "target")) = path.split('.').next() {
        return format!(
            "keys of [[{list}]] cannot be set from the environment; expected them in the file"
        );
    }
    // The last part alone may be right in the wrong section.
    let last = path.rsplit('.').next();
    let same_name = known.iter().find(|known| known.rsplit('.').next() == last).copied();
    unknown("key", path, known, same_name, |path| {
        format!("{PREFIX}{} ({path})", path.replace('.', "__").to_uppercase())
    })
}

fn unknown_key(keys: &[Key], path: &str, value: &Value) -> String {
    let name = path.rsplit('.').next().unwrap_or(path);
    let section = path.strip_suffix(name).unwrap_or_default();
    let in_section =
        keys.iter().filter_map(|key| key.path.strip_prefix(section)?.split('.').next());
    let mut known: Vec<&str> = in_section.collect();
    known.dedup();
    let what = if matches!(value.kind, ValueKind::Table(_)) { "section" } else { "key" };
    unknown(what, name, &known, None, |name| format!("`{name}`"))
}

/// The known name that is meant, or else all of them, each as `written` writes it.
fn unknown<'a>(
    what: &str,
    name: &str,
    known: &[&'a str],
    otherwise: Option<&'a str>,
    written: impl Fn(&str) -> String,
) -> String {
    if let Some(meant) = nearest(name, known.iter().copied()).or(otherwise) {
        return format!("no such {what}; did you mean {}?", written(meant));
    }
    let known: Vec<String> = known.iter().map(|name| written(name)).collect();
    format!("no such {what}; expected one of {}", known.join(", "))
}

fn from_environment(variables: BTreeMap<String, String>) -> Environment {
    Environment::with_prefix("HOYMILES")
        .prefix_separator("__")
        .separator("__")
        .ignore_empty(true)
        .source(Some(variables.into_iter().collect()))
}

/// Refuses keys that do not exist, sections of the wrong form, and sections without their required
/// keys.
///
/// `section` is the path without indices (`dtu.`), `path` the one with them (`dtu[0].`).
fn check_section(
    keys: &[Key],
    table: &Map<String, Value>,
    section: &str,
    path: &str,
) -> Result<(), Fault> {
    let mut names: Vec<(&String, &Value)> = table.iter().collect();
    names.sort_by_key(|(name, _)| *name);
    for (name, value) in names {
        let (section, path) = (format!("{section}{name}"), format!("{path}{name}"));
        let below = format!("{section}.");
        let Some(key) = keys.iter().find(|key| key.path.starts_with(&below)) else {
            if keys.iter().any(|key| key.path == section) {
                continue;
            }
            return Err(Fault::new(path, unknown_key(keys, &section, value)));
        };
        let wrong = match (&value.kind, key.is_in_list) {
            (ValueKind::Table(table), false) => {
                check_section(keys, table, &below, &format!("{path}."))?;
                continue;
            }
            (ValueKind::Array(items), true) => {
                for (index, item) in items.iter().enumerate() {
                    let path = format!("{path}[{index}]");
                    let ValueKind::Table(table) = &item.kind else {
                        return Err(Fault::new(path, "is a value; expected a section of keys"));
                    };
                    check_section(keys, table, &below, &format!("{path}."))?;
                }
                continue;
            }
            (ValueKind::Table(_), true) => {
                format!("is a single section; expected [[{path}]] in double brackets")
            }
            (_, true) => format!("is a value; expected sections [[{path}]]"),
            (ValueKind::Array(_), false) => {
                format!("is a list; expected a section [{path}], in single brackets")
            }
            (_, false) => format!("is a value; expected a section [{path}]"),
        };
        return Err(Fault::new(path, wrong));
    }
    let mut required = keys.iter().filter(|key| key.is_required);
    let missing = required.find_map(|key| {
        let name = key.path.strip_prefix(section)?;
        (!section.is_empty() && !table.contains_key(name)).then_some((name, key))
    });
    missing.map_or(Ok(()), |(name, key)| {
        let wrong = format!("is missing; expected {}", key.expected);
        Err(Fault::new(format!("{path}{name}"), wrong))
    })
}

fn deserialize(layers: &config::Config) -> Result<Config, Fault> {
    serde_path_to_error::deserialize::<_, Read<Config>>(layers.clone())
        .map(|read| read.0)
        .map_err(|error| Fault::new(error.path().to_string(), message(error.inner())))
}

/// The message without the key and the source, which the crate adds to it.
fn message(error: &config::ConfigError) -> String {
    if let config::ConfigError::At { error, .. } = error {
        return message(error);
    }
    if let config::ConfigError::Message(text) = error { text.clone() } else { error.to_string() }
}

/// Where each key came from.
#[derive(Debug)]
pub(super) struct Places {
    file: PathBuf,
    /// The text of the file, if it is TOML.
    toml: Option<String>,
    layers: config::Config,
    /// The variable of each key path that the environment sets.
    variables: BTreeMap<String, String>,
}

impl Places {
    /// Whether the user has set that key.
    pub(super) fn has(&self, path: &str) -> bool {
        self.layers.get::<Value>(path).is_ok()
    }

    /// A warning with its place.
    pub(super) fn warning(&self, path: &str, text: &str) -> String {
        match (self.variable(path), self.line(path)) {
            (Some(variable), _) => format!("environment: {variable}: {path}: {text}"),
            (None, Some(line)) => format!("{path}: {text} (line {line})"),
            (None, None) => format!("{path}: {text}"),
        }
    }

    fn error(&self, Fault { path, text }: &Fault) -> ConfigError {
        let text = if path.is_empty() { text.clone() } else { self.warning(path, text) };
        if self.variable(path).is_some() {
            return ConfigError(text);
        }
        ConfigError(format!("{}: {text}", self.file.display()))
    }

    fn syntax_error(&self, text: &str, error: &toml::de::Error) -> ConfigError {
        let start = error.span().map_or(text.len(), |span| span.start.min(text.len()));
        let before = text.get(..start).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        let message = error.message().trim_end().replace('\n', ", ");
        let begin = before.rfind('\n').map_or(0, |newline| newline + 1);
        let wrong = text.get(begin..).and_then(|rest| rest.lines().next()).unwrap_or_default();
        let slip = syntax::slip(wrong, text.get(..begin).unwrap_or_default(), &message);
        let message = slip.unwrap_or(message);
        let file = self.file.display();
        ConfigError(format!("{file}: is not TOML at line {line}, column {column}: {message}"))
    }

    /// The variable that has set a key, or the list that an item is of.
    fn variable(&self, path: &str) -> Option<&str> {
        let list = path.strip_suffix(']').and_then(|path| path.rsplit_once('['));
        self.variables.get(list.map_or(path, |(list, _)| list)).map(String::as_str)
    }

    /// The line of a key, or of the section that lacks it.
    fn line(&self, path: &str) -> Option<usize> {
        let text = self.toml.as_deref()?;
        let start = find(DeTable::parse(text).ok()?.get_ref(), path)?;
        Some(text.get(..start)?.matches('\n').count() + 1)
    }
}

/// Where the last part of `path` that exists begins.
fn find(table: &DeTable<'_>, path: &str) -> Option<usize> {
    let (part, rest) = path.split_once('.').unwrap_or((path, ""));
    let (name, index) = match part.strip_suffix(']').and_then(|part| part.split_once('[')) {
        Some((name, index)) => (name, index.parse::<usize>().ok()),
        None => (part, None),
    };
    let (key, value) = table.iter().find(|(key, _)| key.get_ref() == name)?;
    let (start, value) = match (value.get_ref(), index) {
        (DeValue::Array(items), Some(index)) => {
            let item = items.get(index)?;
            (item.span().start, item.get_ref())
        }
        (value, _) => (key.span().start, value),
    };
    if let DeValue::Table(table) = value { find(table, rest).or(Some(start)) } else { Some(start) }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_first_default_file_that_exists_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let [first, second] = ["a.toml", "b.toml"].map(|name| folder.path().join(name));
        let defaults = [first.to_str().unwrap(), second.to_str().unwrap()];
        let none = read_file(None, &defaults).unwrap_err().to_string();
        for text in [defaults[0], defaults[1], "--config", "demo", "example.toml"] {
            assert!(none.contains(text), "{none}");
        }
        fs::write(&second, "2").unwrap();
        assert_eq!(read_file(None, &defaults).unwrap(), (second.clone(), "2".to_owned()));
        fs::write(&first, "1").unwrap();
        assert_eq!(read_file(None, &defaults).unwrap(), (first.clone(), "1".to_owned()));
        assert_eq!(read_file(Some(&second), &defaults).unwrap(), (second, "2".to_owned()));
    }

    #[test]
    fn files_that_cannot_be_read_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let inside = |name: &str| folder.path().join(name);
        fs::write(inside("latin1.toml"), b"\xfc = 1").unwrap();
        fs::write(inside("full.toml"), vec![b'#'; 1 << 20]).unwrap();
        fs::write(inside("large.toml"), vec![b'#'; (1 << 20) + 1]).unwrap();
        std::os::unix::fs::symlink(inside("full.toml"), inside("link.toml")).unwrap();
        assert!(read_file(Some(&inside("link.toml")), &[]).is_ok());
        let _socket = std::os::unix::net::UnixListener::bind(inside("socket")).unwrap();
        for (path, expected) in [
            (inside("socket"), "not a regular file"),
            (PathBuf::from("/dev/zero"), "not a regular file"),
            (inside("large.toml"), "larger than 1048576 bytes"),
            (inside("missing.toml"), "no such file"),
            (folder.path().to_owned(), "is a folder"),
            (inside("latin1.toml"), "UTF-8"),
        ] {
            let message = read_file(Some(&path), &[]).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
            assert!(message.starts_with(path.to_str().unwrap()), "{message}");
        }
    }

    #[track_caller]
    fn check_hint(name: &str, text: &str, environment: &[(&str, &str)], expected: (&str, &str)) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(name);
        fs::write(&file, text).unwrap();
        let environment =
            environment.iter().map(|(name, value)| (name.to_string(), value.to_string()));
        let (state_dir, listen) = state_dir_and_listen(Some(&file), environment);
        let expected_dir = expected.0.replace("FOLDER", folder.path().to_str().unwrap());
        assert_eq!(
            (state_dir.to_str().unwrap(), &*listen.to_string()),
            (&*expected_dir, expected.1)
        );
    }

    #[test]
    fn a_running_bridge_is_found_by_a_faulty_configuration() {
        let good = "state_dir = \"/d\"\n[[dtu]]\nport = 1\n[http]\nlisten = \"127.0.0.1:9\"\n";
        let faulty = format!("{good}[log]\nlevel = \"loud\"\nno = 1");
        check_hint("a.toml", &faulty, &[], ("/d", "127.0.0.1:9"));
        check_hint("a.toml", "this is [ no TOML", &[], ("data", "0.0.0.0:8080"));
        check_hint(
            "a.toml",
            "state_dir = \"\"\nhttp.listen = \":8080\"",
            &[],
            ("data", "0.0.0.0:8080"),
        );
        let environment = [
            ("HOYMILES__HTTP__LISTEN", "127.0.0.1:10"),
            ("HOYMILES__STATE_DIR", "/e"),
            ("HOYMILES__NO_KEY", "x"),
        ];
        check_hint("a.toml", good, &environment, ("/e", "127.0.0.1:10"));
        check_hint("options.json", "no JSON", &[], ("FOLDER", "0.0.0.0:8080"));
    }

    #[test]
    fn a_syntax_error_has_line_and_column_but_no_secret() {
        for (text, expected) in [
            ("[poll]\ninterval = 60s\n", "line 2, column"),
            ("[poll\n", "line 1, column 6"),
            ("a = 1\na = 2\n", "line 2, column 1"),
            ("token = \"s3cret", "line 1"),
            ("tok en = \"s3cret\"", "line 1"),
            ("x = ws://me:s3cret@ha", "line 1"),
            ("\"ws://ha/?token=s3cret", "line 1"),
        ] {
            let message = load_builtin("a.toml", text, []).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
            assert!(!message.contains("s3cret"), "{message}");
        }
    }
}
