//! What `discover` prints: as text with the sections to paste, and as JSON.

use std::fmt::{self, Write as _};

use ipnet::Ipv4Net;
use serde::Serialize;
use toml::Value;

use super::probe::{CONNECT_LIMIT, PROTOCOLS};
use super::{AT_A_TIME, Discovery, Dtu, Found};
use crate::config::DtuConfig;
use crate::dtu::DtuError;

/// The remedy if this machine's own networks do not help.
pub(super) const NAME_ONE: &str =
    "name the network of the DTU: hoymiles-bridge discover --network 192.168.1.0/24";

/// Why no DTU may have been found, and what to do about it.
const CAUSES: [(&str, &str); 6] = [
    (
        "it is night, and the DTU is the one inside an inverter (HMS-...W), which has power only by day",
        "search again by day",
    ),
    ("the DTU is in another network, such as a VLAN", NAME_ONE),
    (
        "the DTU is in a guest Wi-Fi, which isolates its devices",
        "connect the DTU to the main Wi-Fi with the S-Miles app",
    ),
    (
        "this command runs in a container, which has a network of its own",
        "run it on the machine itself, or with `docker run --network host`",
    ),
    (
        "a DTU-Pro is connected by Wi-Fi, or its cable is not plugged in: Modbus needs the cable",
        "plug in the Ethernet cable, and set the RS-485 role to \"Remote Control\" in the S-Miles app",
    ),
    (
        "the device is a HiFlow (HMS-...-4WB) or an MS-A2: they have Bluetooth and no port to read",
        "a DTU or inverter of another model is needed",
    ),
];

/// What is printed before the search.
pub(super) fn announcement(networks: &[Ipv4Net]) -> String {
    let addresses: usize = networks.iter().map(|network| network.hosts().count()).sum();
    let rounds = u32::try_from(addresses.div_ceil(AT_A_TIME)).unwrap_or(u32::MAX);
    let ports = u32::try_from(PROTOCOLS.len()).unwrap_or(u32::MAX);
    let longest = CONNECT_LIMIT.saturating_mul(rounds).saturating_mul(ports).as_secs().max(3);
    let plural = if addresses == 1 { "" } else { "es" };
    format!(
        "Looking for DTUs in {}: {addresses} address{plural}, about {longest} s at most\n",
        listed(networks)
    )
}

fn listed(networks: &[Ipv4Net]) -> String {
    networks.iter().map(Ipv4Net::to_string).collect::<Vec<_>>().join(", ")
}

/// Causes and remedies when there is no DTU.
pub(in crate::cli) fn nothing_found(networks: &[Ipv4Net]) -> String {
    let mut text = format!("no DTU found in {}. Possible causes:", listed(networks));
    for (cause, remedy) in CAUSES {
        // Writing to a string cannot fail.
        let _ = write!(text, "\n- {cause}; {remedy}");
    }
    text
}

/// One DTU, which may answer over both protocols and at several addresses.
#[derive(Debug)]
struct Device<'a> {
    place: &'a Found,
    dtu: &'a Dtu,
    also_at: Vec<&'a Found>,
}

impl Device<'_> {
    fn is(&self, found: &Found, other: &Dtu) -> bool {
        match (self.dtu.identity.serial, other.identity.serial) {
            (Some(one), Some(other)) => one == other,
            _ => self.place.address.ip() == found.address.ip(),
        }
    }

    fn configured_as(&self) -> Option<&str> {
        let mut all = std::iter::once(self.place).chain(self.also_at.iter().copied());
        all.find_map(|found| found.is_dtu.as_ref().ok()?.configured_as.as_deref())
    }
}

impl Discovery {
    pub(super) fn dtus(&self) -> impl Iterator<Item = (&Found, &Dtu)> {
        self.found.iter().filter_map(|found| Some((found, found.is_dtu.as_ref().ok()?)))
    }

    fn others(&self) -> impl Iterator<Item = (&Found, &DtuError)> {
        self.found.iter().filter_map(|found| Some((found, found.is_dtu.as_ref().err()?)))
    }

    /// Each DTU once.
    fn devices(&self) -> Vec<Device<'_>> {
        let mut devices: Vec<Device<'_>> = Vec::new();
        for (found, dtu) in self.dtus() {
            match devices.iter_mut().find(|device| device.is(found, dtu)) {
                Some(device) => device.also_at.push(found),
                None => devices.push(Device { place: found, dtu, also_at: Vec::new() }),
            }
        }
        devices
    }

    /// The devices that are not configured yet, with what their sections would be.
    pub(in crate::cli) fn new_dtus(&self) -> Vec<DtuConfig> {
        let mut names = self.names.clone();
        let devices = self.devices();
        let new = devices.iter().filter(|device| device.configured_as().is_none());
        new.map(|device| {
            let name = unused_name(&names);
            names.push(name.clone());
            let Found { address, protocol, .. } = device.place;
            DtuConfig::new(&name, *protocol, &address.ip().to_string())
        })
        .collect()
    }
}

