//! A DTU's app info: serial number, versions, and whether it encrypts. Pure.

use std::collections::BTreeMap;

use prost::Message;

use super::crypto::EncRand;
use super::messages::{AppInfoReq, DtuInfo};
use crate::dtu::DtuError;
use crate::plant::serial::{DtuSerial, InverterSerial};

/// The feature bit of DTUs that encrypt everything but app info.
const ENCRYPTS: i64 = 1 << 25;

/// What a DTU reports about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AppInfo {
    /// Its serial number, if it can be parsed.
    pub serial: Option<DtuSerial>,
    /// Firmware version, such as `V00.02.08`.
    pub firmware: Option<String>,
    /// Its clock in Unix seconds, which may be wrong.
    pub time: i64,
    /// The source of the key, if it encrypts.
    pub enc_rand: Option<EncRand>,
    /// How many inverters it has, if it says so.
    pub inverter_count: Option<usize>,
    /// Firmware versions of inverters, such as `V01.00.12`.
    pub inverter_firmware: BTreeMap<InverterSerial, String>,
}

/// The answer to the request for that packet; `None` if it answers another one. The packet number in
/// the first answer is ignored.
pub(super) fn packet(payload: &[u8], packet: i32) -> Result<Option<AppInfoReq>, DtuError> {
    let message =
        AppInfoReq::decode(payload).map_err(|error| malformed(format!("app info: {error}")))?;
    let is_later = packet > 0 && message.dtu_serial.is_empty();
    if !is_later && !is_serial(&message.dtu_serial) {
        return Err(malformed("app info without a serial number"));
    }
    Ok((packet == 0 || message.current_package == packet).then_some(message))
}

impl AppInfo {
    /// From all packets together.
    pub fn of(message: &AppInfoReq) -> Result<Self, DtuError> {
        let dtu = message.dtu.as_ref();
        Ok(Self {
            serial: dtu_serial(&message.dtu_serial),
            firmware: dtu.and_then(|dtu| dtu_version(dtu.sw)),
            time: i64::from(message.timestamp),
            enc_rand: dtu.map(enc_rand).transpose()?.flatten(),
            inverter_count: usize::try_from(message.inverter_count).ok().filter(|count| *count > 0),
            inverter_firmware: message
                .inverters
                .iter()
                .filter_map(|inverter| {
                    Some((inverter_serial(inverter.serial)?, inverter_version(inverter.sw)?))
                })
                .collect(),
        })
    }
}

/// `None` if the DTU does not encrypt.
fn enc_rand(dtu: &DtuInfo) -> Result<Option<EncRand>, DtuError> {
    if dtu.dfs & ENCRYPTS == 0 {
        return Ok(None);
    }
    let no_key = |_| {
        let length = dtu.enc_rand.len();
        malformed(format!("app info: it encrypts, but with a key of {length} bytes"))
    };
    dtu.enc_rand.as_slice().try_into().map(Some).map_err(no_key)
}

pub(super) fn malformed(cause: impl Into<String>) -> DtuError {
    let remedy = "check that `host` is a Hoymiles DTU and `port` is 10081; restart the DTU if it \
                  answered before";
    DtuError::malformed(cause, remedy)
}

/// Whether a text can be a DTU's serial number: not necessarily hexadecimal, but plain ASCII.
pub(super) fn is_serial(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// A DTU's serial number. Some DTUs append a letter, which is not part of it.
pub(super) fn dtu_serial(text: &str) -> Option<DtuSerial> {
    text.get(..12)?.parse().ok()
}

/// An inverter's serial number; 0 means missing.
pub(super) fn inverter_serial(number: i64) -> Option<InverterSerial> {
    Some(InverterSerial::from_u64(serial_number(number)?))
}

/// The digits of a serial number without upper bits and sign; 0 means missing.
pub(super) fn serial_number(number: i64) -> Option<u64> {
    let digits = number.cast_unsigned() & 0xFFFF_FFFF_FFFF;
    (digits != 0).then_some(digits)
}

/// The version of a DTU: 520 is 00.02.08; `None` if unknown.
fn dtu_version(packed: i32) -> Option<String> {
    let packed = positive(packed)?;
    Some(dotted(packed / 4096, packed / 256 % 16, packed % 256))
}

/// The version of an inverter's firmware: 10012 is 01.00.12; `None` if unknown.
fn inverter_version(packed: i32) -> Option<String> {
    let packed = positive(packed)?;
    Some(dotted(packed / 10_000, packed / 100 % 100, packed % 100))
}

fn positive(packed: i32) -> Option<u32> {
    u32::try_from(packed).ok().filter(|&packed| packed > 0)
}

fn dotted(major: u32, minor: u32, patch: u32) -> String {
    format!("V{major:02}.{minor:02}.{patch:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unpacks_versions() {
        assert_eq!(dtu_version(520).unwrap(), "V00.02.08");
        assert_eq!(dtu_version(4353).unwrap(), "V01.01.01");
        assert_eq!(inverter_version(10012).unwrap(), "V01.00.12");
        assert_eq!((dtu_version(0), inverter_version(-1)), (None, None));
    }
}
