//! The bridge itself: configuration, port, state and time.

use super::{ALONE, doctor};
use crate::support::bridge::{Bridge, Home, command, output};
use crate::support::within_guard;

const SIMULATED: &str = "[[dtu]]\nname = \"DTU\"\nprotocol = \"simulated\"\n";

#[tokio::test]
async fn exits_with_0_if_all_is_well() {
    let home = Home::new(SIMULATED);
    let found = doctor(&home, ALONE, &[]).await;
    let marks = found.marks("bridge");
    let expected = ["configuration+", "port+", "state_dir+", "time_zone+", "clock+"];
    assert_eq!(marks[..5], expected, "{:#?}", found.subjects);
    assert_eq!(marks[5..], ["targets?"], "a missing target is not a problem");
    assert_eq!(found.code, 0, "{:#?}", found.subjects);
    assert!(!home.folder.path().join("data").exists(), "it changes nothing");

    let config = home.config();
    let arguments = ["doctor", "--config", config.to_str().unwrap()];
    let (code, text, _) = output(&arguments, None).await;
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("dtu \"DTU\"\n  ✓ name") && text.ends_with("All is well.\n"), "{text}");
}

#[tokio::test]
async fn exits_with_2_on_a_bad_configuration_with_json_too() {
    let home = Home::new("[[dtu]]\nname = \"DTU\"\nprotocol = \"smoke\"\n");
    let found = doctor(&home, ALONE, &[]).await;
    assert_eq!((found.code, found.marks("bridge")), (2, vec!["configuration-".to_owned()]));
    assert!(found.text("bridge", "configuration").contains("dtu[0].protocol"));
}

#[tokio::test]
async fn needs_a_configuration_or_a_running_demo() {
    let folder = tempfile::tempdir().unwrap();
    let mut doctor = command(&["doctor"]);
    doctor.current_dir(folder.path()).env("HOYMILES__HTTP__LISTEN", ALONE);
    let output = within_guard("end of doctor", doctor.output()).await.unwrap();
    assert_eq!(output.status.code(), Some(2));
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.contains("no configuration file at "), "{message}");
}

#[tokio::test]
async fn tests_a_running_demo_without_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let mut demo = command(&["demo"]);
    demo.current_dir(folder.path()).env("HOYMILES__HTTP__LISTEN", ALONE);
    let bridge = Bridge::start(demo).await;
    bridge.inverters_when(|inverters| !inverters.as_array().unwrap().is_empty()).await;
    let listen = bridge.api.trim_start_matches("http://").to_owned();
    let mut doctor = command(&["doctor"]);
    doctor.current_dir(folder.path()).env("HOYMILES__HTTP__LISTEN", listen);
    let output = within_guard("end of doctor", doctor.output()).await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("· state_dir") && text.contains("37 ports"), "{text}");
    bridge.stop().await;
}

#[tokio::test]
async fn reports_a_port_that_another_program_uses() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let home = Home::new(SIMULATED);
    let found = doctor(&home, &silent.local_addr().unwrap().to_string(), &[]).await;
    assert!(found.marks("bridge").contains(&"port-".to_owned()), "{:#?}", found.subjects);
    assert!(found.text("bridge", "port").contains("does not answer"));

    let printer =
        super::targets::Stub::start(b"HTTP/1.1 200 OK\r\nserver: printer\r\n\r\nhello").await;
    let found = doctor(&home, &printer.address.to_string(), &[]).await;
    assert!(found.text("bridge", "port").contains("printer"), "{}", found.text("bridge", "port"));
    assert_eq!(found.code, 1);

    // To listen on all addresses, each of them must be free.
    for (taken, listen) in
        [("127.0.0.1", "[::]"), ("127.0.0.1", "0.0.0.0"), ("127.0.0.2", "0.0.0.0")]
    {
        let silent = std::net::TcpListener::bind((taken, 0)).unwrap();
        let port = silent.local_addr().unwrap().port();
        let found = doctor(&home, &format!("{listen}:{port}"), &[]).await;
        assert!(found.marks("bridge").contains(&"port-".to_owned()), "{:#?}", found.subjects);
        let text = found.text("bridge", "port");
        assert!(text.contains(&format!("{listen}:{port}")), "{text}");
    }
}

#[tokio::test]
async fn reports_a_state_dir_that_cannot_be_written() {
    let home = Home::new(SIMULATED);
    // A file of that name stops even root; permissions do not.
    std::fs::write(home.folder.path().join("data"), "").unwrap();
    let found = doctor(&home, ALONE, &[]).await;
    assert!(found.marks("bridge").contains(&"state_dir-".to_owned()), "{:#?}", found.subjects);
    assert_eq!(found.code, 1);
}
