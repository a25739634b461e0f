//! Beside a running bridge: its words come first, and nothing is disturbed.

use serde_json::json;

use super::{ALONE, doctor};
use crate::support::bridge::{Bridge, Home};
use crate::support::plant::Plant;
use crate::support::target::Target;

fn listen(bridge: &Bridge) -> String {
    bridge.api.trim_start_matches("http://").to_owned()
}

#[tokio::test]
async fn a_dtu_that_answers_the_bridge_is_not_asked_and_a_target_not_connected_to_again() {
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
    assert!(found.said("DTU", "inverters").contains("2 inverters with 8 ports"));
    assert_eq!(found.marks("HA"), ["bridge+", "name+", "tcp+", "http?", "upgrade?"]);
    assert!(found.marks("bridge").contains(&"running+".to_owned()));
    assert!(found.said("bridge", "port").contains("the bridge that runs here"));

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
async fn what_fails_for_the_bridge_is_told_in_its_words_and_then_tried() {
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
    assert!(found.said("DTU", "bridge").contains("polls in a row"));
    assert_eq!(found.marks("HA")[0], "bridge-");
    assert!(found.said("HA", "bridge").contains("Invalid authentication token"));
    assert_eq!(found.marks("HA").last().unwrap(), "token-");
    assert!(found.marks("bridge").contains(&"running-".to_owned()));
    assert_eq!(found.code, 1);

    // A DTU that was added to the file since.
    home.configure(&format!("{}{}", plant.dtu("DTU"), plant.dtu("Second")));
    let found = doctor(&home, &listen(&bridge), &[]).await;
    assert!(found.said("Second", "bridge").contains("another configuration"));
    bridge.stop().await;
    target.stop().await;
    plant.stop().await;
}

#[tokio::test]
async fn a_registered_target_is_reached_for_while_the_bridge_runs_and_tried_whole_when_not() {
    let plant = Plant::start(&["--inverters", "1"]).await;
    let target = Target::start("secret").await;
    let home = Home::new(&plant.dtu("DTU"));
    let bridge = home.run().await;
    let body = json!({"websocket_url": target.url("secret"), "name": "Home Assistant"});
    assert_eq!(bridge.post("/api/websocket/register", &body).await.0, 200);
    bridge.logged("✓ Successfully sent update to Home Assistant").await;
    let found = doctor(&home, &listen(&bridge), &[]).await;
    let expected = ["bridge+", "name+", "tcp+", "http?", "upgrade?"];
    assert_eq!(found.marks("Home Assistant"), expected, "{:#?}", found.subjects);
    assert_eq!(target.received("one", |_| true).await.paths.len(), 1, "nobody else connected");

    // Its port is another than this configuration says, or any: it has left it in its state.
    let listen = listen(&bridge);
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let elsewhere = nobody.local_addr().unwrap().to_string();
    drop(nobody);
    for (configured, hint) in [(ALONE, ""), (&elsewhere, "before the bridge is restarted")] {
        let found = doctor(&home, configured, &[]).await;
        let said = found.said("bridge", "port");
        assert!(said.contains(&format!("runs here has {listen}")) && said.contains(hint), "{said}");
        assert_eq!(found.marks("Home Assistant"), expected, "{:#?}", found.subjects);
    }

    // It could not leave it: its database is locked, and left alone.
    std::fs::remove_file(home.folder.path().join("data/hoymiles-bridge.listen")).unwrap();
    let found = doctor(&home, ALONE, &[]).await;
    assert!(found.said("bridge", "targets").contains("in use by another process"));

    // Killed: what it knew is in the log of its database.
    bridge.signal("KILL").await;
    bridge.ended().await;
    let whole = ["name+", "tcp+", "http?", "upgrade+", "message+", "token+"];
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
