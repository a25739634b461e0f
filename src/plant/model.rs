//! Models by serial number, as far as its first four digits say: the family, not the power class.
//!
//! A display text only. Nothing is decided by it: ports are taken from the data, so that a model
//! nobody has listed yet works as well. Sources: the type tables of hoymiles-wifi, OpenDTU, ahoy
//! and dtuGateway, and dumps of real devices; a comment marks a line that rests on one of them.

use super::serial::{DtuSerial, InverterSerial};

/// Inverters by prefix, ascending.
const INVERTERS: &[(u16, &str)] = &[
    // One source.
    (0x1011, "MI"),
    // Two sources for the ports, one for the model.
    (0x1014, "HMS-600W-2T"),
    // One source each, ports guessed there.
    (0x1020, "MI-250"),
    (0x1021, "MI-250 to 400"),
    // The third generation of MI speaks and scales like HM.
    (0x1022, "MI/HM-300 to 400"),
    (0x1040, "MI-500"),
    (0x1041, "MI-600 to 800"),
    (0x1042, "MI/HM-600 to 800"),
    (0x1060, "MI-1000"),
    (0x1061, "MI-1000 to 1500"),
    (0x1062, "MI/HM-1000 to 1500"),
    (0x1121, "HM-300/350/400"),
    // Of 1122, 1142 and 1162 only the ports have two sources.
    (0x1122, "HM, 1 port"),
    (0x1124, "HMS-300/350/400/450/500"),
    (0x1125, "HMS-400/450/500-1T v2"),
    (0x1141, "HM-600/700/800"),
    (0x1142, "HM, 2 ports"),
    // One source.
    (0x1143, "HMS-600/700/800/900/1000"),
    (0x1144, "HMS-600/700/800/900/1000"),
    // One source.
    (0x114A, "HMS-600 to 1000"),
    // Checked against real HM-1500.
    (0x1161, "HM-1000/1200/1500"),
    (0x1162, "HM, 4 ports"),
    (0x1164, "HMS-1600/1800/2000"),
    // One source.
    (0x1166, "HMS-1600/1800/2000"),
    (0x1222, "HMS-2000DW-4T"),
    (0x1361, "HMT-1600/1800/2000"),
    (0x1382, "HMT-1800/2250"),
    (0x1400, "HMS-450/500-1T v2"),
    // One source.
    (0x1403, "HMS-400W/500W-1T"),
    (0x1410, "HMS-600 to 1000-2T"),
    (0x1412, "HMS-800W/1000W-2T"),
    // One source each.
    (0x1420, "HMS-1600 to 2000-4T"),
    (0x1520, "MIT-4000/4500/5000-8T"),
    (0x1620, "HiFlow (HMS-4WB)"),
    // HERF: 2821 has two sources, the others one.
    (0x2801, "HERF-1600/1800-4T"),
    (0x2821, "HERF-600/800-2T"),
    (0x2841, "HERF-300-1T"),
];

/// The model of an inverter: its family with the power classes that share the prefix, or, of a
/// prefix nobody knows, the prefix and how many ports the data show. `None` without a serial.
pub fn name(serial: InverterSerial, ports: usize) -> Option<String> {
    let prefix = serial.prefix();
    match (family(serial), ports) {
        (Some(text), _) => Some(text.to_owned()),
        (None, _) if prefix == 0 => None,
        (None, 1) => Some(format!("Hoymiles {prefix:04X}, 1 port")),
        (None, _) => Some(format!("Hoymiles {prefix:04X}, {ports} ports")),
    }
}

/// The family of an inverter, if its prefix is known.
pub fn family(serial: InverterSerial) -> Option<&'static str> {
    let prefix = serial.prefix();
    INVERTERS.iter().find(|&&(known, _)| known == prefix).map(|&(_, text)| text)
}

