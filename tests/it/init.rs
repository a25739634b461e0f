//! `init`: what it writes, and when it writes nothing.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;

use hoymiles_bridge::config::load::load;
use secrecy::ExposeSecret as _;
use tokio::io::AsyncWriteExt as _;

use crate::discover::home_network;
use crate::support::bridge::{Bridge, command, output};
use crate::support::broker::{Broker, is_missing};
use crate::support::namespace::is_inside;
use crate::support::plant::Plant;
use crate::support::within_guard;

/// Runs `init` with these answers: exit code and everything that it printed.
async fn init(options: &[&str], file: &Path, answers: &str) -> (i32, String) {
    let arguments = [&["init", "--config", file.to_str().unwrap()], options].concat();
    let mut command = command(&arguments);
    command.env("TZ", "Europe/Vienna").stdin(Stdio::piped());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // It may end before it has read all answers.
    drop(stdin.write_all(answers.as_bytes()).await);
    drop(stdin);
    let output = within_guard("end of init", child.wait_with_output()).await.unwrap();
    let printed = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    (output.status.code().unwrap(), printed)
}

#[tokio::test]
async fn init_without_questions_writes_a_configuration_that_runs() {
    if !is_inside("init::init_without_questions_writes_a_configuration_that_runs").await {
        return;
    }
    home_network().await;
    let modbus = Plant::start_at("10.20.0.20:502", &["--inverters", "3"]).await;
    let protobuf = ["--inverters", "2", "--seed", "2"];
    let protobuf = Plant::start_protobuf_at("10.20.0.21:10081", &protobuf).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("new/folder/bridge.toml");
    let (code, printed) = init(&["--yes", "--network", "10.20.0.16/29"], &file, "").await;
    assert_eq!(code, 0, "{printed}");
    for expected in
        ["12 ports of 3 inverters", "8 ports of 2 inverters", "1. Start the bridge: ", "2. Home"]
    {
        assert!(printed.contains(expected), "{expected}: {printed}");
    }
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(&file).unwrap();
    let loaded = load(Some(&file), []).unwrap();
    let dtus: Vec<_> = loaded.config.dtus.iter().map(|dtu| (&*dtu.name, &*dtu.host)).collect();
    assert_eq!(dtus, [("DTU", "10.20.0.20"), ("DTU 2", "10.20.0.21")], "{text}");
    assert_eq!((&*loaded.config.timezone, loaded.warnings), ("Europe/Vienna", Vec::new()));
    let path = file.to_str().unwrap();
    let (code, ..) = output(&["check", "--config", path], None).await;
    assert_eq!(code, 0);

    let mut run = command(&["run", "--config", path]);
    run.current_dir(folder.path()).env("HOYMILES__HTTP__LISTEN", "127.0.0.1:0");
    let bridge = Bridge::start(run).await;
    bridge.inverters_when(|inverters| inverters.as_array().unwrap().len() >= 3).await;
    bridge.stop().await;

    let (code, printed) = init(&["--yes"], &file, "").await;
    assert_eq!(code, 1);
    assert!(printed.contains("exists already, and init never overwrites"), "{printed}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
    modbus.stop().await;
    protobuf.stop().await;
}

#[tokio::test]
async fn init_asks_again_after_a_wrong_answer() {
    if !is_inside("init::init_asks_again_after_a_wrong_answer").await {
        return;
    }
    home_network().await;
    let plant = Plant::start_at("10.20.0.20:502", &["--inverters", "3"]).await;
    let broker = if is_missing() { None } else { Some(Broker::start().await) };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bridge.toml");
    // Nobody listens at the first broker; the second one accepts every login.
    let second = broker.as_ref().map_or_else(
        || "y".to_owned(),
        |broker| format!("n\n127.0.0.1\n{}\nit's me\npa\"ss\\word ", broker.port),
    );
    let answers = format!(
        "maybe\ny\nEurope/Viena\n\nmqtt://10.20.0.9\n127.0.0.1\n70000\n1\nit's me\n\npa\"ss\\word \n{second}\n"
    );
    let network = ["--network", "10.20.0.20/31"];
    let (code, printed) = init(&network, &file, &answers).await;
    assert_eq!(code, 0, "{printed}");
    for expected in [
        "Use the DTU at 10.20.0.20? [Y/n] ",
        "answer y or n\n",
        "Time zone [Europe/Vienna]: ",
        "did you mean \"Europe/Vienna\"?",
        "is a URL",
        "70000 is out of range",
        "an answer is needed\n",
        "The test of the broker failed: connection refused by 127.0.0.1:1; ",
    ] {
        assert!(printed.contains(expected), "{expected:?}: {printed}");
    }
    assert!(!printed.contains("pa\"ss"), "{printed}");
    let loaded = load(Some(&file), []).unwrap();
    let mqtt = loaded.config.mqtt.unwrap();
    assert_eq!((mqtt.username.as_deref(), mqtt.host.as_str()), (Some("it's me"), "127.0.0.1"));
    assert_eq!(mqtt.password.unwrap().expose_secret(), "pa\"ss\\word ");
    assert_eq!(loaded.config.timezone, "Europe/Vienna");
    if let Some(broker) = &broker {
        assert_eq!(mqtt.port, Some(broker.port));
        assert!(printed.contains("accepts the bridge."), "{printed}");
    }
    plant.stop().await;
}

#[tokio::test]
async fn init_asks_for_the_host_of_a_dtu_that_is_off() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bridge.toml");
    let network = ["--network", "127.7.0.0/31"];
    let answers = "192.168.1.256\n127.7.0.9\nn\n127.7.0.9\ny\ntelnet\n\nUTC\n\n";
    let (code, printed) = init(&network, &file, answers).await;
    assert_eq!(code, 0, "{printed}");
    for expected in [
        "no DTU found in 127.7.0.0/31",
        "- port 502 (modbus): connection refused by 127.7.0.9:502\n",
        "- port 10081 (protobuf): connection refused by 127.7.0.9:10081\n",
        "expected modbus or protobuf",
    ] {
        assert!(printed.contains(expected), "{expected:?}: {printed}");
    }
    let config = load(Some(&file), []).unwrap().config;
    assert_eq!((&*config.timezone, config.mqtt.is_none()), ("UTC", true));
    let dtu = config.dtus.first().unwrap();
    assert_eq!((&*dtu.host, &*dtu.protocol.to_string()), ("127.7.0.9", "protobuf"));
}

#[tokio::test]
async fn init_that_cannot_finish_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("new/bridge.toml");
    let network = ["--network", "127.7.0.0/31"];
    let existing = folder.path().join("existing.toml");
    std::fs::write(&existing, "mine").unwrap();
    let in_file = existing.join("bridge.toml");
    for (options, file, answers, expected) in [
        (&["--yes", "--network", "127.7.0.0/31"][..], &file, "", "no DTU found"),
        (&["--yes", "--host", "127.7.0.9"], &file, "", "there is no DTU at 127.7.0.9"),
        (&network, &file, "", "the input has ended"),
        (&network, &file, "127.7.0.9\ny\nmodbus\nUTC\n", "the input has ended"),
        (&network, &existing, "", "exists already"),
        (&network, &in_file, "", "existing.toml is not a folder"),
        (&network, &folder.path().join("options.json"), "", "expected one like .toml"),
    ] {
        let (code, printed) = init(options, file, answers).await;
        assert_eq!(code, 1, "{printed}");
        assert!(printed.contains("error: no configuration was written: "), "{printed}");
        assert!(printed.contains(expected), "{expected}: {printed}");
    }
    let left = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!((left, std::fs::read_to_string(&existing).unwrap()), (1, "mine".to_owned()));
}
