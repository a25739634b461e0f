//! `init`: finds the DTUs, asks for the rest, and writes a configuration file.

mod questions;

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use ipnet::Ipv4Net;
use jiff::tz::TimeZone;
use rustix::fs::{Access, access};
use secrecy::{ExposeSecret as _, SecretString};
use toml::Value;

use self::questions::Questions;
use super::discover::probe::{PROTOCOLS, Probe, candidate, probe};
use super::discover::report::{nothing_found, section, text, why_no_dtu};
use super::discover::{announce_search, networks, networks_to_search, search_new};
use super::{Global, exit, read};
use crate::config::host::check_dtu_host;
use crate::config::load::{file_to_write, load_builtin};
use crate::config::{
    DtuConfig, LogFormat, MqttConfig, check_broker_host, check_login, check_port, check_timezone,
    usual_timezone,
};
use crate::mqtt;
use crate::telemetry::logging;

/// Tokens and passwords are for the owner only.
const MODE: u32 = 0o600;
/// The port of brokers with TLS.
const TLS_PORT: u16 = 8883;

/// Options of `init`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Ask nothing: take the DTUs that are found, and the defaults
    #[arg(long)]
    yes: bool,
    /// Look for DTUs in this network, such as 192.168.1.0/24; at most a /22
    #[arg(long, value_name = "CIDR", value_parser = networks::parse)]
    network: Option<Ipv4Net>,
    /// Use the DTU at this address instead of looking for DTUs
    #[arg(long, value_name = "HOST", value_parser = check_dtu_host, conflicts_with = "network")]
    host: Option<String>,
}

/// Writes the file; 1 if that is not possible.
pub(super) async fn init(global: &Global, arguments: Arguments) -> ExitCode {
    let level = global.log_level.as_deref().unwrap_or("error");
    if let Err(error) = logging::init_stderr(level, LogFormat::Text) {
        return exit::failed(&error.into());
    }
    let file = file_to_write(global.config.as_deref());
    match set_up(&file, arguments).await {
        Ok(next_steps) => exit::print(&next_steps).map_or_else(|code| code, |()| ExitCode::SUCCESS),
        Err(error) => exit::failed(&error.context("no configuration was written")),
    }
}

/// What to do next, once the file is written.
async fn set_up(file: &Path, arguments: Arguments) -> anyhow::Result<String> {
    check_place(file)?;
    let mut questions = (!arguments.yes).then(Questions::of_stdin);
    let dtus = dtus(arguments, questions.as_mut()).await?;
    let mut timezone = usual_timezone();
    let mut broker = None;
    if let Some(questions) = &mut questions {
        timezone = questions.ask("Time zone", &timezone, check_timezone)?;
        broker = ask_for_broker(questions).await?;
    }
    let toml = document(&dtus, &timezone, broker.as_ref());
    load_builtin(&file.display().to_string(), &toml, []).map(drop)?;
    write_new(file, &toml)?;
    Ok(next_steps(file, broker.is_some()))
}

/// Refuses a file that exists or cannot be written, before anybody has answered a question.
fn check_place(file: &Path) -> anyhow::Result<()> {
    if file.symlink_metadata().is_ok() {
        bail!(exists(file));
    }
    if file.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("json")) {
        bail!("{} has the ending of an add-on's options; expected one like .toml", file.display());
    }
    let above = file
        .ancestors()
        .skip(1)
        .map(|folder| if folder.as_os_str().is_empty() { Path::new(".") } else { folder });
    let Some(folder) = above.into_iter().find(|folder| folder.exists()) else { return Ok(()) };
    if !folder.is_dir() {
        bail!("{} is not a folder; name another file with --config", folder.display());
    }
    access(folder, Access::WRITE_OK | Access::EXEC_OK).map_err(io::Error::from).with_context(|| {
        format!(
            "cannot write to the folder {}; make it writable for this user, or name another file with \
             --config",
            folder.display()
        )
    })
}

fn exists(file: &Path) -> String {
    format!(
        "{} exists already, and init never overwrites a file; edit it and run `hoymiles-bridge check`, \
         or name another file with --config",
        file.display()
    )
}

