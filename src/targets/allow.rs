//! Where a registered target may be: without this rule anybody could make the bridge connect
//! anywhere.

use std::net::IpAddr;

use ipnet::IpNet;
use thiserror::Error;

use crate::problem::Problem;

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

    /// Whether a target of that host may be dialled at all of these addresses: a name that also
    /// points elsewhere could be dialled there.
    pub fn check(&self, host: &str, addresses: &[IpAddr]) -> Result<(), Forbidden> {
        if self.is_any || self.hosts.contains(&host_name(host)) {
            return Ok(());
        }
        let is_allowed = |address: &IpAddr| {
            (self.is_private && is_private(*address))
                || self.networks.iter().any(|network| network.contains(address))
        };
        let mut addresses = addresses.iter().map(IpAddr::to_canonical);
        addresses.find(|address| !is_allowed(address)).map_or(Ok(()), |it| Err(Forbidden(it)))
    }
}

/// An address that a registered target may not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{}", self.problem())]
pub struct Forbidden(pub IpAddr);

impl Forbidden {
    /// Label, cause and remedy.
    pub fn problem(&self) -> Problem {
        let address = self.0;
        Problem::new(
            "forbidden",
            format!("{address} is not allowed for registered targets"),
            format!(
                "add it to http.registration.allow in the bridge's configuration, as \"{address}\""
            ),
        )
    }
}

fn host_name(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

/// Loopback, the networks of homes and companies, and the shared range that overlay networks such
/// as Tailscale use. Not link-local: clouds hand out credentials at such an address.
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let [first, second, ..] = address.octets();
            address.is_loopback()
                || address.is_private()
                || (first == 100 && (64..128).contains(&second))
        }
        IpAddr::V6(address) => address.is_loopback() || address.is_unique_local(),
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
            "100.64.0.9",
            "::1",
            "fd12::1",
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
            "64:ff9b::8.8.8.8",
            "fe80::1",
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
        check(&["any"], "x", &["203.0.113.7", "192.168.1.1"], true);
        check(&["169.254.0.0/16"], "x", &["169.254.10.1"], true);
        check(&[], "x", &["127.0.0.1"], false);
    }
}