/// `DTU`, the name that the component of the Python bridge looks for, or else `DTU 2` and so on.
pub(in crate::cli) fn unused_name(used: &[String]) -> String {
    let candidates = (2..).map(|number| format!("DTU {number}"));
    let mut all = std::iter::once("DTU".to_owned()).chain(candidates);
    all.find(|name| !used.contains(name)).unwrap_or_default()
}

/// The `[[dtu]]` section of a DTU.
pub(in crate::cli) fn section(dtu: &DtuConfig) -> String {
    let [name, host] = [&dtu.name, &dtu.host].map(|text| Value::from(text.as_str()));
    let mut section =
        format!("[[dtu]]\nname = {name}\nprotocol = \"{}\"\nhost = {host}\n", dtu.protocol);
    if let Some(port) = dtu.port {
        push_line(&mut section, format_args!("port = {port}"));
    }
    section
}

/// Why what answers is no DTU, or does not show that it is one.
pub(in crate::cli) fn why_no_dtu(error: &DtuError) -> String {
    const IF_IT_IS: &str = "if this is your DTU, stop other programs that use it, and try again";
    if let DtuError::Malformed { cause, .. } = error {
        return cause.clone();
    }
    if let DtuError::Exception(code) = error {
        return format!(
            "it speaks Modbus, but refuses to be read as a DTU (exception code {code})"
        );
    }
    if let DtuError::Timeout(limit) = error {
        return format!("it accepts connections, but does not answer within {limit:?}; {IF_IT_IS}");
    }
    if matches!(error, DtuError::Closed(_)) {
        return format!("it closes the connection without an answer; {IF_IT_IS}");
    }
    error.problem().cause
}

/// One line for each DTU, and for each device that is not a DTU.
pub(in crate::cli) fn text(discovery: &Discovery) -> String {
    if discovery.found.is_empty() {
        return String::new();
    }
    let mut text = String::from("\n");
    let rows: Vec<_> = discovery.devices().iter().map(row).collect();
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.0.get(column)).map(String::len).max().unwrap_or(0)
    };
    let widths: Vec<_> = (0..4).map(width).collect();
    for (cells, notes) in &rows {
        let padded = cells.iter().enumerate().map(|(column, cell)| {
            format!("{cell:width$}", width = widths.get(column).copied().unwrap_or(0))
        });
        text += padded.collect::<Vec<_>>().join("  ").trim_end();
        text += "\n";
        for note in notes {
            push_line(&mut text, format_args!("    {note}"));
        }
    }
    for (found, error) in discovery.others() {
        push_line(&mut text, format_args!("no DTU: {}: {}", found.address, why_no_dtu(error)));
    }
    text += "\n";
    text
}

/// What to paste, if anything is new.
pub(super) fn sections(discovery: &Discovery) -> String {
    let new = discovery.new_dtus();
    if new.is_empty() {
        return String::new();
    }
    let sections = new.iter().map(section).collect::<Vec<_>>().join("\n");
    format!("For the configuration file, which `hoymiles-bridge init` can write:\n\n{sections}")
}

fn push_line(text: &mut String, line: fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{line}");
}

/// The cells of a device's line, and the notes below it.
fn row(device: &Device<'_>) -> ([String; 5], Vec<String>) {
    let Device { place, dtu, also_at } = device;
    let serial = dtu.identity.serial.map(|serial| serial.to_string());
    let cells = [
        place.address.to_string(),
        place.protocol.to_string(),
        serial.unwrap_or_else(|| "no serial number".to_owned()),
        dtu.identity.model().unwrap_or("unknown model").to_owned(),
        match dtu.identity.inverters {
            Some(1) => "1 inverter".to_owned(),
            Some(count) => format!("{count} inverters"),
            None => "number of inverters unknown yet".to_owned(),
        },
    ];
    let mut notes: Vec<_> = also_at
        .iter()
        .map(|found| format!("also {} at {}", found.protocol, found.address))
        .collect();
    if let Some(name) = device.configured_as() {
        notes.push(format!("already in the configuration, as \"{name}\""));
    }
    if dtu.is_polled_by_bridge {
        notes.push(
            "not probed: the running bridge polls it, and a DTU serves one client".to_owned(),
        );
    }
    (cells, notes)
}

