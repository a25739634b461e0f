//! What became of a reading, in words for the log.

use std::fmt;

/// What the ledger made of a reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The device did not tell its lifetime counter; nothing changes.
    NotGiven,
    /// It counts.
    Accepted,
    /// It does not count, and why.
    Refused(Refusal),
    /// It counts, and the device is taken to have been exchanged or reset: its counter goes on
    /// from another value, while the published total goes on from where it was.
    Exchanged {
        /// The old counter's last value in Wh.
        last: i64,
        /// The new counter's value in Wh.
        seen: i64,
    },
}

/// Why a reading does not count. Energies in Wh, as the device counts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Zero after a value: sleeping, waking and restarting DTUs say so.
    Zero {
        /// The last value that counted.
        last: i64,
    },
    /// More than there can ever have been.
    Absurd {
        /// The value.
        seen: i64,
    },
    /// The first value is unusually high, and not yet confirmed.
    High {
        /// The value.
        seen: i64,
        /// How many rising values agree so far.
        count: u8,
    },
    /// Lower than before; a real exchange of the device is recognised when three rising values
    /// agree.
    Fell {
        /// The value.
        seen: i64,
        /// The last value that counted.
        last: i64,
        /// How many rising values agree so far.
        count: u8,
    },
    /// Grown faster than there can be energy; believed when three rising values agree.
    Jumped {
        /// The value.
        seen: i64,
        /// The last value that counted.
        last: i64,
        /// How many rising values agree so far.
        count: u8,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Zero { last } => {
                write!(f, "lifetime counter is 0 after {last} Wh: a DTU says so while it restarts")
            }
            Self::Absurd { seen } => {
                write!(f, "lifetime counter of {seen} Wh is more than there can be")
            }
            Self::High { seen, count } => {
                write!(f, "first lifetime counter of {seen} Wh is doubtful ({count} of 3 agree)")
            }
            Self::Fell { seen, last, count } => write!(
                f,
                "lifetime counter fell from {last} Wh to {seen} Wh; an exchanged device is \
                 recognised by three rising values ({count} so far)"
            ),
            Self::Jumped { seen, last, count } => write!(
                f,
                "lifetime counter went from {last} Wh to {seen} Wh faster than there can be \
                 energy; believed after three rising values ({count} so far)"
            ),
        }
    }
}
