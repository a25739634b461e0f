//! Each entity of the table has its value in a real update.

use hoymiles_bridge::entities::{Subject, all};
use hoymiles_bridge::plant::meter::{MeterPhase, MeterReading};
use hoymiles_bridge::plant::reading::{
    AcReading, DtuReading, InverterReading, InverterValues, PortReading,
};
use hoymiles_bridge::plant::serial::{InverterSerial, MeterSerial};
use hoymiles_bridge::plant::units::{Amperes, Volts, WattHours};
use hoymiles_bridge::poller::plant::PlantState;
use hoymiles_bridge::poller::publish::SnapshotPublisher;
use hoymiles_bridge::store::Store;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;

use super::readings::{DTU, dtu};

/// A plant with all values: three phases and a meter.
fn reading() -> DtuReading {
    let phase = MeterPhase {
        power: None,
        voltage: None,
        current: None,
        power_factor: None,
        exported: WattHours::new(1),
        imported: WattHours::new(1),
    };
    DtuReading {
        inverters: vec![InverterReading {
            values: InverterValues {
                ac: AcReading {
                    phase_voltages: vec![Volts::from_tenths(2_300); 3],
                    phase_currents: vec![Amperes::from_hundredths(100); 3],
                    ..AcReading::default()
                },
                link_status: Some(1),
                ..InverterValues::default()
            },
            ports: vec![PortReading::unknown(1)],
            ..InverterReading::unknown(InverterSerial::from_u64(1))
        }],
        meters: vec![MeterReading {
            serial: MeterSerial::from_u64(2),
            kind: None,
            power: None,
            power_factor: None,
            exported: None,
            imported: None,
            phases: vec![phase; 3],
        }],
        ..DtuReading::default()
    }
}

#[test]
fn every_entity_is_in_an_update() {
    let dtu = dtu(None);
    let now: Timestamp = super::NOON.parse().unwrap();
    let plant = PlantState::new(TimeZone::UTC, vec![dtu], [], []);
    let (publisher, snapshot) = SnapshotPublisher::new(plant, Store::in_memory(), now);
    publisher.succeeded(DTU, &reading(), now);
    let update: Value = serde_json::from_slice(&snapshot.latest().update_json()).unwrap();
    let data = &update["data"];
    for entity in all() {
        let object = match entity.subject {
            Subject::Bridge => data,
            Subject::Dtu => &data["health"]["dtus"][DTU],
            Subject::Inverter => &data["inverters"][0],
            Subject::Port => &data["inverters"][0]["ports"][0],
            Subject::Meter => &data["meters"][0],
        };
        let (subject, source) = (entity.subject.as_str(), entity.source());
        assert!(object.pointer(&source).is_some(), "{subject} {source} is not in {object}");
    }
}
