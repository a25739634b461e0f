//! A faulty configuration: exit status 2 and one message that names file and key.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use crate::support::bridge::{command, output};
use crate::support::within_guard;

/// `toml` is refused; the message names the file and all of `expected`.
async fn check(toml: &str, expected: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bridge.toml");
    std::fs::write(&file, toml).unwrap();
    let file = file.to_str().unwrap();
    for command in ["check", "run"] {
        let (code, _, message) = output(&[command, "--config", file], None).await;
        assert_eq!(code, 2, "{command} of {toml}: {message}");
        for text in expected.iter().chain(&[file]) {
            assert!(message.contains(text), "{command}: no {text:?} in {message}");
        }
        assert!(!message.contains("s3cret"), "{message}");
    }
}

const DTU: &str = "[[dtu]]\nname = \"DTU\"\nprotocol = \"modbus\"\nhost = \"127.0.0.1\"\n";

#[tokio::test]
async fn an_unknown_key_is_refused() {
    check("tmezone = \"UTC\"", &["tmezone", "timezone"]).await;
    check(
        "[[dtu]]\nname = \"DTU\"\nprotocol = \"modbus\"\nhost = \"127.0.0.1\"\nprot = 502\n",
        &["dtu[0]", "prot"],
    )
    .await;
}

#[tokio::test]
async fn a_malformed_duration_is_refused() {
    check("[poll]\ninterval = \"60\"\n", &["poll.interval", "10s"]).await;
    check("[poll]\ninterval = \"4s\"\n", &["poll.interval", "5"]).await;
}

#[tokio::test]
async fn two_dtus_with_the_same_name_are_refused() {
    check(
        "[[dtu]]\nname = \"A\"\nprotocol = \"modbus\"\nhost = \"127.0.0.1\"\n\
         [[dtu]]\nname = \"A\"\nprotocol = \"modbus\"\nhost = \"127.0.0.2\"\n",
        &["dtu[1].name", "A"],
    )
    .await;
}

#[tokio::test]
async fn a_port_out_of_range_is_refused() {
    check(
        "[[dtu]]\nname = \"A\"\nprotocol = \"modbus\"\nhost = \"127.0.0.1\"\nport = 70000\n",
        &["dtu[0].port", "65535"],
    )
    .await;
}

#[tokio::test]
async fn a_target_with_an_impossible_url_is_refused() {
    let target = |name: &str, url: &str| {
        format!("{DTU}[[target]]\nname = \"{name}\"\nurl = \"{url}?token=s3cret\"\n")
    };
    check(&target("HA", "ws://@ha/"), &["target[0].url", "user name"]).await;
    check(&target("HA", "ws:///ha/"), &["target[0].url", "no host"]).await;
    check(&target("HA", "ws://[fe80::1]/"), &["target[0].url", "link-local"]).await;
    check(&target("H\u{200d}A", "ws://ha/"), &["target[0].name", "U+200D"]).await;
}

#[tokio::test]
async fn an_address_in_another_form_is_refused_with_the_right_one() {
    let right = "has leading zeros; write 192.168.178.41";
    let host = DTU.replace("127.0.0.1", "192.168.178.041");
    check(&host, &[&format!("dtu[0].host: \"192.168.178.041\" {right} (line 4)")]).await;
    check(
        &format!("{DTU}[mqtt]\nhost = \"192.168.178.041\"\n"),
        &[&format!("mqtt.host: \"192.168.178.041\" {right}")],
    )
    .await;
    let target = "[[target]]\nname = \"HA\"\nurl = \"ws://192.168.178.041/?token=s3cret\"\n";
    check(&format!("{DTU}{target}"), &["target[0].url: the URL's host", right]).await;
    let allow = "[http.registration]\nallow = [\"192.168.178.041/32\"]\n";
    check(&format!("{DTU}{allow}"), &["registration.allow[0]", &format!("{right}/32")]).await;
}

#[tokio::test]
async fn arguments_are_refused_as_the_file_refuses_them() {
    for (arguments, expected) in [
        (["read", "--host", "http://192.168.1.5/"], "is a URL; write 192.168.1.5"),
        (["read", "--host", "127.0.1.1:502"], "has a port, which belongs under the key `port`"),
        (["read", "--host", "127.0.1.1 "], "beginning or end; write 127.0.1.1"),
        (["read", "--host", "[::1]"], "has brackets; write ::1"),
        (["read", "--host", "127.0.0.010"], "has leading zeros; write 127.0.0.10"),
        (["simulate", "--modbus", "localhost:5020"], "IP address; write 127.0.0.1:5020"),
        (["simulate", "--protobuf", "[::1]"], "has no port; expected an IP address and a port"),
    ] {
        let (code, _, message) = output(&arguments, None).await;
        assert_eq!(code, 2, "{arguments:?}: {message}");
        assert!(message.contains(expected), "{arguments:?}: {message}");
    }
}

#[tokio::test]
async fn a_missing_file_is_refused() {
    let (code, _, message) = output(&["check", "--config", "/nowhere/bridge.toml"], None).await;
    assert_eq!(code, 2);
    assert!(message.contains("/nowhere/bridge.toml"), "{message}");
    let empty = tempfile::tempdir().unwrap();
    for command in ["check", "run"] {
        let (code, _, message) = output(&[command], Some(empty.path())).await;
        assert_eq!(code, 2);
        let copy = "copy config/hoymiles-bridge.example.toml to config/hoymiles-bridge.toml";
        assert!(message.contains(copy), "{message}");
    }
}

