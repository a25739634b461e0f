//! How a new reading of an inverter changes what is known of it. Pure.
//!
//! Real DTUs report inverters as all zero for a poll or two while they talk to the cloud, and every
//! night for hours. A dropout keeps the last good values and their times; what stays away for
//! longer than the hold time is not known any more, and a plant that is dark as a whole delivers
//! nothing.

use std::time::Duration;

use jiff::Timestamp;

use crate::plant::reading::{AcReading, InverterReading, InverterValues, PortReading};
use crate::plant::units::Watts;
use crate::snapshot::state::{InverterState, PortState};

#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) now: Timestamp,
    pub(super) hold: Duration,
    /// The poll has reached its end.
    pub(super) is_complete: bool,
    /// The DTU reaches none of its inverters, and they had faded before.
    pub(super) is_night: bool,
}

impl Moment {
    /// Whether values of `timestamp` have outlived the hold time.
    pub(super) fn is_over(self, timestamp: Timestamp) -> bool {
        let age = self.now.duration_since(timestamp);
        age.is_positive() && age.unsigned_abs() > self.hold
    }

    /// What an inverter delivers of which there is no value any more.
    fn power_without_value(self) -> Option<Watts> {
        self.is_night.then_some(Watts::default())
    }
}

/// Takes over what `reading` says; energies are the ledger's matter. What has outlived the hold
/// time is to be dropped before, by [`expire`].
pub(super) fn merge(state: &mut InverterState, reading: &InverterReading, moment: Moment) {
    if reading.is_live() {
        state.timestamp = moment.now;
        let mut values = reading.values.clone();
        let before = &mut state.values;
        // These may be in a packet that did not come.
        values.operating_status = values.operating_status.or(before.operating_status);
        values.alarm_count = values.alarm_count.or(before.alarm_count);
        values.ac.firmware_version =
            values.ac.firmware_version.or_else(|| before.ac.firmware_version.take());
        state.values = values;
    } else if moment.is_over(state.timestamp) {
        state.values.link_status = reading.values.link_status;
        state.values.operating_status = reading.values.operating_status;
    }
    for port in &reading.ports {
        merge_port(state, port, moment);
    }
}

fn merge_port(state: &mut InverterState, reading: &PortReading, moment: Moment) {
    let port = state
        .ports
        .entry(reading.number)
        .or_insert_with(|| PortState::unknown(reading.number, moment.now));
    let before = port.reading.clone();
    if reading.pv_power.is_some() {
        port.timestamp = moment.now;
        port.reading = reading.clone();
    }
    port.reading.today = reading.today.or(before.today);
    port.reading.total = reading.total.or(before.total);
}

/// Whether there is anything to [`expire`].
pub(super) fn is_anything_over(state: &InverterState, moment: Moment) -> bool {
    moment.is_over(state.timestamp)
        || state.ports.values().any(|port| moment.is_over(port.timestamp))
}

/// Drops the measurements of which the DTU has said nothing for longer than the hold time, whether
/// it does not answer, or leaves the inverter or the port out; energies and times stand.
pub(super) fn expire(state: &mut InverterState, moment: Moment) {
    let power = moment.power_without_value();
    if moment.is_over(state.timestamp) {
        forget_measurements(state, power);
    }
    for port in state.ports.values_mut().filter(|port| moment.is_over(port.timestamp)) {
        forget_port(port, power);
    }
}

/// Puts an inverter to sleep: it delivers nothing, and nothing else is known of it.
pub(super) fn darken(state: &mut InverterState) {
    forget_measurements(state, Some(Watts::default()));
    for port in state.ports.values_mut() {
        forget_port(port, Some(Watts::default()));
    }
}

fn forget_measurements(state: &mut InverterState, power: Option<Watts>) {
    let before = std::mem::take(&mut state.values);
    let ac = AcReading {
        active_power: before.ac.active_power.and(power),
        firmware_version: before.ac.firmware_version,
        ..AcReading::default()
    };
    state.values =
        InverterValues { alarm_count: before.alarm_count, ac, ..InverterValues::default() };
}

fn forget_port(port: &mut PortState, power: Option<Watts>) {
    port.reading.pv_voltage = None;
    port.reading.pv_current = None;
    port.reading.pv_power = power;
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::plant::serial::InverterSerial;
    use crate::plant::units::Volts;

    const HOLD: Duration = Duration::from_secs(300);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_750_000_000 + second).unwrap()
    }

    fn live(watts: i32) -> InverterReading {
        InverterReading {
            values: InverterValues {
                link_status: Some(1),
                operating_status: Some(3),
                grid_voltage: Some(Volts::from_tenths(2_300)),
                ..InverterValues::default()
            },
            ports: vec![PortReading {
                pv_voltage: Some(Volts::from_tenths(350)),
                pv_power: Some(Watts::from_tenths(watts * 10)),
                ..PortReading::unknown(1)
            }],
            ..InverterReading::unknown(serial())
        }
    }

    /// What a DTU sends of an inverter that it does not reach.
    fn dark() -> InverterReading {
        InverterReading {
            values: InverterValues {
                link_status: Some(0),
                operating_status: Some(0),
                ..InverterValues::default()
            },
            ports: vec![PortReading::unknown(1)],
            ..InverterReading::unknown(serial())
        }
    }

    fn serial() -> InverterSerial {
        InverterSerial::from_bytes([0x11, 0x21, 0, 0, 0, 1])
    }

    /// Merges readings at their seconds; the power and the grid voltage that are known at the end.
    fn after(readings: &[(i64, InverterReading)], is_night: bool) -> (Option<f64>, Option<f64>) {
        let mut state = InverterState::new(serial(), Arc::from("DTU"), at(0));
        for (second, reading) in readings {
            let moment = Moment { now: at(*second), hold: HOLD, is_complete: true, is_night };
            expire(&mut state, moment);
            merge(&mut state, reading, moment);
        }
        (state.pv_power().map(Watts::as_f64), state.values.grid_voltage.map(Volts::as_f64))
    }

    #[test]
    fn a_dropout_keeps_the_last_good_values() {
        let seen = after(&[(0, live(200)), (60, dark()), (120, dark())], false);
        assert_eq!(seen, (Some(200.0), Some(230.0)));
    }

    #[test]
    fn an_inverter_that_stays_away_by_day_is_unknown_and_not_zero() {
        let seen = after(&[(0, live(200)), (60, dark()), (301, dark())], false);
        assert_eq!(seen, (None, None));
    }

    #[test]
    fn a_plant_that_stays_dark_delivers_nothing() {
        let seen = after(&[(0, live(2)), (60, dark()), (301, dark())], true);
        assert_eq!(seen, (Some(0.0), None));
    }

    #[test]
    fn values_return_with_the_light() {
        let seen = after(&[(0, live(2)), (301, dark()), (40_000, live(3))], false);
        assert_eq!(seen, (Some(3.0), Some(230.0)));
    }

    #[test]
    fn a_clock_that_is_set_back_drops_nothing() {
        let seen = after(&[(0, live(200)), (-40_000, dark())], false);
        assert_eq!(seen, (Some(200.0), Some(230.0)));
    }
}
