//! Captured and computed frames, compared field by field.

mod names;
mod requests;

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use prost::Message;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio_util::codec::{Decoder, Encoder};

use super::crypto::{Cipher, EncRand, Unauthentic};
use super::frame::{Command, Frame, FrameCodec, FrameError};
use super::messages::{
    AppInfoReq, AppInfoRes, CommandReq, CommandRes, HbReq, HbRes, InfoReq, RealDataNewReq,
    RealDataNewRes, WarnReq, app_info_request, performance_mode_request, real_data_request,
};

/// All of them, by name.
pub(super) fn vectors() -> BTreeMap<String, Vector> {
    #[derive(Deserialize)]
    struct File {
        vectors: Vec<Vector>,
    }
    let file: File =
        serde_json::from_str(include_str!("../../../../tests/vectors/protobuf.json")).unwrap();
    file.vectors.into_iter().map(|vector| (vector.name.clone(), vector)).collect()
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Vector {
    pub(super) name: String,
    direction: String,
    command: Option<String>,
    sequence: Option<u16>,
    hex: String,
    #[serde(default)]
    encrypted: bool,
    enc_rand: Option<String>,
    message: Option<String>,
    #[serde(default)]
    decoded: Map<String, Value>,
}

impl Vector {
    pub(super) fn bytes(&self) -> Vec<u8> {
        from_hex(&self.hex)
    }

    pub(super) fn frame(&self) -> Frame {
        let mut frames = self.frames().unwrap();
        assert_eq!(frames.len(), 1, "{}", self.name);
        frames.remove(0)
    }

    pub(super) fn frames(&self) -> Result<Vec<Frame>, FrameError> {
        let mut codec = FrameCodec::default();
        codec.set_encrypted(self.encrypted);
        let mut bytes = BytesMut::from(self.bytes().as_slice());
        std::iter::from_fn(|| codec.decode(&mut bytes).transpose()).collect()
    }

    fn cipher(&self) -> Option<Cipher> {
        let enc_rand: EncRand = from_hex(self.enc_rand.as_ref()?).try_into().unwrap();
        Some(Cipher::new(enc_rand).unwrap())
    }

    pub(super) fn payload(&self) -> Result<Bytes, Unauthentic> {
        let frame = self.frame();
        match self.cipher() {
            Some(cipher) => cipher.open(&frame),
            None => Ok(frame.payload),
        }
    }
}

pub(super) fn from_hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        text.chars().map(|digit| u8::try_from(digit.to_digit(16).unwrap()).unwrap()).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Frames that are no frame of this protocol, or are damaged on purpose.
const DAMAGED: [&str; 4] =
    ["negative_bad_crc", "negative_truncated", "negative_zero_bytes", "stream_unsolicited"];

fn whole() -> impl Iterator<Item = Vector> {
    vectors()
        .into_values()
        .filter(|vector| !DAMAGED.iter().any(|name| vector.name.starts_with(name)))
}

#[test]
fn header_and_bytes_of_each_frame_are_understood() {
    for vector in whole() {
        let frame = vector.frame();
        assert_eq!(Some(frame.command.to_string()), vector.command, "{}", vector.name);
        assert_eq!(Some(frame.sequence), vector.sequence, "{}", vector.name);
        if !frame.command.is_extended() {
            let mut bytes = BytesMut::new();
            FrameCodec::default().encode(frame, &mut bytes).unwrap();
            assert_eq!(hex(&bytes), vector.hex, "{}", vector.name);
        }
    }
}

#[test]
fn damaged_frames_are_refused() {
    let vectors = vectors();
    assert!(matches!(vectors["negative_bad_crc"].frames(), Err(FrameError::Crc { .. })));
    assert!(matches!(vectors["negative_zero_bytes"].frames(), Err(FrameError::Magic(_))));
    assert_eq!(vectors["negative_truncated"].frames().unwrap(), []);
    assert_eq!(vectors["realdata_new_reply_encrypted_bad_tag"].payload(), Err(Unauthentic));
}

#[test]
fn frames_in_one_segment_are_told_apart() {
    let frames = vectors()["stream_unsolicited_heartbeat_then_reply"].frames().unwrap();
    let commands: Vec<_> = frames.iter().map(|frame| frame.command).collect();
    assert_eq!(commands, [Command::CLOUD_HEARTBEAT, Command::REAL_DATA.reply()]);
}

#[test]
fn each_message_has_the_values_given() {
    let mut checked = 0;
    for vector in whole().filter(|vector| !vector.name.ends_with("bad_tag")) {
        let payload = vector.payload().unwrap();
        let message = match vector.message.as_deref() {
            Some("RealDataNewResDTO") => fields::<RealDataNewRes>(&payload),
            Some("RealDataNewReqDTO") => fields::<RealDataNewReq>(&payload),
            Some("APPInfoDataResDTO") => fields::<AppInfoRes>(&payload),
            Some("APPInfoDataReqDTO") => fields::<AppInfoReq>(&payload),
            Some("InfoDataReqDTO") => fields::<InfoReq>(&payload),
            Some("CommandResDTO") => fields::<CommandRes>(&payload),
            Some("CommandReqDTO") => fields::<CommandReq>(&payload),
            Some("HBResDTO") => fields::<HbRes>(&payload),
            Some("HBReqDTO") => fields::<HbReq>(&payload),
            Some("WarnReqDTO") => fields::<WarnReq>(&payload),
            // Requests that the bridge does not know, because it has no use for them.
            _ if vector.direction == "to_dtu" => continue,
            other => panic!("{}: {other:?}", vector.name),
        };
        let expected =
            names::ours(Value::Object(vector.decoded.clone()), vector.message.as_deref());
        assert_eq!(message, expected, "{}", vector.name);
        checked += 1;
    }
    assert_eq!(checked, 37);
    // All the others: requests that are never sent, one of which nobody has taken apart, and
    // frames that are damaged on purpose, one of them by its tag.
    let (never_sent, not_taken_apart, damaged, bad_tag) = (requests::count(), 1, DAMAGED.len(), 1);
    assert_eq!(checked + never_sent + not_taken_apart + damaged + bad_tag, vectors().len());
    assert_eq!(vectors().len(), 51);
}

/// The message as JSON, zeros left out.
fn fields<M: Message + Default + Serialize>(payload: &[u8]) -> Value {
    without_zeros(serde_json::to_value(M::decode(payload).unwrap()).unwrap())
}

fn without_zeros(value: Value) -> Value {
    let is_zero = |value: &Value| {
        value.is_null() || *value == 0 || *value == "" || *value == Value::Array(Vec::new())
    };
    match value {
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, value)| {
                let value = match name.as_str() {
                    "time_ymd_hms" => String::from_utf8(bytes(&value)).unwrap().into(),
                    "enc_rand" => hex(&bytes(&value)).into(),
                    _ => without_zeros(value),
                };
                (name, value)
            })
            .filter(|(_, value)| !is_zero(value))
            .collect(),
        Value::Array(values) => values.into_iter().map(without_zeros).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    }
}

