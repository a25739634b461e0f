//! Codes in words. A code that nobody knows keeps its number: a made-up text misleads.
//!
//! Three doubts remain. Some numbers mean different things on single-phase and on three-phase
//! models (both texts are given). Events in alarm lists carry flags above their number, and older
//! programs cut the number to eight bits, so that 308 is found in forums as 52. And no vendor's
//! table of the operating status is known: 3 is what every producing inverter says.

mod alarms;

use self::alarms::ALARMS;

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

/// An alarm in words. Takes the plain number, as Modbus sends it; see [`event_number`].
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

/// Whether an event of an alarm list lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventState {
    /// It has begun and not ended.
    Active,
    /// It has ended.
    Ended,
    /// It was over at once, such as a start of the inverter.
    Momentary,
}

/// The alarm's number in a code of an alarm list (protobuf `WarnMO.code`, `WInfoMO.WCode`): its
/// lower twelve bits. Never to be used on a Modbus alarm code, which is not packed.
pub const fn event_number(code: u32) -> u32 {
    code & 0x0fff
}

/// Whether the event lasts, by bits 15 and 14 of a code of an alarm list. (Bits 13 and 12 say that
/// the inverter's clock showed p.m. at its begin and end; a DTU has already applied them.)
pub const fn event_state(code: u32) -> EventState {
    if code & 0x8000 != 0 {
        EventState::Momentary
    } else if code & 0x4000 != 0 {
        EventState::Ended
    } else {
        EventState::Active
    }
}

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

    #[test]
    fn codes_of_captured_alarm_lists_unpack() {
        use EventState::{Active, Ended, Momentary};
        for (code, number, state) in [
            (130, 130, Active),
            (16_514, 130, Ended),
            (32_769, 1, Momentary),
            (45_058, 2, Momentary),
            (16_456, 72, Ended),
            (32_815, 47, Momentary),
            (8_316, 124, Active),
            (0x0134, 308, Active),
        ] {
            assert_eq!((event_number(code), event_state(code)), (number, state), "{code}");
        }
    }
}
