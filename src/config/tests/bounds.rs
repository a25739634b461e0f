//! Secrets and certificates come from regular files of a sensible size.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use super::{DTU, loaded};

/// Each key that names a file, with the lines that it needs.
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
    (
        "[mqtt]\nhost = \"h\"\ntls = true\nclient_key = \"KEY\"\nclient_cert",
        "mqtt.client_cert",
        1 << 20,
    ),
    (
        "[mqtt]\nhost = \"h\"\ntls = true\nclient_cert = \"CERT\"\nclient_key",
        "mqtt.client_key",
        1 << 20,
    ),
];

/// Loads a configuration with `file` under that key.
fn load_with(key: &str, file: &Path) -> Result<(), String> {
    loaded(&format!("{DTU}{key} = {:?}\n", file.to_str().unwrap()), &[]).map(drop)
}

#[test]
fn endless_and_large_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let inside = |name: &str| folder.path().join(name);
    assert!(Command::new("mkfifo").arg(inside("pipe")).status().unwrap().success());
    let signed = rcgen::generate_simple_self_signed(["a".to_owned()]).unwrap();
    fs::write(inside("cert"), signed.cert.pem()).unwrap();
    for (key, path, largest) in KEYS {
        let key = &key.replace("CERT", inside("cert").to_str().unwrap());
        let large = usize::try_from(largest).unwrap() + 1;
        fs::write(inside("large"), vec![b'x'; large]).unwrap();
        let too_large = format!("is larger than {largest} bytes");
        for (file, wrong) in [
            (inside("pipe"), "is not a regular file"),
            ("/dev/zero".into(), "is not a regular file"),
            (folder.path().to_owned(), "is a folder"),
            (inside("large"), too_large.as_str()),
        ] {
            let message = load_with(key, &file).unwrap_err();
            let expected = format!("{path}: {} {wrong}", file.display());
            assert!(message.contains(&expected), "no {expected:?} in {message}");
            assert!(message.contains("; expected a "), "{message}");
        }
    }
}

#[test]
fn secrets_mounted_by_docker_and_kubernetes_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let inside = |name: &str| folder.path().join(name);
    fs::create_dir(inside("..2026_11_21")).unwrap();
    fs::write(inside("..2026_11_21/token"), "s3cret\n").unwrap();
    symlink("..2026_11_21", inside("..data")).unwrap();
    symlink("..data/token", inside("token")).unwrap();
    for (key, _, _) in [KEYS[0], KEYS[1], KEYS[3]] {
        assert_eq!(load_with(key, &inside("token")), Ok(()), "{key}");
    }
}
