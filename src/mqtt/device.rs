//! What is to be shown of an update: its devices, each with the objects that its values are in.
//! Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::topics::Topics;
use crate::entities::{Entity, Given, Subject, of};

/// One device as Home Assistant shows it.
#[derive(Debug)]
pub(super) struct Device<'a> {
    /// Names it and its document.
    pub(super) id: String,
    /// What its own topics begin with.
    pub(super) base: String,
    /// Its description for Home Assistant.
    pub(super) about: Value,
    /// Whether it has a topic that says whether anything is known of it. The bridge's own says
    /// whether the bridge is there.
    pub(super) is_bridge: bool,
    /// Itself, and its ports.
    parts: Vec<Part<'a>>,
}

/// A device, or one of its ports, and where its values are.
#[derive(Debug)]
struct Part<'a> {
    subject: Subject,
    /// Of a port.
    number: Option<u64>,
    object: &'a Value,
    /// What language its DTU speaks.
    protocol: &'a str,
}

/// One entity of one device.
#[derive(Debug)]
pub(super) struct Shown<'a> {
    /// What it is.
    pub(super) entity: &'static Entity,
    /// Its key within the device; `p1_pv_power` for a port's.
    pub(super) key: String,
    /// Its name within the device.
    pub(super) name: String,
    /// Number of the port that it belongs to, if it does.
    pub(super) port: Option<u64>,
    object: &'a Value,
}

impl Shown<'_> {
    /// Its name where its port is a device: "Power", not "Port 1 power".
    pub(super) fn name_within_port(&self) -> String {
        let name = self.entity.name.trim_start_matches("Port {port} ");
        let mut letters = name.chars();
        let first = letters.next().into_iter().flat_map(char::to_uppercase);
        first.chain(letters).collect()
    }

    /// Its present value, `null` if unknown.
    pub(super) fn value(&self) -> Value {
        self.entity.value(self.object)
    }
}

/// The devices in the `data` of an update.
pub(super) fn devices<'a>(data: &'a Value, topics: &Topics) -> Vec<Device<'a>> {
    let mut devices = vec![bridge(data, topics)];
    let dtus = data.pointer("/health/dtus").and_then(Value::as_object);
    devices.extend(dtus.into_iter().flatten().map(|(name, dtu)| self::dtu(name, dtu, topics)));
    devices.extend(list(data, "inverters").map(|object| inverter(data, object, topics)));
    devices.extend(list(data, "meters").map(|object| meter(object, topics)));
    devices
}

impl Device<'_> {
    /// Its entities. One that appears with its first value is added to `seen` then.
    pub(super) fn shown(&self, seen: &mut BTreeSet<String>) -> Vec<Shown<'_>> {
        let mut shown = Vec::new();
        for part in &self.parts {
            for entity in of(part.subject) {
                let key = part.number.map_or_else(
                    || entity.key.to_owned(),
                    |number| format!("p{number}_{}", entity.key),
                );
                let is_given = match entity.given {
                    Given::Always => true,
                    Given::OverModbus => part.protocol != "protobuf",
                    Given::OverProtobuf => part.protocol == "protobuf",
                    Given::OnceSeen => {
                        let name = format!("{}/{key}", self.id);
                        seen.contains(&name)
                            || (!entity.value(part.object).is_null() && seen.insert(name))
                    }
                };
                if is_given {
                    let number = part.number.unwrap_or_default().to_string();
                    let name = entity.name.replace("{port}", &number);
                    let (object, port) = (part.object, part.number);
                    shown.push(Shown { entity, key, name, port, object });
                }
            }
        }
        shown
    }

    /// Its state: all values under their keys.
    /// `bridge` is our name, by which we know our own.
    pub(super) fn state(&self, shown: &[Shown<'_>], bridge: &str) -> Value {
        let mut state: Map<String, Value> =
            shown.iter().map(|shown| (shown.key.clone(), shown.value())).collect();
        if let Some(part) = self.parts.first() {
            let since = part.object.pointer(part.subject.midnight());
            state.insert("today_since".to_owned(), since.cloned().unwrap_or_default());
        }
        state.insert("bridge".to_owned(), bridge.into());
        Value::Object(state)
    }

    /// Where its values are.
    pub(super) fn state_topic(&self) -> String {
        format!("{}/state", self.base)
    }

    /// Completes its description by what was said before: a DTU that has not answered yet has told
    /// neither model nor version.
    pub(super) fn remember(&mut self, descriptions: &mut BTreeMap<String, Value>) {
        let before = descriptions.remove(&self.id);
        if let (Some(about), Some(Value::Object(before))) = (self.about.as_object_mut(), before) {
            for (key, value) in before {
                about.entry(key).or_insert(value);
            }
        }
        descriptions.insert(self.id.clone(), self.about.clone());
    }
}