fn bytes(value: &Value) -> Vec<u8> {
    serde_json::from_value(value.clone()).unwrap()
}

#[test]
fn our_requests_are_those_that_the_devices_understand() {
    let vectors = vectors();
    let check = |name: &str, command: Command, sequence: u16, message: Vec<u8>| {
        let vector = &vectors[name];
        let frame = match vector.cipher() {
            Some(cipher) => cipher.seal(command, sequence, &message).unwrap(),
            None => Frame { command, sequence, payload: message.into(), tag: None },
        };
        let mut bytes = BytesMut::new();
        FrameCodec::default().encode(frame, &mut bytes).unwrap();
        assert_eq!(hex(&bytes), vector.hex, "{name}");
    };
    let now = "2025-06-21T10:00:00[UTC]".parse().unwrap();
    check("app_info_request", Command::APP_INFO, 1, app_info_request(&now, 0));
    check("realdata_new_2packet_request_cp0", Command::REAL_DATA, 1, real_data_request(&now, 0));
    check("realdata_new_2packet_request_cp1", Command::REAL_DATA, 2, real_data_request(&now, 1));
    check("realdata_new_request_encrypted", Command::REAL_DATA, 2, real_data_request(&now, 0));
    check("command_performance_mode_request", Command::COMMAND, 1, performance_mode_request(&now));
    // What the vendor's app sent: local time in the text, Unix time beside it.
    let now = "2022-03-10T16:17:08+01:00[Europe/Berlin]".parse().unwrap();
    check("capture_real_data_request", Command::REAL_DATA, 1, real_data_request(&now, 0));
}
