//! Where `discover` looks: this machine's own networks, or the one that the user names.

use std::net::Ipv4Addr;

use if_addrs::{IfAddr, Interface, get_if_addrs};
use ipnet::Ipv4Net;

/// The largest network is a /22: 1,022 addresses, which take about a minute.
const LARGEST: u8 = 22;

/// What `--network` names: a network like `192.168.1.0/24`, or a single address.
pub(in crate::cli) fn parse(text: &str) -> Result<Ipv4Net, String> {
    const EXPECTED: &str = "expected an IPv4 network like 192.168.1.0/24";
    if let Ok(address) = text.parse::<Ipv4Addr>() {
        return Ok(Ipv4Net::from(address));
    }
    let network: Ipv4Net = text.parse().map_err(|_| EXPECTED.to_owned())?;
    if network.prefix_len() < LARGEST {
        let part = limited(network);
        return Err(format!(
            "has {} addresses, which would take too long; expected at most a /{LARGEST}, such as \
             {part}",
            1_u64 << (32 - network.prefix_len())
        ));
    }
    Ok(network.trunc())
}

/// The private IPv4 networks that this machine is part of.
pub(super) fn own() -> std::io::Result<Vec<Ipv4Net>> {
    Ok(of_interfaces(&get_if_addrs()?))
}

/// Networks of container bridges count only if there are no others.
fn of_interfaces(interfaces: &[Interface]) -> Vec<Ipv4Net> {
    let usable =
        interfaces.iter().filter(|one| one.is_oper_up() && !one.is_loopback() && !one.is_p2p());
    let networks = usable.filter_map(|one| Some((one.name.as_str(), network(&one.addr)?)));
    let (bridges, others): (Vec<_>, Vec<_>) =
        networks.partition(|(name, _)| is_container_bridge(name));
    let chosen = if others.is_empty() { bridges } else { others };
    Ipv4Net::aggregate(&chosen.into_iter().map(|(_, network)| network).collect())
}

/// The network of a private address, or the part around the address if the network is too large.
fn network(address: &IfAddr) -> Option<Ipv4Net> {
    let IfAddr::V4(address) = address else { return None };
    // A /31 and a /32 have no neighbours.
    if !address.ip.is_private() || address.prefixlen > 30 {
        return None;
    }
    Ipv4Net::new(address.ip, address.prefixlen).ok().map(limited)
}

/// The network, or that part of it around its address that is not too large.
fn limited(network: Ipv4Net) -> Ipv4Net {
    let prefix = network.prefix_len().max(LARGEST);
    Ipv4Net::new(network.addr(), prefix).unwrap_or(network).trunc()
}

/// Whether an interface leads to containers or virtual machines of this machine, by its usual name.
fn is_container_bridge(name: &str) -> bool {
    const PREFIXES: [&str; 9] =
        ["docker", "veth", "virbr", "lxcbr", "lxdbr", "podman", "cni", "hassio", "flannel"];
    let is_docker_network = |id: &str| id.len() == 12 && id.bytes().all(|b| b.is_ascii_hexdigit());
    PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        || name.strip_prefix("br-").is_some_and(is_docker_network)
}

#[cfg(test)]
mod tests {
    use if_addrs::{IfOperStatus, Ifv4Addr};

    use super::*;

    fn interface(name: &str, address: &str) -> Interface {
        let network: Ipv4Net = address.parse().unwrap();
        Interface {
            name: name.to_owned(),
            addr: IfAddr::V4(Ifv4Addr {
                ip: network.addr(),
                netmask: network.netmask(),
                prefixlen: network.prefix_len(),
                broadcast: None,
            }),
            index: None,
            oper_status: IfOperStatus::Up,
            is_p2p: false,
        }
    }

    #[track_caller]
    fn check(interfaces: &[Interface], expected: &[&str]) {
        let networks: Vec<_> = of_interfaces(interfaces).iter().map(Ipv4Net::to_string).collect();
        assert_eq!(networks, expected);
    }

    #[test]
    fn own_networks_are_those_of_the_home() {
        let lan = interface("eth0", "192.168.1.23/24");
        let docker = interface("docker0", "172.17.0.1/16");
        let compose = interface("br-0123456789ab", "172.18.0.1/16");
        let vpn = Interface { is_p2p: true, ..interface("wg0", "10.6.0.2/24") };
        let down =
            Interface { oper_status: IfOperStatus::Down, ..interface("eth1", "10.1.0.2/24") };
        let others =
            [interface("lo", "127.0.0.1/8"), vpn, down, interface("ppp", "203.0.113.7/24")];
        check(&[lan.clone(), docker.clone(), compose.clone()], &["192.168.1.0/24"]);
        check(&others, &[]);
        check(&[&others[..], std::slice::from_ref(&lan)].concat(), &["192.168.1.0/24"]);
        // Wi-Fi and cable in one network, and a bridge that is not one of containers.
        let wifi = interface("wlan0", "192.168.1.24/24");
        check(&[lan, wifi, interface("br-lan", "10.0.0.1/24")], &["10.0.0.0/24", "192.168.1.0/24"]);
        check(&[docker, compose], &["172.17.0.0/22", "172.18.0.0/22"]);
        check(&[interface("eth0", "10.20.30.40/8")], &["10.20.28.0/22"]);
    }

    #[test]
    fn named_networks_have_a_limit() {
        for (text, expected) in [
            ("192.168.1.77/24", Ok("192.168.1.0/24")),
            ("10.0.0.0/22", Ok("10.0.0.0/22")),
            ("192.168.1.191", Ok("192.168.1.191/32")),
            ("10.20.30.40/21", Err("at most a /22, such as 10.20.28.0/22")),
            ("0.0.0.0/0", Err("at most a /22")),
            ("fe80::/64", Err("IPv4")),
            ("192.168.1.256/24", Err("IPv4")),
            ("home", Err("IPv4")),
        ] {
            match (parse(text), expected) {
                (Ok(network), Ok(expected)) => assert_eq!(network.to_string(), expected),
                (Err(error), Err(expected)) => assert!(error.contains(expected), "{error}"),
                (found, _) => panic!("{text}: {found:?}"),
            }
        }
    }
}