#[derive(Serialize)]
struct Json {
    networks: Vec<String>,
    dtus: Vec<JsonDtu>,
    no_dtu: Vec<JsonOther>,
    /// Only if no DTU was found.
    causes: Vec<JsonCause>,
}

#[derive(Serialize)]
struct JsonPlace {
    address: String,
    port: u16,
    protocol: String,
}

impl JsonPlace {
    fn of(found: &Found) -> Self {
        let Found { address, protocol, .. } = found;
        Self {
            address: address.ip().to_string(),
            port: address.port(),
            protocol: protocol.to_string(),
        }
    }
}

#[derive(Serialize)]
struct JsonDtu {
    #[serde(flatten)]
    place: JsonPlace,
    serial_number: Option<String>,
    model: Option<&'static str>,
    firmware_version: Option<String>,
    inverters: Option<usize>,
    configured_as: Option<String>,
    probed: bool,
    also_at: Vec<JsonPlace>,
    /// To paste; `null` if it is configured.
    section: Option<String>,
}

#[derive(Serialize)]
struct JsonOther {
    address: String,
    port: u16,
    label: &'static str,
    cause: String,
}

#[derive(Serialize)]
struct JsonCause {
    cause: &'static str,
    remedy: &'static str,
}

/// The same as JSON.
pub(super) fn json(discovery: &Discovery) -> String {
    let mut sections = discovery.new_dtus().into_iter();
    let devices = discovery.devices();
    let dtus: Vec<_> = devices
        .iter()
        .map(|device| {
            let configured_as = device.configured_as().map(str::to_owned);
            let section =
                if configured_as.is_none() { sections.next().as_ref().map(section) } else { None };
            let identity = &device.dtu.identity;
            JsonDtu {
                place: JsonPlace::of(device.place),
                serial_number: identity.serial.map(|serial| serial.to_string()),
                model: identity.model(),
                firmware_version: identity.firmware.clone(),
                inverters: identity.inverters,
                configured_as,
                probed: !device.dtu.is_polled_by_bridge,
                also_at: device.also_at.iter().map(|found| JsonPlace::of(found)).collect(),
                section,
            }
        })
        .collect();
    let others = discovery.others().map(|(found, error)| JsonOther {
        address: found.address.ip().to_string(),
        port: found.address.port(),
        label: error.problem().label,
        cause: why_no_dtu(error),
    });
    let causes: &[(&str, &str)] = if dtus.is_empty() { &CAUSES } else { &[] };
    let json = Json {
        networks: discovery.networks.iter().map(Ipv4Net::to_string).collect(),
        no_dtu: others.collect(),
        causes: causes.iter().map(|&(cause, remedy)| JsonCause { cause, remedy }).collect(),
        dtus,
    };
    // Strings, numbers and booleans cannot fail to become JSON.
    serde_json::to_string_pretty(&json).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::discover::probe::Identity;
    use crate::config::Protocol;

    fn found(address: &str, protocol: Protocol, serial: Option<&str>, name: Option<&str>) -> Found {
        let identity = Identity {
            serial: serial.map(|serial| serial.parse().unwrap()),
            firmware: None,
            inverters: Some(2),
        };
        let configured_as = name.map(str::to_owned);
        let dtu = Dtu { identity, configured_as, is_polled_by_bridge: false };
        Found { address: address.parse().unwrap(), protocol, is_dtu: Ok(dtu) }
    }

    #[test]
    fn a_dtu_at_several_ports_and_addresses_is_one_section() {
        let (modbus, protobuf) = (Protocol::Modbus, Protocol::Protobuf);
        let one = Some("10F8A0000001");
        let discovery = Discovery {
            networks: Vec::new(),
            names: vec!["DTU".to_owned()],
            found: vec![
                found("10.0.0.1:502", modbus, one, None),
                found("10.0.0.1:10081", protobuf, one, None),
                found("10.0.0.2:502", modbus, None, None),
                found("10.0.0.2:10081", protobuf, Some("10F8A0000002"), None),
                found("10.0.0.3:10081", protobuf, one, None),
                found("10.0.0.4:502", modbus, Some("10F8A0000004"), Some("DTU")),
            ],
        };
        let new: Vec<_> = discovery.new_dtus().iter().map(section).collect();
        let expected = [("DTU 2", "10.0.0.1"), ("DTU 3", "10.0.0.2")].map(|(name, host)| {
            format!("[[dtu]]\nname = \"{name}\"\nprotocol = \"modbus\"\nhost = \"{host}\"\n")
        });
        assert_eq!(new, expected);
        let text = text(&discovery);
        assert!(text.contains("    also protobuf at 10.0.0.3:10081\n"), "{text}");
        assert!(text.contains("    already in the configuration, as \"DTU\"\n"), "{text}");
    }
}
