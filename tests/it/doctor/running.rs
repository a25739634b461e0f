//! `doctor` next to a running bridge: shows its reports and leaves its connections alone.

use serde_json::json;

use super::{ALONE, doctor, doctor_in};
use crate::support::bridge::{Bridge, Home, command};
use crate::support::plant::Plant;
use crate::support::target::Target;
use crate::support::within_guard;

fn listen(bridge: &Bridge) -> String {
    bridge.api.trim_start_matches("http://").to_owned()
}

#[tokio::test]
async fn leaves_the_connections_of_the_running_bridge_alone() {
    // A second client would be refused, and the first would notice.
    let plant = Plant::start(&["--inverters", "2", "--fault", "refuse-second-client"]).await;
    let target = Target::start("secret").await;
    let home = Home::new(&format!(
        "{}[[target]]\nname = \"HA\"\nurl = \"{}\"\n",
        plant.dtu("DTU"),
        target.url("secret")
    ));
    let bridge = home.run().await;
    bridge.logged("✓ Successfully sent update to HA").await;
    let found = doctor(&home, &listen(&bridge), &[]).await;
    assert_eq!(found.code, 0, "{:#?}", found.subjects);
    let expected = ["bridge+", "protocol+", "serial+", "inverters+", "age+"];
    assert_eq!(found.marks("DTU"), expected, "{:#?}", found.subject("DTU"));
    assert!(found.text("DTU", "inverters").contains("2 inverters with 8 ports"));
    assert_eq!(found.marks("HA"), ["bridge+", "name+", "tcp+", "upgrade?"]);
    let skipped = "skipped: the running bridge is already connected (use --force)";
    assert!(found.text("DTU", "bridge").contains(skipped), "{:#?}", found.subject("DTU"));
    assert!(found.text("HA", "upgrade").contains(skipped), "{:#?}", found.subject("HA"));
    assert!(found.text("bridge", "configuration").contains("1 configured target"));
    assert!(found.marks("bridge").contains(&"running+".to_owned()));
    assert!(found.text("bridge", "port").contains("the running bridge listens on"));

    let forced = doctor(&home, &listen(&bridge), &["--force"]).await;
    assert!(forced.marks("DTU").contains(&"protocol-".to_owned()), "{:#?}", forced.subject("DTU"));
    assert!(forced.marks("HA").contains(&"token+".to_owned()), "{:#?}", forced.subject("HA"));
    let (_, health) = bridge.get("/health").await;
    assert_eq!(health["dtus"]["DTU"]["error_count"], 0, "the bridge noticed nothing");
    bridge.stop().await;
    target.stop().await;
    plant.stop().await;
}

#[tokio::test]
async fn repeats_what_the_bridge_reports_and_then_tests_it() {
    let plant = Plant::start(&["--inverters", "2", "--fault", "silence"]).await;
    let target = Target::start("new").await;
    let home = Home::new(&format!(
        "{}retries = 0\n[[target]]\nname = \"HA\"\nurl = \"{}\"\n",
        plant.dtu("DTU").replace("retries = 1\n", ""),
        target.url("old")
    ));
    let bridge = home.run().await;
    bridge.logged("DTU: poll failed").await;
    bridge.logged("[WebSocket] Connection failed for HA").await;
    let found = doctor(&home, &listen(&bridge), &[]).await;
    assert_eq!(found.marks("DTU"), ["bridge-", "name+", "tcp+", "protocol-"]);
    assert!(found.text("DTU", "bridge").contains(" in a row"));
    assert_eq!(found.marks("HA")[0], "bridge-");
    assert!(found.text("HA", "bridge").contains("Invalid authentication token"));
    assert_eq!(found.marks("HA").last().unwrap(), "token-");
    assert!(found.marks("bridge").contains(&"running-".to_owned()));
    assert_eq!(found.code, 1);

    // A DTU that was added to the file after the start.
    home.configure(&format!("{}{}", plant.dtu("DTU"), plant.dtu("Second")));
    let found = doctor(&home, &listen(&bridge), &[]).await;
    assert!(found.text("Second", "bridge").contains("another configuration"));
    bridge.stop().await;
    target.stop().await;
    plant.stop().await;
}

