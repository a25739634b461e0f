//! The discovery document of a device, as Home Assistant 2024.12 and later take it. Pure.
//!
//! One document a device, with its `origin`; without `object_id`, which is gone, and without
//! `child_devices` unless asked for, since versions before 2026.9 refuse the whole device for them.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::device::{Device, Shown};
use super::topics::Topics;
use crate::entities::{Kind, StateClass};

/// What the owner may choose of a document.
#[derive(Clone, Copy, Debug)]
pub(super) struct Form {
    /// MQTT's quality of service.
    pub(super) qos: u8,
    /// Whether ports are devices of their own.
    pub(super) has_child_devices: bool,
}

/// The document of `device` with these entities.
pub(super) fn document(
    device: &Device<'_>,
    shown: &[Shown<'_>],
    topics: &Topics,
    form: Form,
) -> Value {
    let mut components = Map::new();
    let mut ports: BTreeMap<u64, Map<String, Value>> = BTreeMap::new();
    for shown in shown {
        let (siblings, name) = match shown.port.filter(|_| form.has_child_devices) {
            Some(number) => (ports.entry(number).or_default(), shown.name_within_port()),
            None => (&mut components, shown.name.clone()),
        };
        siblings.insert(shown.key.clone(), component(device, shown, &name, topics));
    }
    let children = ports.into_iter().map(|(number, components)| {
        let identifiers = [Topics::port_id(&device.id, number)];
        json!({
            "identifiers": identifiers,
            "name": format!("Port {number}"),
            "components": components,
        })
    });
    let children: Vec<Value> = children.collect();
    let mut document = json!({
        "device": device.about,
        "origin": {"name": "hoymiles-bridge", "sw_version": env!("CARGO_PKG_VERSION")},
        "state_topic": format!("{}/state", device.base),
        "qos": form.qos,
        "availability": availability(device, topics),
        "availability_mode": "all",
        "payload_available": "online",
        "payload_not_available": "offline",
        "components": components,
    });
    if let Some(document) = document.as_object_mut().filter(|_| !children.is_empty()) {
        document.insert("child_devices".to_owned(), children.into());
    }
    document
}

/// The bridge must be there, and something must be known of the device.
fn availability(device: &Device<'_>, topics: &Topics) -> Value {
    let bridge = json!({"topic": topics.bridge_availability()});
    if device.is_bridge {
        json!([bridge])
    } else {
        json!([bridge, {"topic": format!("{}/availability", device.base)}])
    }
}

fn component(device: &Device<'_>, shown: &Shown<'_>, name: &str, topics: &Topics) -> Value {
    let (entity, key) = (shown.entity, &shown.key);
    let mut component = json!({
        "platform": entity.platform(),
        "unique_id": format!("{}_{key}", device.id),
        "name": name,
        "value_template": format!("{{{{ value_json.{key} }}}}"),
    });
    let mut set = |name: &str, value: Value| {
        if let Some(component) = component.as_object_mut() {
            component.insert(name.to_owned(), value);
        }
    };
    if let Some(class) = entity.device_class() {
        set("device_class", class.into());
    }
    match entity.kind {
        Kind::Number(number) => {
            if let Some(unit) = number.unit {
                set("unit_of_measurement", unit.into());
            }
            if let Some(class) = number.state_class {
                set("state_class", class.as_str().into());
            }
            if number.state_class == Some(StateClass::TotalSinceMidnight) {
                // Empty while the clock is not set: Home Assistant then keeps what it has.
                let since = "{{ value_json.today_since or '' }}";
                set("last_reset_value_template", since.into());
            }
            set("suggested_display_precision", number.precision.into());
        }
        Kind::Flag { device_class, .. } => {
            set("payload_on", "on".into());
            set("payload_off", "off".into());
            if device_class == "connectivity" {
                // It could never say "off" if it went away together with its device.
                set("availability", json!([{"topic": topics.bridge_availability()}]));
            }
        }
        Kind::Choice(choice) => set("options", choice.options().into()),
        Kind::Text | Kind::Time => {}
    }
    if entity.is_diagnostic {
        set("entity_category", "diagnostic".into());
    }
    if !entity.is_enabled {
        set("enabled_by_default", false.into());
    }
    component
}
