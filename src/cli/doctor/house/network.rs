//! How this process is connected: as a program of the machine, or in a container, and in which of a
//! container's networks. Read from what the kernel shows, since the image has no other tool.

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;

use super::super::report::Step;

const STEP: &str = "network";

/// What the kernel shows.
#[derive(Clone, Debug, Default)]
struct Facts {
    is_container: bool,
    hostname: String,
    /// Of the default route.
    gateway: Option<Ipv4Addr>,
    interfaces: Vec<Interface>,
    /// Who is asked for names.
    name_servers: Vec<String>,
}

#[derive(Clone, Debug, Default)]
struct Interface {
    name: String,
    /// `bridge`, `macvlan`, `wlan`; empty for most.
    kind: String,
    /// Whether there is a device behind it that one could touch.
    is_hardware: bool,
}

/// How a process is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// No container.
    Machine,
    /// A container in the machine's own network.
    Host,
    /// A container behind the machine's address.
    Bridge,
    /// A container with an address of its own in the machine's network.
    Macvlan,
    /// No network at all.
    None,
}

/// Says how this process is connected, and what follows from it.
pub(super) fn look() -> Step {
    described(&facts())
}

fn described(facts: &Facts) -> Step {
    let mode = mode(facts);
    let gateway = facts.gateway.map(|gateway| format!(", gateway {gateway}")).unwrap_or_default();
    let names = match facts.name_servers.as_slice() {
        [] => String::new(),
        servers => format!(", names are asked of {}", servers.join(" and ")),
    };
    let detail = |what: &str| format!("{what}{gateway}{names}");
    match mode {
        Mode::Machine => Step::fine(STEP, detail("no container")),
        Mode::Host => Step::fine(STEP, detail("a container in this machine's own network (host)")),
        Mode::Bridge => Step::fine(
            STEP,
            detail(&format!("container {} in a network of its own (bridge)", facts.hostname)),
        )
        .hinting(
            "names that end in .local do not resolve here, and \"localhost\" is the container \
             itself; if an address is not reached that the machine reaches, use \
             docker/host-network.yml",
        ),
        Mode::Macvlan => Step::fine(
            STEP,
            detail(&format!("container {} with an address of its own (macvlan)", facts.hostname)),
        )
        .hinting(
            "such a container and the machine that it runs on do not reach each other; Home \
             Assistant must run elsewhere, or in the same network as the container",
        ),
        Mode::None => Step::wrong(
            STEP,
            "there is no network but the machine itself",
            "in a container: give it a network (docker-compose.yml, `ports` and no \
             `network_mode: none`)",
        ),
    }
}

fn mode(facts: &Facts) -> Mode {
    let mut others = facts.interfaces.iter().filter(|interface| interface.name != "lo").peekable();
    if others.peek().is_none() && facts.gateway.is_none() {
        return Mode::None;
    }
    if !facts.is_container {
        return Mode::Machine;
    }
    let has = |is_it: &dyn Fn(&Interface) -> bool| facts.interfaces.iter().any(is_it);
    if has(&|interface| {
        interface.is_hardware || interface.kind == "bridge" || is_of_docker(interface)
    }) {
        Mode::Host
    } else if has(&|interface| matches!(interface.kind.as_str(), "macvlan" | "ipvlan")) {
        Mode::Macvlan
    } else {
        Mode::Bridge
    }
}

/// Interfaces that only the machine itself has: the other ends of its containers' cables.
fn is_of_docker(interface: &Interface) -> bool {
    ["docker", "br-", "veth", "podman", "cni"].iter().any(|start| interface.name.starts_with(start))
}

fn facts() -> Facts {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let is_container =
        ["/.dockerenv", "/run/.containerenv"].iter().any(|path| Path::new(path).exists());
    Facts {
        is_container,
        hostname: read("/proc/sys/kernel/hostname").trim().to_owned(),
        gateway: gateway(&read("/proc/net/route")),
        interfaces: interfaces(),
        name_servers: name_servers(&read("/etc/resolv.conf")),
    }
}

/// The gateway of the default route in `/proc/net/route`: hexadecimal, in the byte order of the
/// machine, which is little endian on all that the image is built for.
fn gateway(routes: &str) -> Option<Ipv4Addr> {
    routes.lines().skip(1).find_map(|line| {
        let mut columns = line.split_ascii_whitespace().skip(1);
        let (destination, gateway) = (columns.next()?, columns.next()?);
        let gateway = u32::from_str_radix(gateway, 16).ok()?;
        (destination == "00000000" && gateway != 0).then(|| Ipv4Addr::from(gateway.to_le_bytes()))
    })
}

fn interfaces() -> Vec<Interface> {
    let folder = Path::new("/sys/class/net");
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| {
            let inside = |name: &str| entry.path().join(name);
            let about = fs::read_to_string(inside("uevent")).unwrap_or_default();
            let kind = about.lines().find_map(|line| line.strip_prefix("DEVTYPE="));
            Interface {
                name: entry.file_name().to_string_lossy().into_owned(),
                kind: kind.unwrap_or_default().to_owned(),
                is_hardware: inside("device").exists(),
            }
        })
        .collect()
}

fn name_servers(resolv_conf: &str) -> Vec<String> {
    let lines = resolv_conf.lines().map(str::trim);
    lines.filter_map(|line| Some(line.strip_prefix("nameserver")?.trim().to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is made of these interfaces, each `name`, `name=kind`, or `name!` for hardware.
    #[track_caller]
    fn check(is_container: bool, interfaces: &[&str], expected: Mode) {
        let interface = |text: &&str| {
            let (name, kind) = text.split_once('=').unwrap_or((text, ""));
            Interface {
                name: name.trim_end_matches('!').to_owned(),
                kind: kind.to_owned(),
                is_hardware: name.ends_with('!'),
            }
        };
        let interfaces = interfaces.iter().map(interface).collect();
        let facts = Facts { is_container, interfaces, ..Facts::default() };
        assert_eq!(mode(&facts), expected, "{facts:?}");
        let step = described(&facts);
        assert_eq!(step.ok, Some(expected != Mode::None), "{step:?}");
    }

    #[test]
    fn the_networks_of_containers_are_told_apart() {
        check(false, &["lo", "eth0!"], Mode::Machine);
        check(true, &["lo", "eth0"], Mode::Bridge);
        check(true, &["lo", "eth0=macvlan"], Mode::Macvlan);
        check(true, &["lo", "eth0=ipvlan"], Mode::Macvlan);
        check(true, &["lo", "eth0!", "docker0=bridge", "veth12ab"], Mode::Host);
        check(true, &["lo", "wlan0=wlan", "docker0"], Mode::Host);
        check(true, &["lo"], Mode::None);
        check(false, &["lo"], Mode::None);
    }

    #[test]
    fn what_the_kernel_writes_is_read() {
        let routes = "Iface\tDestination\tGateway \tFlags\n\
                      eth0\t000011AC\t00000000\t0001\n\
                      eth0\t00000000\t010011AC\t0003\n";
        assert_eq!(gateway(routes), Some(Ipv4Addr::new(172, 17, 0, 1)));
        assert_eq!(gateway("Iface\tDestination\tGateway\n"), None);
        let resolv_conf = "# made by docker\nnameserver 127.0.0.11\noptions ndots:0\n";
        assert_eq!(name_servers(resolv_conf), ["127.0.0.11"]);
    }
}
