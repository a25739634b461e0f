//! Hosts and addresses as people type them, for the file, the environment and the command line.
//!
//! What the system's look-up would correct silently is refused: it reads `192.168.178.041` as
//! `192.168.178.33`, and `192.168.1` as `192.168.0.1`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use thiserror::Error;

use super::section::quoted;

/// Why a text is not a host or an address, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{wrong}; {remedy}")]
pub struct HostError {
    wrong: String,
    remedy: String,
}

impl HostError {
    /// `expected` is the remedy where no right form is known.
    fn new(text: &str, Wrong { cause, right }: Wrong, expected: &str) -> Self {
        let remedy = right.unwrap_or_else(|| format!("expected {expected}"));
        Self { wrong: format!("{} {cause}", quoted(text)), remedy }
    }
}

/// What is expected where a DTU's host is.
pub(super) const DTU_HOST: &str = "the DTU's IP address or host name";
/// What is expected where the bridge listens.
pub(super) const LISTEN_ADDRESS: &str =
    "an IP address and a port like \"0.0.0.0:8080\" or \"[::]:8080\"";

/// Checks the host of a DTU.
pub fn check_dtu_host(text: &str) -> Result<String, HostError> {
    check(text, DTU_HOST)
}

/// The host itself, or what is wrong with it.
pub(super) fn check(text: &str, expected: &str) -> Result<String, HostError> {
    let wrong = wrong_host(text).map(|wrong| HostError::new(text, wrong, expected));
    wrong.map_or_else(|| Ok(text.to_owned()), Err)
}

/// Reads an address to listen at.
pub fn parse_listen_address(text: &str) -> Result<SocketAddr, HostError> {
    text.parse().map_err(|_| HostError::new(text, wrong_listen_address(text), LISTEN_ADDRESS))
}

fn wrong_listen_address(text: &str) -> Wrong {
    let written = |address: &str, port: u16| format!("write {address}:{port}");
    let wrong = |cause, right| Wrong { cause, right };
    let bare = text.trim();
    if bare != text {
        let right = bare.parse().ok().map(|right: SocketAddr| format!("write {right}"));
        return wrong("has a blank or line break at its beginning or end", right);
    }
    if text.contains('/') {
        return wrong("is a URL", None);
    }
    if let Ok(port) = text.trim_start_matches(':').parse() {
        return wrong("has no IP address", Some(written("0.0.0.0", port)));
    }
    let address = text.trim_start_matches('[').trim_end_matches(']');
    if address.parse::<IpAddr>().is_ok() {
        return wrong("has no port", None);
    }
    let Some((host, port)) = text.rsplit_once(':') else {
        return wrong("is not an IP address with a port", None);
    };
    let Ok(port) = port.parse() else {
        return wrong("has no port from 0 to 65535", None);
    };
    if host.eq_ignore_ascii_case("localhost") {
        return wrong("has a name in the place of an IP address", Some(written("127.0.0.1", port)));
    }
    let Some(Wrong { cause, right }) = wrong_ipv4(host) else {
        return wrong("is not an IP address with a port", None);
    };
    wrong(cause, right.map(|right| format!("{right}:{port}")))
}

/// What is wrong with a host.
pub(super) struct Wrong {
    /// In words that follow the host.
    pub(super) cause: &'static str,
    /// What to write instead, as `write ...`.
    pub(super) right: Option<String>,
}

impl Wrong {
    fn new(cause: &'static str) -> Self {
        Self { cause, right: None }
    }

    fn with_right(cause: &'static str, right: &str) -> Self {
        let is_right = !right.is_empty() && wrong_host(right).is_none();
        Self { cause, right: is_right.then(|| format!("write {right}")) }
    }
}

/// An IPv6 address may name its network interface: `fe80::1%eth0`.
pub(super) fn wrong_host(host: &str) -> Option<Wrong> {
    let address = host.split_once('%').map_or(host, |(address, _)| address);
    if host.parse::<IpAddr>().is_ok() || address.parse::<Ipv6Addr>().is_ok() {
        return None;
    }
    if host.contains('/') {
        return Some(wrong_url(host));
    }
    if let Some(inside) = host.strip_prefix('[') {
        let inside = inside.split(']').next().unwrap_or_default();
        return Some(Wrong::with_right("has brackets", inside));
    }
    if let Some((name, port)) = host.split_once(':') {
        if port.contains(':') {
            return Some(Wrong::new("is not an IPv6 address"));
        }
        return Some(Wrong::with_right("has a port, which belongs under the key `port`", name));
    }
    if host.contains('@') {
        return Some(Wrong::new("has an @"));
    }
    if host.contains(|c: char| c.is_whitespace() || c.is_control()) {
        let bare = host.trim();
        if bare == host {
            return Some(Wrong::new("has blanks"));
        }
        return Some(Wrong::with_right("has a blank or line break at its beginning or end", bare));
    }
    wrong_ipv4(host).or_else(|| {
        // Names of containers have underscores, others have umlauts.
        let is_foreign = |c: char| !c.is_alphanumeric() && !"-_.".contains(c);
        let has_foreign = host.contains(is_foreign) || !host.contains(char::is_alphanumeric);
        has_foreign.then_some(Wrong { cause: "has characters that no host name has", right: None })
    })
}