/// Whether anything is known of a device, by its entities. Once something is, its energies stand, so that this only
/// turns at the very beginning; what is unknown later is so value by value.
pub(super) fn is_known(shown: &[Shown<'_>]) -> bool {
    let unknown = Value::from("unknown");
    shown.iter().any(|shown| {
        let is_telling = match shown.entity.subject {
            Subject::Dtu => shown.entity.key == "status",
            Subject::Bridge | Subject::Inverter | Subject::Port | Subject::Meter => {
                !shown.entity.is_diagnostic
            }
        };
        let value = shown.value();
        is_telling && !value.is_null() && value != unknown
    })
}

fn list<'a>(data: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    data.get(name).and_then(Value::as_array).into_iter().flatten()
}

fn text<'a>(object: &'a Value, key: &str) -> &'a str {
    object.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn bridge<'a>(data: &'a Value, topics: &Topics) -> Device<'a> {
    let about = json!({
        "identifiers": [topics.bridge_id()],
        "name": "Hoymiles bridge",
        "manufacturer": "hoymiles-bridge",
        "sw_version": env!("CARGO_PKG_VERSION"),
    });
    let part = Part { subject: Subject::Bridge, number: None, object: data, protocol: "" };
    let (id, base) = (topics.bridge_id(), topics.bridge_base());
    Device { id, base, about, is_bridge: true, parts: vec![part] }
}

fn dtu<'a>(name: &str, object: &'a Value, topics: &Topics) -> Device<'a> {
    let id = topics.dtu_id(name);
    let is_called_so = name.to_lowercase().starts_with("dtu");
    let shown = if is_called_so { name.to_owned() } else { format!("DTU {name}") };
    let about = json!({
        "identifiers": [id],
        "name": shown,
        "manufacturer": "Hoymiles",
        "model": object.get("model"),
        "serial_number": object.get("serial_number"),
        "sw_version": object.get("firmware_version"),
        "via_device": topics.bridge_id(),
    });
    let part = Part { subject: Subject::Dtu, number: None, object, protocol: "" };
    let base = topics.base("dtu", name);
    Device { id, base, about: without_null(about), is_bridge: false, parts: vec![part] }
}

fn inverter<'a>(data: &'a Value, object: &'a Value, topics: &Topics) -> Device<'a> {
    let (serial, dtu_name) = (text(object, "serial_number"), text(object, "dtu_name"));
    let id = Topics::device_id(serial);
    let about = json!({
        "identifiers": [id],
        "name": format!("Inverter {serial}"),
        "manufacturer": "Hoymiles",
        "model": object.get("inverter_type"),
        "serial_number": serial,
        "sw_version": object.get("firmware_version"),
        "via_device": topics.dtu_id(dtu_name),
    });
    let dtu = data.pointer("/health/dtus").and_then(|dtus| dtus.get(dtu_name));
    let protocol = dtu.map(|dtu| text(dtu, "protocol")).unwrap_or_default();
    let mut parts = vec![Part { subject: Subject::Inverter, number: None, object, protocol }];
    parts.extend(list(object, "ports").map(|port| {
        let number = port.get("port_number").and_then(Value::as_u64);
        Part { subject: Subject::Port, number, object: port, protocol }
    }));
    let base = topics.base("inverter", serial);
    Device { id, base, about: without_null(about), is_bridge: false, parts }
}

fn meter<'a>(object: &'a Value, topics: &Topics) -> Device<'a> {
    let serial = text(object, "serial_number");
    let id = Topics::device_id(serial);
    let about = json!({
        "identifiers": [id],
        "name": format!("Meter {serial}"),
        "manufacturer": "Hoymiles",
        "serial_number": serial,
        "via_device": topics.dtu_id(text(object, "dtu_name")),
    });
    let part = Part { subject: Subject::Meter, number: None, object, protocol: "" };
    let base = topics.base("meter", serial);
    Device { id, base, about, is_bridge: false, parts: vec![part] }
}

/// Home Assistant wants a text under these keys, or no key.
fn without_null(mut about: Value) -> Value {
    if let Some(about) = about.as_object_mut() {
        about.retain(|_, value| !value.is_null());
    }
    about
}
