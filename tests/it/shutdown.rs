//! Shutdown of the daemon: in order, in time, and with its ports released.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::Instant;

use crate::support::bridge::{Home, command, output};
use crate::support::plant::Plant;
use crate::support::target::Target;
use crate::support::within_guard;

#[tokio::test]
async fn sigterm_during_a_poll_closes_targets_with_1001_and_frees_the_port() {
    // Each request takes a second, so a poll of 37 ports is always in progress.
    let plant = Plant::start(&["--inverters", "19", "--ports", "37", "--latency", "500"]).await;
    let target = Target::start("secret").await;
    let home = Home::new(&format!(
        "{}[[target]]\nname = \"One\"\nurl = \"{}\"\n",
        plant.dtu("DTU"),
        target.url("secret")
    ));
    let bridge = home.run().await;
    bridge.logged("[WebSocket] ✓ Connected to: One").await;
    let api = bridge.api.trim_start_matches("http://").to_owned();

    let signalled = Instant::now();
    let (status, log) = bridge.stop().await;
    assert!(signalled.elapsed() < Duration::from_secs(2), "it took {:?}", signalled.elapsed());
    assert_eq!(status.code(), Some(0), "{log:#?}");
    let received =
        target.received("close frame", |received| !received.close_codes.is_empty()).await;
    assert_eq!(received.close_codes, [1001]);
    drop(TcpListener::bind(&api).expect("the port is free again"));
    target.stop().await;
    plant.stop().await;
}

#[tokio::test]
async fn a_port_in_use_stops_the_start_with_a_message() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let home = Home::new("[[dtu]]\nname = \"DTU\"\nprotocol = \"simulated\"\n");
    let config = home.config();
    let address = taken.local_addr().unwrap().to_string();
    let text = std::fs::read_to_string(&config).unwrap().replace("127.0.0.1:0", &address);
    std::fs::write(&config, text).unwrap();
    let (code, _, message) = output(&["run", "--config", config.to_str().unwrap()], None).await;
    assert_eq!(code, 1);
    assert!(message.contains(&address) && message.contains("http.listen"), "{message}");
}

#[tokio::test]
async fn two_signals_at_once_shut_down_in_order() {
    // `timeout` signals the bridge and its process group.
    let plant = Plant::start(&["--latency", "500"]).await;
    let home = Home::new(&plant.dtu("DTU"));
    for second in ["TERM", "INT"] {
        let bridge = home.run().await;
        bridge.signal("TERM").await;
        bridge.signal(second).await;
        let (status, log) = bridge.ended().await;
        assert_eq!(status.code(), Some(0), "{log:#?}");
    }
    plant.stop().await;
}

#[tokio::test]
async fn a_log_reader_that_stalls_or_exits_does_not_block_the_daemon() {
    for closes in [false, true] {
        let home = Home::new("[[dtu]]\nname = \"DTU\"\nprotocol = \"simulated\"\n");
        let config = home.config();
        let (reader, writer) = std::io::pipe().unwrap();
        // One page, which a few lines fill.
        rustix::pipe::fcntl_setpipe_size(&writer, 4_096).unwrap();
        let mut run = command(&["run", "--config", config.to_str().unwrap()]);
        let mut daemon = run.stdout(writer).spawn().unwrap();
        drop(run);
        let unread = (!closes).then_some(reader);
        let file = home.folder.path().join("data/hoymiles-bridge.listen");
        let starting = async {
            loop {
                let address = std::fs::read_to_string(&file).ok();
                match address.and_then(|address| address.trim().parse::<SocketAddr>().ok()) {
                    Some(address) => break address,
                    None => tokio::task::yield_now().await,
                }
            }
        };
        let address = within_guard("start", starting).await;
        // Each request is a line of the log.
        let requests = "GET /api/targets HTTP/1.1\r\nHost: a\r\n\r\n".repeat(200)
            + "GET /api/targets HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(requests.as_bytes()).await.unwrap();
        let mut answers = String::new();
        within_guard("answers", stream.read_to_string(&mut answers)).await.unwrap();
        assert_eq!(answers.matches("HTTP/1.1 200").count(), 201);
        let pid = daemon.id().unwrap().to_string();
        Command::new("kill").args(["-TERM", &pid]).status().await.unwrap();
        let status = within_guard("end", daemon.wait()).await.unwrap();
        assert_eq!(status.code(), Some(0), "closes: {closes}");
        drop(unread);
    }
}
