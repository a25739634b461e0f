//! What must hold for the HTTP server and for who may register with it.

use std::net::IpAddr;

use ipnet::IpNet;

use super::token;
use crate::config::HttpConfig;
use crate::config::load::fault::Faults;
use crate::config::load::kind::shown;

/// The longest host name of the DNS.
const LONGEST_HOST: usize = 253;

pub(super) fn check(http: &HttpConfig, faults: &mut Faults) {
    token("http", "token", http.token.is_some(), http.token_file.is_some(), faults);
    for (index, entry) in http.registration.allow.iter().enumerate() {
        if !is_allowable(entry) {
            faults.add(
                &format!("http.registration.allow[{index}]"),
                format!(
                    "{} is unknown; expected \"private\", \"any\", a network like \
                     \"192.168.1.0/24\", an IP address or a host name",
                    shown(entry)
                ),
            );
        }
    }
}

fn is_allowable(entry: &str) -> bool {
    entry.parse::<IpNet>().is_ok() || entry.parse::<IpAddr>().is_ok() || is_host_name(entry)
}

/// `private` and `any` look like host names too. Digits and dots alone are a mistyped address.
fn is_host_name(entry: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    entry.len() <= LONGEST_HOST
        && entry.trim_end_matches('.').split('.').all(is_label)
        && entry.contains(|c: char| c.is_ascii_alphabetic())
}
