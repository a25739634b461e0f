//! Healthy and broken DTUs.

use super::{ALONE, doctor};
use crate::support::bridge::Home;
use crate::support::plant::Plant;

fn dtu(protocol: &str, port: u16) -> String {
    format!(
        "[[dtu]]\nname = \"DTU\"\nprotocol = \"{protocol}\"\nhost = \"127.0.0.1\"\nport = {port}\n\
         timeout = \"1s\"\nretries = 0\nrequest_gap = \"1ms\"\n"
    )
}

#[tokio::test]
async fn tests_a_healthy_dtu_step_by_step() {
    let plant = Plant::start(&["--inverters", "3", "--ports-per-inverter", "2"]).await;
    let home = Home::new(&dtu("modbus", plant.address.port()));
    let found = doctor(&home, ALONE, &[]).await;
    let expected =
        ["name+", "tcp+", "protocol+", "serial+", "inverters+", "reach+", "age?", "clock?"];
    assert_eq!(found.marks("DTU"), expected, "{:#?}", found.subjects);
    assert!(found.text("DTU", "protocol").contains("Modbus OK"));
    assert!(found.text("DTU", "inverters").contains("3 inverters with 6 ports"));
    assert_eq!(found.code, 0, "{:#?}", found.subjects);
    plant.stop().await;
}

#[tokio::test]
async fn protobuf_has_encryption_age_and_clock() {
    for (options, encryption, clock) in [
        (&["--encrypted"][..], "on", "differ by 0 s"),
        (&["--fault", "clock-at-zero"][..], "off", "behind ours"),
    ] {
        let plant = Plant::start_protobuf(&[&["--inverters", "2"], options].concat()).await;
        let home = Home::new(&dtu("protobuf", plant.address.port()));
        let found = doctor(&home, ALONE, &[]).await;
        let expected = [
            "name+",
            "tcp+",
            "protocol+",
            "serial+",
            "inverters+",
            "reach+",
            "encryption+",
            "age+",
        ];
        assert_eq!(found.marks("DTU")[..8], expected, "{:#?}", found.subjects);
        assert!(found.text("DTU", "encryption").starts_with(encryption), "{options:?}");
        assert!(found.text("DTU", "clock").contains(clock), "{}", found.text("DTU", "clock"));
        assert_eq!(found.code, 0);
        plant.stop().await;
    }
}

#[tokio::test]
async fn each_fault_of_a_dtu_fails_its_step_with_cause_and_remedy() {
    for (fault, marks, text) in [
        (
            "silence",
            &["name+", "tcp+", "protocol-"][..],
            "did not answer within 1s | stop other programs",
        ),
        ("close", &["name+", "tcp+", "protocol-"], "closed the connection"),
        ("garbage", &["name+", "tcp+", "protocol-"], "are those of a DTU-Pro"),
        ("exception=2", &["name+", "tcp+", "protocol-"], "check `unit_id`"),
        ("not-mapped", &["name+", "tcp+", "protocol+", "inverters-"], "several minutes"),
    ] {
        let plant = Plant::start(&["--inverters", "2", "--fault", fault]).await;
        let home = Home::new(&dtu("modbus", plant.address.port()));
        let found = doctor(&home, ALONE, &[]).await;
        assert_eq!(found.marks("DTU"), marks, "{fault}: {:#?}", found.subject("DTU"));
        let failed = marks.last().unwrap().trim_end_matches('-');
        assert!(found.text("DTU", failed).contains(text), "{fault}: {}", found.text("DTU", failed));
        assert_eq!(found.code, 1, "{fault}");
        plant.stop().await;
    }
}

#[tokio::test]
async fn a_dtu_that_cannot_be_reached_fails_before_its_protocol() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = gone.local_addr().unwrap().port();
    drop(gone);
    let home = Home::new(&dtu("modbus", port));
    let found = doctor(&home, ALONE, &[]).await;
    assert_eq!(found.marks("DTU"), ["name+", "tcp-"]);
    assert!(found.text("DTU", "tcp").contains("Remote Control"), "{}", found.text("DTU", "tcp"));

    home.configure(&dtu("modbus", port).replace("127.0.0.1", "no-such-dtu.invalid"));
    let found = doctor(&home, ALONE, &[]).await;
    assert_eq!(found.marks("DTU"), ["name-"]);
    assert!(found.text("DTU", "name").contains("IP address"), "{}", found.text("DTU", "name"));
    assert_eq!(found.code, 1);
}
