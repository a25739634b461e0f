//! Invalid and valid configurations, and their messages.

mod addon;
mod bounds;
mod documents;
mod keys;
mod mqtt;
mod options;
mod places;
mod warnings;

use std::time::Duration;

use secrecy::ExposeSecret as _;

use super::describe;
use super::load::{Loaded, load, load_builtin};

const DTU: &str = "[[dtu]]\nname = \"DTU\"\nprotocol = \"modbus\"\nhost = \"192.168.1.191\"\n";
const TARGET: &str = "[[target]]\nname = \"HA\"\nurl = \"ws://ha:8123/ws\"\n";

fn loaded(toml: &str, environment: &[(&str, &str)]) -> Result<Loaded, String> {
    let environment = environment.iter().map(|&(name, value)| (name.to_owned(), value.to_owned()));
    load_builtin("a.toml", toml, environment).map_err(|error| error.to_string())
}

/// `toml`, with a DTU behind it if it has none, is refused with all of `expected` in the message.
#[track_caller]
fn check(toml: &str, expected: &[&str]) {
    let with_dtu = if toml.contains("[dtu") { toml.to_owned() } else { format!("{toml}\n{DTU}") };
    let message = loaded(&with_dtu, &[]).unwrap_err();
    for text in expected {
        assert!(message.contains(text), "no {text:?} in\n{message}");
    }
    assert!(message.starts_with("a.toml: "), "{message}");
    assert!(!message.contains("s3cret"), "{message}");
}

#[track_caller]
fn check_dtu(line: &str, expected: &[&str]) {
    check(&format!("[[dtu]]\nname = \"A\"\nprotocol = \"modbus\"\n{line}\n"), expected);
}

#[track_caller]
fn check_target(lines: &str, expected: &[&str]) {
    check(&format!("[[target]]\nname = \"HA\"\n{lines}\n"), expected);
}

#[track_caller]
fn check_variable(name: &str, value: &str, expected: &[&str]) {
    let message = loaded(DTU, &[(name, value)]).unwrap_err();
    for text in expected.iter().chain(&["environment: ", name]) {
        assert!(message.contains(text), "no {text:?} in\n{message}");
    }
    assert!(!message.contains("s3cret"), "{message}");
}

#[test]
fn an_unknown_key_is_refused_with_the_nearest_known_one() {
    check(
        "tmezone = \"UTC\"",
        &["a.toml: tmezone: no such key; did you mean `timezone`? (line 1)"],
    );
    check("[htpp]\n", &["htpp: no such section; did you mean `http`?"]);
    check(
        "[log]\ncolour = true\n",
        &["log.colour: no such key; expected one of `level`, `format`"],
    );
    check_dtu(
        "host = \"h\"\nprot = 502",
        &["dtu[0].prot: no such key; did you mean `port`? (line 5)"],
    );
    check("[http.registration]\nenable = true", &["http.registration.enable", "`enabled`"]);
}

