//! Time to decode the protobuf frame of a plant of 100 ports into a reading, plain and
//! encrypted.

use bytes::BytesMut;
use divan::{Bencher, black_box};
use hoymiles_bridge::dtu::protobuf::app_info::AppInfo;
use hoymiles_bridge::dtu::protobuf::crypto::{Cipher, EncRand};
use hoymiles_bridge::dtu::protobuf::decode::reading;
use hoymiles_bridge::dtu::protobuf::frame::{Command, Frame, FrameCodec};
use hoymiles_bridge::dtu::protobuf::messages::{PvMo, RealDataNewReq, SgsMo};
use prost::Message;
use tokio_util::codec::{Decoder, Encoder};

const INVERTERS: i64 = 25;
const ENC_RAND: EncRand = [7; 16];

fn main() {
    divan::main();
}

fn message() -> Vec<u8> {
    let serials = (1..=INVERTERS).map(|nth| 0x1161_a000_0000 | nth);
    let inverter = |serial| SgsMo {
        serial,
        ver: 1,
        voltage: 2406,
        frequency: 5000,
        active_power: 738,
        reactive_power: -225,
        current: 31,
        power_factor: 956,
        temperature: 86,
        warning_number: 2,
        crc: 28_864,
        link_status: 1,
        signal: 0x061d_0619,
        ..SgsMo::default()
    };
    let port = |serial, port| PvMo {
        serial,
        port,
        voltage: 356,
        current: 46,
        power: 164,
        energy_total: 47_423,
        energy_daily: 1845,
        error_code: 0x0300_0000,
    };
    RealDataNewReq {
        dtu_serial: "10F8A0000001".to_owned(),
        timestamp: 1_750_500_000,
        ap: 1,
        ver: 1,
        single_phase: serials.clone().map(inverter).collect(),
        ports: serials.flat_map(|serial| (1..=4).map(move |number| port(serial, number))).collect(),
        ..RealDataNewReq::default()
    }
    .encode_to_vec()
}

fn wire(cipher: Option<&Cipher>) -> BytesMut {
    let command = Command::REAL_DATA.reply();
    let frame = cipher.and_then(|cipher| cipher.seal(command, 1, &message()).ok());
    let plain = Frame { command, sequence: 1, payload: message().into(), tag: None };
    let mut bytes = BytesMut::new();
    drop(FrameCodec::default().encode(frame.unwrap_or(plain), &mut bytes));
    bytes
}

/// From the wire to a reading, as the client does it.
fn ports_of(bytes: &BytesMut, cipher: Option<&Cipher>) -> Option<usize> {
    let mut codec = FrameCodec::default();
    codec.set_encrypted(cipher.is_some());
    let frame = codec.decode(&mut bytes.clone()).ok()??;
    let payload = match cipher {
        Some(cipher) => cipher.open(&frame).ok()?,
        None => frame.payload,
    };
    let data = RealDataNewReq::decode(payload).ok()?;
    Some(reading(&data, &AppInfo::default()).port_count())
}

#[divan::bench]
fn plain(bencher: Bencher<'_, '_>) {
    let bytes = wire(None);
    bencher.bench(|| assert_eq!(ports_of(black_box(&bytes), None), Some(100)));
}

#[divan::bench]
fn encrypted(bencher: Bencher<'_, '_>) {
    let cipher = Cipher::new(ENC_RAND).ok();
    let bytes = wire(cipher.as_ref());
    bencher.bench(|| assert_eq!(ports_of(black_box(&bytes), cipher.as_ref()), Some(100)));
}
