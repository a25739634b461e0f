//! A state directory that this process may not write, or not even read.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use serde_json::json;
use tokio::process::Command;

use super::{ALONE, Findings, findings};
use crate::support::bridge::Home;
use crate::support::plant::Plant;
use crate::support::print;
use crate::support::target::Target;

/// Runs `doctor` under `unshare` with these options, after these commands; `None` if this machine
/// does not allow it.
async fn doctor_apart(home: &Home, unshare: &[&str], before: &str) -> Option<Findings> {
    let probe = Command::new("unshare").args(unshare).arg("true").status().await;
    if !probe.is_ok_and(|status| status.success()) {
        print("SKIPPED: this machine does not let a process be another user (unshare)");
        return None;
    }
    let mut command = Command::new("unshare");
    command
        .args(unshare)
        .args(["sh", "-ec", &format!("{before}\nexec \"$0\" \"$@\"")])
        .arg(env!("CARGO_BIN_EXE_hoymiles-bridge"))
        .args(["doctor", "--json", "--config", home.config().to_str().unwrap()])
        .env("HOYMILES__HTTP__LISTEN", ALONE)
        .kill_on_drop(true);
    Some(findings(command).await)
}

#[tokio::test]
async fn reports_why_state_dir_cannot_be_written_or_read() {
    let plant = Plant::start(&["--inverters", "1"]).await;
    let target = Target::start("secret").await;
    let home = Home::new(&plant.dtu("DTU"));
    let bridge = home.run().await;
    let body = json!({"websocket_url": target.url("secret"), "name": "Home Assistant"});
    assert_eq!(bridge.post("/api/websocket/register", &body).await.0, 200);
    bridge.signal("KILL").await;
    bridge.ended().await;

    let data = home.folder.path().join("data");
    let shown = data.display();
    let mount = format!("mount --bind {shown} {shown}\nmount -o remount,ro,bind {shown}");
    if let Some(found) = doctor_apart(&home, &["-rm"], &mount).await {
        let text = found.text("bridge", "state_dir");
        assert!(text.contains("Read-only file system") && text.contains("mount"), "{text}");
        assert!(found.marks("Home Assistant").contains(&"token+".to_owned()));
        assert!(!found.marks("bridge").contains(&"targets-".to_owned()), "{:#?}", found.subjects);
    }

    // In this namespace root has no more rights than any other user.
    let close = |path: &std::path::Path| fs::set_permissions(path, Permissions::from_mode(0o000));
    close(&data.join("hoymiles-bridge.db")).unwrap();
    if let Some(found) = doctor_apart(&home, &["-U"], "").await {
        let text = found.text("bridge", "targets");
        assert!(text.contains("cannot be read") && text.contains("run doctor as"), "{text}");
        close(&data).unwrap();
        let found = doctor_apart(&home, &["-U"], "").await.unwrap();
        let text = found.text("bridge", "targets");
        assert!(text.contains("Permission denied") && text.contains("run doctor as"), "{text}");
    }
    fs::set_permissions(&data, Permissions::from_mode(0o700)).unwrap();
    target.stop().await;
    plant.stop().await;
}
