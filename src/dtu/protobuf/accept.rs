//! Which answers belong to which request. Pure.

use prost::Message;

use super::app_info;
use super::messages::{CommandReq, RealDataNewReq};
use super::request::PERFORMANCE_MODE;
use crate::dtu::DtuError;

/// The answer to the command that switches the performance mode on.
pub(super) fn answered_mode(message: &[u8]) -> Result<Option<CommandReq>, DtuError> {
    let answer = CommandReq::decode(message)
        .map_err(|error| app_info::malformed(&format!("answer to a command: {error}")))?;
    Ok((answer.action == PERFORMANCE_MODE).then_some(answer))
}

/// The answer to the request for that packet. A first one without a serial number in plain text is
/// none: ciphertext that happens to be a message has not even that.
pub(super) fn real_data(message: &[u8], packet: i32) -> Result<Option<RealDataNewReq>, DtuError> {
    let data = RealDataNewReq::decode(message)
        .map_err(|error| app_info::malformed(&format!("real data: {error}")))?;
    let is_later = packet > 0 && data.dtu_serial.is_empty();
    if !is_later && !app_info::is_serial(&data.dtu_serial) {
        return Err(app_info::malformed(&"real data without a serial number"));
    }
    Ok((data.cp == packet).then_some(data))
}
