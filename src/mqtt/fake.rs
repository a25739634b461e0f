//! Updates of a small plant, and a broker that notes what it gets, for the tests of this room.

use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::board::{Board, Message};
use super::document::Form;
use super::session::{Gone, Publish};
use super::topics::Topics;
use crate::config::MqttConfig;
use crate::snapshot::state::DtuState;
use crate::snapshot::{Contents, Snapshot};
use crate::store::Announced;

/// Ports of the inverter.
pub(super) fn port(number: u8) -> Value {
    json!({"port_number": number, "timestamp": "2026-06-01T12:00:00+02:00", "pv_voltage": 34.1,
        "pv_current": 6.05, "pv_power": 206.3, "today_production": 936,
        "today_since": "2026-06-01T00:00:00+02:00", "total_production": 456_172})
}

/// The `data` of an update of a plant with one DTU and one inverter.
pub(super) fn data(protocol: &str, ports: u8) -> Value {
    json!({
        "health": {"healthy": true, "start_time": "2026-06-01T06:00:00+02:00", "dtus": {"House": {
            "status": "online", "protocol": protocol, "serial_number": "10F8A0000001",
            "model": "DTU-Pro", "firmware_version": null, "query_count": 7, "error_count": 1,
            "last_successful_query": "2026-06-01T12:00:00+02:00", "last_error": null,
            "last_error_time": null}}},
        "stats": {"inverters_count": 1, "database_size_bytes": 4096},
        "plant": {"pv_power": 412.6, "active_power": null, "today_production": 1_873,
            "today_since": "2026-06-01T00:00:00+02:00", "total_production": 912_345},
        "inverters": [{
            "serial_number": "114172606403", "dtu_name": "House", "inverter_type": "HM-600/700/800",
            "last_seen": "2026-06-01T12:00:00+02:00", "timestamp": "2026-06-01T12:00:00+02:00",
            "grid_voltage": 233.4, "grid_frequency": 49.98, "temperature": 31.5,
            "operating_status": 3, "alarm_code": 0, "alarm_text": "none", "alarm_count": 0,
            "link_status": 1, "active_power": null, "phase_voltages": [], "phase_currents": [],
            "firmware_version": null, "pv_power": 412.6, "today_production": 1_873,
            "today_since": "2026-06-01T00:00:00+02:00", "total_production": 912_345,
            "ports": (1..=ports).map(port).collect::<Vec<_>>()}],
        "meters": [],
    })
}

/// A snapshot whose update has this `data`.
pub(super) fn snapshot(data: &Value) -> Snapshot {
    snapshot_with(data, Vec::new())
}

/// The same, with these DTUs.
pub(super) fn snapshot_with(data: &Value, dtus: Vec<Arc<DtuState>>) -> Snapshot {
    let contents = Contents { dtus, ..Contents::empty(Timestamp::UNIX_EPOCH) };
    let update = json!({"type": "update", "data": data}).to_string();
    Snapshot::new(contents).with_update_json(update.into())
}

/// A board with default topics and these inverters excluded.
pub(super) fn board(excluded: &[&str]) -> Board {
    board_of_form(Form { qos: 1, has_child_devices: false }, excluded)
}

/// A board with documents of this form.
pub(super) fn board_of_form(form: Form, excluded: &[&str]) -> Board {
    let excluded = excluded.iter().map(|serial| Topics::device_id(serial)).collect();
    let announced = Announced { bridge: "ours".to_owned(), ..Announced::default() };
    Board::new(Topics::new(&MqttConfig::default()), form, excluded, announced)
}

/// A broker that takes everything and tells how often it was asked to.
#[derive(Clone, Debug)]
pub(super) struct FakeBroker {
    batches: Arc<Mutex<Vec<Vec<Message>>>>,
    count: Arc<watch::Sender<usize>>,
}

impl FakeBroker {
    pub(super) fn new() -> Self {
        Self { batches: Arc::default(), count: Arc::new(watch::channel(0).0) }
    }

    /// What it was given, once it was given something for the `count`th time.
    pub(super) async fn batch(&self, count: usize) -> Vec<Message> {
        let mut counts = self.count.subscribe();
        counts.wait_for(|given| *given >= count).await.unwrap();
        self.batches.lock().unwrap()[count - 1].clone()
    }

    pub(super) fn batch_count(&self) -> usize {
        self.batches.lock().unwrap().len()
    }
}

impl Publish for FakeBroker {
    async fn publish(&self, messages: Vec<Message>) -> Result<(), Gone> {
        self.batches.lock().unwrap().push(messages);
        self.count.send_modify(|count| *count += 1);
        Ok(())
    }

    async fn ask(&self, topic: String) -> Result<(), Gone> {
        panic!("nothing was left at {topic}")
    }
}
