//! Runs a test once more inside a network of its own, where cables can be cut and names can lie.

use std::process::Stdio;

use tempfile::TempDir;
use tokio::process::Command;

use super::{say, within_guard};

/// Set inside.
const INSIDE: &str = "HOYMILES_TEST_INSIDE";
/// How the setting up says that this machine does not allow it.
const NOT_ALLOWED: i32 = 77;

/// What the network is made of, besides its own loopback with a DNS server's address on it:
/// 10.7.0.0/24 is forbidden, 10.8.0.0/24 unreachable, 10.9.0.7 swallows everything, and names are
/// asked of 127.0.0.1 alone.
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

/// Whether this is the inner run. Else starts it and waits for its success, or says that it is left
/// out: then there is nothing more to do.
pub(crate) async fn is_inside(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let Some(options) = options().await else {
        say(&format!("SKIPPED {test}: this machine allows no network of one's own (unshare)"));
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
    let told = [output.stdout, output.stderr].concat();
    let told = String::from_utf8_lossy(&told);
    if output.status.code() == Some(NOT_ALLOWED) {
        say(&format!("SKIPPED {test}: its network cannot be set up here: {told}"));
    } else {
        assert!(output.status.success(), "inside a network of its own: {told}");
        assert!(told.contains("1 passed"), "{test} is not the name of the test: {told}");
    }
    false
}

/// Changes the network that this runs in.
pub(crate) async fn ip(arguments: &str) {
    let arguments = arguments.split(' ');
    let status = Command::new("ip").args(arguments).status().await.unwrap();
    assert!(status.success());
}

/// How `unshare` makes a network here: as root, or as one who plays root.
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
