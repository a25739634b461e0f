//! The names of topics and of devices. Pure.

use std::fmt::Write as _;

use crate::config::MqttConfig;

/// What all names are made from.
#[derive(Clone, Debug)]
pub(super) struct Topics {
    prefix: String,
    discovery: String,
    /// Sets this bridge's own devices apart from those of another bridge at the same broker.
    own: String,
}

impl Topics {
    /// The names that a configuration leads to.
    pub(super) fn new(config: &MqttConfig) -> Self {
        Self {
            prefix: config.topic_prefix.clone(),
            discovery: config.discovery_prefix.clone(),
            own: plain(&config.topic_prefix),
        }
    }

    /// Whether the bridge is there; our last will lies here.
    pub(super) fn bridge_availability(&self) -> String {
        format!("{}/bridge/availability", self.prefix)
    }

    /// What the topics of a device begin with.
    pub(super) fn base(&self, kind: &str, name: &str) -> String {
        format!("{}/{kind}/{}", self.prefix, plain(name))
    }

    /// What the topics of the bridge begin with.
    pub(super) fn bridge_base(&self) -> String {
        format!("{}/bridge", self.prefix)
    }

    /// Where Home Assistant looks for the document of a device.
    pub(super) fn document(&self, id: &str) -> String {
        format!("{}/device/{id}/config", self.discovery)
    }

    /// Names a device by its serial number, whichever bridge reads it.
    pub(super) fn device_id(serial: &str) -> String {
        format!("hoymiles_{}", plain(serial))
    }

    /// Names a port, where ports are devices.
    pub(super) fn port_id(inverter: &str, number: u64) -> String {
        format!("{inverter}_p{number}")
    }

    /// Names the bridge.
    pub(super) fn bridge_id(&self) -> String {
        format!("{}_bridge", self.own)
    }

    /// Names a DTU, which has a name before it has told its serial number.
    pub(super) fn dtu_id(&self, name: &str) -> String {
        format!("{}_dtu_{}", self.own, plain(name))
    }
}

/// The text in the characters that Home Assistant allows in a topic, so that no two texts become
/// one: letters, digits and `-` stand for themselves, all else becomes `_` and its bytes.
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

#[cfg(test)]
mod tests {
    use proptest::{prop_assert, prop_assert_eq, proptest};

    use super::*;

    fn topics(prefix: &str) -> Topics {
        Topics::new(&MqttConfig { topic_prefix: prefix.to_owned(), ..MqttConfig::default() })
    }

    #[test]
    fn names_of_topics_are_a_contract() {
        let topics = topics("hoymiles");
        let id = Topics::device_id("114172606403");
        assert_eq!(topics.document(&id), "homeassistant/device/hoymiles_114172606403/config");
        assert_eq!(topics.base("inverter", "114172606403"), "hoymiles/inverter/114172606403");
        assert_eq!(topics.bridge_availability(), "hoymiles/bridge/availability");
        assert_eq!(topics.base("dtu", "Süd/1"), "hoymiles/dtu/S_c3_bcd_2f1");
        assert_eq!(topics.dtu_id("DTU"), "hoymiles_dtu_DTU");
        assert_eq!(topics.bridge_id(), "hoymiles_bridge");
    }

    #[test]
    fn two_bridges_at_one_broker_share_only_what_a_serial_number_names() {
        let (one, two) = (topics("home/roof"), topics("home/barn"));
        assert_eq!(one.bridge_id(), "home_2froof_bridge");
        assert_ne!(one.bridge_id(), two.bridge_id());
        assert_ne!(one.dtu_id("DTU"), two.dtu_id("DTU"));
        assert_eq!(one.base("inverter", "1"), "home/roof/inverter/1");
    }

    proptest! {
        #[test]
        fn names_stay_different_and_within_what_is_allowed(one: String, other: String) {
            let is_allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            prop_assert!(plain(&one).chars().all(is_allowed));
            prop_assert_eq!(plain(&one) == plain(&other), one == other);
        }
    }
}
