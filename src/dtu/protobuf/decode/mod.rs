//! From the DTU's messages to a reading. Pure: no socket, no clock, no log.
//!
//! In proto3 a zero is absent, so a zero by itself says nothing: it is a value where the inverter is
//! known to be live, and no value elsewhere.

mod inverter;

mod port;

mod meter;

mod signal;

#[cfg(test)]
mod dumps;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use super::app_info::{self, AppInfo};
use super::messages::RealDataNewReq;
use crate::plant::reading::{DtuReading, InverterReading, PortReading};
use crate::plant::serial::InverterSerial;

/// What all packets of one answer say together. What is listed twice counts once: the first time.
pub fn reading(data: &RealDataNewReq, info: &AppInfo) -> DtuReading {
    let mut inverters = Inverters::default();
    for message in &data.single_phase {
        inverters.add(inverter::single_phase(message));
    }
    for message in &data.three_phase {
        inverters.add(inverter::three_phase(message));
    }
    for message in &data.ports {
        let Some(serial) = app_info::inverter_serial(message.serial) else { continue };
        let Some(number) = port::number(message) else { continue };
        let inverter = inverters.get(serial);
        let is_linked = inverter.values.link_status.is_some_and(|status| status != 0);
        inverter.ports.push(port::port(number, message, is_linked));
        port::merge_status(&mut inverter.values.operating_status, message.error_code);
    }
    DtuReading {
        dtu_serial: app_info::dtu_serial(&data.dtu_serial).or(info.serial),
        inverters: inverters.finish(info),
        has_excluded: false,
        own: info.inverter_firmware.keys().copied().collect(),
        meters: meter::meters(&data.meters),
        dtu_firmware: info.firmware.clone(),
        dtu_time: Some(i64::from(data.timestamp)),
        stale: false,
    }
}

/// Inverters in the DTU's order, found by serial number.
#[derive(Default)]
struct Inverters {
    order: Vec<InverterSerial>,
    by_serial: HashMap<InverterSerial, InverterReading>,
}

impl Inverters {
    fn add(&mut self, inverter: Option<InverterReading>) {
        if let Some(inverter) = inverter {
            self.entry(inverter.serial, || inverter);
        }
    }

    /// An inverter of which only ports are listed comes last, unknown but for these.
    fn get(&mut self, serial: InverterSerial) -> &mut InverterReading {
        self.entry(serial, || InverterReading::unknown(serial))
    }

    fn entry(
        &mut self,
        serial: InverterSerial,
        inverter: impl FnOnce() -> InverterReading,
    ) -> &mut InverterReading {
        self.by_serial.entry(serial).or_insert_with(|| {
            self.order.push(serial);
            inverter()
        })
    }

    fn finish(mut self, info: &AppInfo) -> Vec<InverterReading> {
        let mut inverters: Vec<_> =
            self.order.iter().filter_map(|serial| self.by_serial.remove(serial)).collect();
        for inverter in &mut inverters {
            inverter.values.ac.firmware_version =
                info.inverter_firmware.get(&inverter.serial).cloned();
            inverter.ports.sort_by_key(|port| port.number);
            inverter.ports.dedup_by_key(|port: &mut PortReading| port.number);
        }
        inverters
    }
}
