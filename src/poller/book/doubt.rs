//! What a DTU said and the bridge does not believe, in words for the log.

use std::fmt;

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
    /// The counter of a port.
    Port(InverterSerial, u8),
    /// A meter, or one of its counters.
    Meter(MeterSerial),
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.of {
            Subject::Inverter(serial) => write!(f, "inverter {serial}: not believed: ")?,
            Subject::Port(serial, port) => {
                write!(f, "inverter {serial} port {port}: counter not believed: ")?;
            }
            Subject::Meter(serial) => write!(f, "meter {serial}: not believed: ")?,
        }
        f.write_str(&self.reason)
    }
}