#[test]
fn a_wrong_value_is_refused_with_what_was_expected() {
    check(
        "[poll]\ninterval = \"60\"",
        &[
            "a.toml: poll.interval: \"60\" is not a duration; expected a duration like \"500ms\", \"10s\" or \"5m\" from 5s to 1d (line 2)",
        ],
    );
    check("[poll]\ninterval = 60", &["poll.interval: 60 is a number; expected a duration"]);
    check("[poll]\ninterval = \"4s\"", &["poll.interval: \"4s\" is out of range", "5s"]);
    check("[poll]\ninterval = \"2d\"", &["poll.interval: \"2d\" is out of range"]);
    check("poll = 5", &["poll: is a value; expected a section [poll]"]);
    check("timezone = \"\"", &["timezone: is empty"]);
    check(
        "[log]\nformat = \"jsn\"",
        &["log.format: \"jsn\" is unknown (did you mean \"json\"?); expected"],
    );
    check("[http]\nlisten = \":8080\"", &["http.listen", "0.0.0.0:8080"]);
    check("[http]\nmax_connections = 0", &["http.max_connections: 0 is out of range"]);
    check("[http]\nmax_header_bytes = 8191", &["max_header_bytes: 8191", "from 8192 to 1048576"]);
    check("[http]\nmax_headers = 15", &["http.max_headers: 15 is out of range", "from 16 to 1000"]);
    for key in ["header_timeout", "body_timeout", "write_timeout"] {
        let wrong = format!("http.{key}: \"99ms\" is out of range");
        check(&format!("[http]\n{key} = \"99ms\""), &[&wrong, "from 100ms to 5m"]);
    }
    check(
        "[http.registration]\nmax_targets = 1001",
        &["max_targets: 1001 is out of range", "1000"],
    );
    check("[http.registration]\nallow = 5", &["allow: ", "expected a list"]);
    check("[http.registration]\nenabled = \"yes\"", &["enabled", "expected true or false"]);
    check("[http]\ntoken = 12345", &["http.token: is not a text"]);
}

#[test]
fn faulty_dtus_are_refused() {
    check_dtu("host = \"h\"\nport = 70000", &["dtu[0].port: 70000 is out of range", "65535"]);
    check_dtu("host = \"h\"\nport = 0", &["dtu[0].port"]);
    check_dtu(
        "host = \"h\"\nport = \"many\"",
        &["dtu[0].port: \"many\" is a text; expected a whole"],
    );
    check_dtu("host = \"h\"\nunit_id = 256", &["dtu[0].unit_id"]);
    check_dtu("host = \"h\"\nretries = 11", &["dtu[0].retries"]);
    check_dtu("host = \"h\"\nrecords_per_read = 7", &["dtu[0].records_per_read", "1 to 6"]);
    for wrong in ["\"fast\"", "0", "true"] {
        let toml = format!("host = \"h\"\nrecords_per_read = {wrong}");
        check_dtu(&toml, &["dtu[0].records_per_read", "a whole number from 1 to 6 or \"auto\""]);
    }
    check_dtu("host = \"h\"\ntimeout = \"0s\"", &["dtu[0].timeout: \"0s\" is out of range"]);
    check_dtu("host = \"h\"\ninterval = \"1s\"", &["dtu[0].interval", "5s"]);
    check_dtu(
        "host = \"h\"\nexclude = [\"1161\"]",
        &["dtu[0].exclude[0]: \"1161\" is not a serial"],
    );
    check_dtu("", &["dtu[0].host: is missing"]);
    check_dtu("host = \"http://dtu\"", &["dtu[0].host", "URL"]);
    check_dtu("host = \"dtu:502\"", &["dtu[0].host", "`port`"]);
    check_dtu("host = \"[::1]\"", &["dtu[0].host", "brackets"]);
    check_dtu("host = \"my dtu\"", &["dtu[0].host", "blanks"]);
    check("[[dtu]]\nname = \"A\"\n", &["dtu[0].protocol: is missing; expected \"modbus\", "]);
    check("[dtu]\nname = \"A\"\n", &["dtu: is a single section; expected [[dtu]]"]);
    check("[[dtu]]\nname = \"A\\nB\"\nprotocol = \"simulated\"\n", &["dtu[0].name", "line break"]);
    check(&format!("{DTU}{DTU}"), &["dtu[1].name: \"DTU\" is also the name of dtu[0]"]);
}

