//! Models by serial number.

use super::serial::InverterSerial;

/// The model as far as the serial number tells it.
pub fn name(_serial: InverterSerial, _ports: usize) -> Option<String> {
    None
}
