//! Runs a test again inside its own network namespace, where links and DNS can fail.

use std::process::Stdio;

use tempfile::TempDir;
use tokio::process::Command;

use super::{print, within_guard};

/// Set inside the namespace.
const INSIDE: &str = "HOYMILES_TEST_INSIDE";
/// Exit status of the set-up if this machine does not allow it.
const NOT_ALLOWED: i32 = 77;

/// The network besides its own loopback with a DNS server's address on it:
/// 10.7.0.0/24 is prohibited, 10.8.0.0/24 unreachable, 10.9.0.7 drops everything, and names are
/// resolved by 127.0.0.1 only.
const SET_UP: &str = r#"
    {
        ip link set lo up &&
        ip link add cable type veth peer name end &&
        ip link set cable up &&
        ip link set end up &&
        ip address add 10.9.0.1/24 dev cable &&
        ip neighbour add 10.9.0.7 lladdr 02:00:00:00:00:07 dev cable nud permanent &&
        ip route add prohibit 10.7.0.0/24 &&
        ip route add unreachable 10.8.0.0/24 &&
        mount --bind "$FOLDER/nsswitch.conf" /etc/nsswitch.conf &&
        mount --bind "$FOLDER/resolv.conf" /etc/resolv.conf
    } || exit 77
    exec "$0" "$@"
"#;

/// Whether this is the inner run. Otherwise starts it and waits for its success, or reports that it
/// is skipped; the caller then returns.
pub(crate) async fn is_inside(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let Some(options) = options().await else {
        print(&format!("SKIPPED {test}: this machine allows no network namespaces (unshare)"));
        return false;
    };
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("nsswitch.conf"), "hosts: files dns\n").unwrap();
    let resolver = "nameserver 127.0.0.1\noptions timeout:30 attempts:1\n";
    std::fs::write(folder.path().join("resolv.conf"), resolver).unwrap();
    let inner = Command::new("unshare")
        .args(options)
        .args(["--propagation", "private", "sh", "-ec", SET_UP])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, "1")
        .env("FOLDER", folder.path())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = within_guard("end of the inner run", inner).await.unwrap();
    let printed = [output.stdout, output.stderr].concat();
    let printed = String::from_utf8_lossy(&printed);
    if output.status.code() == Some(NOT_ALLOWED) {
        print(&format!("SKIPPED {test}: its network cannot be set up here: {printed}"));
    } else {
        assert!(output.status.success(), "inside its network namespace: {printed}");
        assert!(printed.contains("1 passed"), "{test} is not the name of the test: {printed}");
    }
    false
}

/// Changes the network that this runs in.
pub(crate) async fn ip(arguments: &str) {
    let arguments = arguments.split(' ');
    let status = Command::new("ip").args(arguments).status().await.unwrap();
    assert!(status.success());
}

/// The options with which `unshare` makes a network here: as root, or as root of a user namespace.
async fn options() -> Option<&'static [&'static str]> {
    let as_root: &[&str] = &["--net", "--mount"];
    let as_user: &[&str] = &["--user", "--map-root-user", "--net", "--mount"];
    for options in [as_root, as_user] {
        let mut unshare = Command::new("unshare");
        unshare.args(options).arg("true").stderr(Stdio::null());
        if unshare.status().await.is_ok_and(|status| status.success()) {
            return Some(options);
        }
    }
    None
}