/// The DTUs to configure, at least one, each of which was read once or is wanted anyway.
async fn dtus(
    arguments: Arguments,
    mut questions: Option<&mut Questions>,
) -> anyhow::Result<Vec<DtuConfig>> {
    if let Some(host) = arguments.host {
        return match at_host(&host, questions.as_deref_mut()).await? {
            Some(dtu) => Ok(vec![dtu]),
            None => bail!("there is no DTU at {host}"),
        };
    }
    let networks = networks_to_search(arguments.network);
    let networks = match (networks, &questions) {
        (Ok(networks), _) => networks,
        (Err(error), None) => return Err(error),
        (Err(error), Some(_)) => {
            exit::try_print(&format!("{error:#}\n"))?;
            Vec::new()
        }
    };
    let mut dtus = Vec::new();
    if !networks.is_empty() {
        announce_search(&networks)?;
        let discovery = search_new(networks.clone()).await;
        exit::try_print(&text(&discovery))?;
        for dtu in discovery.new_dtus() {
            if let Some(questions) = &mut questions
                && !questions.confirm(&format!("Use the DTU at {}?", dtu.host), true)?
            {
                continue;
            }
            if is_proven(&dtu, questions.as_deref_mut()).await? {
                dtus.push(dtu);
            }
        }
    }
    let Some(questions) = questions else {
        if dtus.is_empty() {
            bail!(nothing_found(&networks));
        }
        return Ok(dtus);
    };
    if dtus.is_empty() && !networks.is_empty() {
        exit::try_print(&format!("{}\n\n", nothing_found(&networks)))?;
    }
    while dtus.is_empty() {
        let check = |text: &str| check_dtu_host(text).map_err(|error| error.to_string());
        let host = questions.ask("IP address or host name of the DTU", "", check)?;
        dtus.extend(at_host(&host, Some(&mut *questions)).await?);
    }
    Ok(dtus)
}

/// The DTU at that host, with the first protocol that it speaks.
async fn at_host(
    host: &str,
    questions: Option<&mut Questions>,
) -> anyhow::Result<Option<DtuConfig>> {
    let mut reasons = String::new();
    for protocol in PROTOCOLS {
        let config = candidate(protocol, host);
        let reason = match probe(&config).await {
            Probe::Dtu(_) => {
                let dtu = DtuConfig::new("DTU", protocol, host);
                return Ok(is_proven(&dtu, questions).await?.then_some(dtu));
            }
            Probe::NoDtu(error) => why_no_dtu(&error),
            Probe::Closed(error) => error.problem().cause,
        };
        // Writing to a string cannot fail.
        let _ = writeln!(reasons, "- port {} ({protocol}): {reason}", config.port());
    }
    exit::try_print(&format!("No DTU answers at {host}:\n{reasons}"))?;
    let Some(questions) = questions else { return Ok(None) };
    if !questions.confirm("Use it anyway (a DTU inside an inverter is off at night)?", false)? {
        return Ok(None);
    }
    let protocol = questions.ask("Its protocol, modbus or protobuf", "protobuf", |text| {
        let known = PROTOCOLS.into_iter().find(|protocol| protocol.to_string() == text);
        known.ok_or_else(|| format!("{text:?} is unknown; expected modbus or protobuf"))
    })?;
    Ok(Some(DtuConfig::new("DTU", protocol, host)))
}

/// Reads the DTU once and shows what it read; otherwise asks whether to use it anyway.
async fn is_proven(dtu: &DtuConfig, questions: Option<&mut Questions>) -> anyhow::Result<bool> {
    exit::try_print(&format!("Reading the DTU at {} ...\n", dtu.host))?;
    match read::proof(dtu.clone(), &TimeZone::system()).await {
        Ok(table) => {
            exit::try_print(&format!("{table}\n"))?;
            Ok(true)
        }
        Err(problem) => {
            exit::try_print(&format!("It could not be read: {problem}\n"))?;
            questions.map_or(Ok(false), |questions| questions.confirm("Use it anyway?", false))
        }
    }
}

/// The broker, with which a connection was tried once; `None` without MQTT.
async fn ask_for_broker(questions: &mut Questions) -> anyhow::Result<Option<MqttConfig>> {
    loop {
        let host = questions.ask("MQTT broker: IP address or host name", "none", |text| {
            if text == "none" { Ok(String::new()) } else { check_broker_host(text) }
        })?;
        if host.is_empty() {
            return Ok(None);
        }
        let question = "Port of the broker; 8883 means TLS";
        let port = questions.ask(question, "1883", check_port)?;
        let user = questions.ask("User name at the broker", "none", check_login)?;
        let username = Some(user).filter(|user| user != "none");
        let password = match &username {
            Some(_) => Some(SecretString::from(questions.ask_secret("Password of this user")?)),
            None => None,
        };
        let tls = port == TLS_PORT;
        let config =
            MqttConfig { host, port: Some(port), username, password, tls, ..MqttConfig::default() };
        // A running bridge keeps its connection.
        let test = MqttConfig {
            client_id: Some(format!("{}-init", config.client_id())),
            ..config.clone()
        };
        match mqtt::try_out(&test).await {
            Ok(()) => {
                exit::try_print(&format!("The broker {} accepts the bridge.\n", config.place()))?;
            }
            Err(failure) => {
                let problem = failure.problem(mqtt::Source::Owner);
                exit::try_print(&format!("The test of the broker failed: {problem}\n"))?;
                if !questions.confirm("Keep these settings anyway?", false)? {
                    continue;
                }
            }
        }
        return Ok(Some(config));
    }
}

