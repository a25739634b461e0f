//! Codes in words. An unknown code keeps its number: a made-up text would mislead.
//!
//! Some numbers mean different things on single-phase and on three-phase models; both texts are
//! given. No vendor's table of the operating status is known: 3 is what every producing inverter
//! reports.

/// An operating status in words.
pub fn operating_status(code: u16) -> String {
    match code {
        0 => "no data".to_owned(),
        3 => "producing".to_owned(),
        _ => format!("status {code}"),
    }
}

/// A link status in words. Others than 0 and 1 were never seen in 9,499 captured records.
pub fn link_status(code: u16) -> String {
    match code {
        0 => "not reached".to_owned(),
        1 => "reached".to_owned(),
        _ => format!("link status {code}"),
    }
}

/// An alarm in words. Takes the plain number, as Modbus sends it.
pub fn alarm(code: u32) -> String {
    match alarm_text(code) {
        Some(text) => text.to_owned(),
        None if code == 0 => "none".to_owned(),
        None => format!("alarm {code}"),
    }
}

/// The text of an alarm, if it is known.
pub fn alarm_text(code: u32) -> Option<&'static str> {
    let index = ALARMS.binary_search_by_key(&code, |&(known, _)| known).ok()?;
    ALARMS.get(index).map(|&(_, text)| text)
}

