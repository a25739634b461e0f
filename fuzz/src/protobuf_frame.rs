//! Frames of the DTU's own protocol: cut out of a stream, and as the answers of a whole poll.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use hoymiles_bridge::clock::WallClock;
use hoymiles_bridge::config::{DtuConfig, Protocol};
use hoymiles_bridge::dtu::Dtu;
use hoymiles_bridge::dtu::protobuf::frame::{Command, Frame, FrameCodec};
use hoymiles_bridge::dtu::protobuf::{ProtobufDtu, Settings};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio_util::codec::{Decoder, Encoder};

use super::script::Script;
use super::stream::ScriptedDtu;
use super::without_waiting;

/// Far more than packets, time limits and retries allow.
const DAY: Duration = Duration::from_secs(86_400);

/// Runs this fuzz target once.
pub fn run(data: &[u8]) {
    let mut script = Script::new(data);
    match script.byte() {
        kind @ 0..128 => {
            let cut = usize::from(script.byte()) + 1;
            let bytes = script.take(usize::MAX);
            let whole = frames(&[&bytes], kind % 2 == 1);
            let pieces: Vec<&[u8]> = bytes.chunks(cut).collect();
            assert_eq!(frames(&pieces, kind % 2 == 1), whole, "wherever the stream is cut");
        }
        kind => without_waiting(async {
            let config = DtuConfig {
                retries: u32::from(kind % 3),
                performance_mode: kind & 4 != 0,
                avoid_cloud_upload: kind & 8 != 0,
                ..DtuConfig::new("DTU", Protocol::Protobuf, "unused")
            };
            let settings = Settings::of(&config, TimeZone::UTC);
            let clock = WallClock::from_fn(|| Timestamp::from_second(1_750_500_000).unwrap());
            let dialer = ScriptedDtu::new(script, answer);
            let mut dtu = ProtobufDtu::with_dialer(dialer, settings, clock);
            let polled = tokio::time::timeout(DAY, dtu.poll()).await;
            drop(polled.expect("a poll ends"));
        }),
    }
}

/// All frames, and whether they end in an error.
fn frames(pieces: &[&[u8]], encrypted: bool) -> (Vec<Frame>, bool) {
    let mut codec = FrameCodec::default();
    codec.set_encrypted(encrypted);
    let (mut buffer, mut frames) = (BytesMut::new(), Vec::new());
    for piece in pieces {
        buffer.extend_from_slice(piece);
        loop {
            match codec.decode(&mut buffer) {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(_) => return (frames, true),
            }
        }
    }
    (frames, false)
}

fn answer(script: &mut Script, request: &[u8]) -> Vec<u8> {
    let (kind, piece) = (script.byte(), script.piece());
    let [_, _, c0, c1, s0, s1, ..] = request else { return piece.to_vec() };
    // Arbitrary bytes.
    if kind % 8 == 0 {
        return piece.to_vec();
    }
    // The requested message in a valid frame, perhaps with another number.
    let sequence = u16::from_be_bytes([*s0, *s1]).wrapping_add(u16::from(kind % 8 == 1));
    let command = Command(u16::from_be_bytes([*c0, *c1])).reply();
    let tag = (kind & 0x40 != 0).then_some([0; 16]);
    let frame = Frame { command, sequence, payload: Bytes::clone(&piece), tag };
    let mut bytes = BytesMut::new();
    drop(FrameCodec::default().encode(frame, &mut bytes));
    bytes.to_vec()
}