/// The configuration file.
fn document(dtus: &[DtuConfig], timezone: &str, broker: Option<&MqttConfig>) -> String {
    let quoted = |text: &str| Value::from(text).to_string();
    let mut toml = format!(
        "# Configuration of hoymiles-bridge, written by `hoymiles-bridge init`.\n\
         # docs/configuration.md lists all keys. After a change, run `hoymiles-bridge check`.\n\n\
         # Today's energy starts at midnight in this time zone.\ntimezone = {}\n\n\
         # The DTUs, one section each. Give them fixed addresses in your router.\n",
        quoted(timezone)
    );
    toml += &dtus.iter().map(section).collect::<Vec<_>>().join("\n");
    let Some(MqttConfig { host, port, username, password, tls, .. }) = broker else { return toml };
    toml += "\n# Home Assistant discovers the plant at this broker.\n[mqtt]\n";
    let lines = [
        Some(format!("host = {}", quoted(host))),
        port.filter(|port| *port != 1883).map(|port| format!("port = {port}")),
        tls.then(|| "tls = true".to_owned()),
        username.as_ref().map(|name| format!("username = {}", quoted(name))),
        password.as_ref().map(|secret| format!("password = {}", quoted(secret.expose_secret()))),
    ];
    for line in lines.iter().flatten() {
        toml += line;
        toml += "\n";
    }
    toml
}

/// Creates the file, and its folder if that is missing.
fn write_new(file: &Path, toml: &str) -> anyhow::Result<()> {
    let cannot = || format!("cannot write {}", file.display());
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder).with_context(cannot)?;
    }
    let mut new = match OpenOptions::new().write(true).create_new(true).mode(MODE).open(file) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => bail!(exists(file)),
        opened => opened.with_context(cannot)?,
    };
    let written = new.write_all(toml.as_bytes()).and_then(|()| new.sync_all());
    if written.is_err() {
        // Half a file would be in the way of the next try.
        drop(fs::remove_file(file));
    }
    written.with_context(cannot)
}

fn next_steps(file: &Path, has_broker: bool) -> String {
    let start = if file.starts_with("/config") {
        "docker compose up -d --build".to_owned()
    } else {
        format!("hoymiles-bridge run --config {}", file.display())
    };
    let home_assistant = if has_broker {
        "Home Assistant: its MQTT integration shows the plant by itself; do not add the integration \
         \"Hoymiles bridge\" as well, or every inverter appears twice"
    } else {
        "Home Assistant: add the integration \"Hoymiles bridge\" (Settings, Devices & services) with the \
         address of this machine and port 8080"
    };
    format!(
        "\nThe configuration is in {}, readable for this user only.\n\nNext steps:\n\
         1. Start the bridge: {start}\n2. {home_assistant}\n",
        file.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Protocol;

    #[test]
    fn any_answer_becomes_the_same_value_in_the_file() {
        for text in ["s3cret", "a\"b\\c", "'''\"\"\"", "\\u0041", "#=[]", "pä\u{7f}ss", " blanks "]
        {
            let broker = MqttConfig {
                host: "10.20.0.9".to_owned(),
                port: Some(TLS_PORT),
                tls: true,
                username: Some("it's \"me\"".to_owned()),
                password: Some(text.into()),
                ..MqttConfig::default()
            };
            let dtus = [
                DtuConfig::new("DTU", Protocol::Modbus, "10.20.0.20"),
                DtuConfig::new("DTU 2", Protocol::Protobuf, "dtu.lan"),
            ];
            let toml = document(&dtus, "Europe/Berlin", Some(&broker));
            let loaded = load_builtin("test", &toml, []).unwrap();
            let mqtt = loaded.config.mqtt.unwrap();
            assert_eq!(mqtt.password.unwrap().expose_secret(), text, "{toml}");
            assert_eq!((mqtt.username, mqtt.port, mqtt.tls), (broker.username, broker.port, true));
            assert_eq!(
                (loaded.config.dtus, &*loaded.config.timezone),
                (dtus.into(), "Europe/Berlin")
            );
            assert_eq!(loaded.warnings, Vec::<String>::new());
        }
    }
}