#[test]
fn faulty_targets_are_refused_without_showing_secrets() {
    let url = "url = \"ws://ha:8123/ws\"";
    check_target("url = \"http://ha/?token=s3cret\"", &["target[0].url", "expected ws://"]);
    check_target("url = \"ha:8123?token=s3cret\"", &["target[0].url", "does not begin with ws://"]);
    check_target("url = \"s3cret\"", &["target[0].url: the URL does not begin with ws://"]);
    check_target("url = \"ws://me:s3cret@ha/\"", &["target[0].url", "password"]);
    check_target("url = \"ws://ha/#s3cret\"", &["target[0].url", "fragment"]);
    check_target("url = \"ws://ha/?token=s3cret\"\ntoken = \"s3cret2\"", &["only one of them"]);
    check_target(&format!("{url}\ntoken = \"s3cret x\""), &["target[0].token", "blank"]);
    check_target(
        &format!("{url}\ntoken = \"s3cret\"\ntoken_file = \"/nowhere/token\""),
        &["target[0].token_file: target[0].token is given too"],
    );
    check_target(
        &format!("{url}\ntoken_file = \"/nowhere/token\""),
        &["target[0].token_file: /nowhere/token cannot be read"],
    );
    check_target(&format!("{url}\nca_file = \"/nowhere/ca\""), &["target[0].ca_file: /nowhere/ca"]);
    check_target(&format!("{url}\nconnect_timeout = \"2m\""), &["target[0].connect_timeout"]);
    check_target(&format!("{url}\nheartbeat = \"0s\""), &["target[0].heartbeat"]);
    check_target("", &["target[0].url: is missing; expected a URL like", "(line 1)"]);
    let other = TARGET.replace("HA", "B").replace("/ws\"", "/ws?a=1\"");
    check(&format!("{TARGET}{other}"), &["target[1].url: is also the URL of target[0]"]);
}

#[test]
fn other_faulty_sections_are_refused() {
    check("timezone = \"Europe/Berln\"", &["timezone", "did you mean \"Europe/Berlin\"?"]);
    check("timezone = \"home\"", &["timezone", "IANA"]);
    check("[log]\nlevel = \"verbose\"", &["log.level: \"verbose\" is not a level"]);
    for entry in ["10.0.0.0/33", "300.1.1"] {
        let wrong = format!("http.registration.allow[1]: {entry:?}");
        check(&format!("[http.registration]\nallow = [\"private\", {entry:?}]"), &[&wrong]);
    }
    check("[http]\ntoken = \"s3cret\"\ntoken_file = \"/nowhere/t\"", &["http.token_file"]);
    let message = loaded("", &[]).unwrap_err();
    assert!(message.contains("there is no DTU") && message.contains("[[dtu]]"), "{message}");
}

#[test]
fn faulty_variables_are_refused() {
    check_variable("HOYMILES__HTTP__LISTN", "x", &["did you mean HOYMILES__HTTP__LISTEN"]);
    check_variable("HOYMILES__HTTP__LEVEL", "x", &["did you mean HOYMILES__LOG__LEVEL"]);
    check_variable("HOYMILES__DTU__HOST", "x", &["cannot be set from the environment"]);
    check_variable("HOYMILES__NOTHING_LIKE_IT", "", &["expected one of HOYMILES__TIMEZONE"]);
    check_variable("HOYMILES__POLL__INTERVAL", "4s", &["poll.interval: \"4s\" is out of range"]);
    check_variable("HOYMILES__TIMEZONE", "home", &["timezone: \"home\" is not a known"]);
    check_variable(
        "HOYMILES__HTTP__TOKEN",
        "s3cret s3cret",
        &["http.token: the token has a blank"],
    );
    check_variable("HOYMILES__HTTP__REGISTRATION__ENABLED", "maybe", &["true or false"]);
}

