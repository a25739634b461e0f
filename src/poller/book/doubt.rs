//! What a DTU said and the bridge does not believe, in words for the log.

use std::fmt;
use std::sync::Arc;

use crate::plant::serial::{InverterSerial, MeterSerial};

/// Something that was not believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doubt {
    /// Of what it was said.
    pub of: Subject,
    /// What was doubtful.
    pub reason: String,
}

/// Of what something doubtful was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// An inverter, as a whole.
    Inverter(InverterSerial),
    /// A port, or its counter.
    Port(InverterSerial, u8),
    /// A meter, or one of its counters.
    Meter(MeterSerial),
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.of {
            Subject::Inverter(serial) => write!(f, "inverter {serial}: not believed: ")?,
            Subject::Port(serial, port) => {
                write!(f, "inverter {serial} port {port}: not believed: ")?;
            }
            Subject::Meter(serial) => write!(f, "meter {serial}: not believed: ")?,
        }
        f.write_str(&self.reason)
    }
}

/// Inverters that two DTUs read. One of them has to be chosen, or the values would jump with every
/// poll.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rivalry {
    /// The DTU whose values are taken.
    pub owner: Arc<str>,
    /// The other one.
    pub rival: Arc<str>,
    /// Which inverters, in the order of the DTU's list.
    pub inverters: Vec<InverterSerial>,
}

impl fmt::Display for Rivalry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { owner, rival, inverters } = self;
        let quoted: Vec<_> = inverters.iter().map(|serial| format!("\"{serial}\"")).collect();
        write!(
            f,
            "{rival}: {owner} reads the same inverters, so only {owner}'s values of them count while \
             it has any; put `exclude = [{}]` into the section of one of the two, or remove one \
             section",
            quoted.join(", ")
        )
    }
}