fn wrong_url(host: &str) -> Wrong {
    if let Some((address, prefix)) = host.split_once('/')
        && prefix.parse::<u8>().is_ok()
        && address.parse::<IpAddr>().is_ok()
    {
        return Wrong::with_right("is a network", address);
    }
    let after = host.split_once("://").map_or(host, |(_, after)| after);
    let authority = after.split('/').next().unwrap_or_default();
    let name = match authority.strip_prefix('[') {
        Some(inside) => inside.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    let cause = if host.starts_with("mqtts://") {
        "is a URL (for TLS set `tls = true`)"
    } else {
        "is a URL"
    };
    Wrong::with_right(cause, name)
}

/// What is wrong with a text that looks like an IPv4 address but is not valid as one. Other
/// names, such as `dtu-1.lan`, are accepted.
pub(super) fn wrong_ipv4(host: &str) -> Option<Wrong> {
    if host.parse::<Ipv4Addr>().is_ok() {
        return None;
    }
    let with_dots = host.replace(',', ".");
    let bare = with_dots.trim_end_matches('.');
    let parts: Vec<&str> = bare.split('.').collect();
    let is_number = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let numbers = parts.iter().filter(|part| is_number(part)).count();
    if host.contains(',') {
        let is_address = numbers == parts.len();
        return is_address.then(|| with_address("has commas", bare));
    }
    if numbers + parts.iter().filter(|part| part.is_empty()).count() == parts.len() && numbers > 0 {
        return Some(wrong_numbers(host, &parts));
    }
    // The system's look-up reads these as numbers too.
    let is_hexadecimal = |part: &&str| {
        let digits = part.strip_prefix("0x").or_else(|| part.strip_prefix("0X"));
        digits.is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))
    };
    if parts.iter().all(|part| is_number(part) || is_hexadecimal(part)) {
        return Some(Wrong::new("is not an IPv4 address: it has a hexadecimal number"));
    }
    // A letter that looks like a digit.
    let typed: String = bare
        .chars()
        .map(|c| match c {
            'l' | 'I' | 'i' | '|' => '1',
            'o' | 'O' => '0',
            c => c,
        })
        .collect();
    if numbers >= 2 && typed.parse::<Ipv4Addr>().is_ok() {
        return Some(with_address("has a letter in the place of a digit", &typed));
    }
    let starts_with_digit = |part: &&str| part.starts_with(|c: char| c.is_ascii_digit());
    if parts.len() == 4 && numbers == 3 && parts.iter().all(starts_with_digit) {
        return Some(Wrong::new("is not an IPv4 address: it has a letter or another character"));
    }
    None
}

/// The text has only numbers and dots.
fn wrong_numbers(host: &str, parts: &[&str]) -> Wrong {
    if parts.iter().any(|part| part.is_empty()) {
        return Wrong::new("is not an IPv4 address: it has two dots in a row or begins with one");
    }
    let has_zeros = parts.iter().any(|part| part.len() > 1 && part.starts_with('0'));
    let without_zeros: Vec<&str> = parts
        .iter()
        .map(|part| match part.trim_start_matches('0') {
            "" => "0",
            part => part,
        })
        .collect();
    if without_zeros.iter().any(|part| part.parse::<u8>().is_err()) {
        return Wrong::new(if parts.len() == 4 { TOO_LARGE } else { FOUR });
    }
    if parts.len() != 4 {
        return Wrong::new(FOUR);
    }
    let right = without_zeros.join(".");
    if has_zeros {
        with_address("has leading zeros", &right)
    } else if host.ends_with('.') {
        with_address("ends with a dot", &right)
    } else {
        Wrong::new("is not an IPv4 address")
    }
}

const TOO_LARGE: &str = "is not an IPv4 address: each of its numbers is at most 255";
const FOUR: &str = "is not an IPv4 address: it needs four numbers from 0 to 255";

