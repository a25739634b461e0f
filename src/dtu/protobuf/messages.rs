//! The messages of the protocol, generated from `proto/hoymiles.proto`, which has units and sources;
//! the requests that the bridge sends, none of which writes a setting; and their answers.
//!
//! The names are those of the field: messages ending in `Res` go to the DTU, those in `Req` come from
//! it.

use jiff::Zoned;
use prost::Message;

use super::app_info::{is_serial, malformed};
use crate::dtu::DtuError;

include!(concat!(env!("OUT_DIR"), "/hoymiles.rs"));

/// The vendor's apps send this time offset everywhere, and no DTU has been seen to use it.
const OFFSET: i32 = 28_800;
/// Read all inverters continuously until the next restart.
const PERFORMANCE_MODE: i32 = 33;

pub(super) fn app_info_request(now: &Zoned, packet: i32) -> Vec<u8> {
    let time = u32::try_from(now.timestamp().as_second()).unwrap_or_default();
    let time_ymd_hms = local_time(now);
    AppInfoRes { time_ymd_hms, offset: OFFSET, current_package: packet, error_code: 0, time }
        .encode_to_vec()
}

pub(super) fn real_data_request(now: &Zoned, packet: i32) -> Vec<u8> {
    RealDataNewRes {
        time_ymd_hms: local_time(now),
        cp: packet,
        error_code: 0,
        offset: OFFSET,
        time: unix_time(now),
    }
    .encode_to_vec()
}

pub(super) fn performance_mode_request(now: &Zoned) -> Vec<u8> {
    let time = unix_time(now);
    CommandRes {
        time,
        action: PERFORMANCE_MODE,
        package_count: 1,
        tid: i64::from(time),
        ..CommandRes::default()
    }
    .encode_to_vec()
}

fn local_time(now: &Zoned) -> Vec<u8> {
    now.strftime("%Y-%m-%d %H:%M:%S").to_string().into_bytes()
}

/// The protocol ends in 2038.
fn unix_time(now: &Zoned) -> i32 {
    i32::try_from(now.timestamp().as_second()).unwrap_or_default()
}

/// The answer to [`performance_mode_request`]; `None` if it answers another request.
pub(super) fn performance_mode_answer(message: &[u8]) -> Result<Option<CommandReq>, DtuError> {
    let answer = CommandReq::decode(message)
        .map_err(|error| malformed(format!("answer to a command: {error}")))?;
    Ok((answer.action == PERFORMANCE_MODE).then_some(answer))
}

/// The answer to [`real_data_request`]; `None` if it answers another request. The first packet must
/// have a serial number: ciphertext that happens to be a valid message has not even that.
pub(super) fn real_data_answer(
    message: &[u8],
    packet: i32,
) -> Result<Option<RealDataNewReq>, DtuError> {
    let data = RealDataNewReq::decode(message)
        .map_err(|error| malformed(format!("real data: {error}")))?;
    let is_later = packet > 0 && data.dtu_serial.is_empty();
    if !is_later && !is_serial(&data.dtu_serial) {
        return Err(malformed("real data without a serial number"));
    }
    Ok((data.cp == packet).then_some(data))
}
