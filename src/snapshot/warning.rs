//! What is wrong with a DTU although it answers, with the cure: for log, `/health` and `doctor` alike.

use std::fmt;

use jiff::Timestamp;

use super::state::DtuState;
use crate::plant::serial::InverterSerial;

/// So many serial numbers are told; a whole plant of them would hide the rest.
const MOST_TOLD: usize = 5;

/// What to do about a DTU that lists no inverter.
pub const NONE_LISTED: &str = "after its start it needs some minutes; if that has passed, look in the S-Miles app whether the \
     inverters belong to this DTU, and at `exclude`";

/// What is wrong with a DTU that answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warning {
    /// It repeats itself, for so long that its values are not known any more.
    Repeats,
    /// It has listed no inverter for that long.
    ListsNone,
    /// It has not listed these for that long.
    Misses(Vec<InverterSerial>),
}

impl Warning {
    /// What is wrong with that DTU now.
    pub fn of(dtu: &DtuState, now: Timestamp) -> Vec<Self> {
        let repeats = dtu.stale_since.filter(|since| dtu.is_long_ago(*since, now));
        let lacks = if dtu.lists_none {
            Some(Self::ListsNone)
        } else {
            (!dtu.missing.is_empty()).then(|| Self::Misses(dtu.missing.clone()))
        };
        repeats.map(|_| Self::Repeats).into_iter().chain(lacks).collect()
    }

    /// Whether who has heard of this knows of `other`, too.
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Misses(these), Self::Misses(others)) => {
                others.iter().all(|other| these.contains(other))
            }
            _ => self == other,
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Repeats => f.write_str(
                "the DTU answers, but repeats what it said before, so that its measurements are too \
                 old to be known; stop other programs that read it, set a longer `interval`, \
                 restart the DTU",
            ),
            Self::ListsNone => write!(f, "the DTU answers, but lists no inverter; {NONE_LISTED}"),
            Self::Misses(serials) => {
                f.write_str("the DTU answers, but does not list ")?;
                for (place, serial) in serials.iter().take(MOST_TOLD).enumerate() {
                    write!(f, "{}{serial}", if place == 0 { "" } else { ", " })?;
                }
                if serials.len() > MOST_TOLD {
                    write!(f, " and {} more", serials.len() - MOST_TOLD)?;
                }
                f.write_str(
                    "; look at the inverter, its supply and its way to the DTU; one that is gone for \
                     good belongs into `exclude`",
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn misses(numbers: impl IntoIterator<Item = u8>) -> Warning {
        let serial = |number| InverterSerial::from_bytes([0x11, 0x41, 0, 0, 0, number]);
        Warning::Misses(numbers.into_iter().map(serial).collect())
    }

    #[test]
    fn each_has_a_cure_and_no_list_is_endless() {
        for warning in [Warning::Repeats, Warning::ListsNone, misses([1]), misses(1..=99)] {
            let (cause, cure) = {
                let text = warning.to_string();
                let (cause, cure) = text.split_once("; ").unwrap();
                (cause.to_owned(), cure.to_owned())
            };
            assert!(cause.len() < 130 && cure.len() > 20, "{warning}");
        }
        assert!(misses([1, 2]).to_string().contains("list 114100000001, 114100000002; "));
        assert!(misses(1..=99).to_string().contains("114100000005 and 94 more; "));
    }

    #[test]
    fn who_knows_of_many_knows_of_fewer() {
        assert!(misses([1, 2]).covers(&misses([2])));
        assert!(!misses([1]).covers(&misses([1, 2])));
        assert!(!Warning::ListsNone.covers(&misses([1])));
    }
}
