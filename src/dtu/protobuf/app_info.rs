//! What a DTU says about itself: its serial number, its inverters, and whether it encrypts. Pure.

use std::collections::BTreeMap;
use std::fmt::Display;

use prost::Message;

use super::crypto::EncRand;
use super::messages::{AppInfoReq, DtuInfo};
use super::version;
use crate::config::Protocol;
use crate::dtu::DtuError;
use crate::plant::serial::{DtuSerial, InverterSerial};

/// Set where everything but app info is encrypted.
const ENCRYPTS: i64 = 1 << 25;

/// What a DTU says about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AppInfo {
    /// Its serial number, if it is one that we can read.
    pub serial: Option<DtuSerial>,
    /// Version of its program, as `V00.02.08`.
    pub firmware: Option<String>,
    /// What its clock says, in Unix seconds; it may be wrong.
    pub time: i64,
    /// From what the key is made, if it encrypts.
    pub enc_rand: Option<EncRand>,
    /// Versions of the inverters' programs, as `V01.00.12`.
    pub inverter_firmware: BTreeMap<InverterSerial, String>,
}

/// The answer to the request for that packet, from the payload of its frame; `None` if it answers
/// another one. Whatever the first answer says of itself, it is the first.
pub(super) fn packet(payload: &[u8], packet: i32) -> Result<Option<AppInfoReq>, DtuError> {
    let message =
        AppInfoReq::decode(payload).map_err(|error| malformed(&format!("app info: {error}")))?;
    let is_later = packet > 0 && message.dtu_serial.is_empty();
    if !is_later && !is_serial(&message.dtu_serial) {
        return Err(malformed(&"app info without a serial number"));
    }
    Ok((packet == 0 || message.current_package == packet).then_some(message))
}

impl AppInfo {
    /// What its packets say together.
    pub fn of(message: &AppInfoReq) -> Result<Self, DtuError> {
        let dtu = message.dtu.as_ref();
        Ok(Self {
            serial: dtu_serial(&message.dtu_serial),
            firmware: dtu.and_then(|dtu| version::dtu(dtu.sw)),
            time: i64::from(message.timestamp),
            enc_rand: dtu.map(enc_rand).transpose()?.flatten(),
            inverter_firmware: message
                .inverters
                .iter()
                .filter_map(|inverter| {
                    Some((inverter_serial(inverter.serial)?, version::inverter(inverter.sw)?))
                })
                .collect(),
        })
    }
}

/// `None` if the DTU sends plain text.
fn enc_rand(dtu: &DtuInfo) -> Result<Option<EncRand>, DtuError> {
    if dtu.dfs & ENCRYPTS == 0 {
        return Ok(None);
    }
    let no_key = |_| {
        let length = dtu.enc_rand.len();
        malformed(&format!("app info: it encrypts, but with {length} bytes for its key"))
    };
    dtu.enc_rand.as_slice().try_into().map(Some).map_err(no_key)
}

/// An answer that is none, for this reason.
pub(super) fn malformed(why: &impl Display) -> DtuError {
    DtuError::malformed(Protocol::Protobuf, why)
}

/// Whether a text can be a DTU's serial number. Not all of them are hexadecimal, but all are there,
/// and in plain ASCII.
pub(super) fn is_serial(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// A DTU's serial number from its text. Some DTUs append a letter, which is not part of it.
pub(super) fn dtu_serial(text: &str) -> Option<DtuSerial> {
    text.get(..12)?.parse().ok()
}

/// An inverter's serial number from its integer; 0 is none.
pub(super) fn inverter_serial(number: i64) -> Option<InverterSerial> {
    Some(InverterSerial::from_u64(serial_number(number)?))
}

/// The digits of a serial number; 0 is none. The upper bits do not belong to it, the sign neither.
pub(super) fn serial_number(number: i64) -> Option<u64> {
    let digits = number.cast_unsigned() & 0xFFFF_FFFF_FFFF;
    (digits != 0).then_some(digits)
}
