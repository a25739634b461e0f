//! What is wrong with a DTU although something answers: for log, `/health` and `doctor` alike.

use jiff::Timestamp;

use super::state::{DtuState, SharedInverters, SlowPoll};
use crate::plant::identity::OtherDtu;
use crate::plant::serial::InverterSerial;
use crate::problem::Problem;

/// So many serial numbers are named; a whole plant of them would hide the rest.
const MOST_NAMED: usize = 5;

/// What to do about a DTU that lists no inverter.
pub const NONE_LISTED: &str = "let the DTU run for several minutes after its start; then check in \
    the S-Miles app whether the inverters belong to this DTU, and check `exclude`";

/// What is wrong with a DTU at whose address something answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warning {
    /// Another DTU answers.
    Other(OtherDtu),
    /// It repeats its values, for so long that they are not known any more.
    Repeats,
    /// It has listed no inverter for that long.
    ListsNone,
    /// It has not listed these for that long.
    Misses(Vec<InverterSerial>),
    /// Another DTU reads the same inverters.
    Shares(SharedInverters),
    /// Its polls take longer than the interval.
    SlowPolls(SlowPoll),
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
        let shares = dtu.shared.clone().map(Self::Shares);
        let slow = dtu.slow_poll.map(Self::SlowPolls);
        let other = dtu.other.clone().map(Self::Other);
        let repeats = repeats.map(|_| Self::Repeats);
        other.into_iter().chain(repeats).chain(lacks).chain(shares).chain(slow).collect()
    }

    /// Whether a log that has this one needs `other` no more.
    pub fn covers(&self, other: &Self) -> bool {
        let has = |these: &[InverterSerial], others: &[InverterSerial]| {
            others.iter().all(|other| these.contains(other))
        };
        match (self, other) {
            (Self::Misses(these), Self::Misses(others)) => has(these, others),
            (Self::Shares(these), Self::Shares(others)) => has(&these.inverters, &others.inverters),
            (Self::SlowPolls(_), Self::SlowPolls(_)) => true,
            _ => self == other,
        }
    }

    /// As users see it.
    pub fn problem(&self) -> Problem {
        match self {
            Self::Other(other) => other.problem(),
            Self::Repeats => Problem::new(
                "values_repeated",
                "the DTU answers, but repeats its previous values, so that its measurements are \
                 outdated",
                "stop other programs that read it, set a longer `interval`, or restart the DTU",
            ),
            Self::ListsNone => {
                Problem::new("no_inverters", "the DTU answers, but lists no inverter", NONE_LISTED)
            }
            Self::Misses(serials) => Problem::new(
                "inverters_missing",
                format!("the DTU answers, but does not list {}", named(serials)),
                "check the inverter, its supply and its distance to the DTU; add one that is gone \
                 for good to `exclude`",
            ),
            Self::Shares(SharedInverters { owners, inverters }) => {
                let owners = owners.iter().map(|owner| &**owner).collect::<Vec<_>>().join(" and ");
                let quoted: Vec<_> =
                    inverters.iter().map(|serial| format!("\"{serial}\"")).collect();
                Problem::new(
                    "inverters_shared",
                    format!(
                        "{owners} also reads its inverters {}; the values of {owners} are used",
                        named(inverters)
                    ),
                    format!(
                        "set `exclude = [{}]` in the section of one of the two DTUs, or remove one \
                         section",
                        quoted.join(", ")
                    ),
                )
            }
            Self::SlowPolls(SlowPoll { took, interval }) => Problem::new(
                "slow_polls",
                format!(
                    "a poll takes {:.0} s, which is longer than the interval of {:.0} s; values appear \
                     at the end of each poll",
                    took.as_secs_f64(),
                    interval.as_secs_f64()
                ),
                "set a longer `interval`, or a shorter `request_gap`",
            ),
        }
    }
}

fn named(serials: &[InverterSerial]) -> String {
    let first: Vec<_> = serials.iter().take(MOST_NAMED).map(ToString::to_string).collect();
    match serials.len().saturating_sub(MOST_NAMED) {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
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
    fn names_five_inverters_at_most() {
        let cause = |warning: Warning| warning.problem().cause;
        assert!(cause(misses([1, 2])).ends_with("list 114100000001, 114100000002"));
        assert!(cause(misses(1..=99)).ends_with("114100000005 and 94 more"));
    }

    #[test]
    fn a_warning_of_many_inverters_covers_one_of_fewer() {
        assert!(misses([1, 2]).covers(&misses([2])));
        assert!(!misses([1]).covers(&misses([1, 2])));
        assert!(!Warning::ListsNone.covers(&misses([1])));
    }
}
