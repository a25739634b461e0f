//! Limits of the machine: no file descriptors, a full or read-only disk, a second signal.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;

use futures_util::SinkExt as _;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio_tungstenite::tungstenite::Message;

use crate::support::bridge::{Bridge, Home, command};
use crate::support::plant::Plant;
use crate::support::target::Target;
use crate::support::{client, within_guard};

/// The daemon, started by another program that prepares its process.
async fn run_by(program: &[&str], home: &Home) -> Bridge {
    let (first, rest) = program.split_first().unwrap();
    let bridge = command(&["run", "--config", home.config().to_str().unwrap()]);
    let bridge = bridge.as_std();
    let mut command = Command::new(first);
    command.args(rest).arg(bridge.get_program()).args(bridge.get_args());
    command.stdin(Stdio::null()).kill_on_drop(true);
    Bridge::start(command).await
}

/// A bridge between this plant and this target.
fn home_of(plant: &Plant, target: &Target) -> Home {
    Home::new(&format!(
        "{}[[target]]\nname = \"One\"\nurl = \"{}\"\n",
        plant.dtu("DTU"),
        target.url("secret")
    ))
}

#[tokio::test]
async fn a_crowd_of_clients_leaves_file_descriptors_for_everything_else() {
    let plant = Plant::start(&["--inverters", "2"]).await;
    let target = Target::start("secret").await;
    let home = Home::new(&plant.dtu("DTU"));
    let bridge = run_by(&["prlimit", "--nofile=64:64"], &home).await;
    let warning = bridge.logged("only 64 files may be open: ").await;
    assert!(warning.contains("WARN") && warning.contains("ulimits: nofile"), "{warning}");
    let address: SocketAddr = bridge.api.trim_start_matches("http://").parse().unwrap();
    let mut crowd = Vec::new();
    for _ in 0..200 {
        crowd.push(TcpStream::connect(address).await.unwrap());
    }
    let body = json!({"websocket_url": target.url("secret"), "name": "One"});
    let (status, answer) = bridge.post("/api/websocket/register", &body).await;
    assert_eq!((status, &answer["stored"]), (200, &json!(true)), "{answer}");
    let updates = target.received("an update", |received| !received.updates().is_empty()).await;
    let updates = updates.updates().len();
    target.received("more updates", |received| received.updates().len() > updates + 1).await;
    let (_, health) = bridge.get("/health").await;
    assert_eq!(health["dtus"]["DTU"]["error_count"], 0, "{health}");
    assert_eq!(stored_targets(&bridge, &home), ["One"]);
    let log = bridge.log();
    let missed = log.iter().find(|line| line.contains("can be accepted"));
    assert!(missed.is_none(), "{missed:?}");
    drop(crowd);
    let (status, _) = bridge.stop().await;
    assert_eq!(status.code(), Some(0));
    target.stop().await;
    plant.stop().await;
}

/// Starts the daemon with a small disk of its own as `state_dir`, where that is possible.
async fn run_on_small_disk(home: &Home, options: &str) -> Option<Bridge> {
    let data = home.folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    run_with_mounts(home, &format!("mount -t tmpfs -o {options} none {}", data.display())).await
}

/// Starts the daemon after `mounts` that only it sees, where that is possible.
async fn run_with_mounts(home: &Home, mounts: &str) -> Option<Bridge> {
    let probe = Command::new("unshare").args(["-rm", "true"]).status().await;
    if !probe.is_ok_and(|status| status.success()) {
        #[expect(clippy::print_stderr, reason = "a skipped test must be visible")]
        {
            eprintln!("SKIPPED: this machine does not let a process have mounts of its own");
        }
        return None;
    }
    let script = format!("{mounts} && exec \"$@\"");
    Some(run_by(&["unshare", "-rm", "sh", "-c", &script, "sh"], home).await)
}

/// Where the test sees a path of the daemon's own mounts.
fn seen_from_here(bridge: &Bridge, path: &Path) -> std::path::PathBuf {
    Path::new("/proc")
        .join(bridge.pid().to_string())
        .join("root")
        .join(path.strip_prefix("/").unwrap())
}

