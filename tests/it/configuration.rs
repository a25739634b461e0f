//! A bad configuration ends the start with exit status 2 and one message that names the place.

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
async fn an_unknown_key() {
    check("tmezone = \"UTC\"", &["tmezone", "timezone"]).await;
    check(
        "[[dtu]]\nname = \"DTU\"\nprotocol = \"modbus\"\nhost = \"127.0.0.1\"\nprot = 502\n",
        &["dtu[0]", "prot"],
    )
    .await;
}

#[tokio::test]
async fn a_duration_of_the_wrong_form() {
    check("[poll]\ninterval = \"60\"\n", &["poll.interval", "10s"]).await;
    check("[poll]\ninterval = \"4s\"\n", &["poll.interval", "5"]).await;
}

#[tokio::test]
async fn two_dtus_of_one_name() {
    check(
        "[[dtu]]\nname = \"A\"\nprotocol = \"modbus\"\nhost = \"127.0.0.1\"\n\
         [[dtu]]\nname = \"A\"\nprotocol = \"modbus\"\nhost = \"127.0.0.2\"\n",
        &["dtu[1].name", "A"],
    )
    .await;
}

#[tokio::test]
async fn a_port_out_of_range() {
    check(
        "[[dtu]]\nname = \"A\"\nprotocol = \"modbus\"\nhost = \"127.0.0.1\"\nport = 70000\n",
        &["dtu[0].port", "65535"],
    )
    .await;
}

#[tokio::test]
async fn a_target_that_could_not_be_registered_either() {
    let target = |name: &str, url: &str| {
        format!("{DTU}[[target]]\nname = \"{name}\"\nurl = \"{url}?token=s3cret\"\n")
    };
    check(&target("HA", "ws://@ha/"), &["target[0].url", "user name"]).await;
    check(&target("HA", "ws:///ha/"), &["target[0].url", "no host"]).await;
    check(&target("HA", "ws://[fe80::1]/"), &["target[0].url", "link-local"]).await;
    check(&target("H\u{200d}A", "ws://ha/"), &["target[0].name", "U+200D"]).await;
}

#[tokio::test]
async fn a_file_that_is_missing() {
    let (code, _, message) = output(&["check", "--config", "/nowhere/bridge.toml"], None).await;
    assert_eq!(code, 2);
    assert!(message.contains("/nowhere/bridge.toml"), "{message}");
    let empty = tempfile::tempdir().unwrap();
    let (code, _, message) = output(&["check"], Some(empty.path())).await;
    assert_eq!(code, 2);
    assert!(message.contains("config/hoymiles-bridge.toml"), "{message}");
}

#[tokio::test]
async fn a_key_of_the_environment_that_does_not_exist() {
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
async fn a_variable_that_is_not_text() {
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
async fn a_file_that_has_no_end() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe.toml");
    let made = tokio::process::Command::new("mkfifo").arg(&pipe).status().await.unwrap();
    assert!(made.success());
    for file in [pipe.to_str().unwrap(), "/dev/zero"] {
        let (code, _, message) = output(&["check", "--config", file], None).await;
        assert_eq!(code, 2, "{message}");
        assert!(message.contains(file) && message.contains("no regular file"), "{message}");
    }
}

#[tokio::test]
async fn a_good_one_is_described_and_the_environment_goes_before_the_file() {
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