/// Alarms by number, ascending. The numbers come from three independent sources: OpenDTU's alarm
/// log parser, an adapter for ioBroker that was built from the list inside the vendor's app, and the
/// vendor's manual of the HMS-800-2T; a comment marks a line that rests on fewer than two. The texts
/// are ours.
const ALARMS: &[(u32, &str)] = &[
    (1, "inverter started"),
    (2, "clock was set"),
    (3, "memory (EEPROM) failed while running"),
    // From the DTU itself it means that its cloud was out of reach, for `data1` seconds.
    (4, "connection lost"),
    (11, "grid voltage rose suddenly"),
    (12, "grid voltage dropped suddenly"),
    (13, "grid frequency jumped"),
    (14, "grid phase jumped"),
    (15, "brief grid disturbance"),
    (36, "early warning of over-voltage or over-current in the inverter stage"),
    // Observed at sunset by one user; not in the vendor's list.
    (38, "too little light, shutting down"),
    (46, "fly-back stage over-voltage"),
    (47, "fly-back stage over-current"),
    // From the DTU itself it means something else, unknown.
    (48, "fly-back clamp over-voltage"),
    (49, "fly-back clamp over-voltage (second channel)"),
    // One answer of the vendor's support.
    (50, "early warning of fly-back over-current, usually an unstable grid"),
    (61, "calibration parameters wrong"),
    (62, "system configuration parameters wrong"),
    (63, "energy counters are implausible"),
    (71, "power reduced: grid voltage is high"),
    (72, "power reduced: grid frequency is high"),
    (73, "power reduced: temperature is high"),
    (95, "PV1: module probably shaded"),
    (96, "PV2: module probably shaded"),
    (97, "PV3: module probably shaded"),
    (98, "PV4: module probably shaded"),
    (121, "over-temperature protection"),
    (122, "theft suspected"),
    (123, "locked by remote command"),
    (124, "switched off by remote command"),
    (125, "grid profile parameters wrong"),
    // The sources disagree: memory, or an unnamed program error.
    (126, "memory (EEPROM) or program error"),
    (127, "firmware fault"),
    (128, "hardware configuration mismatch"),
    (129, "abnormal bias"),
    (130, "inverter offline: the DTU does not reach it"),
    (141, "grid over-voltage"),
    (142, "grid over-voltage over ten minutes"),
    (143, "grid under-voltage"),
    (144, "grid over-frequency"),
    (145, "grid under-frequency"),
    (146, "grid frequency changes too fast"),
    (147, "grid outage"),
    (148, "disconnected from the grid"),
    (149, "islanding detected"),
    (150, "DC component in the AC current too high"),
    // One user, from the vendor's cloud.
    (151, "grid waveform is severely distorted"),
    // One source.
    (152, "phase angle between the phases deviates repeatedly"),
    // One source; three-phase models.
    (171, "phase difference between the phases is abnormal"),
    (181, "insulation resistance too low"),
    (182, "grounding abnormal"),
    (205, "MPPT A: input over-voltage"),
    (206, "MPPT B: input over-voltage"),
    (207, "MPPT A: input under-voltage"),
    (208, "MPPT B: input under-voltage"),
    (209, "PV1: no input"),
    (210, "PV2: no input"),
    (211, "PV3: no input"),
    (212, "PV4: no input"),
    (213, "MPPT A: PV1/PV2 wiring abnormal"),
    (214, "MPPT B: PV3/PV4 wiring abnormal"),
    // From here to 221 the meaning depends on the series, and 219 to 222 have one source.
    (215, "PV1: input over-voltage (HMT: MPPT C: input over-voltage)"),
    (216, "PV1: input under-voltage (HMT: MPPT C: input under-voltage)"),
    (217, "PV2: input over-voltage (HMT: PV5: no input)"),
    (218, "PV2: input under-voltage (HMT: PV6: no input)"),
    (219, "PV3: input over-voltage (HMT: MPPT C: PV5/PV6 wiring abnormal)"),
    (220, "PV3: input under-voltage"),
    (221, "PV4: input over-voltage (HMT: grid neutral wiring abnormal)"),
    (222, "PV4: input under-voltage"),
    // One user, from the vendor's cloud; another list calls it unknown.
    (223, "grid waveform is severely distorted"),
    (301, "fly-back A: internal short circuit"),
    (302, "fly-back B: internal short circuit"),
    (303, "fly-back A: over-current protection failed"),
    (304, "fly-back B: over-current protection failed"),
    (305, "fly-back A: clamp circuit failed"),
    (306, "fly-back B: clamp circuit failed"),
    (307, "inverter power stage failed"),
    (308, "inverter over-current/over-voltage protection failed"),
    // The vendor's manual only says that 301 to 314 are failures of the device.
    (309, "hardware failure 309"),
    (310, "hardware failure 310"),
    (311, "hardware failure 311"),
    (312, "hardware failure 312"),
    (313, "hardware failure 313"),
    (314, "hardware failure 314"),
    (1111, "repeater"),
    // Codes of the MI series from here on, and of repeaters.
    (2000, "standby"),
    (2001, "standby"),
    (2002, "standby"),
    (2003, "standby"),
    (2004, "standby"),
    (3001, "reset"),
    (3002, "reset"),
    (3003, "reset"),
    (3004, "reset"),
    (5011, "PV1: MOSFET over-current"),
    (5012, "PV2: MOSFET over-current"),
    (5013, "PV3: MOSFET over-current"),
    (5014, "PV4: MOSFET over-current"),
    (5020, "H-bridge over-current or over-voltage"),
    (5041, "PV1: input over-current"),
    (5042, "PV2: input over-current"),
    (5043, "PV3: input over-current"),
    (5044, "PV4: input over-current"),
    (5051, "PV1: input over- or under-voltage"),
    (5052, "PV2: input over- or under-voltage"),
    (5053, "PV3: input over- or under-voltage"),
    (5054, "PV4: input over- or under-voltage"),
    (5060, "abnormal bias"),
    (5070, "over-temperature protection"),
    (5080, "grid over- or under-voltage"),
    (5090, "grid over- or under-frequency"),
    (5100, "islanding detected"),
    (5110, "ground fault (GFDI)"),
    (5120, "memory (EEPROM) failed"),
    (5141, "fly-back clamp over-voltage, channel 1"),
    (5142, "fly-back clamp over-voltage, channel 2"),
    (5143, "fly-back clamp over-voltage, channel 3"),
    (5144, "fly-back clamp over-voltage, channel 4"),
    (5150, "grid over-voltage, over ten minutes"),
    (5160, "brief grid disturbance"),
    (5200, "firmware fault"),
    (5511, "PV1: MOSFET over-current (high side)"),
    (5512, "PV2: MOSFET over-current (high side)"),
    (5513, "PV3: MOSFET over-current (high side)"),
    (5514, "PV4: MOSFET over-current (high side)"),
    (5520, "H-bridge over-current or over-voltage"),
    (8310, "switched off by remote command"),
    (8320, "locked by remote command"),
    (9000, "theft suspected"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted() {
        assert!(ALARMS.is_sorted_by(|(one, _), (next, _)| one < next));
    }

    #[test]
    fn known_codes_have_words_and_unknown_ones_their_number() {
        for (text, words) in [
            (alarm(0), "none"),
            (alarm(121), "over-temperature protection"),
            (alarm(215), "PV1: input over-voltage (HMT: MPPT C: input over-voltage)"),
            (alarm(4711), "alarm 4711"),
            (operating_status(0), "no data"),
            (operating_status(3), "producing"),
            (operating_status(9), "status 9"),
            (link_status(0), "not reached"),
            (link_status(1), "reached"),
            (link_status(263), "link status 263"),
        ] {
            assert_eq!(text, words);
        }
    }
}
