//! Properties of frames, messages and encryption for any bytes, however they are split.

use std::collections::HashSet;

use bytes::{Bytes, BytesMut};
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::{prop_assert, prop_assert_eq, proptest};
use prost::Message;
use tokio_util::codec::{Decoder, Encoder};

use super::app_info::{self, AppInfo};
use super::crypto::Cipher;
use super::decode;
use super::frame::{Command, Encryption, Frame, FrameCodec};
use super::messages::RealDataNewReq;
use super::vectors::vectors;

/// Commands with every kind of encryption.
fn commands() -> impl Strategy<Value = Command> {
    prop_oneof![
        Just(Command::APP_INFO.reply()),
        Just(Command::REAL_DATA.reply()),
        Just(Command::HEARTBEAT.reply()),
        Just(Command::CLOUD_HEARTBEAT),
    ]
}

fn frames() -> impl Strategy<Value = Vec<(Frame, bool)>> {
    let payload = prop_oneof![9 => vec(any::<u8>(), 0..200), 1 => vec(any::<u8>(), 65_000..65_526)];
    let frame = (commands(), any::<u16>(), payload, any::<bool>());
    let frame = frame.prop_map(|(command, sequence, payload, has_tag)| {
        (Frame { command, sequence, payload: payload.into(), tag: None }, has_tag)
    });
    vec(frame, 0..6)
}

/// A tag that does not look like the beginning of a frame.
const TAG: [u8; 16] = [0xA5; 16];

fn cut<'a>(mut bytes: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    for cut in cuts {
        let (piece, rest) = bytes.split_at((*cut).min(bytes.len()));
        pieces.push(piece);
        bytes = rest;
    }
    pieces.push(bytes);
    pieces
}

fn decoded(codec: &mut FrameCodec, pieces: &[&[u8]]) -> Result<Vec<Frame>, String> {
    let mut buffer = BytesMut::new();
    let mut frames = Vec::new();
    for piece in pieces {
        buffer.extend_from_slice(piece);
        while let Some(frame) = codec.decode(&mut buffer).map_err(|error| error.to_string())? {
            frames.push(frame);
        }
    }
    Ok(frames)
}

proptest! {
    #[test]
    fn frames_are_the_same_however_they_are_cut(
        frames in frames(),
        encrypted in any::<bool>(),
        cuts in vec(0_usize..300, 0..40),
    ) {
        let mut codec = FrameCodec::default();
        codec.set_encrypted(encrypted);
        let mut bytes = BytesMut::new();
        let mut expected = Vec::new();
        for (frame, may_have_tag) in frames {
            let has_tag = encrypted && match frame.command.encryption() {
                Encryption::Never => false,
                Encryption::Always => true,
                Encryption::Unknown => may_have_tag,
            };
            let sent = Frame { tag: has_tag.then_some(TAG), ..frame.clone() };
            codec.encode(sent, &mut bytes).unwrap();
            // A tag that may or may not come is dropped.
            let is_sure = has_tag && frame.command.encryption() == Encryption::Always;
            expected.push(Frame { tag: is_sure.then_some(TAG), ..frame });
        }
        prop_assert_eq!(decoded(&mut codec, &cut(&bytes, &cuts)), Ok(expected));
    }

    #[test]
    fn any_bytes_are_frames_or_an_error(
        bytes in vec(any::<u8>(), 0..400),
        has_magic in any::<bool>(),
        encrypted in any::<bool>(),
        cuts in vec(0_usize..50, 0..10),
    ) {
        let bytes = if has_magic { [b"HM", bytes.as_slice()].concat() } else { bytes };
        let mut codec = FrameCodec::default();
        codec.set_encrypted(encrypted);
        let whole = decoded(&mut codec.clone(), &[&bytes]);
        let in_pieces = decoded(&mut codec, &cut(&bytes, &cuts));
        prop_assert_eq!(whole.is_ok(), in_pieces.is_ok());
    }

    #[test]
    fn any_bytes_are_a_reading_or_an_error(bytes in vec(any::<u8>(), 0..300)) {
        if let Ok(Some(info)) = app_info::packet(&bytes, 0) {
            drop(AppInfo::of(&info));
        }
        if let Ok(data) = RealDataNewReq::decode(bytes.as_slice()) {
            drop(decode::reading(&data, &AppInfo::default()));
        }
    }

    #[test]
    fn damaged_answers_are_a_reading_or_an_error(
        place in any::<proptest::sample::Index>(),
        byte in any::<u8>(),
    ) {
        for name in ["realdata_new_reply_3phase_with_meter", "capture_real_data_reply_3xHM1500"] {
            let mut payload = vectors()[name].payload().unwrap().to_vec();
            let place = place.index(payload.len());
            payload[place] = byte;
            if let Ok(data) = RealDataNewReq::decode(payload.as_slice()) {
                let reading = decode::reading(&data, &AppInfo::default());
                let serials: HashSet<_> = reading.inverters.iter().map(|one| one.serial).collect();
                prop_assert_eq!(serials.len(), reading.inverters.len());
                for inverter in &reading.inverters {
                    prop_assert!(inverter.ports.is_sorted_by(|a, b| a.number < b.number));
                }
            }
        }
    }

    #[test]
    fn encrypted_messages_decrypt_only_if_unchanged(
        message in vec(any::<u8>(), 0..300),
        enc_rand in any::<[u8; 16]>(),
        sequence in any::<u16>(),
        flip in any::<proptest::sample::Index>(),
    ) {
        let cipher = Cipher::new(enc_rand).unwrap();
        let frame = cipher.seal(Command::REAL_DATA, sequence, &message).unwrap();
        prop_assert_eq!(cipher.open(&frame), Ok(Bytes::from(message)));
        let mut bytes = [&frame.payload, frame.tag.unwrap().as_slice()].concat();
        let place = flip.index(bytes.len());
        bytes[place] ^= 1;
        let tag = bytes.split_off(bytes.len() - 16).try_into().unwrap();
        let changed = Frame { payload: bytes.into(), tag: Some(tag), ..frame };
        prop_assert!(cipher.open(&changed).is_err());
    }
}
