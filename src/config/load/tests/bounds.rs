//! Secrets and certificates come from regular files of a sensible size.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use super::{DTU, loaded};

/// Each key that names a file, with what must stand around it.
const KEYS: [(&str, &str, u64); 7] = [
    ("[http]\ntoken_file", "http.token_file", 64 << 10),
    (
        "[[target]]\nname = \"HA\"\nurl = \"wss://ha/\"\ntoken_file",
        "target[0].token_file",
        64 << 10,
    ),
    ("[[target]]\nname = \"HA\"\nurl = \"wss://ha/\"\nca_file", "target[0].ca_file", 1 << 20),
    ("[mqtt]\nhost = \"h\"\nusername = \"u\"\npassword_file", "mqtt.password_file", 64 << 10),
    ("[mqtt]\nhost = \"h\"\ntls = true\nca_file", "mqtt.ca_file", 1 << 20),
    ("[mqtt]\nhost = \"h\"\ntls = true\nclient_cert", "mqtt.client_cert", 1 << 20),
    ("[mqtt]\nhost = \"h\"\ntls = true\nclient_key", "mqtt.client_key", 1 << 20),
];

/// What is said of `file` under that key.
fn said(key: &str, file: &Path) -> Result<(), String> {
    loaded(&format!("{DTU}{key} = {:?}\n", file.to_str().unwrap()), &[]).map(drop)
}

#[test]
fn a_file_that_has_no_end_or_is_too_large_is_refused_under_each_key() {
    let folder = tempfile::tempdir().unwrap();
    let inside = |name: &str| folder.path().join(name);
    assert!(Command::new("mkfifo").arg(inside("pipe")).status().unwrap().success());
    for (key, path, largest) in KEYS {
        let large = usize::try_from(largest).unwrap() + 1;
        fs::write(inside("large"), vec![b'x'; large]).unwrap();
        let too_large = format!("is larger than {largest} bytes");
        for (file, expected) in [
            (inside("pipe"), "is no regular file"),
            ("/dev/zero".into(), "is no regular file"),
            (folder.path().to_owned(), "is a folder"),
            (inside("large"), too_large.as_str()),
        ] {
            let message = said(key, &file).unwrap_err();
            let told = format!("{path}: {} {expected}", file.display());
            assert!(message.contains(&told), "no {told:?} in {message}");
            assert!(message.contains("; expected a "), "the cure: {message}");
        }
    }
}

#[test]
fn a_secret_as_docker_and_kubernetes_mount_them_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let inside = |name: &str| folder.path().join(name);
    fs::create_dir(inside("..2026_11_21")).unwrap();
    fs::write(inside("..2026_11_21/token"), "s3cret\n").unwrap();
    symlink("..2026_11_21", inside("..data")).unwrap();
    symlink("..data/token", inside("token")).unwrap();
    for (key, _, _) in [KEYS[0], KEYS[1], KEYS[3]] {
        assert_eq!(said(key, &inside("token")), Ok(()), "{key}");
    }
}