/// The names of the targets that a bridge with this state would know after a power cut.
fn stored_targets(bridge: &Bridge, home: &Home) -> Vec<String> {
    let state_dir = home.folder.path().join("data");
    let copy = tempfile::TempDir::new().unwrap();
    for name in ["hoymiles-bridge.db", "hoymiles-bridge.db-wal"] {
        let file = seen_from_here(bridge, &state_dir.join(name));
        drop(std::fs::copy(file, copy.path().join(name)));
    }
    let database = rusqlite::Connection::open(copy.path().join("hoymiles-bridge.db")).unwrap();
    let names = "SELECT value ->> 'name' FROM record WHERE kind = 'target' ORDER BY 1";
    let mut statement = database.prepare(names).unwrap();
    let names = statement.query_map([], |row| row.get(0)).unwrap();
    names.collect::<Result<_, _>>().unwrap()
}

#[tokio::test]
async fn a_full_disk_costs_only_stored_state() {
    let plant = Plant::start(&["--inverters", "2"]).await;
    let target = Target::start("secret").await;
    let home = home_of(&plant, &target);
    let Some(bridge) = run_on_small_disk(&home, "size=4m").await else { return };
    bridge.logged("✓ Successfully sent update to One").await;
    let gone = json!({"websocket_url": "ws://127.0.0.1:9/gone", "name": "Gone"});
    let (_, answer) = bridge.post("/api/websocket/register", &gone).await;
    assert_eq!(answer["stored"], true);
    let filler = seen_from_here(&bridge, &home.folder.path().join("data/filler"));
    std::fs::write(&filler, vec![0; 8 << 20]).unwrap_err();

    let body = json!({"websocket_url": "ws://127.0.0.1:9/ws", "name": "Late"});
    let (status, answer) = bridge.post("/api/websocket/register", &body).await;
    assert_eq!((status, &answer), (200, &json!({"status": "registered", "stored": false})));
    let warning = bridge.logged("state is not stored for now").await;
    assert!(warning.contains("no space is left"), "{warning}");
    let (status, health) = bridge.get("/health").await;
    assert_eq!((status, &health["problems"][0]["label"]), (200, &json!("disk_full")), "{health}");
    assert!(health["problems"][0]["remedy"].is_string(), "{health}");
    // Home Assistant restarts: the same URL with a new token.
    target.change_token("newer");
    let renewed = json!({"websocket_url": target.url("newer"), "name": "One"});
    let (status, answer) = bridge.post("/api/websocket/register", &renewed).await;
    assert_eq!((status, &answer["stored"]), (200, &json!(false)), "{answer}");
    bridge.logged_times("✓ Connected to: One", 2).await;
    let removed = client().delete(format!("{}/api/targets/Gone", bridge.api)).send().await.unwrap();
    assert_eq!(removed.status().as_u16(), 204);
    let updates = target.received("updates", |_| true).await.updates().len();
    target.received("more updates", |received| received.updates().len() > updates).await;

    std::fs::remove_file(&filler).unwrap();
    bridge.logged("state is stored again").await;
    let (_, health) = bridge.get("/health").await;
    assert_eq!(health["problems"], json!([]));
    // Without another registration, and for a process that gets no time to write.
    assert_eq!(stored_targets(&bridge, &home), ["Late", "One"]);
    let (_, answer) = bridge.post("/api/websocket/register", &body).await;
    assert_eq!(answer["stored"], true);
    for what in ["state is not stored", "the history is not recorded"] {
        let warnings = bridge.log().iter().filter(|line| line.contains(what)).count();
        assert!(warnings <= 1, "it is logged once: {:#?}", bridge.log());
    }
    bridge.stop().await;
    target.stop().await;
    plant.stop().await;
}

#[tokio::test]
async fn works_in_memory_on_a_read_only_disk() {
    let plant = Plant::start(&["--inverters", "2"]).await;
    let home = Home::new(&plant.dtu("DTU"));
    let Some(bridge) = run_on_small_disk(&home, "ro").await else { return };
    bridge.logged("state is kept in memory only and lost at the next restart: ").await;
    bridge.inverters_when(|all| all.as_array().unwrap().len() == 2).await;
    let (_, stats) = bridge.get("/stats").await;
    assert_eq!(stats["database_type"], "memory");
    let body = json!({"websocket_url": "ws://127.0.0.1:9/ws", "name": "HA"});
    assert_eq!(bridge.post("/api/websocket/register", &body).await.0, 200);
    bridge.stop().await;
    plant.stop().await;
}

