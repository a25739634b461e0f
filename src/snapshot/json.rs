//! The JSON of the API, key by key as the contract has it.

use std::fmt::Display;
use std::ops::{Deref, DerefMut, Range};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use super::state::{InverterState, MeterState, PlantTotals, PortState};
use crate::plant::meter::MeterPhase;
use crate::plant::serial::InverterSerial;
use crate::plant::units::{
    Amperes, Celsius, Hertz, MeterVolts, Percent, PowerFactor, Vars, Volts, WattHours, Watts,
};
use crate::plant::{codes, model};

/// RFC 3339 with the offset of `zone`, to the second.
pub fn time(at: Timestamp, zone: &TimeZone) -> String {
    let seconds = Timestamp::from_second(at.as_second()).unwrap_or(at);
    seconds.display_with_offset(zone.to_offset(at)).to_string()
}

/// A value as the API writes it, with times in this zone.
#[derive(Clone, Copy, Debug)]
pub struct Json<'a, T>(pub &'a T, pub &'a TimeZone);

impl Serialize for Json<'_, Timestamp> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(at, zone) = self;
        let seconds = Timestamp::from_second(at.as_second()).unwrap_or(**at);
        serializer.collect_str(&seconds.display_with_offset(zone.to_offset(**at)))
    }
}

impl Serialize for Json<'_, InverterState> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(state, zone) = self;
        let (values, energy) = (&state.values, state.energy);
        let ac = &values.ac;
        let volts: Vec<f64> = ac.phase_voltages.iter().map(|value| value.as_f64()).collect();
        let amperes: Vec<f64> = ac.phase_currents.iter().map(|value| value.as_f64()).collect();
        let ports: Vec<_> = ports(state, zone).collect();
        let mut object = serializer.serialize_map(None)?;
        object.serialize_entry("serial_number", &Text(state.serial))?;
        object.serialize_entry("dtu_name", &*state.dtu_name)?;
        let name = model::name(state.serial, state.ports.len());
        object.serialize_entry("inverter_type", &name)?;
        object.serialize_entry("model", &model::family(state.serial))?;
        object.serialize_entry("first_seen", &Json(&state.first_seen, zone))?;
        object.serialize_entry("last_seen", &Json(&state.last_seen, zone))?;
        object.serialize_entry("timestamp", &Json(&state.timestamp, zone))?;
        object.serialize_entry("grid_voltage", &values.grid_voltage.map(Volts::as_f64))?;
        object.serialize_entry("grid_frequency", &values.grid_frequency.map(Hertz::as_f64))?;
        object.serialize_entry("temperature", &values.temperature.map(Celsius::as_f64))?;
        object.serialize_entry("operating_status", &values.operating_status)?;
        let status = values.operating_status.map(codes::operating_status);
        object.serialize_entry("operating_status_text", &status)?;
        object.serialize_entry("alarm_code", &values.alarm_code)?;
        object.serialize_entry("alarm_text", &values.alarm_code.map(codes::alarm))?;
        object.serialize_entry("alarm_count", &values.alarm_count)?;
        object.serialize_entry("link_status", &values.link_status)?;
        let status = values.link_status.map(codes::link_status);
        object.serialize_entry("link_status_text", &status)?;
        object.serialize_entry("active_power", &ac.active_power.map(Watts::as_f64))?;
        object.serialize_entry("reactive_power", &ac.reactive_power.map(Vars::as_f64))?;
        object.serialize_entry("power_factor", &ac.power_factor.map(PowerFactor::as_f64))?;
        object.serialize_entry("current", &ac.current.map(Amperes::as_f64))?;
        object.serialize_entry("phase_voltages", &volts)?;
        object.serialize_entry("phase_currents", &amperes)?;
        object.serialize_entry("power_limit", &ac.power_limit.map(Percent::as_f64))?;
        object.serialize_entry("firmware_version", &ac.firmware_version)?;
        object.serialize_entry("signal", &ac.signal)?;
        object.serialize_entry("pv_power", &state.pv_power().map(Watts::as_f64))?;
        object.serialize_entry("today_production", &energy.today.map(WattHours::get))?;
        object.serialize_entry("today_since", &optional(energy.today_since.as_ref(), zone))?;
        object.serialize_entry("total_production", &energy.total.map(WattHours::get))?;
        object.serialize_entry("ports", &ports)?;
        object.end()
    }
}

/// The port objects of one inverter.
pub fn ports<'a>(
    inverter: &'a InverterState,
    zone: &'a TimeZone,
) -> impl Iterator<Item = PortJson<'a>> {
    inverter.ports.values().map(|port| PortJson { serial: inverter.serial, port, zone })
}