#[tokio::test]
async fn tests_a_registered_target_with_its_token_once_the_bridge_has_stopped() {
    let plant = Plant::start(&["--inverters", "1"]).await;
    let target = Target::start("secret").await;
    let home = Home::new(&plant.dtu("DTU"));
    let bridge = home.run().await;
    let body = json!({"websocket_url": target.url("secret"), "name": "Home Assistant"});
    assert_eq!(bridge.post("/api/websocket/register", &body).await.0, 200);
    bridge.logged("✓ Successfully sent update to Home Assistant").await;
    let found = doctor(&home, &listen(&bridge), &[]).await;
    let expected = ["bridge+", "name+", "tcp+", "upgrade?"];
    assert_eq!(found.marks("Home Assistant"), expected, "{:#?}", found.subjects);
    assert_eq!(
        target.received("one", |_| true).await.paths.len(),
        1,
        "there was no second connection"
    );

    // The configuration has another port, or port 0; state_dir has the right one.
    let listen = listen(&bridge);
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let elsewhere = unused.local_addr().unwrap().to_string();
    drop(unused);
    for (configured, hint) in [(ALONE, ""), (&elsewhere, "when the bridge is restarted")] {
        let found = doctor(&home, configured, &[]).await;
        let text = found.text("bridge", "port");
        assert!(
            text.contains(&format!("running bridge listens on {listen}")) && text.contains(hint),
            "{text}"
        );
        assert_eq!(found.marks("Home Assistant"), expected, "{:#?}", found.subjects);
    }

    // Without that file the bridge is not found; its database is locked, and left alone.
    std::fs::remove_file(home.folder.path().join("data/hoymiles-bridge.listen")).unwrap();
    let found = doctor(&home, ALONE, &[]).await;
    assert!(found.text("bridge", "targets").contains("in use by another process"));

    // Killed, it leaves its targets in the write-ahead log of its database.
    bridge.signal("KILL").await;
    bridge.ended().await;
    let whole = ["name+", "tcp+", "http+", "upgrade+", "message+", "token+"];
    for _ in 0..2 {
        let found = doctor(&home, ALONE, &[]).await;
        assert_eq!(found.marks("Home Assistant"), whole, "{:#?}", found.subjects);
    }

    let bridge = home.run().await;
    bridge.logged("✓ Connected to: Home Assistant").await;
    bridge.stop().await;
    let found = doctor(&home, ALONE, &[]).await;
    assert_eq!(found.marks("Home Assistant"), whole, "{:#?}", found.subjects);
    target.stop().await;
    plant.stop().await;
}

#[tokio::test]
async fn counts_a_refused_port_as_one_problem() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let home = Home::new(&format!(
        "[[dtu]]\nname = \"DTU\"\nprotocol = \"modbus\"\nhost = \"127.0.0.1\"\nport = {port}\n\
         retries = 0\n"
    ));
    let bridge = home.run().await;
    bridge.logged("DTU: poll failed").await;
    let config = home.config();
    let mut doctor = command(&["doctor", "--config", config.to_str().unwrap()]);
    doctor.env("HOYMILES__HTTP__LISTEN", listen(&bridge));
    let output = within_guard("end of doctor", doctor.output()).await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("✗ bridge") && text.contains("✗ tcp"), "{text}");
    assert!(text.ends_with("1 problem: dtu \"DTU\": tcp.\n"), "{text}");
    bridge.stop().await;
}

#[tokio::test]
async fn works_without_trust_roots() {
    let home = Home::new("[[dtu]]\nname = \"DTU\"\nprotocol = \"simulated\"\n");
    let bridge = home.run().await;
    bridge.inverters_when(|inverters| !inverters.as_array().unwrap().is_empty()).await;
    let listen = listen(&bridge);
    let without_roots = [("SSL_CERT_FILE", "/nonexistent"), ("HOYMILES__HTTP__LISTEN", &*listen)];
    let found = doctor_in(&without_roots, &home, &[]).await;
    assert!(found.marks("bridge").contains(&"running+".to_owned()), "{:#?}", found.subjects);
    assert_eq!(found.code, 0, "{:#?}", found.subjects);

    let config = home.config();
    let mut healthcheck = command(&["healthcheck", "--config", config.to_str().unwrap()]);
    healthcheck.env("SSL_CERT_FILE", "/nonexistent");
    let output = within_guard("end of healthcheck", healthcheck.output()).await.unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    bridge.stop().await;
}

#[tokio::test]
async fn reports_a_bridge_that_keeps_its_state_in_memory() {
    let home = Home::new("[[dtu]]\nname = \"DTU\"\nprotocol = \"simulated\"\n");
    let first = home.run().await;
    let second = home.run().await;
    let log = second.log();
    let waiting = log.iter().position(|line| line.contains("waiting 5s for that process to end"));
    let gave_up = log.iter().position(|line| line.contains("state is kept in memory only"));
    assert!(waiting.is_some() && waiting < gave_up, "{log:#?}");
    for bridge in [&first, &second] {
        bridge.inverters_when(|inverters| !inverters.as_array().unwrap().is_empty()).await;
    }
    let found = doctor(&home, &listen(&second), &[]).await;
    assert_eq!(found.step("bridge", "state_dir")["label"], "state_in_memory");
    assert_eq!(found.code, 1, "{:#?}", found.subjects);
    let found = doctor(&home, &listen(&first), &[]).await;
    assert!(found.marks("bridge").contains(&"state_dir+".to_owned()), "{:#?}", found.subjects);
    second.stop().await;
    first.stop().await;
}
