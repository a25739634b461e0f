//! What must hold for DTUs.

use std::net::Ipv6Addr;

use crate::config::load::Form;
use crate::config::load::fault::Faults;
use crate::config::load::kind::shown;
use crate::config::{DtuConfig, Protocol};

const SERIAL_DIGITS: usize = 12;

pub(super) fn check(dtus: &[DtuConfig], form: Form, faults: &mut Faults) {
    if dtus.is_empty() {
        let wrong = match form {
            Form::Toml => {
                "there is no DTU; expected at least one section like\n\n\
                 [[dtu]]\nname = \"DTU\"\nprotocol = \"modbus\"\nhost = \"192.168.1.191\"\n"
            }
            Form::Options => {
                "there is no DTU; expected at least one, with `name`, `protocol` and `host`"
            }
        };
        faults.add("dtu", wrong);
    }
    for (index, dtu) in dtus.iter().enumerate() {
        let path = |key: &str| format!("dtu[{index}].{key}");
        // A host that does not even fit was told already, and is missing here.
        if dtu.protocol != Protocol::Simulated
            && !faults.has(&path("host"))
            && let Some(wrong) = wrong_host(&dtu.host)
        {
            faults.add(&path("host"), wrong);
        }
        for (place, serial) in dtu.exclude.iter().enumerate() {
            let is_serial = serial.len() == SERIAL_DIGITS
                && serial.bytes().all(|byte| byte.is_ascii_hexdigit());
            if !is_serial {
                faults.add(
                    &format!("{}[{place}]", path("exclude")),
                    format!(
                        "{} is no serial number; expected {SERIAL_DIGITS} digits 0-9, a-f as \
                         printed on the inverter",
                        shown(serial)
                    ),
                );
            }
        }
    }
}

/// What is wrong with the host of a DTU that is reached over the network.
fn wrong_host(host: &str) -> Option<String> {
    let address = host.split('%').next().unwrap_or_default();
    let (wrong, expected) = if host.is_empty() {
        ("is missing".to_owned(), "the DTU's IP address or name")
    } else if address.parse::<Ipv6Addr>().is_ok() {
        return None;
    } else if host.contains("://") || host.contains('/') {
        (format!("{} looks like a URL", shown(host)), "only the IP address or name")
    } else if host.starts_with('[') {
        (format!("{} has brackets", shown(host)), "an IPv6 address without them")
    } else if host.contains(':') {
        (format!("{} has a port", shown(host)), "the port under the key `port`")
    } else if host.contains(|c: char| c.is_whitespace() || c.is_control()) {
        (format!("{} has blanks", shown(host)), "an IP address or name")
    } else {
        return None;
    };
    Some(format!("{wrong}; expected {expected}"))
}