/// One port object.
#[derive(Clone, Copy, Debug)]
pub struct PortJson<'a> {
    serial: InverterSerial,
    port: &'a PortState,
    zone: &'a TimeZone,
}

impl Serialize for PortJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let PortState { timestamp, reading, energy } = self.port;
        let mut object = serializer.serialize_map(None)?;
        object.serialize_entry("serial_number", &Text(self.serial))?;
        object.serialize_entry("port_number", &reading.number)?;
        object.serialize_entry("timestamp", &Json(timestamp, self.zone))?;
        object.serialize_entry("pv_voltage", &reading.pv_voltage.map(Volts::as_f64))?;
        object.serialize_entry("pv_current", &reading.pv_current.map(Amperes::as_f64))?;
        object.serialize_entry("pv_power", &reading.pv_power.map(Watts::as_f64))?;
        object.serialize_entry("today_production", &energy.today.map(WattHours::get))?;
        object.serialize_entry("today_since", &optional(energy.today_since.as_ref(), self.zone))?;
        object.serialize_entry("total_production", &energy.total.map(WattHours::get))?;
        object.serialize_entry("device_today_production", &reading.today.map(WattHours::get))?;
        object.serialize_entry("device_total_production", &reading.total.map(WattHours::get))?;
        object.end()
    }
}

impl Serialize for Json<'_, MeterState> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(MeterState { dtu_name, timestamp, reading }, zone) = self;
        let phases: Vec<_> = reading.phases.iter().map(|phase| Json(phase, zone)).collect();
        let mut object = serializer.serialize_map(None)?;
        object.serialize_entry("serial_number", &Text(reading.serial))?;
        object.serialize_entry("dtu_name", &**dtu_name)?;
        object.serialize_entry("timestamp", &Json(timestamp, zone))?;
        object.serialize_entry("device_type", &reading.kind)?;
        object.serialize_entry("power", &reading.power.map(Watts::as_f64))?;
        object.serialize_entry("power_factor", &reading.power_factor.map(PowerFactor::as_f64))?;
        object.serialize_entry("energy_exported", &reading.exported.map(WattHours::get))?;
        object.serialize_entry("energy_imported", &reading.imported.map(WattHours::get))?;
        object.serialize_entry("phases", &phases)?;
        object.end()
    }
}

impl Serialize for Json<'_, MeterPhase> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let phase = self.0;
        let mut object = serializer.serialize_map(None)?;
        object.serialize_entry("power", &phase.power.map(Watts::as_f64))?;
        object.serialize_entry("voltage", &phase.voltage.map(MeterVolts::as_f64))?;
        object.serialize_entry("current", &phase.current.map(Amperes::as_f64))?;
        object.serialize_entry("power_factor", &phase.power_factor.map(PowerFactor::as_f64))?;
        object.serialize_entry("energy_exported", &phase.exported.get())?;
        object.serialize_entry("energy_imported", &phase.imported.get())?;
        object.end()
    }
}

impl Serialize for Json<'_, PlantTotals> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(PlantTotals { pv_power, active_power, energy, lifetime_sum }, zone) = self;
        let mut object = serializer.serialize_map(None)?;
        object.serialize_entry("pv_power", &pv_power.map(Watts::as_f64))?;
        object.serialize_entry("active_power", &active_power.map(Watts::as_f64))?;
        object.serialize_entry("today_production", &energy.today.map(WattHours::get))?;
        object.serialize_entry("today_since", &optional(energy.today_since.as_ref(), zone))?;
        object.serialize_entry("total_production", &energy.total.map(WattHours::get))?;
        object.serialize_entry("lifetime_sum", &lifetime_sum.map(WattHours::get))?;
        object.end()
    }
}

fn optional<'a>(at: Option<&'a Timestamp>, zone: &'a TimeZone) -> Option<Json<'a, Timestamp>> {
    at.map(|at| Json(at, zone))
}

/// As it is displayed.
struct Text<T>(T);

impl<T: Display> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// A state and its JSON, which is made when it is first needed and dropped when the state changes.
#[derive(Clone, Debug)]
pub struct Rendered<T> {
    state: T,
    json: OnceLock<Bytes>,
}

impl<T> Rendered<T> {
    /// The object of the API.
    pub fn json(&self, zone: &TimeZone) -> &Bytes
    where
        for<'a> Json<'a, T>: Serialize,
    {
        self.json.get_or_init(|| to_bytes(&Json(&self.state, zone)))
    }
}

impl<T> From<T> for Rendered<T> {
    fn from(state: T) -> Self {
        Self { state, json: OnceLock::new() }
    }
}

impl<T> Deref for Rendered<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.state
    }
}

