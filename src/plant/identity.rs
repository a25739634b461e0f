//! Whether what answers for a DTU is that DTU: by its serial number, and by what it reads. Pure.

use std::sync::Arc;

use super::serial::DtuSerial;
use crate::problem::Problem;

/// The label of the failure that another DTU answers.
pub const OTHER_DTU: &str = "other_dtu";

/// What is known of a DTU before it answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KnownDtu {
    /// Its serial number by the configuration: no other one is accepted.
    pub configured: Option<DtuSerial>,
    /// The serial number that it had the last time.
    pub remembered: Option<DtuSerial>,
}

/// What answered for a DTU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// That DTU, or one that does not give its serial number.
    Known,
    /// A new device in its place, which reads the same inverters, or there were none.
    Exchanged {
        /// The serial number of the old device.
        before: DtuSerial,
        /// The serial number of the new device.
        after: DtuSerial,
    },
    /// Another DTU, of which nothing may be used.
    Other(OtherDtu),
}

impl KnownDtu {
    /// Judges what answered: the serial number that it gave, and whether it reads an inverter or meter
    /// of this DTU, if any is known.
    pub fn judge(self, found: Option<DtuSerial>, is_known_by_devices: bool) -> Identity {
        let Some(found) = found else { return Identity::Known };
        let is_configured = self.configured.is_some();
        match self.configured.or(self.remembered) {
            Some(expected) if expected != found => {
                if is_known_by_devices && !is_configured {
                    Identity::Exchanged { before: expected, after: found }
                } else {
                    Identity::Other(OtherDtu { expected, found, is_configured, belongs_to: None })
                }
            }
            Some(_) | None => Identity::Known,
        }
    }
}

/// A DTU that answers in the place of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherDtu {
    /// The serial number of the DTU that belongs there.
    pub expected: DtuSerial,
    /// The serial number that was read.
    pub found: DtuSerial,
    /// Whether the configuration names the expected one, rather than the bridge's memory.
    pub is_configured: bool,
    /// The name of the DTU that has this serial number, if it is a configured one.
    pub belongs_to: Option<Arc<str>>,
}

impl OtherDtu {
    /// As users see it.
    pub fn problem(&self) -> Problem {
        let Self { expected, found, is_configured, belongs_to } = self;
        let cause = if *is_configured {
            format!(
                "another DTU answers: its serial number is {found}, but `serial` is \"{expected}\""
            )
        } else {
            format!(
                "another DTU answers: its serial number is {found} instead of {expected}, and it lists \
                 none of the known inverters"
            )
        };
        let remedy = match belongs_to {
            Some(name) => format!(
                "correct `host`: {found} is the DTU of {name}; if the two have changed places, swap \
                 `host` in their sections"
            ),
            None => format!(
                "correct `host`, or set `serial = \"{found}\"` in the DTU's section if the DTU was \
                 exchanged"
            ),
        };
        Problem::new(OTHER_DTU, cause, remedy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: DtuSerial = DtuSerial::from_bytes([0x10, 0xf8, 0xa0, 0, 0, 1]);
    const B: DtuSerial = DtuSerial::from_bytes([0x10, 0xf8, 0xa0, 0, 9, 0x99]);

    #[test]
    fn judges_by_serial_number_and_then_by_devices() {
        let other = |is_configured| {
            Identity::Other(OtherDtu { expected: A, found: B, is_configured, belongs_to: None })
        };
        let exchanged = Identity::Exchanged { before: A, after: B };
        for (configured, remembered, found, is_known_by_devices, expected) in [
            (None, None, Some(B), false, Identity::Known),
            (None, Some(A), Some(A), false, Identity::Known),
            (None, Some(A), None, false, Identity::Known),
            (None, Some(A), Some(B), true, exchanged),
            (None, Some(A), Some(B), false, other(false)),
            (Some(A), None, Some(B), true, other(true)),
            (Some(A), Some(B), Some(B), true, other(true)),
            (Some(B), Some(A), Some(B), false, Identity::Known),
            (Some(A), Some(A), None, false, Identity::Known),
        ] {
            let known = KnownDtu { configured, remembered };
            assert_eq!(known.judge(found, is_known_by_devices), expected, "{known:?} {found:?}");
        }
    }
}
