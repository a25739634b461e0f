//! The present values as a simulated DTU tells them: one block per inverter, port and meter, some
//! blocks to a packet.

use jiff::Timestamp;

use super::message::Message;
use super::{alternating, meter};
use crate::plant::units::WattHours;
use crate::sim::moment::{InverterMoment, PlantMoment, PortMoment};

/// Fields of a packet that hold blocks.
const METER: u64 = 6;
const REPEATER: u64 = 7;
const SINGLE_PHASE: u64 = 9;
const THREE_PHASE: u64 = 10;
const PORT: u64 = 11;

/// In the code of a port: the values are fresh and the inverter is in normal operation.
const NORMAL: i64 = 0x0300_0000;

/// What real inverters send there most of the time; nobody knows what it is.
const CHECKSUM: i64 = 28_864;

/// What a DTU has to tell.
pub(super) struct Values<'a> {
    /// Inverters and ports as it believes them to be.
    pub(super) belief: &'a PlantMoment,
    /// When they were so by its own clock, in Unix seconds.
    pub(super) time: i64,
    /// The plant, if it has a meter.
    pub(super) metered: Option<&'a PlantMoment>,
    /// How many blocks a packet holds.
    pub(super) blocks_per_packet: usize,
}

impl Values<'_> {
    /// One packet, counted from 0; `None` if there are not so many.
    pub(super) fn packet(&self, nth: usize) -> Option<Message> {
        let blocks = self.blocks();
        let packets = blocks.len().div_ceil(self.blocks_per_packet).max(1);
        if nth >= packets {
            return None;
        }
        let mut packet = Message::default()
            .bytes(1, self.belief.dtu_serial.to_string().as_bytes())
            .int(2, self.time)
            .int(3, i64::try_from(packets).unwrap_or(i64::MAX))
            .int(4, i64::try_from(nth).unwrap_or(i64::MAX))
            .int(5, 1);
        let here = blocks.iter().skip(nth * self.blocks_per_packet).take(self.blocks_per_packet);
        for (field, block) in here {
            packet = packet.message(*field, block);
        }
        let power = self.belief.inverters.iter().map(|one| alternating::of(one).power).sum::<i64>();
        Some(packet.int(12, power).int(13, energy(self.belief.today())))
    }

    fn blocks(&self) -> Vec<(u64, Message)> {
        let now = self.belief.time;
        let mut blocks: Vec<_> =
            self.metered.iter().map(|plant| (METER, meter::of(plant))).collect();
        blocks.extend(self.belief.inverters.iter().map(|one| inverter(one, now)));
        blocks.extend(self.belief.ports().map(|(inverter, one)| (PORT, port(inverter, one))));
        blocks
    }
}

/// Makes a packet as long as that, by repeaters.
pub(super) fn padded(mut packet: Message, length: usize) -> Message {
    let repeater = Message::default().int(1, 0x10D4_A000_0001_i64).int(2, 80).int(3, 1).int(5, 1);
    while packet.len() < length {
        packet = packet.message(REPEATER, &repeater);
    }
    packet
}

fn inverter(inverter: &InverterMoment, now: Timestamp) -> (u64, Message) {
    if is_three_phase(inverter) {
        (THREE_PHASE, three_phase(inverter, now))
    } else {
        (SINGLE_PHASE, single_phase(inverter, now))
    }
}

/// The families of three-phase inverters with four and with six ports.
fn is_three_phase(inverter: &InverterMoment) -> bool {
    matches!(inverter.serial.prefix(), 0x1361 | 0x1382)
}

/// Of an inverter without a link, serial number and signal are all there is.
fn single_phase(inverter: &InverterMoment, now: Timestamp) -> Message {
    let serial = Message::default().int(1, super::number(inverter.serial.bytes()));
    let mut block = serial;
    if inverter.awake {
        let ac = alternating::of(inverter);
        block = block
            .int(2, 1)
            .int(3, inverter.grid_voltage.steps())
            .int(4, inverter.grid_frequency.steps())
            .int(5, ac.power)
            .int(6, ac.reactive)
            .int(7, ac.current)
            .int(8, ac.power_factor)
            .int(9, inverter.temperature.steps())
            .int(10, inverter.alarm_count)
            .int(11, CHECKSUM)
            .int(12, 1);
    }
    block.int(20, signal(inverter, now))
}

fn three_phase(inverter: &InverterMoment, now: Timestamp) -> Message {
    let mut block = Message::default().int(1, super::number(inverter.serial.bytes()));
    if inverter.awake {
        let ac = alternating::of(inverter);
        let voltage = i64::from(inverter.grid_voltage.steps());
        let (between_phases, current) = (voltage * 1732 / 1000, ac.current / 3);
        block = (3..=5).fold(block.int(2, 1), |block, field| block.int(field, voltage));
        block = (6..=8).fold(block, |block, field| block.int(field, between_phases));
        block =
            block.int(9, inverter.grid_frequency.steps()).int(10, ac.power).int(11, ac.reactive);
        block = (12..=14).fold(block, |block, field| block.int(field, current));
        block = block
            .int(15, ac.power_factor)
            .int(16, inverter.temperature.steps())
            .int(17, inverter.alarm_count)
            .int(18, CHECKSUM)
            .int(19, 1);
    }
    block.int(20, signal(inverter, now))
}

/// Radio requests and answers since the counters began, which they do every few hours: a sleeping
/// inverter does not answer.
fn signal(inverter: &InverterMoment, now: Timestamp) -> i64 {
    let requests = 1 + now.as_second().rem_euclid(0x4000);
    let answers = if inverter.awake { requests - requests / 16 } else { 0 };
    requests << 16 | answers
}

fn port(inverter: &InverterMoment, port: &PortMoment) -> Message {
    Message::default()
        .int(1, super::number(inverter.serial.bytes()))
        .int(2, port.number)
        .int(3, port.pv_voltage.steps())
        .int(4, port.pv_current.steps())
        .int(5, port.pv_power.steps())
        .int(6, energy(port.total))
        .int(7, energy(port.today))
        .int(8, if inverter.awake { NORMAL } else { 0 })
}

fn energy(energy: WattHours) -> i64 {
    i64::try_from(energy.get()).unwrap_or(i64::MAX)
}