fn with_address(cause: &'static str, address: &str) -> Wrong {
    let right = address.parse::<Ipv4Addr>().ok().map(|address| format!("write {address}"));
    Wrong { cause, right }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_hosts_are_refused_with_the_right_form() {
        let expected = "expected the DTU's IP address or host name";
        for (host, says) in [
            ("192.168.178.041", "has leading zeros; write 192.168.178.41"),
            ("172.16.010.1", "has leading zeros; write 172.16.10.1"),
            ("192.168.000.043", "has leading zeros; write 192.168.0.43"),
            ("192.168.1.5.", "ends with a dot; write 192.168.1.5"),
            ("192,168,1,5", "has commas; write 192.168.1.5"),
            ("192.168.1.19l", "has a letter in the place of a digit; write 192.168.1.191"),
            ("192.168.1.2O", "has a letter in the place of a digit; write 192.168.1.20"),
            ("192.168.1.19x", "is not an IPv4 address: it has a letter or another character"),
            ("192.168.1.256", "is not an IPv4 address: each of its numbers is at most 255"),
            ("192.168.1.0256", "is not an IPv4 address: each of its numbers is at most 255"),
            ("192.168.1", "is not an IPv4 address: it needs four numbers from 0 to 255"),
            ("192.168.1.1.5", "is not an IPv4 address: it needs four numbers from 0 to 255"),
            ("3232235777", "is not an IPv4 address: it needs four numbers from 0 to 255"),
            ("192.168..5", "is not an IPv4 address: it has two dots in a row"),
            ("0x7f.1", "is not an IPv4 address: it has a hexadecimal number"),
            ("http://192.168.1.5/", "is a URL; write 192.168.1.5"),
            ("http://dtu.lan:80/x", "is a URL; write dtu.lan"),
            ("http://[fd00::1]:80", "is a URL; write fd00::1"),
            ("mqtts://broker", "is a URL (for TLS set `tls = true`); write broker"),
            ("192.168.1.5/24", "is a network; write 192.168.1.5"),
            ("127.0.1.1:502", "has a port, which belongs under the key `port`; write 127.0.1.1"),
            ("dtu:502", "has a port, which belongs under the key `port`; write dtu"),
            ("[::1]", "has brackets; write ::1"),
            ("[::1]:502", "has brackets; write ::1"),
            ("fe80:::1", "is not an IPv6 address"),
            ("127.0.1.1 ", "has a blank or line break at its beginning or end; write 127.0.1.1"),
            ("my dtu", "has blanks"),
            ("me@dtu", "has an @"),
            ("192.168.1.*", "has characters that no host name has"),
            ("127.0.0.1%eth0", "is not an IPv4 address"),
            ("...", "has characters that no host name has"),
        ] {
            let message = check_dtu_host(host).unwrap_err().to_string();
            assert!(message.contains(says), "{host}: {message}");
            assert_eq!(says.contains("; write"), !message.contains(expected), "{message}");
        }
    }

    #[test]
    fn hosts_as_people_have_them_are_accepted() {
        for host in [
            "192.168.178.41",
            "::1",
            "fe80::1%eth0",
            "dtu",
            "dtu-1.lan",
            "4dtu",
            "dtu.5.lan",
            "10.example",
            "1.2.3.4.example",
            "mosquitto_1",
            "küche",
            "dtu.lan.",
        ] {
            assert_eq!(check_dtu_host(host), Ok(host.to_owned()));
        }
    }

    #[test]
    fn wrong_listen_addresses_are_refused_with_the_right_form() {
        for (address, says) in [
            (":8080", "has no IP address; write 0.0.0.0:8080"),
            ("8080", "has no IP address; write 0.0.0.0:8080"),
            ("localhost:5020", "has a name in the place of an IP address; write 127.0.0.1:5020"),
            ("127.0.0.01:5020", "has leading zeros; write 127.0.0.1:5020"),
            ("127.0.0.1:5020 ", "beginning or end; write 127.0.0.1:5020"),
            ("127.0.0.1", "has no port; expected an IP address and a port like"),
            ("[::1]", "has no port; expected an IP address and a port like"),
            ("::1:5020", "has no port; expected an IP address and a port like"),
            ("127.0.0.1:99999", "has no port from 0 to 65535; expected"),
            ("http://127.0.0.1:80", "is a URL; expected"),
            ("here", "is not an IP address with a port; expected"),
            ("dtu.lan:80", "is not an IP address with a port; expected"),
        ] {
            let message = parse_listen_address(address).unwrap_err().to_string();
            assert!(message.contains(says), "{address}: {message}");
        }
    }
}