#[test]
fn the_environment_overrides_the_file() {
    let config = loaded(
        &format!("timezone = \"Europe/Berlin\"\n{DTU}[http]\nlisten = \"0.0.0.0:1\"\n"),
        &[
            ("HOYMILES__HTTP__LISTEN", "127.0.0.1:9000"),
            ("HOYMILES__HTTP__TOKEN", "0123"),
            ("HOYMILES__HTTP__MAX_CONNECTIONS", "7"),
            ("HOYMILES__HTTP__REGISTRATION__ALLOW", "private, 10.0.0.0/8,ha.lan"),
            ("HOYMILES__HTTP__REGISTRATION__ENABLED", "False"),
            ("HOYMILES__POLL__INTERVAL", "2m"),
            ("HOYMILES__LOG__FORMAT", "json"),
            ("HOYMILES__STATE_DIR", "/data"),
            ("HOYMILES__TIMEZONE", ""),
            ("HOYMILES_CONFIG", "b.toml"),
            ("PATH", "/bin"),
        ],
    )
    .unwrap()
    .config;
    assert_eq!(config.http.listen.to_string(), "127.0.0.1:9000");
    assert_eq!(config.http.token.as_ref().unwrap().expose_secret(), "0123");
    assert_eq!(config.http.max_connections, 7);
    assert_eq!(config.http.registration.allow, ["private", "10.0.0.0/8", "ha.lan"]);
    assert!(!config.http.registration.enabled);
    assert_eq!(config.poll.interval, Duration::from_secs(120));
    assert_eq!(config.log.format, crate::config::LogFormat::Json);
    assert_eq!(config.state_dir.to_str(), Some("/data"));
    assert_eq!(config.timezone, "Europe/Berlin", "an empty variable is not set");
}

#[test]
fn a_good_configuration_is_described_without_its_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let [token, file] = ["token", "a.toml"].map(|name| folder.path().join(name));
    std::fs::write(&token, "s3cret\n").unwrap();
    let token = token.display();
    let toml = format!(
        "{DTU}interval = \"10s\"\n{TARGET}token_file = \"{token}\"\n\
         [[target]]\nname = \"B\"\nurl = \"wss://b/x?token=s3cret\"\n[http]\ntoken = \"s3cret\"\n"
    );
    std::fs::write(&file, toml).unwrap();
    let loaded = load(Some(&file), []).unwrap();
    let text = describe(&loaded);
    for expected in [
        file.to_str().unwrap(),
        "[[dtu]]\nname = \"DTU\"\nprotocol = \"modbus\"\nhost = \"192.168.1.191\"\nport = 502\n",
        "interval = \"10s\"\n",
        "name = \"HA\"\nurl = \"ws://ha:8123\"\ntoken_file = ",
        "heartbeat = \"30s\"\n",
        "name = \"B\"\nurl = \"wss://b:443\"\nconnect_timeout",
        "[http]\nlisten = \"0.0.0.0:8080\"\ntoken = \"(hidden)\"\n",
        "[http.registration]\nenabled = true\nallow = [\"private\"]\nmax_targets = 16\n",
        "[log]\nlevel = \"info\"\nformat = \"text\"\n",
        "strains a DTU",
        "chmod",
    ] {
        assert!(text.contains(expected), "no {expected:?} in\n{text}");
    }
    assert!(!text.contains("s3cret") && !format!("{loaded:?}").contains("s3cret"), "{text}");
    let token = loaded.config.targets[0].token.as_ref().unwrap();
    assert_eq!(token.expose_secret(), "s3cret", "without the line break");
}

#[test]
fn a_protobuf_dtu_is_polled_at_most_once_every_35_seconds() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.toml");
    let check = |interval: &str, expected: &str, warns: bool| {
        let toml = format!(
            "[poll]\ninterval = \"5s\"\n[[dtu]]\nname = \"Roof\"\nprotocol = \"protobuf\"\n\
             host = \"h\"\navoid_cloud_upload = true\n{interval}"
        );
        std::fs::write(&file, toml).unwrap();
        let text = describe(&load(Some(&file), []).unwrap());
        assert!(text.contains(&format!("\ninterval = \"{expected}\"\nexclude")), "{text}");
        assert!(text.contains("avoid_cloud_upload = true"), "{text}");
        assert_eq!(text.contains("DTU Roof: is polled at most once every 35s"), warns, "{text}");
    };
    check("", "35s", true);
    check("interval = \"20s\"", "35s", true);
    check("interval = \"35s\"", "35s", false);
    check("interval = \"2m\"", "2m", false);
}
