//! The requests that the bridge sends. None of them writes a setting. Pure.

use jiff::Zoned;
use prost::Message;

use super::messages::{AppInfoRes, CommandRes, RealDataNewRes};

/// The vendor's own programs send this time offset wherever they are, and no DTU was seen to care.
const OFFSET: i32 = 28_800;

/// Ask the DTU to read all its inverters all the time, until it restarts.
pub(super) const PERFORMANCE_MODE: i32 = 33;

/// Asks for one packet of what the DTU is.
pub fn app_info(now: &Zoned, packet: i32) -> Vec<u8> {
    let time = u32::try_from(now.timestamp().as_second()).unwrap_or_default();
    let time_ymd_hms = local_time(now);
    AppInfoRes { time_ymd_hms, offset: OFFSET, current_package: packet, error_code: 0, time }
        .encode_to_vec()
}

/// Asks for one packet of the present values.
pub fn real_data(now: &Zoned, packet: i32) -> Vec<u8> {
    RealDataNewRes {
        time_ymd_hms: local_time(now),
        cp: packet,
        error_code: 0,
        offset: OFFSET,
        time: unix_time(now),
    }
    .encode_to_vec()
}

/// Asks the DTU to read its inverters all the time.
pub fn performance_mode(now: &Zoned) -> Vec<u8> {
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

/// The protocol's own limit is the year 2038.
fn unix_time(now: &Zoned) -> i32 {
    i32::try_from(now.timestamp().as_second()).unwrap_or_default()
}
