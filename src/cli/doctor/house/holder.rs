//! Which process listens at an address, as far as the kernel's tables in `/proc` tell this user.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

/// The state of a socket that listens, in the kernel's tables.
const LISTENING: &str = "0A";

/// The process that keeps us from listening at `listen`, in words.
pub(super) fn holder(listen: SocketAddr) -> Option<String> {
    holder_in(Path::new("/proc"), listen)
}

fn holder_in(proc: &Path, listen: SocketAddr) -> Option<String> {
    let tables = ["net/tcp", "net/tcp6"].map(|table| fs::read_to_string(proc.join(table)));
    let sockets: Vec<String> = tables
        .iter()
        .flatten()
        .flat_map(|table| table.lines())
        .filter_map(listener)
        .filter(|(address, _)| is_in_the_way(*address, listen))
        .map(|(_, inode)| format!("socket:[{inode}]"))
        .collect();
    // Workers share the socket of the process that began them.
    let process = processes(proc).into_iter().find(|pid| has_one_of(proc, *pid, &sockets))?;
    let name = fs::read(proc.join(process.to_string()).join("comm")).unwrap_or_default();
    Some(match String::from_utf8_lossy(&name).trim() {
        "" => format!("process {process}"),
        name => format!("process {process} ({name})"),
    })
}

/// The processes of this machine, the oldest first.
fn processes(proc: &Path) -> Vec<u32> {
    let entries = fs::read_dir(proc).into_iter().flatten().flatten();
    let mut found: Vec<u32> =
        entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    found.sort_unstable();
    found
}

fn has_one_of(proc: &Path, process: u32, sockets: &[String]) -> bool {
    let descriptors = fs::read_dir(proc.join(process.to_string()).join("fd"));
    descriptors.into_iter().flatten().flatten().any(|descriptor| {
        let to = fs::read_link(descriptor.path()).unwrap_or_default();
        to.to_str().is_some_and(|to| sockets.iter().any(|socket| socket == to))
    })
}

/// Address and inode of a line of `/proc/net/tcp` or `tcp6`, if somebody listens there.
fn listener(line: &str) -> Option<(SocketAddr, &str)> {
    let mut fields = line.split_ascii_whitespace();
    let address = fields.nth(1)?;
    let state = fields.nth(1)?;
    let inode = fields.nth(5)?;
    let (ip, port) = address.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    (state == LISTENING).then_some((SocketAddr::new(ip_address(ip)?, port), inode))
}

/// Each word of four bytes stands there as a number of this machine.
fn ip_address(hex: &str) -> Option<IpAddr> {
    let word = |at: usize| {
        let word = u32::from_str_radix(hex.get(at * 8..at * 8 + 8)?, 16).ok()?;
        Some(u32::from_be_bytes(word.to_ne_bytes()))
    };
    match hex.len() {
        8 => Some(Ipv4Addr::from_bits(word(0)?).into()),
        32 => {
            let bits =
                (0..4).try_fold(0, |bits: u128, at| Some(bits << 32 | u128::from(word(at)?)));
            Some(Ipv6Addr::from_bits(bits?).into())
        }
        _ => None,
    }
}

/// Whether one who listens at `taken` has something of `wanted`.
fn is_in_the_way(taken: SocketAddr, wanted: SocketAddr) -> bool {
    let (one, other) = (taken.ip().to_canonical(), wanted.ip().to_canonical());
    taken.port() == wanted.port()
        && (one == other || one.is_unspecified() || other.is_unspecified())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_listener_of_this_machine_is_named() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let us = format!("process {} (", std::process::id());
        for address in ["127.0.0.1", "0.0.0.0", "::"] {
            let found = holder(SocketAddr::new(address.parse().unwrap(), port)).unwrap();
            assert!(found.starts_with(&us), "{address}: {found}");
        }
        assert_eq!(holder(SocketAddr::new("127.9.9.9".parse().unwrap(), port)), None);
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn the_tables_are_read_for_both_kinds_of_addresses() {
        let proc = tempfile::tempdir().unwrap();
        let path = |name: &str| proc.path().join(name);
        for folder in ["net", "7/fd", "12/fd", "30/fd"] {
            fs::create_dir_all(path(folder)).unwrap();
        }
        let head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";
        let tcp = "   0: 0101A8C0:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 71 1 0\n   \
                      1: 0100007F:1F91 00000000:0000 01 00000000:00000000 00:00000000 00000000     0        0 72 1 0\n";
        let tcp6 = "   0: 00000000000000000000000001000000:1F92 00000000000000000000000000000000:0000 0A \
                    00000000:00000000 00:00000000 00000000     0        0 73 1 0\n";
        fs::write(path("net/tcp"), format!("{head}{tcp}")).unwrap();
        fs::write(path("net/tcp6"), format!("{head}{tcp6}")).unwrap();
        for (link, inode) in [("12/fd/3", 71), ("7/fd/3", 72), ("30/fd/9", 73), ("12/fd/4", 73)] {
            symlink(format!("socket:[{inode}]"), path(link)).unwrap();
        }
        fs::write(path("12/comm"), "nginx\n").unwrap();
        let check = |listen: &str, expected: Option<&str>| {
            let found = holder_in(proc.path(), listen.parse().unwrap());
            assert_eq!(found.as_deref(), expected, "{listen}");
        };
        check("192.168.1.1:8080", Some("process 12 (nginx)"));
        check("[::]:8080", Some("process 12 (nginx)"));
        check("127.0.0.1:8080", None);
        check("127.0.0.1:8081", None);
        check("[::1]:8082", Some("process 12 (nginx)"));
        check("[::2]:8082", None);
        fs::remove_file(path("12/fd/4")).unwrap();
        check("[::1]:8082", Some("process 30"));
    }
}