#[tokio::test]
async fn an_unknown_variable_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bridge.toml");
    std::fs::write(&file, DTU).unwrap();
    let mut check = command(&["check", "--config", file.to_str().unwrap()]);
    check.env("HOYMILES__HTTP__LISTN", "127.0.0.1:9000");
    let output = within_guard("end of check", check.output()).await.unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(message.contains("HOYMILES__HTTP__LISTN") && message.contains("listen"), "{message}");
}

#[tokio::test]
async fn a_variable_that_is_not_text_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bridge.toml");
    std::fs::write(&file, DTU).unwrap();
    let mut check = command(&["check", "--config", file.to_str().unwrap()]);
    check.env("HOYMILES__HTTP__TOKEN", OsStr::from_bytes(b"s3cret\xff"));
    let output = within_guard("end of check", check.output()).await.unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{message}");
    assert!(message.contains("HOYMILES__HTTP__TOKEN") && !message.contains("s3cret"), "{message}");
}

#[tokio::test]
async fn an_endless_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe.toml");
    let made = tokio::process::Command::new("mkfifo").arg(&pipe).status().await.unwrap();
    assert!(made.success());
    for file in [pipe.to_str().unwrap(), "/dev/zero"] {
        let (code, _, message) = output(&["check", "--config", file], None).await;
        assert_eq!(code, 2, "{message}");
        assert!(message.contains(file) && message.contains("not a regular file"), "{message}");
    }
}

#[tokio::test]
async fn check_describes_a_good_configuration_and_the_environment_wins() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bridge.toml");
    let target = "[[target]]\nname = \"Home Assistant\"\nurl = \"ws://127.0.0.1:8123/ws\"\n\
                  token = \"s3cret\"\n";
    std::fs::write(&file, format!("{DTU}{target}[http]\nlisten = \"127.0.0.1:1\"\n")).unwrap();
    let mut check = command(&["check", "--config", file.to_str().unwrap()]);
    check.env("HOYMILES__HTTP__LISTEN", "127.0.0.1:9000");
    let output = within_guard("end of check", check.output()).await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("127.0.0.1:9000") && text.contains("Home Assistant"), "{text}");
    assert!(!text.contains("s3cret"), "{text}");
}

#[tokio::test]
async fn the_variable_tz_counts_without_timezone_and_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bridge.toml");
    std::fs::write(&file, DTU).unwrap();
    for (zone, expected) in [
        ("Europe/Berlin", "timezone: Europe/Berlin, from the variable TZ"),
        (":Europe/Berlin", "timezone: Europe/Berlin, from the variable TZ"),
        ("CET-1CEST", "warning: environment: TZ: \"CET-1CEST\" is not a known time zone, so a day"),
    ] {
        let mut check = command(&["check", "--config", file.to_str().unwrap()]);
        let output = within_guard("end of check", check.env("TZ", zone).output()).await.unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(0), "{text}");
        assert!(text.contains(expected), "{zone}: {text}");
        assert_eq!(text.contains("timezone = \"Europe/Berlin\""), zone != "CET-1CEST", "{text}");
    }
}

#[tokio::test]
async fn slips_of_syntax_are_named_with_what_to_write() {
    for (toml, line, expected) in [
        ("[[dtu]]\nhost = 192.168.1.5\n", 2, "write host = \"192.168.1.5\""),
        ("// my plant\n", 1, "begin comments with #"),
        ("[dtu]\nname = \"A\"\n[dtu]\nname = \"B\"\n", 3, "write [[dtu]], in double brackets"),
        ("dtu:\n  - host: 192.168.1.5\n", 1, "as YAML does"),
        ("[mqtt]\nhost = \"h\"\npassword = \"s3cret\\q\"\n", 3, "write the text in single quotes"),
        ("[[dtu]]\nhost = “192.168.1.5”\n", 2, "typographic quotes; write straight ones"),
        ("timezone = 2026-05-01\n", 1, "is a date without quotes"),
        ("[[dtu]]\nport = \"502\"\n", 2, "expected a number"),
        ("[[http]]\n", 1, "expected a section [http], in single brackets"),
    ] {
        check(toml, &[&format!("line {line}"), expected]).await;
    }
}

#[tokio::test]
async fn what_has_no_effect_causes_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bridge.toml");
    std::fs::write(&file, format!("{DTU}[mqtt]\nhost = \"127.0.0.1\"\nport = 8883\n")).unwrap();
    let mut check = command(&["check", "--config", file.to_str().unwrap()]);
    check.env("HOYMILES_HTTP__LISTEN", "127.0.0.1:1").env("HOYMILES_CONFG", "x");
    let output = within_guard("end of check", check.output()).await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    for expected in [
        "# warning: mqtt.port: 8883 is the port for TLS",
        "HOYMILES_HTTP__LISTEN: has no effect; did you mean HOYMILES__HTTP__LISTEN?",
        "HOYMILES_CONFG: has no effect; did you mean HOYMILES_CONFIG?",
    ] {
        assert!(text.contains(expected), "no {expected} in {text}");
    }
}
