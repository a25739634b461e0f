//! The devices of a snapshot, the names of their topics, and their discovery documents, as Home
//! Assistant 2024.12 and later read them.
//!
//! One document per device, with its `origin`; without `object_id`, which is gone, and without
//! `child_devices` unless configured, since versions before 2026.9 refuse the whole device for them.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use crate::config::{MqttConfig, Protocol};
use crate::entities::{Entity, Given, Kind, State, StateClass, Subject, of};
use crate::plant::model;
use crate::snapshot::Snapshot;
use crate::snapshot::state::{DtuState, InverterState, MeterState};
use crate::store::{AnnouncedDevice, DeviceTopics};

/// Names of topics and devices, from the configured prefixes.
#[derive(Clone, Debug)]
pub(super) struct Names {
    prefix: String,
    discovery: String,
    /// Sets this bridge's own devices apart from those of another bridge at the same broker.
    own: String,
}

impl Names {
    pub(super) fn new(config: &MqttConfig) -> Self {
        Self {
            prefix: config.topic_prefix.clone(),
            discovery: config.discovery_prefix.clone(),
            own: plain(&config.topic_prefix),
        }
    }

    /// The topic that says whether the bridge runs, also of its last will.
    pub(super) fn bridge_availability(&self) -> String {
        format!("{}/bridge/availability", self.prefix)
    }

    /// The id of a device with a serial number, whichever bridge reads it.
    pub(super) fn device_id(serial: &str) -> String {
        format!("hoymiles_{}", plain(serial))
    }

    fn bridge_id(&self) -> String {
        format!("{}_bridge", self.own)
    }

    /// A DTU has a name before its serial number is known.
    fn dtu_id(&self, name: &str) -> String {
        format!("{}_dtu_{}", self.own, plain(name))
    }

    fn base(&self, kind: &str, name: &str) -> String {
        format!("{}/{kind}/{}", self.prefix, plain(name))
    }

    fn topics(&self, id: &str, base: String) -> DeviceTopics {
        DeviceTopics { document: format!("{}/device/{id}/config", self.discovery), base }
    }
}

/// The text in the characters that Home Assistant allows in a topic, so that no two texts become
/// one: letters, digits and `-` stay, each other byte becomes `_` and its hexadecimal digits.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'-' {
            plain.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(plain, "_{byte:02x}");
        }
    }
    plain
}

/// One device of a snapshot.
#[derive(Debug)]
pub(super) struct Device<'a> {
    pub(super) topics: DeviceTopics,
    /// Its id, and what it reports about itself.
    pub(super) record: AnnouncedDevice,
    pub(super) name: String,
    /// The id of the device through which it is reached.
    pub(super) via: Option<String>,
    /// Itself, and its ports.
    pub(super) parts: Vec<State<'a>>,
    /// The protocol of the DTU that reads it.
    protocol: Option<Protocol>,
}

/// The devices of a snapshot.
pub(super) fn devices<'a>(snapshot: &'a Snapshot, names: &Names) -> Vec<Device<'a>> {
    let mut devices = vec![bridge(snapshot, names)];
    devices.extend(snapshot.dtus().map(|state| dtu(state, names)));
    devices.extend(snapshot.inverters().map(|state| {
        let dtu = snapshot.dtus().find(|dtu| dtu.name == state.dtu_name);
        inverter(state, dtu.map(|dtu| dtu.protocol), names)
    }));
    devices.extend(snapshot.meters().map(|state| meter(state, names)));
    devices
}

fn bridge<'a>(snapshot: &'a Snapshot, names: &Names) -> Device<'a> {
    let id = names.bridge_id();
    let sw_version = Some(env!("CARGO_PKG_VERSION").to_owned());
    Device {
        topics: names.topics(&id, format!("{}/bridge", names.prefix)),
        record: AnnouncedDevice { id, sw_version, ..AnnouncedDevice::default() },
        name: "Hoymiles bridge".to_owned(),
        via: None,
        parts: vec![State::Bridge(snapshot)],
        protocol: None,
    }
}

fn dtu<'a>(state: &'a DtuState, names: &Names) -> Device<'a> {
    let (id, name) = (names.dtu_id(&state.name), &*state.name);
    Device {
        topics: names.topics(&id, names.base("dtu", name)),
        record: AnnouncedDevice {
            id,
            model: state.serial.and_then(model::dtu_name).map(str::to_owned),
            serial_number: state.serial.map(|serial| serial.to_string()),
            sw_version: state.firmware.clone(),
            ..AnnouncedDevice::default()
        },
        name: if name.to_lowercase().starts_with("dtu") {
            name.to_owned()
        } else {
            format!("DTU {name}")
        },
        via: Some(names.bridge_id()),
        parts: vec![State::Dtu(state)],
        protocol: Some(state.protocol),
    }
}

