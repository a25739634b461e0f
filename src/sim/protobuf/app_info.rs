//! What a simulated DTU says about itself.

use super::message::Message;
use crate::sim::moment::{InverterMoment, PlantMoment};

const DTU: i64 = 1;
const MICROINVERTER: i64 = 3;

/// Properties of a real DTU that encrypts; bit 25 says that it does.
const DFS: i64 = 0x4E00_0000;
const ENCRYPTS: i64 = 1 << 25;

/// V01.01.01, since which DTUs of some kinds encrypt.
const DTU_SOFTWARE: i64 = 4353;
const DTU_HARDWARE: i64 = 37_122;
/// V01.00.12.
const INVERTER_SOFTWARE: i64 = 10_012;
const INVERTER_HARDWARE: i64 = 256;

/// The grid profile EN 50549, in version 2.0.1.
const GRID_PROFILE: [i64; 2] = [2560, 8193];

/// Which packet of the answer, counted from 0, and of how many inverters each one tells.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packet {
    pub(super) nth: usize,
    pub(super) inverters: usize,
}

/// One packet of the answer; `None` if there are not so many. `time` is the DTU's, in Unix seconds.
pub(super) fn of(
    plant: &PlantMoment,
    packet: Packet,
    time: i64,
    enc_rand: Option<[u8; 16]>,
) -> Option<Message> {
    let packets = plant.inverters.len().div_ceil(packet.inverters).max(1);
    if packet.nth >= packets {
        return None;
    }
    let dtu = Message::default()
        .int(1, DTU)
        .int(2, DTU_SOFTWARE)
        .int(3, DTU_HARDWARE)
        .int(4, 15)
        .int(8, time)
        .int(9, 72)
        .int(24, if enc_rand.is_some() { DFS } else { DFS & !ENCRYPTS })
        .bytes(27, &enc_rand.map(Vec::from).unwrap_or_default());
    let info = Message::default()
        .bytes(1, plant.dtu_serial.to_string().as_bytes())
        .int(2, time)
        .int(3, count(plant.inverters.len()))
        .int(4, count(plant.ports().count()))
        .int(5, count(packets))
        .int(6, count(packet.nth))
        .message(8, &dtu);
    let here = plant.inverters.iter().skip(packet.nth * packet.inverters).take(packet.inverters);
    Some(here.fold(info, |info, one| info.message(11, &inverter(one))))
}

fn inverter(inverter: &InverterMoment) -> Message {
    let [profile, version] = GRID_PROFILE;
    Message::default()
        .int(1, MICROINVERTER)
        .int(2, super::number(inverter.serial.bytes()))
        .int(4, INVERTER_SOFTWARE)
        .int(5, part_number(inverter.ports.len()))
        .int(6, INVERTER_HARDWARE)
        .int(7, profile)
        .int(8, version)
}

/// The part number of a common inverter with so many ports.
const fn part_number(ports: usize) -> i64 {
    match ports {
        1 => 0x1010_3000,
        2 => 0x1011_3000,
        3 | 4 => 0x1012_3008,
        _ => 0x1033_3100,
    }
}

fn count(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