impl<T> DerefMut for Rendered<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.json = OnceLock::new();
        &mut self.state
    }
}

impl<T: PartialEq> PartialEq for Rendered<T> {
    fn eq(&self, other: &Self) -> bool {
        self.state == other.state
    }
}

impl<T: Eq> Eq for Rendered<T> {}

/// States as a snapshot shares them.
pub fn shared<T>(states: impl IntoIterator<Item = T>) -> Vec<Arc<Rendered<T>>> {
    states.into_iter().map(|state| Arc::new(Rendered::from(state))).collect()
}

/// Appends a list of objects; where it is.
pub fn push_list<'a>(
    message: &mut Vec<u8>,
    objects: impl Iterator<Item = &'a Bytes>,
) -> Range<usize> {
    let begin = message.len();
    message.push(b'[');
    for (place, object) in objects.enumerate() {
        if place > 0 {
            message.push(b',');
        }
        message.extend_from_slice(object);
    }
    message.push(b']');
    begin..message.len()
}

/// JSON of a value that can always be written.
pub fn to_bytes(value: &impl Serialize) -> Bytes {
    // These types have string keys and finite numbers only, so that this cannot fail; if it ever
    // did, null is still JSON.
    serde_json::to_vec(value).map_or_else(|_| Bytes::from_static(b"null"), Bytes::from)
}

#[cfg(test)]
mod tests {
    // The JSON letter by letter: scripts and Home Assistant rely on it.

    use std::collections::BTreeMap;
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::clock::Start;
    use crate::config::Protocol;
    use crate::plant::reading::{InverterValues, PortReading};
    use crate::plant::serial::InverterSerial;
    use crate::plant::units::{Amperes, Celsius, Hertz, Volts, WattHours, Watts};
    use crate::problem::Problem;
    use crate::snapshot::state::{DtuState, DtuStatus, Energy, InverterState, Listed, PortState};
    use crate::snapshot::{Contents, Snapshot};

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// Two ports, of which only the energy of the second is known.
    fn inverter() -> InverterState {
        let now = at("2026-06-10T10:00:00Z");
        let lit = PortState {
            timestamp: now,
            reading: PortReading {
                number: 1,
                pv_voltage: Some(Volts::from_tenths(341)),
                pv_current: Some(Amperes::from_hundredths(605)),
                pv_power: Some(Watts::from_tenths(2063)),
                today: Some(WattHours::new(930)),
                total: Some(WattHours::new(456_172)),
            },
            energy: Energy {
                today: Some(WattHours::new(936)),
                today_since: Some(at("2026-06-09T22:00:00Z")),
                total: Some(WattHours::new(456_172)),
            },
        };
        let energy = Energy { total: Some(WattHours::new(456_173)), ..Energy::default() };
        let dark = PortState { energy, ..PortState::unknown(2, now) };
        let serial = InverterSerial::from_bytes([0x11, 0x41, 0x72, 0x60, 0x64, 0x03]);
        InverterState {
            first_seen: at("2026-01-10T10:00:00Z"),
            values: InverterValues {
                link_status: Some(1),
                operating_status: Some(3),
                alarm_code: Some(0),
                alarm_count: Some(0),
                grid_voltage: Some(Volts::from_tenths(2334)),
                grid_frequency: Some(Hertz::from_hundredths(4998)),
                temperature: Some(Celsius::from_tenths(315)),
                ..InverterValues::default()
            },
            ports: BTreeMap::from([(1, lit), (2, dark)]),
            ..InverterState::new(serial, Arc::from("DTU"), now)
        }
        .with_sum_of_ports()
    }

    fn berlin() -> TimeZone {
        TimeZone::get("Europe/Berlin").unwrap()
    }

    const INVERTER: &str = concat!(
        r#"{"serial_number":"114172606403","dtu_name":"DTU","inverter_type":"HM-600/700/800","#,
        r#""model":"HM-600/700/800","#,
        r#""first_seen":"2026-01-10T11:00:00+01:00","last_seen":"2026-06-10T12:00:00+02:00","#,
        r#""timestamp":"2026-06-10T12:00:00+02:00","grid_voltage":233.4,"grid_frequency":49.98,"#,
        r#""temperature":31.5,"operating_status":3,"operating_status_text":"producing","#,
        r#""alarm_code":0,"alarm_text":"none","alarm_count":0,"link_status":1,"#,
        r#""link_status_text":"reached","active_power":null,"reactive_power":null,"#,
        r#""power_factor":null,"current":null,"phase_voltages":[],"phase_currents":[],"#,
        r#""power_limit":null,"firmware_version":null,"signal":null,"pv_power":206.3,"#,
        r#""today_production":936,"today_since":"2026-06-10T00:00:00+02:00","#,
        r#""total_production":912345,"ports":["#,
        r#"{"serial_number":"114172606403","port_number":1,"timestamp":"2026-06-10T12:00:00+02:00","#,
        r#""pv_voltage":34.1,"pv_current":6.05,"pv_power":206.3,"today_production":936,"#,
        r#""today_since":"2026-06-10T00:00:00+02:00","total_production":456172,"#,
        r#""device_today_production":930,"device_total_production":456172},"#,
        r#"{"serial_number":"114172606403","port_number":2,"timestamp":"2026-06-10T12:00:00+02:00","#,
        r#""pv_voltage":null,"pv_current":null,"pv_power":null,"today_production":null,"#,
        r#""today_since":null,"total_production":456173,"#,
        r#""device_today_production":null,"device_total_production":null}]}"#,
    );