fn inverter<'a>(state: &'a InverterState, protocol: Option<Protocol>, names: &Names) -> Device<'a> {
    let serial = state.serial.to_string();
    let id = Names::device_id(&serial);
    let ports = state.ports.values().map(State::Port);
    Device {
        topics: names.topics(&id, names.base("inverter", &serial)),
        name: format!("Inverter {serial}"),
        record: AnnouncedDevice {
            id,
            model: model::name(state.serial, state.ports.len()),
            serial_number: Some(serial),
            sw_version: state.values.ac.firmware_version.clone(),
            ..AnnouncedDevice::default()
        },
        via: Some(names.dtu_id(&state.dtu_name)),
        parts: [State::Inverter(state)].into_iter().chain(ports).collect(),
        protocol,
    }
}

fn meter<'a>(state: &'a MeterState, names: &Names) -> Device<'a> {
    let serial = state.reading.serial.to_string();
    let id = Names::device_id(&serial);
    Device {
        topics: names.topics(&id, names.base("meter", &serial)),
        name: format!("Meter {serial}"),
        record: AnnouncedDevice { id, serial_number: Some(serial), ..AnnouncedDevice::default() },
        via: Some(names.dtu_id(&state.dtu_name)),
        parts: vec![State::Meter(state)],
        protocol: None,
    }
}

/// One entity of one device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) entity: &'static Entity,
    /// The index of its part within the device.
    pub(super) part: usize,
    /// The number of the port that it belongs to, if it does.
    pub(super) port: Option<u8>,
}

impl Shown {
    /// Its key within the device; `p1_pv_power` for a port's.
    pub(super) fn key(&self) -> Cow<'static, str> {
        self.port.map_or(Cow::Borrowed(self.entity.key), |number| {
            format!("p{number}_{}", self.entity.key).into()
        })
    }

    /// Its name within the device.
    fn name(&self) -> String {
        self.entity.name.replace("{port}", &self.port.unwrap_or_default().to_string())
    }

    /// Its name where its port is a device: "Power", not "Port 1 power".
    fn name_within_port(&self) -> String {
        let name = self.entity.name.trim_start_matches("Port {port} ");
        let mut letters = name.chars();
        let first = letters.next().into_iter().flat_map(char::to_uppercase);
        first.chain(letters).collect()
    }
}

impl Device<'_> {
    /// Its entities. The key of one that appears with its first value is added to `appeared` then.
    pub(super) fn entities(&self, appeared: &mut BTreeSet<String>) -> Vec<Shown> {
        let is_protobuf = self.protocol == Some(Protocol::Protobuf);
        let mut shown = Vec::new();
        for (part, state) in self.parts.iter().enumerate() {
            let port = match state {
                State::Port(port) => Some(port.reading.number),
                State::Bridge(_) | State::Dtu(_) | State::Inverter(_) | State::Meter(_) => None,
            };
            for entity in of(state.subject()) {
                let candidate = Shown { entity, part, port };
                let is_given = match entity.given {
                    Given::Always => true,
                    Given::OverModbus => !is_protobuf,
                    Given::OverProtobuf => is_protobuf,
                    Given::OnceSeen => {
                        let key = candidate.key();
                        appeared.contains(&*key)
                            || (entity.value(*state).is_some() && appeared.insert(key.into_owned()))
                    }
                };
                if is_given {
                    shown.push(candidate);
                }
            }
        }
        shown
    }
}

/// What the owner may choose about documents.
#[derive(Clone, Copy, Debug)]
pub(super) struct DocumentOptions {
    /// MQTT's quality of service.
    pub(super) qos: u8,
    /// Whether ports are devices of their own.
    pub(super) has_child_devices: bool,
}

/// The discovery document of a device with these entities.
pub(super) fn document(
    device: &Device<'_>,
    shown: &[Shown],
    names: &Names,
    options: DocumentOptions,
) -> Value {
    let mut components = Map::new();
    let mut ports: BTreeMap<u8, Map<String, Value>> = BTreeMap::new();
    for shown in shown {
        let (siblings, name) = match shown.port.filter(|_| options.has_child_devices) {
            Some(number) => (ports.entry(number).or_default(), shown.name_within_port()),
            None => (&mut components, shown.name()),
        };
        siblings.insert(shown.key().into_owned(), component(device, shown, &name, names));
    }
    let mut document = json!({
        "device": description(device),
        "origin": {"name": "hoymiles-bridge", "sw_version": env!("CARGO_PKG_VERSION")},
        "state_topic": device.topics.state(),
        "qos": options.qos,
        "availability": availability(device, names),
        "availability_mode": "all",
        "payload_available": "online",
        "payload_not_available": "offline",
        "components": components,
    });
    if !ports.is_empty() {
        let child = |(number, components): (u8, Map<String, Value>)| {
            json!({
                "identifiers": [format!("{}_p{number}", device.record.id)],
                "name": format!("Port {number}"),
                "components": components,
            })
        };
        set(&mut document, "child_devices", ports.into_iter().map(child).collect::<Vec<_>>());
    }
    document
}

fn set(object: &mut Value, key: &str, value: impl Into<Value>) {
    if let Some(object) = object.as_object_mut() {
        object.insert(key.to_owned(), value.into());
    }
}

