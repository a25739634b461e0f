//! The commands beside `run`, as a user starts them.

use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::bridge::{Bridge, Home, command, output};
use crate::support::plant::Plant;
use crate::support::within_guard;

#[tokio::test]
async fn demo_needs_no_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let mut demo = command(&["demo"]);
    demo.current_dir(folder.path()).env("HOYMILES__HTTP__LISTEN", "127.0.0.1:0");
    let bridge = Bridge::start(demo).await;
    let inverters =
        bridge.inverters_when(|inverters| !inverters.as_array().unwrap().is_empty()).await;
    assert!(inverters[0]["pv_power"].as_f64().unwrap() > 0.0, "{inverters}");
    assert_eq!(inverters[0]["dtu_name"], "DTU");
    let (status, _) = bridge.stop().await;
    assert_eq!(status.code(), Some(0));
    let left = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 0, "the demo leaves no files");
}

#[tokio::test]
async fn read_prints_a_table_or_json_and_names_the_dtu_that_failed() {
    let plant = Plant::start(&["--inverters", "3", "--ports-per-inverter", "2"]).await;
    let port = plant.address.port().to_string();
    let at_plant = ["read", "--host", "127.0.0.1", "--protocol", "modbus", "--port", &port];
    let (code, table, _) = output(&at_plant, None).await;
    assert_eq!(code, 0, "{table}");
    assert!(table.contains("6 ports of 3 inverters"), "{table}");
    let (code, json, _) = output(&[&at_plant[..], &["--json"]].concat(), None).await;
    assert_eq!(code, 0);
    let values: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(values["meters"], json!([]));
    let mut sum = 0;
    for inverter in values["inverters"].as_array().unwrap() {
        sum += inverter["total_production"].as_u64().unwrap();
        let serial = inverter["serial_number"].as_str().unwrap();
        assert!(table.contains(serial), "{serial} in {table}");
        let total = inverter["ports"][0]["total_production"].as_u64().unwrap();
        let total = format!("{}.{:03}", total / 1000, total % 1000);
        assert!(table.contains(&total), "{total} kWh in {table}");
    }
    assert_eq!(values["plant"]["total_production"], sum);
    plant.stop().await;

    let home = Home::new(&format!(
        "[[dtu]]\nname = \"Gone\"\nprotocol = \"modbus\"\nhost = \"127.0.0.1\"\nport = {port}\nretries = 0\n"
    ));
    let (code, _, message) =
        output(&["read", "--config", home.config().to_str().unwrap()], None).await;
    assert_eq!(code, 1);
    assert!(message.contains("Gone: ") && message.contains("refused"), "{message}");
}

#[tokio::test]
async fn read_of_an_empty_list_has_a_remedy() {
    let plant = Plant::start(&["--fault", "empty-list"]).await;
    let port = plant.address.port().to_string();
    let (code, table, message) =
        output(&["read", "--host", "127.0.0.1", "--protocol", "modbus", "--port", &port], None)
            .await;
    assert_eq!(code, 0, "it did answer: {message}");
    assert!(message.starts_with("warning: "), "{message}");
    assert!(table.contains("nothing was read"), "{table}");
    assert!(message.contains("lists no inverter; ") && message.contains("S-Miles"), "{message}");
    plant.stop().await;
}

