//! Requests that the bridge never sends, field by field: their numbers are those of the protocol's
//! tables.

use bytes::{Buf, Bytes};
use prost::encoding::{WireType, decode_key, decode_varint};
use serde_json::{Map, Value};

use super::vectors;

/// The names of the fields, by number.
fn field_names(message: &str) -> &'static [&'static str] {
    match message {
        "RealDataResDTO" => &["time_ymd_hms", "package_now", "error_code", "offset", "time"],
        "GetConfigResDTO" | "NetworkInfoResDTO" => &["offset", "time"],
        "AppGetHistPowerResDTO" => &["cp", "offset", "requested_time", "requested_day"],
        "WInfoResDTO" => &["time_ymd_hms", "error_code", "offset", "time"],
        "GWInfoResDTO" => &["cp", "time", "offset"],
        "ESDataResDTO" => &["time", "time_ymd_hms", "offset", "cp", "serial_number"],
        other => panic!("{other}"),
    }
}

fn fields(mut payload: Bytes, message: &str) -> Map<String, Value> {
    let mut found = Map::new();
    while payload.has_remaining() {
        let (number, kind) = decode_key(&mut payload).unwrap();
        let value = decode_varint(&mut payload).unwrap();
        let value = if kind == WireType::LengthDelimited {
            let text = payload.split_to(usize::try_from(value).unwrap());
            String::from_utf8(text.into()).unwrap().into()
        } else {
            value.into()
        };
        let name = field_names(message)[usize::try_from(number).unwrap() - 1];
        found.insert(name.to_owned(), value);
    }
    found
}

/// How many of the vectors are such requests.
pub(super) fn count() -> usize {
    let unknown =
        ["RealDataRes", "GetConfigRes", "NetworkInfoRes", "AppGetHist", "WInfo", "GW", "ES"];
    let is_unknown = |message: &str| unknown.iter().any(|name| message.starts_with(name));
    let mut count = 0;
    for vector in vectors().into_values() {
        let Some(message) = vector.message.as_deref().filter(|message| is_unknown(message)) else {
            continue;
        };
        let payload = vector.payload().unwrap();
        let mut expected = vector.decoded.clone();
        expected.remove("serial_number_hex");
        assert_eq!(fields(payload, message), expected, "{}", vector.name);
        count += 1;
    }
    count
}