fn description(device: &Device<'_>) -> Value {
    let AnnouncedDevice { id, model, serial_number, sw_version, .. } = &device.record;
    let is_bridge = matches!(device.parts.first(), Some(State::Bridge(_)));
    let mut description = json!({
        "identifiers": [id],
        "name": device.name,
        "manufacturer": if is_bridge { "hoymiles-bridge" } else { "Hoymiles" },
        "model": model,
        "serial_number": serial_number,
        "sw_version": sw_version,
        "via_device": device.via,
    });
    // Home Assistant wants a text under these keys, or no key.
    if let Some(description) = description.as_object_mut() {
        description.retain(|_, value| !value.is_null());
    }
    description
}

/// The bridge must run, and something must be known of the device.
fn availability(device: &Device<'_>, names: &Names) -> Value {
    let bridge = names.bridge_availability();
    let own = device.topics.availability();
    if own == bridge {
        json!([{"topic": bridge}])
    } else {
        json!([{"topic": bridge}, {"topic": own}])
    }
}

fn component(device: &Device<'_>, shown: &Shown, name: &str, names: &Names) -> Value {
    let (entity, key) = (shown.entity, shown.key());
    let mut component = json!({
        "platform": entity.platform(),
        "unique_id": format!("{}_{key}", device.record.id),
        "name": name,
        "value_template": format!("{{{{ value_json.{key} }}}}"),
    });
    let component_ref = &mut component;
    if let Some(class) = entity.device_class() {
        set(component_ref, "device_class", class);
    }
    match entity.kind {
        Kind::Number(number) => {
            if let Some(unit) = number.unit {
                set(component_ref, "unit_of_measurement", unit);
            }
            if let Some(class) = number.state_class {
                set(component_ref, "state_class", class.as_str());
            }
            if number.state_class == Some(StateClass::TotalSinceMidnight) {
                // Empty while the clock is not set: Home Assistant then keeps what it has.
                let since = "{{ value_json.today_since or '' }}";
                set(component_ref, "last_reset_value_template", since);
            }
            set(component_ref, "suggested_display_precision", number.precision);
        }
        Kind::Flag { device_class, .. } => {
            set(component_ref, "payload_on", "on");
            set(component_ref, "payload_off", "off");
            if device_class == "connectivity" {
                // It could never say "off" if it went away together with its device.
                let topics = json!([{"topic": names.bridge_availability()}]);
                set(component_ref, "availability", topics);
            }
        }
        Kind::Choice(choice) => set(component_ref, "options", choice.options()),
        Kind::Text | Kind::Time => {}
    }
    if entity.is_diagnostic {
        set(component_ref, "entity_category", "diagnostic");
    }
    if !entity.is_enabled {
        set(component_ref, "enabled_by_default", false);
    }
    component
}

/// Whether an entity's value, if there is one, shows that its device is known.
pub(super) fn makes_known(entity: &Entity) -> bool {
    match entity.subject {
        Subject::Dtu => entity.key == "status",
        Subject::Bridge | Subject::Inverter | Subject::Port | Subject::Meter => {
            !entity.is_diagnostic
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{prop_assert, prop_assert_eq, proptest};

    use super::*;

    fn names(prefix: &str) -> Names {
        Names::new(&MqttConfig { topic_prefix: prefix.to_owned(), ..MqttConfig::default() })
    }

    #[test]
    fn topic_names_are_stable() {
        let names = names("hoymiles");
        let id = Names::device_id("114172606403");
        let topics = names.topics(&id, names.base("inverter", "114172606403"));
        assert_eq!(topics.document, "homeassistant/device/hoymiles_114172606403/config");
        assert_eq!(topics.base, "hoymiles/inverter/114172606403");
        assert_eq!(topics.availability(), "hoymiles/inverter/114172606403/availability");
        assert_eq!(names.bridge_availability(), "hoymiles/bridge/availability");
        assert_eq!(names.base("dtu", "Süd/1"), "hoymiles/dtu/S_c3_bcd_2f1");
        assert_eq!(names.dtu_id("DTU"), "hoymiles_dtu_DTU");
        assert_eq!(names.bridge_id(), "hoymiles_bridge");
    }

    #[test]
    fn two_bridges_have_different_bridge_and_dtu_ids() {
        let (one, two) = (names("home/roof"), names("home/barn"));
        assert_eq!(one.bridge_id(), "home_2froof_bridge");
        assert_ne!(one.bridge_id(), two.bridge_id());
        assert_ne!(one.dtu_id("DTU"), two.dtu_id("DTU"));
        assert_eq!(one.base("inverter", "1"), "home/roof/inverter/1");
    }

    proptest! {
        #[test]
        fn escaped_names_are_unique_and_allowed(one: String, other: String) {
            let is_allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            prop_assert!(plain(&one).chars().all(is_allowed));
            prop_assert_eq!(plain(&one) == plain(&other), one == other);
        }
    }
}
