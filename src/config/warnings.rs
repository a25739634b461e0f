//! What is allowed but probably not wanted.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use super::dtu::{PROTOBUF_INTERVAL, PROTOBUF_REQUEST_GAP};
use super::load::Places;
use super::types::nearest;
use super::{Config, DtuConfig, Protocol};

/// Several DTUs lose responses or their network when single reads come faster than this.
const GENTLE_INTERVAL: Duration = Duration::from_secs(30);

/// The warnings that the values themselves call for.
pub(super) fn warnings(config: &Config, places: &Places) -> Vec<String> {
    let mut warnings = Vec::new();
    for (index, dtu) in config.dtus.iter().enumerate() {
        warnings.extend(keys_of_one(index, dtu, places));
        let interval = interval_path(index, dtu);
        if is_hasty(dtu, config.poll.interval) {
            let text = format!(
                "DTU {}: an interval below {GENTLE_INTERVAL:?} with records_per_read = 1 strains a \
                 DTU; if it fails, use a longer interval or try records_per_read = 6",
                dtu.name
            );
            warnings.push(places.warning(&interval, &text));
        }
        if dtu.interval_or(config.poll.interval) > dtu.interval.unwrap_or(config.poll.interval) {
            let text = format!(
                "DTU {}: is polled at most once every {PROTOBUF_INTERVAL:?}: over protobuf, more \
                 frequent requests return old values and stop its uploads to the manufacturer's \
                 cloud; set `interval` to \"35s\" or more",
                dtu.name
            );
            warnings.push(places.warning(&interval, &text));
        }
        if dtu.protocol != Protocol::Simulated && dtu.host.to_lowercase().ends_with(".local") {
            let text = format!(
                "DTU {}: names ending in .local cannot be resolved inside a container; use its IP \
                 address",
                dtu.name
            );
            warnings.push(places.warning(&format!("dtu[{index}].host"), &text));
        }
    }
    warnings.extend(shared_dtus(&config.dtus, places));
    warnings.extend(mistaken_hosts(&config.http.registration.allow, places));
    warnings
}

/// Where the interval of that DTU is set.
fn interval_path(index: usize, dtu: &DtuConfig) -> String {
    match dtu.interval {
        Some(_) => format!("dtu[{index}].interval"),
        None => "poll.interval".to_owned(),
    }
}

/// The other protocol, if the port that is set is its usual one.
fn protocol_of_port(dtu: &DtuConfig) -> Option<Protocol> {
    let other = match dtu.protocol {
        Protocol::Modbus => Protocol::Protobuf,
        Protocol::Protobuf => Protocol::Modbus,
        Protocol::Simulated => return None,
    };
    (dtu.port() == DtuConfig::new("", other, "").port()).then_some(other)
}

/// Two sections for the same device.
fn shared_dtus(dtus: &[DtuConfig], places: &Places) -> Vec<String> {
    let mut seen = BTreeMap::new();
    let on_network = |(_, dtu): &(usize, &DtuConfig)| dtu.protocol != Protocol::Simulated;
    let shared = dtus.iter().enumerate().filter(on_network).filter_map(|(index, dtu)| {
        let place = (dtu.host.to_lowercase(), dtu.port());
        let first = *seen.entry(place).or_insert(index);
        (first != index).then(|| {
            let text = format!(
                "is also the host of dtu[{first}], with the same port; a DTU serves one client at a \
                 time: remove one of the two sections"
            );
            places.warning(&format!("dtu[{index}].host"), &text)
        })
    });
    shared.collect()
}

/// Mistyped words of `allow`, which therefore count as host names.
fn mistaken_hosts(allow: &[String], places: &Places) -> Vec<String> {
    let words = ["private", "any"];
    let mistaken = allow.iter().enumerate().filter(|(_, entry)| !words.contains(&entry.as_str()));
    let warnings = mistaken.filter_map(|(index, entry)| {
        let meant = nearest(entry, words)?;
        let text = format!("\"{entry}\" counts as a host name; did you mean \"{meant}\"?");
        Some(places.warning(&format!("http.registration.allow[{index}]"), &text))
    });
    warnings.collect()
}

/// Keys that do not fit the protocol of their DTU.
fn keys_of_one(index: usize, dtu: &DtuConfig, places: &Places) -> Vec<String> {
    let warning = |key: &str, text: &str| places.warning(&format!("dtu[{index}].{key}"), text);
    let is_there = |key: &&&str| places.has(&format!("dtu[{index}].{key}"));
    let unused = unused_keys(dtu.protocol).iter().filter(is_there).map(|key| {
        let (protocol, name) = (dtu.protocol, &dtu.name);
        warning(
            key,
            &format!("has no effect on {name}, whose protocol is \"{protocol}\"; remove it"),
        )
    });
    let mut warnings: Vec<_> = unused.collect();
    let is_fast = dtu.request_gap.is_some_and(|gap| gap < PROTOBUF_REQUEST_GAP);
    if dtu.protocol == Protocol::Protobuf && is_fast {
        warnings.push(warning(
            "request_gap",
            "requests this close together disturb the manufacturer's cloud and app; remove it, or set it to \
             \"2s\" or more",
        ));
    }
    if let Some(other) = protocol_of_port(dtu) {
        let (protocol, port) = (dtu.protocol, dtu.port());
        let text = format!(
            "on port {port} a DTU speaks \"{other}\", not \"{protocol}\"; remove `port`, or set \
             protocol = \"{other}\""
        );
        warnings.push(warning("port", &text));
    }
    warnings
}

/// Keys that only other protocols use.
const fn unused_keys(protocol: Protocol) -> &'static [&'static str] {
    match protocol {
        Protocol::Modbus => &["performance_mode", "avoid_cloud_upload"],
        Protocol::Protobuf => &["unit_id", "records_per_read"],
        Protocol::Simulated => {
            &["host", "port", "unit_id", "performance_mode", "avoid_cloud_upload"]
        }
    }
}

fn is_hasty(dtu: &DtuConfig, interval: Duration) -> bool {
    dtu.protocol == Protocol::Modbus
        && dtu.interval.unwrap_or(interval) < GENTLE_INTERVAL
        && dtu.records_per_read == 1
}

/// Warns of a file with a secret that every user of the machine can read.
pub(super) fn readable_secret(file: &Path, text: &str) -> Option<String> {
    use std::os::unix::fs::PermissionsExt as _;
    let holds_token = text.lines().any(|line| {
        let line = line.trim_start();
        let key = line.split('=').next().unwrap_or_default().trim();
        ["token", "password"].contains(&key) || (key == "url" && line.contains("token="))
    });
    let mode = fs::metadata(file).ok()?.permissions().mode();
    (holds_token && mode & 0o004 != 0).then(|| {
        format!(
            "{} holds a token or password and every user of this machine can read it; run chmod o-r, \
             or use token_file or password_file",
            file.display()
        )
    })
}
