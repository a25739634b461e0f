//! Where a registered target may be: a bridge that dials any address a stranger names would be
//! his foot in the door.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use thiserror::Error;

/// Where cloud machines are told their credentials; nobody's Home Assistant is there. AWS and most
/// others, AWS containers (two), Alibaba, Azure, Oracle, AWS and Google over IPv6.
const METADATA: [IpAddr; 8] = [
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 2)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 23)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
];

/// The rule of `http.registration.allow`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allow {
    is_any: bool,
    is_private: bool,
    networks: Vec<IpNet>,
    hosts: Vec<String>,
}

impl Allow {
    /// Reads `private`, `any`, CIDR blocks, addresses and host names.
    pub fn parse(entries: &[String]) -> Self {
        let mut allow = Self::default();
        for entry in entries {
            match entry.trim() {
                "any" => allow.is_any = true,
                "private" => allow.is_private = true,
                other => {
                    let network =
                        other.parse().or_else(|_| other.parse::<IpAddr>().map(IpNet::from));
                    match network {
                        Ok(network) => allow.networks.push(network),
                        Err(_) => allow.hosts.push(host_name(other)),
                    }
                }
            }
        }
        allow
    }

    /// Whether a target of that host may be dialled at all of these addresses.
    ///
    /// All, not one: a name that also points elsewhere could be dialled there.
    pub fn check(&self, host: &str, addresses: &[IpAddr]) -> Result<(), Forbidden> {
        let is_named = self.hosts.contains(&host_name(host));
        for address in addresses {
            let address = address.to_canonical();
            let is_listed = self.networks.iter().any(|network| network.contains(&address));
            if is_listed {
                continue;
            }
            let leads_to = embedded(address).unwrap_or(address);
            if METADATA.contains(&leads_to) || is_no_host(leads_to) {
                return Err(Forbidden::Never(address));
            }
            if !(self.is_any || is_named || (self.is_private && is_private(address))) {
                return Err(Forbidden::NotListed(address));
            }
        }
        Ok(())
    }
}

/// Why an address may not be dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Forbidden {
    /// Not among those allowed.
    #[error(
        "{0} is not allowed for registered targets; add it to http.registration.allow in the \
         bridge's configuration, as \"{0}\""
    )]
    NotListed(IpAddr),
    /// Not an address of a target.
    #[error("{0} is no address of a target: it names no host, or a cloud's metadata service")]
    Never(IpAddr),
}

fn host_name(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

/// The IPv4 address to which a gateway passes on what is sent to this one: NAT64 (RFC 6052), 6to4
/// (RFC 3056), and the old IPv4-compatible form.
fn embedded(address: IpAddr) -> Option<IpAddr> {
    let IpAddr::V6(address) = address else { return None };
    let (high, low) = match address.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => (high, low),
        [0, 0, 0, 0, 0, 0, high, low] if high > 0 => (high, low),
        _ => return None,
    };
    let bits = (u32::from(high) << 16) | u32::from(low);
    Some(IpAddr::V4(Ipv4Addr::from_bits(bits)))
}

fn is_no_host(address: IpAddr) -> bool {
    let is_broadcast = matches!(address, IpAddr::V4(address) if address.is_broadcast());
    address.is_unspecified() || address.is_multicast() || is_broadcast
}

/// Loopback, the networks of homes and companies, link-local ones, and the shared range that
/// overlay networks such as Tailscale use.
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let [first, second, ..] = address.octets();
            address.is_loopback()
                || address.is_private()
                || address.is_link_local()
                || (first == 100 && (64..128).contains(&second))
        }
        IpAddr::V6(address) => {
            address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(entries: &[&str], host: &str, addresses: &[&str], is_allowed: bool) {
        let entries: Vec<String> = entries.iter().map(|entry| (*entry).to_owned()).collect();
        let parsed: Vec<IpAddr> = addresses.iter().map(|one| one.parse().unwrap()).collect();
        let outcome = Allow::parse(&entries).check(host, &parsed);
        assert_eq!(outcome.is_ok(), is_allowed, "{entries:?} {host} {addresses:?}: {outcome:?}");
    }

    #[test]
    fn private_means_the_networks_of_homes() {
        for address in [
            "127.0.0.1",
            "10.1.2.3",
            "172.31.0.1",
            "192.168.1.23",
            "169.254.10.1",
            "100.64.0.9",
            "::1",
            "fd12::1",
            "fe80::1",
            "::ffff:192.168.1.23",
        ] {
            check(&["private"], "x", &[address], true);
        }
        for address in [
            "8.8.8.8",
            "172.32.0.1",
            "100.128.0.1",
            "2001:db8::1",
            "::ffff:8.8.8.8",
            "0.0.0.0",
            "::",
            "224.0.0.1",
            "255.255.255.255",
            "ff02::1",
            "169.254.169.254",
            "::ffff:169.254.169.254",
            "fd00:ec2::254",
            "100.100.100.200",
        ] {
            check(&["private"], "x", &[address], false);
        }
    }

    #[test]
    fn one_forbidden_address_forbids_the_name() {
        check(&["private"], "rebind.example", &["192.168.1.2", "8.8.8.8"], false);
        check(&["private"], "home.example", &["192.168.1.2", "fd00::2"], true);
    }

    #[test]
    fn blocks_addresses_names_and_any() {
        check(&["203.0.113.0/24"], "x", &["203.0.113.7"], true);
        check(&["203.0.113.0/24"], "x", &["192.168.1.2"], false);
        check(&["203.0.113.7"], "x", &["203.0.113.7"], true);
        check(&["HA.example."], "ha.EXAMPLE", &["203.0.113.7"], true);
        check(&["ha.example"], "evil.example", &["203.0.113.7"], false);
        check(&["ha.example"], "ha.example", &["169.254.169.254"], false);
        check(&["any"], "x", &["203.0.113.7", "192.168.1.1"], true);
        for metadata in [
            "169.254.169.254",
            "::ffff:169.254.169.254",
            "64:ff9b::169.254.169.254",
            "2002:a9fe:a9fe::1",
            "::169.254.169.254",
            "fd20:ce::254",
        ] {
            check(&["any"], "x", &[metadata], false);
        }
        check(&["any"], "x", &["64:ff9b::203.0.113.7", "::1"], true);
        check(&["any", "169.254.169.254"], "x", &["169.254.169.254"], true);
        check(&[], "x", &["127.0.0.1"], false);
    }
}