    #[test]
    fn an_inverter_is_written_as_the_contract_says() {
        let snapshot = |inverters: Vec<InverterState>| {
            let now = at("2026-06-10T10:00:30Z");
            let inverters = shared(inverters);
            Snapshot::new(Contents { inverters, zone: berlin(), ..Contents::empty(now) })
        };
        assert_eq!(snapshot(vec![inverter()]).inverters_json(), format!("[{INVERTER}]"));
        assert_eq!(snapshot(Vec::new()).inverters_json(), "[]");
    }

    #[tokio::test(start_paused = true)]
    async fn an_update_holds_what_the_api_serves() {
        let now = at("2026-06-10T10:00:30Z");
        let dtu = DtuState {
            status: DtuStatus::Online,
            last_success: Some(at("2026-06-10T10:00:00Z")),
            query_count: 3,
            error_count: 1,
            last_error: Some(Problem::new("closed", "gone", "restart it")),
            last_error_time: Some(at("2026-06-10T09:58:00Z")),
            stale_since: Some(at("2026-06-10T09:50:00Z")),
            listed: Some(Listed { inverters: 19, ports: 37, is_all_elsewhere: false }),
            ..DtuState::unknown("DTU", Protocol::Modbus, Duration::from_secs(300))
        };
        let start = Start::at(at("2026-06-10T09:57:00Z"));
        tokio::time::advance(Duration::from_secs(210)).await;
        let snapshot = Snapshot::new(Contents {
            energy: Energy { total: Some(WattHours::new(900_000)), ..Energy::default() },
            inverters: shared([inverter()]),
            dtus: vec![Arc::new(dtu)],
            start,
            zone: berlin(),
            ..Contents::empty(now)
        });
        let (update, inverters) = (snapshot.update_json(), snapshot.inverters_json());
        let update: serde_json::Value = serde_json::from_slice(&update).unwrap();
        assert_eq!(update["type"], "update");
        let data = &update["data"];
        assert_eq!(data["inverters"].to_string().len(), inverters.len());
        assert_eq!(data["inverters"][0]["pv_power"], 206.3);
        assert_eq!(data["plant"]["total_production"], 900_000);
        assert_eq!(data["plant"]["lifetime_sum"], 912_345);
        assert_eq!(data["meters"], serde_json::json!([]));
        let health = &data["health"];
        assert_eq!((&health["healthy"], &health["uptime_seconds"]), (&true.into(), &210.into()));
        assert_eq!(health["start_time"], "2026-06-10T11:57:00+02:00");
        let dtu = &health["dtus"]["DTU"];
        for (key, value) in [
            ("status", serde_json::json!("online")),
            ("last_successful_query", serde_json::json!("2026-06-10T12:00:00+02:00")),
            ("seconds_since_last_success", serde_json::json!(30)),
            ("query_count", serde_json::json!(3)),
            ("error_count", serde_json::json!(1)),
            ("last_error", serde_json::json!("gone")),
            ("last_error_cause", serde_json::json!("closed")),
            ("last_error_remedy", serde_json::json!("restart it")),
            ("last_error_time", serde_json::json!("2026-06-10T11:58:00+02:00")),
            ("stale_since", serde_json::json!("2026-06-10T11:50:00+02:00")),
            ("inverters", serde_json::json!(19)),
            ("ports", serde_json::json!(37)),
            ("missing_inverters", serde_json::json!([])),
            ("unread_records", serde_json::json!([])),
        ] {
            assert_eq!(dtu[key], value, "{key}");
        }
        let warnings = dtu["warnings"].as_array().unwrap();
        assert!(
            warnings.len() == 1 && warnings[0].as_str().unwrap().contains("; "),
            "{warnings:?}"
        );
        assert!(data["stats"].as_object().unwrap().values().all(|value| !value.is_null()));
    }
}
