//! What is allowed but probably not wanted.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use super::dtu::{PROTOBUF_INTERVAL, PROTOBUF_REQUEST_GAP};
use super::load::Places;
use super::section::quoted;
use super::types::nearest;
use super::zone::{self, ZoneOrigin};
use super::{Config, DtuConfig, Key, MqttConfig, Protocol, RecordsPerRead};

/// Several DTUs lose responses or their network when single reads come faster than this.
const GENTLE_INTERVAL: Duration = Duration::from_secs(30);

/// The warnings that the values themselves call for.
pub(super) fn warnings(config: &Config, places: &Places) -> Vec<String> {
    let mut warnings = Vec::new();
    for (index, dtu) in config.dtus.iter().enumerate() {
        let warning = |(path, text): (String, String)| places.warning(&path, &text);
        let keys = dtu_keys(index, dtu, places)
            .into_iter()
            .map(|(key, text)| (format!("dtu[{index}].{key}"), text));
        let intervals = interval(dtu, config.poll.interval).map(|text| {
            let is_own = dtu.interval.is_some();
            let path =
                if is_own { format!("dtu[{index}].interval") } else { "poll.interval".to_owned() };
            (path, format!("DTU {}: {text}", dtu.name))
        });
        warnings.extend(keys.chain(intervals).map(warning));
    }
    warnings.extend(config.mqtt.as_ref().and_then(|mqtt| mqtt_port(mqtt, places)));
    warnings.extend(shared_dtus(&config.dtus, places));
    warnings.extend(mistaken_hosts(&config.http.registration.allow, places));
    warnings
}

/// What is wrong with the interval of a DTU, where `usual` is that of `[poll]`.
fn interval(dtu: &DtuConfig, usual: Duration) -> Option<String> {
    let wanted = dtu.interval.unwrap_or(usual);
    match dtu.protocol {
        Protocol::Modbus
            if wanted < GENTLE_INTERVAL && dtu.records_per_read == RecordsPerRead::Number(1) =>
        {
            Some(format!(
                "an interval below {GENTLE_INTERVAL:?} with records_per_read = 1 strains a DTU; if \
                 it fails, use a longer interval or try records_per_read = \"auto\""
            ))
        }
        Protocol::Protobuf if wanted < PROTOBUF_INTERVAL => Some(format!(
            "is polled at most once every {PROTOBUF_INTERVAL:?}: over protobuf, more frequent \
             requests return old values and stop its uploads to the manufacturer's cloud; set \
             `interval` to \"35s\" or more"
        )),
        Protocol::Modbus | Protocol::Protobuf | Protocol::Simulated => None,
    }
}

/// Keys of a DTU whose values do not fit its protocol or its network, with what is wrong.
fn dtu_keys(index: usize, dtu: &DtuConfig, places: &Places) -> Vec<(&'static str, String)> {
    let DtuConfig { name, protocol, .. } = dtu;
    let (unused, other): (&[_], _) = match protocol {
        Protocol::Modbus => (&["performance_mode", "avoid_cloud_upload"], Protocol::Protobuf),
        Protocol::Protobuf => (&["unit_id", "records_per_read"], Protocol::Modbus),
        Protocol::Simulated => (
            &["host", "port", "unit_id", "performance_mode", "avoid_cloud_upload"],
            Protocol::Simulated,
        ),
    };
    let unused = unused.iter().filter(|key| places.has(&format!("dtu[{index}].{key}")));
    let text = format!("has no effect on {name}, whose protocol is \"{protocol}\"; remove it");
    let mut warnings: Vec<_> = unused.map(|&key| (key, text.clone())).collect();
    if *protocol == Protocol::Simulated {
        return warnings;
    }
    let is_fast = dtu.request_gap.is_some_and(|gap| gap < PROTOBUF_REQUEST_GAP);
    if *protocol == Protocol::Protobuf && is_fast {
        let text = "requests this close together disturb the manufacturer's cloud and app; remove it, \
                    or set it to \"2s\" or more";
        warnings.push(("request_gap", text.to_owned()));
    }
    if dtu.port() == DtuConfig::new("", other, "").port() {
        let text = format!(
            "on port {} a DTU speaks \"{other}\", not \"{protocol}\"; remove `port`, or set \
             protocol = \"{other}\"",
            dtu.port()
        );
        warnings.push(("port", text));
    }
    if dtu.host.to_lowercase().ends_with(".local") {
        let text = format!(
            "DTU {name}: names ending in .local cannot be resolved inside a container; use its IP \
             address"
        );
        warnings.push(("host", text));
    }
    warnings
}

/// The port for TLS without it, or the other way round.
fn mqtt_port(mqtt: &MqttConfig, places: &Places) -> Option<String> {
    let text = match (mqtt.port?, mqtt.tls) {
        (8883, false) => "8883 is the port for TLS, which is off; set tls = true, or port = 1883",
        (1883, true) => {
            "1883 is the port without TLS, which is on; remove `port`, or set tls = false"
        }
        _ => return None,
    };
    Some(places.warning("mqtt.port", text))
}

/// Variables that begin as the bridge's do but are not among them.
pub(super) fn unknown_variables(
    keys: &[Key],
    environment: &BTreeMap<String, String>,
) -> Vec<String> {
    const PREFIX: &str = "HOYMILES_";
    let mut known = vec!["CONFIG".to_owned()];
    let names = keys.iter().filter(|key| !key.is_in_list);
    known.extend(names.map(|key| format!("_{}", key.path.replace('.', "__").to_uppercase())));
    let unknown = environment.iter().filter_map(|(name, value)| {
        let rest = name.to_uppercase().strip_prefix(PREFIX)?.to_owned();
        let is_ours = rest.starts_with('_') || OUR_VARIABLES.contains(&rest.as_str());
        if is_ours || value.is_empty() || is_service(&rest) {
            return None;
        }
        let remedy = match nearest(&rest, known.iter().map(String::as_str)) {
            Some(meant) => format!("did you mean {PREFIX}{meant}?"),
            None => {
                "keys have two underscores, as in HOYMILES__LOG__LEVEL; remove it if it is for \
                     another program"
                    .to_owned()
            }
        };
        Some(format!("environment: {name}: has no effect; {remedy}"))
    });
    unknown.collect()
}

/// Without the prefix: what the bridge, its packages and compose files use.
const OUR_VARIABLES: [&str; 8] =
    ["CONFIG", "SUPERVISOR", "UID", "GID", "VERSION", "COMMIT", "REPOSITORY", "BRIDGE"];

/// Whether Kubernetes or Docker makes such a variable for a service or container of that name.
fn is_service(rest: &str) -> bool {
    let has_port = rest.ends_with("PORT") || rest.contains("PORT_");
    has_port || rest.ends_with("SERVICE_HOST") || rest.ends_with("NAME") || rest.contains("_ENV_")
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

/// Warns of a value of `TZ` that is not the name of a zone.
pub(super) fn unusable_zone(origin: &ZoneOrigin) -> Option<String> {
    let ZoneOrigin::Unusable(name) = origin else { return None };
    let wrong = zone::wrong_zone(name)?;
    let name = quoted(name);
    Some(format!(
        "environment: TZ: {name} {wrong}, so a day begins at midnight UTC; set `timezone`"
    ))
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
