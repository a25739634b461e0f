//! The binary under the container's restrictions: another user, a read-only tree, only the state
//! directory writable, no capabilities.

use std::os::unix::fs::PermissionsExt as _;

use crate::support::bridge::{Bridge, Home, command};
use crate::support::print;

/// The user of the image.
const NOBODY: u32 = 65532;

/// Whether this process may become another user and mount: usually true only in CI.
async fn is_root() -> bool {
    let id = tokio::process::Command::new("id").arg("-u").output().await.unwrap();
    id.stdout.starts_with(b"0\n")
}

#[tokio::test]
async fn runs_as_another_user_on_a_read_only_tree() {
    if !is_root().await {
        print("SKIPPED: only root can start the daemon as another user on a read-only tree");
        return;
    }
    let home = Home::new("[[dtu]]\nname = \"DTU\"\nprotocol = \"simulated\"\n");
    let folder = home.folder.path();
    let data = folder.join("data");
    std::fs::create_dir(&data).unwrap();
    std::os::unix::fs::chown(&data, Some(NOBODY), Some(NOBODY)).unwrap();
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).unwrap();
    let binary = folder.join("hoymiles-bridge");
    std::fs::copy(env!("CARGO_BIN_EXE_hoymiles-bridge"), &binary).unwrap();

    // A mount namespace of its own: everything read-only but the state directory.
    let script = r#"
        set -e
        mount --bind "$DATA" "$DATA"
        mount -o remount,ro,bind / 2>/dev/null || mount -o remount,ro /
        exec setpriv --reuid=65532 --regid=65532 --clear-groups --no-new-privs \
            --inh-caps=-all --bounding-set=-all "$BINARY" run --config "$CONFIG"
    "#;
    let mut run = tokio::process::Command::new("unshare");
    run.args(["--mount", "--propagation", "private", "sh", "-c", script])
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("DATA", &data)
        .env("BINARY", &binary)
        .env("CONFIG", home.config())
        .kill_on_drop(true);
    let bridge = Bridge::start(run).await;
    bridge.inverters_when(|inverters| !inverters.as_array().unwrap().is_empty()).await;
    let status = std::fs::read_to_string(format!("/proc/{}/status", bridge.pid())).unwrap();
    assert!(status.contains("Uid:\t65532\t65532"), "{status}");
    assert!(status.contains("CapEff:\t0000000000000000"), "{status}");
    let mounts = std::fs::read_to_string(format!("/proc/{}/mounts", bridge.pid())).unwrap();
    let root = mounts.lines().rfind(|line| line.split(' ').nth(1) == Some("/")).unwrap();
    assert!(root.split([' ', ',']).any(|word| word == "ro"), "{root}");
    let (status, log) = bridge.stop().await;
    assert_eq!(status.code(), Some(0), "{log:#?}");
    assert!(data.join("hoymiles-bridge.db").exists(), "its state was kept");
    assert!(log.iter().all(|line| !line.contains("WARN")), "no complaint: {log:#?}");
}

#[tokio::test]
async fn keeps_state_in_memory_if_the_directory_cannot_be_written() {
    let home = Home::new("[[dtu]]\nname = \"DTU\"\nprotocol = \"simulated\"\n");
    // A file where the folder should be: not even root can write into it.
    std::fs::write(home.folder.path().join("data"), "in the way").unwrap();
    let bridge =
        Bridge::start(command(&["run", "--config", home.config().to_str().unwrap()])).await;
    let warning = bridge.logged("WARN").await;
    assert!(warning.contains("data"), "{warning}");
    bridge.inverters_when(|inverters| !inverters.as_array().unwrap().is_empty()).await;
    let (_, stats) = bridge.get("/stats").await;
    assert_eq!(stats["database_type"], "memory");
    bridge.stop().await;
}

#[tokio::test]
async fn raises_a_low_limit_of_open_files_for_many_targets() {
    let home = Home::new("[[dtu]]\nname = \"DTU\"\nprotocol = \"simulated\"\n");
    let mut run = tokio::process::Command::new("sh");
    run.args(["-c", r#"ulimit -S -n 64; exec "$BINARY" run --config "$CONFIG""#])
        .env_clear()
        .env("BINARY", env!("CARGO_BIN_EXE_hoymiles-bridge"))
        .env("CONFIG", home.config())
        .kill_on_drop(true);
    let bridge = Bridge::start(run).await;
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", bridge.pid())).unwrap();
    let open_files = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let words: Vec<&str> = open_files.unwrap().split_whitespace().collect();
    assert_ne!(words[0], "64", "{limits}");
    assert_eq!(words[0], words[1], "{limits}");
    bridge.stop().await;
}
