//! The messages of the DTU's own protocol as readings.

use std::collections::BTreeSet;

use hoymiles_bridge::dtu::protobuf::app_info::AppInfo;
use hoymiles_bridge::dtu::protobuf::decode::reading;
use hoymiles_bridge::dtu::protobuf::messages::{AppInfoReq, RealDataNewReq};
use prost::Message;

use super::script::Script;

/// Runs this fuzz target once.
pub fn run(data: &[u8]) {
    let mut script = Script::new(data);
    let info = AppInfoReq::decode(script.piece()).map(|message| AppInfo::of(&message));
    let info = info.map_or_else(|_| AppInfo::default(), Result::unwrap_or_default);
    let Ok(message) = RealDataNewReq::decode(script.take(usize::MAX)) else { return };
    let reading = reading(&message, &info);
    let serials: BTreeSet<_> = reading.inverters.iter().map(|one| one.serial).collect();
    assert_eq!(serials.len(), reading.inverters.len(), "each inverter is there once");
    for inverter in &reading.inverters {
        let numbers: Vec<u8> = inverter.ports.iter().map(|port| port.number).collect();
        assert!(numbers.is_sorted_by(|one, next| one < next), "ports ascend: {numbers:?}");
    }
}