/// Whether the serial number can be an inverter's: its first two digits are those of a known family.
/// New models have new prefixes, but rarely a new generation.
pub fn may_be_inverter(serial: InverterSerial) -> bool {
    let generation = |prefix: u16| prefix >> 8;
    INVERTERS.iter().any(|&(known, _)| generation(known) == generation(serial.prefix()))
}

/// The model of a DTU. One source for most of it, the type table of hoymiles-wifi; that 10F8 is a
/// DTU-Pro is captured, what sets 10FD, 4121, 4130 and 4133 apart is reported by users.
pub fn dtu_name(serial: DtuSerial) -> Option<&'static str> {
    match serial.prefix() {
        0x10F8 => Some("DTU-Pro"),
        0x10FD | 0x4121 => Some("DTU-Pro-S"),
        0x10F7 | 0x10FB | 0x10FC | 0x4100 | 0x4101 | 0x4120 => Some("DTU-Pro or DTU-Pro-S"),
        0x4130 => Some("DTU-Lite-S"),
        0x4133 => Some("DTU-WLite-S"),
        0x10D3 | 0x10D8 | 0x10D9 | 0x4110 | 0x4111 | 0x4132 => {
            Some("DTU-W100, DTU-Lite-S or DTU-WLite-S")
        }
        0x10D6 | 0x10D7 | 0x4131 => Some("DTU-Lite"),
        0x10D2 => Some("DTU-G100"),
        0x1124
        | 0x1125
        | 0x1143..=0x1145
        | 0x1164..=0x1167
        | 0x1222
        | 0x1361
        | 0x1362
        | 0x1381
        | 0x1382
        | 0x1403
        | 0x1412
        | 0x1422
        | 0x1423
        | 0x4141
        | 0x4143
        | 0x4144 => Some("DTU built into the inverter"),
        0xD030 => Some("DTU-SLS"),
        0x4301 => Some("DTS-WIFI-G1"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_prefix_is_listed_once_and_in_order() {
        assert!(INVERTERS.is_sorted_by(|(one, _), (next, _)| one < next));
    }

    #[test]
    fn inverters_are_named_by_their_first_four_digits() {
        for (serial, ports, expected) in [
            ("114172606403", 2, Some("HM-600/700/800")),
            ("1161a0000001", 4, Some("HM-1000/1200/1500")),
            ("114aa0000001", 2, Some("HMS-600 to 1000")),
            // Ports that the data do not show do not change the family.
            ("1161a0000001", 0, Some("HM-1000/1200/1500")),
            ("1412a0000001", 2, Some("HMS-800W/1000W-2T")),
            ("19f0a0000001", 1, Some("Hoymiles 19F0, 1 port")),
            ("19f0a0000001", 4, Some("Hoymiles 19F0, 4 ports")),
            ("000000000000", 1, None),
        ] {
            assert_eq!(name(serial.parse().unwrap(), ports).as_deref(), expected, "{serial}");
        }
    }

    #[test]
    fn inverters_have_a_known_generation() {
        for (serial, expected) in [
            ("1161a0000001", true),
            ("1199a0000001", true),
            ("2841a0000001", true),
            ("000001000000", false),
            ("10f8a0000001", true),
            ("ffffffffffff", false),
        ] {
            assert_eq!(may_be_inverter(serial.parse().unwrap()), expected, "{serial}");
        }
    }

    #[test]
    fn dtus_are_named_by_their_first_four_digits() {
        for (serial, expected) in [
            ("10F8A0000001", Some("DTU-Pro")),
            ("4121A0000001", Some("DTU-Pro-S")),
            ("10F7A0000001", Some("DTU-Pro or DTU-Pro-S")),
            ("4133A0000001", Some("DTU-WLite-S")),
            ("4143A0000001", Some("DTU built into the inverter")),
            ("FFFFA0000001", None),
        ] {
            assert_eq!(dtu_name(serial.parse().unwrap()), expected, "{serial}");
        }
    }
}