#[tokio::test]
async fn read_asks_the_running_bridge_unless_told_otherwise() {
    // A second client is refused, and the first notices.
    let plant = Plant::start(&["--inverters", "2", "--fault", "refuse-second-client"]).await;
    let home = Home::new(&plant.dtu("DTU"));
    let bridge = home.run().await;
    bridge.inverters_when(|all| all.as_array().unwrap().len() == 2).await;
    let config = home.config();
    let config = config.to_str().unwrap();
    let (code, json, message) = output(&["read", "--json", "--config", config], None).await;
    assert_eq!(code, 0, "{message}");
    let address = bridge.api.trim_start_matches("http://");
    let note = format!("note: these are the values of the running bridge at {address}; --direct");
    assert!(message.starts_with(&note), "{message}");
    let read: Value = serde_json::from_str(&json).unwrap();
    let serials = |list: &Value| {
        let list = list.as_array().unwrap().iter();
        list.map(|one| one["serial_number"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(serials(&read["inverters"]), serials(&bridge.get("/api/inverters").await.1));
    assert!(read["plant"]["total_production"].is_u64(), "{read}");
    let (code, table, _) = output(&["read", "--config", config], None).await;
    assert_eq!(code, 0, "{table}");
    assert!(table.contains("8 ports of 2 inverters, read "), "{table}");

    let (code, _, message) = output(&["read", "--direct", "--config", config], None).await;
    assert_eq!(code, 1, "the DTU has one client already: {message}");
    assert!(!message.contains("running bridge"), "{message}");
    let port = plant.address.port().to_string();
    let host = ["read", "--config", config, "--host", "127.0.0.1", "--port", &port];
    let (code, _, message) = output(&host, None).await;
    assert_eq!(code, 1, "{message}");
    let note = format!("note: the running bridge at {address} polls 127.0.0.1 too");
    assert!(message.contains(&note), "{message}");

    plant.stop().await;
    bridge.logged("DTU: poll failed").await;
    let (code, table, message) = output(&["read", "--config", config], None).await;
    assert_eq!(code, 1, "{message}");
    assert!(message.contains("error: DTU: connection refused"), "{message}");
    assert!(table.contains("8 ports of 2 inverters"), "the last values: {table}");
    bridge.stop().await;
}

#[tokio::test]
async fn read_fits_narrow_terminals() {
    let plant = Plant::start_protobuf(&["--inverters", "2", "--meter", "--encrypted"]).await;
    let port = plant.address.port().to_string();
    for width in [1, 20, 40, 60, 100] {
        let mut read = command(&["read", "--host", "127.0.0.1", "--protocol", "protobuf"]);
        read.args(["--port", &port]).env("COLUMNS", width.to_string());
        let output = within_guard("end of read", read.output()).await.unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        let longest = text.lines().map(|line| line.chars().count()).max().unwrap();
        assert!(longest <= width, "{longest} of {width}:\n{text}");
        // The serial number and the power stay as long as there is room for them.
        assert_eq!(text.contains("  Inverter"), width >= 20, "{text}");
        assert_eq!(text.contains(" PV W "), width >= 40, "{text}");
    }
    plant.stop().await;
}

#[tokio::test]
async fn output_that_cannot_be_written_is_an_error() {
    let home = Home::new("[[dtu]]\nname = \"DTU\"\nprotocol = \"simulated\"\n");
    let config = home.config();
    let config = config.to_str().unwrap();
    for arguments in [
        &["check", "--config", config][..],
        &["read", "--config", config],
        &["read", "--json", "--config", config],
        &["doctor", "--config", config],
        &["doctor", "--json", "--config", config],
        &["--help"],
        &["--version"],
    ] {
        let mut full = command(arguments);
        full.stdout(std::fs::File::options().write(true).open("/dev/full").unwrap());
        let running = full.stderr(Stdio::piped()).spawn().unwrap().wait_with_output();
        let output = within_guard("end of the command", running).await.unwrap();
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {message}");
        assert!(message.contains("error: cannot write to standard output: "), "{message}");

        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut unread = command(arguments);
        let running = unread.stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
        let running = running.wait_with_output();
        let output = within_guard("end of the command", running).await.unwrap();
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "", "{arguments:?}");
    }
}

#[tokio::test]
async fn mistyped_commands_and_options_get_a_suggestion() {
    for (arguments, expected) in [
        (&["docter"][..], "'doctor'"),
        (&["check", "--loglevel", "info"], "'--log-level'"),
        (&["read", "--protocl", "modbus"], "'--protocol'"),
    ] {
        let (code, _, message) = output(arguments, None).await;
        assert_eq!(code, 2, "{message}");
        assert!(message.contains("similar") && message.contains(expected), "{message}");
    }
}

#[tokio::test]
async fn a_port_in_use_is_named_with_a_remedy() {
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap().to_string();
    for option in ["--modbus", "--protobuf"] {
        let (code, _, message) = output(&["simulate", option, &address], None).await;
        assert_eq!(code, 1, "{message}");
        assert!(message.contains(&format!("cannot listen on {address} ({option})")), "{message}");
        assert!(message.contains("; stop the other program"), "{message}");
    }
}

#[tokio::test]
async fn invisible_characters_are_printed_escaped() {
    let home = Home::new("[[dtu]]\nname = \"DTU\"\nprotocol = \"simulated\"\n");
    let turned = home.folder.path().join("a\u{202e}b.toml");
    std::fs::copy(home.config(), &turned).unwrap();
    let turned = turned.to_str().unwrap();
    let missing = "/nowhere/\u{202e}.toml";
    let json = ["doctor", "--json", "--config", missing];
    for (arguments, expected) in [
        (&["check", "--config", turned][..], "a\\u{202e}b.toml"),
        (&["check", "--config", missing], "/nowhere/\\u{202e}.toml"),
        (&json, "/nowhere/\\u202e.toml"),
    ] {
        let (_, text, message) = output(arguments, None).await;
        let all = text + &message;
        assert!(all.contains(expected) && !all.contains('\u{202e}'), "{arguments:?}: {all:?}");
    }
}

#[tokio::test]
async fn healthcheck_follows_the_running_daemon() {
    let folder = tempfile::tempdir().unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap().to_string();
    drop(free);
    let config = folder.path().join("bridge.toml");
    let text = format!(
        "state_dir = {:?}\n[[dtu]]\nname = \"DTU\"\nprotocol = \"simulated\"\n[http]\nlisten = \"{address}\"\n",
        folder.path().join("data")
    );
    std::fs::write(&config, text).unwrap();
    let config = config.to_str().unwrap();
    let (code, _, message) = output(&["healthcheck", "--config", config], None).await;
    assert_eq!(code, 1, "the daemon is not running yet");
    assert_eq!(
        message,
        format!(
            "error: no bridge answers at {address}; start the bridge, or correct `http.listen`\n"
        )
    );

    let mut run = command(&["run", "--config", config]);
    run.stdout(Stdio::piped());
    let bridge = Bridge::start(run).await;
    bridge.inverters_when(|inverters| !inverters.as_array().unwrap().is_empty()).await;
    let (code, _, message) = output(&["healthcheck", "--config", config], None).await;
    assert_eq!(code, 0, "{message}");
    bridge.stop().await;
}

#[tokio::test]
async fn healthcheck_finds_the_running_daemon_after_its_file_changed() {
    let home = Home::new("[[dtu]]\nname = \"DTU\"\nprotocol = \"simulated\"\n");
    let bridge = home.run().await;
    bridge.inverters_when(|inverters| !inverters.as_array().unwrap().is_empty()).await;
    let file = home.config();
    let arguments = ["healthcheck", "--config", file.to_str().unwrap()];
    let good = std::fs::read_to_string(&file).unwrap();
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let elsewhere = unused.local_addr().unwrap().to_string();
    drop(unused);
    let changed = [
        good.clone(),
        format!("{good}this is [ no TOML\n"),
        good.replace("simulated", "modbus"),
        good.replace("127.0.0.1:0", &elsewhere),
    ];
    for text in &changed {
        std::fs::write(&file, text).unwrap();
        let mut healthcheck = command(&arguments);
        if text.contains("no TOML") {
            // The state directory of a file that is not TOML is unknown; in the container it is the
            // default.
            healthcheck.env("HOYMILES__STATE_DIR", home.folder.path().join("data"));
        }
        let output = healthcheck.output().await.unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?} with\n{text}");
    }
    // Without the daemon's own file, the environment is enough.
    let left = home.folder.path().join("data/hoymiles-bridge.listen");
    std::fs::remove_file(&left).unwrap();
    std::fs::write(&file, &changed[1]).unwrap();
    let mut check = command(&arguments);
    check.env("HOYMILES__HTTP__LISTEN", bridge.api.trim_start_matches("http://"));
    assert_eq!(check.output().await.unwrap().status.code(), Some(0));
    std::fs::write(&file, &good).unwrap();
    bridge.stop().await;

    let bridge = home.run().await;
    assert!(left.exists());
    bridge.stop().await;
    assert!(!left.exists(), "a clean shutdown removes the file");
    for (text, expected) in [(&changed[3], &elsewhere[..]), (&changed[1], "is not TOML")] {
        std::fs::write(&file, text).unwrap();
        let (code, _, message) = output(&arguments, None).await;
        assert_eq!(code, 1, "{message}");
        assert!(message.contains(expected), "{message}");
    }
}