#[tokio::test]
async fn a_read_only_disk_after_a_power_cut_costs_no_targets_and_no_energy() {
    let plant = Plant::start(&["--inverters", "2"]).await;
    let home = Home::new(&plant.dtu("DTU"));
    let bridge = home.run().await;
    bridge.inverters_when(|all| all.as_array().unwrap().len() == 2).await;
    let body = json!({"websocket_url": "ws://127.0.0.1:9/ws", "name": "HA"});
    assert_eq!(bridge.post("/api/websocket/register", &body).await.0, 200);
    let (_, before) = bridge.get("/api/production/current").await;
    bridge.signal("KILL").await;
    bridge.ended().await;
    plant.stop().await;

    let data = home.folder.path().join("data");
    let data = data.display();
    let mounts = format!("mount --bind {data} {data} && mount -o remount,ro,bind {data}");
    let Some(bridge) = run_with_mounts(&home, &mounts).await else { return };
    let parts = ["the file system is read-only", "starting from what was stored before"];
    let logged = bridge.logged("state is kept in memory only").await;
    assert!(parts.iter().all(|part| logged.contains(part)), "{logged}");
    let (_, targets) = bridge.get("/api/targets").await;
    assert_eq!(targets[0]["name"], "HA", "{targets}");
    let (_, after) = bridge.get("/api/production/current").await;
    assert_eq!(after, before);
    bridge.stop().await;
}

#[tokio::test]
async fn a_process_that_was_stopped_pings_before_it_gives_up_on_a_target() {
    let target = Target::start("secret").await;
    let home = Home::new(&format!(
        "[poll]\ninterval = \"5s\"\n[[dtu]]\nname = \"DTU\"\nprotocol = \"simulated\"\n\
         [[target]]\nname = \"One\"\nurl = \"{}\"\nheartbeat = \"1s\"\n",
        target.url("secret")
    ));
    let bridge = home.run().await;
    bridge.logged("✓ Successfully sent update to One").await;
    // Three heartbeats; a target may be silent for two.
    let pid = bridge.pid();
    let pause = format!("kill -STOP {pid}; sleep 3; kill -CONT {pid}");
    let paused = Command::new("sh").args(["-c", &pause]).status();
    assert!(within_guard("end of the pause", paused).await.unwrap().success());
    // The second update comes an interval after the process goes on.
    let sent = target.received("first update", |received| !received.updates().is_empty()).await;
    let count = sent.updates().len() + 2;
    let received =
        target.received("later updates", |received| received.updates().len() >= count).await;
    assert_eq!(received.paths.len(), 1, "it stayed connected: {:#?}", bridge.log());
    bridge.stop().await;
    target.stop().await;
}

#[tokio::test]
async fn a_second_signal_exits_at_once_with_1() {
    // Accepts the bridge and never answers its close frame.
    let stubborn = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let home = Home::new(&format!(
        "[[dtu]]\nname = \"DTU\"\nprotocol = \"simulated\"\n[[target]]\nname = \"Stubborn\"\nurl = \"ws://{}/ws\"\n",
        stubborn.local_addr().unwrap()
    ));
    let bridge = home.run().await;
    let (stream, _) = stubborn.accept().await.unwrap();
    let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
    socket.send(Message::text(r#"{"type": "connected"}"#)).await.unwrap();
    bridge.logged("✓ Connected to: Stubborn").await;
    let insists = format!("while kill -TERM {}; do sleep 0.05; done 2>&-", bridge.pid());
    let mut insisting = Command::new("sh").args(["-c", &insists]).spawn().unwrap();
    let (status, log) = bridge.ended().await;
    within_guard("end of the insisting", insisting.wait()).await.unwrap();
    assert_eq!(status.code(), Some(1), "{log:#?}");
    drop(socket);
}
