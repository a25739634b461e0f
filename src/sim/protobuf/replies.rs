//! The messages of a simulated DTU: app info, present values with the energy meter, and the frames
//! that it sends without being asked.

use jiff::Timestamp;

use super::frame::encode;
use super::message::Message;
use crate::plant::units::WattHours;
use crate::sim::moment::{InverterMoment, PlantMoment, PortMoment};

const DTU: i64 = 1;
const MICROINVERTER: i64 = 3;
/// Features of a real DTU that encrypts, as bit 25 says.
const DFS: i64 = 0x4E00_0000;
const ENCRYPTS: i64 = 1 << 25;
/// V01.01.01, the first version of some DTUs that encrypts.
const DTU_SOFTWARE: i64 = 4353;
const DTU_HARDWARE: i64 = 37_122;
/// V01.00.12.
const INVERTER_SOFTWARE: i64 = 10_012;
const INVERTER_HARDWARE: i64 = 256;
/// The grid profile EN 50549, in version 2.0.1.
const GRID_PROFILE: [i64; 2] = [2560, 8193];

/// Packet `nth` of app info, counted from 0; `None` if there are fewer. `time` is the DTU's, in Unix
/// seconds.
pub(super) fn app_info(
    plant: &PlantMoment,
    (nth, inverters_per_packet): (usize, usize),
    time: i64,
    enc_rand: Option<[u8; 16]>,
) -> Option<Message> {
    let packets = plant.inverters.len().div_ceil(inverters_per_packet).max(1);
    if nth >= packets {
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
        .int(6, count(nth))
        .message(8, &dtu);
    let here = plant.inverters.iter().skip(nth * inverters_per_packet).take(inverters_per_packet);
    Some(here.fold(info, |info, one| info.message(11, &inverter_info(one))))
}

fn inverter_info(inverter: &InverterMoment) -> Message {
    let [profile, version] = GRID_PROFILE;
    Message::default()
        .int(1, MICROINVERTER)
        .int(2, number(inverter.serial.bytes()))
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

/// Fields of a packet of present values.
const METER: u64 = 6;
const REPEATER: u64 = 7;
const SINGLE_PHASE: u64 = 9;
const THREE_PHASE: u64 = 10;
const PORT: u64 = 11;
/// A port's code: fresh values, normal operation.
const NORMAL: i64 = 0x0300_0000;
/// Unknown; real inverters mostly send this.
const CHECKSUM: i64 = 28_864;

pub(super) struct RealData<'a> {
    /// Inverters and ports as it reports them.
    pub(super) plant: &'a PlantMoment,
    /// Their time by the DTU's own clock, in Unix seconds.
    pub(super) time: i64,
    /// The plant behind the energy meter, if there is one.
    pub(super) metered: Option<&'a PlantMoment>,
    /// Inverters, ports and meters in one packet.
    pub(super) blocks_per_packet: usize,
}

impl RealData<'_> {
    /// Packet `nth`, counted from 0; `None` if there are fewer.
    pub(super) fn packet(&self, nth: usize) -> Option<Message> {
        let blocks = self.blocks();
        let packets = blocks.len().div_ceil(self.blocks_per_packet).max(1);
        if nth >= packets {
            return None;
        }
        let mut packet = Message::default()
            .bytes(1, self.plant.dtu_serial.to_string().as_bytes())
            .int(2, self.time)
            .int(3, i64::try_from(packets).unwrap_or(i64::MAX))
            .int(4, i64::try_from(nth).unwrap_or(i64::MAX))
            .int(5, 1);
        let here = blocks.iter().skip(nth * self.blocks_per_packet).take(self.blocks_per_packet);
        for (field, block) in here {
            packet = packet.message(*field, block);
        }
        let power = self.plant.inverters.iter().map(|one| ac_output(one).power).sum::<i64>();
        Some(packet.int(12, power).int(13, energy(self.plant.today())))
    }

    fn blocks(&self) -> Vec<(u64, Message)> {
        let now = self.plant.time;
        let mut blocks: Vec<_> = self.metered.iter().map(|plant| (METER, meter(plant))).collect();
        blocks.extend(self.plant.inverters.iter().map(|one| inverter(one, now)));
        blocks.extend(self.plant.ports().map(|(inverter, one)| (PORT, port(inverter, one))));
        blocks
    }
}

/// Fills a packet with repeaters up to that length.
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

/// Families of three-phase inverters with four and with six ports.
fn is_three_phase(inverter: &InverterMoment) -> bool {
    matches!(inverter.serial.prefix(), 0x1361 | 0x1382)
}

/// Of an inverter without a link, only serial number and signal are known.
fn single_phase(inverter: &InverterMoment, now: Timestamp) -> Message {
    let serial = Message::default().int(1, number(inverter.serial.bytes()));
    let mut block = serial;
    if inverter.awake {
        let ac = ac_output(inverter);
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
    let mut block = Message::default().int(1, number(inverter.serial.bytes()));
    if inverter.awake {
        let ac = ac_output(inverter);
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

/// Counts of radio requests and answers, which start again every few hours; a sleeping inverter does
/// not answer.
fn signal(inverter: &InverterMoment, now: Timestamp) -> i64 {
    let requests = 1 + now.as_second().rem_euclid(0x4000);
    let answers = if inverter.awake { requests - requests / 16 } else { 0 };
    requests << 16 | answers
}

fn port(inverter: &InverterMoment, port: &PortMoment) -> Message {
    Message::default()
        .int(1, number(inverter.serial.bytes()))
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

/// The grid side of an inverter, which follows from its PV side, in the steps of the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct AcOutput {
    /// 0.1 W.
    power: i64,
    /// 0.1 var.
    reactive: i64,
    /// 0.01 A, all phases together.
    current: i64,
    /// 1/1000.
    power_factor: i64,
}

/// Per mille; the rest is heat.
const EFFICIENCY: i64 = 955;
/// Per mille of the active power, which makes a power factor of 0.995.
const REACTIVE: i64 = 100;
const POWER_FACTOR: i64 = 995;

/// All zero while the inverter sleeps.
fn ac_output(inverter: &InverterMoment) -> AcOutput {
    let pv_power: i64 = inverter.ports.iter().map(|port| i64::from(port.pv_power.steps())).sum();
    let power = pv_power * EFFICIENCY / 1000;
    let voltage = i64::from(inverter.grid_voltage.steps()).max(1);
    // Tenths of a watt over tenths of a volt are amperes.
    let current = power * 1000 / POWER_FACTOR * 100 / voltage;
    let power_factor = if power > 0 { POWER_FACTOR } else { 0 };
    AcOutput { power, reactive: power * REACTIVE / 1000, current, power_factor }
}

const METER_KIND: i64 = 3;
/// The constant consumption of the house, in W.
const CONSUMPTION: i64 = 600;
/// When the meter starts counting: 2020-01-01, in Unix seconds.
const METER_START: i64 = 1_577_836_800;
/// Every working meter sends this.
const METER_FAULT_CODE: i64 = 1;
/// In 0.01 V.
const METER_VOLTAGE: i64 = 23_170;

/// The energy meter of a house with a constant consumption and `plant`; import counts as positive.
fn meter(plant: &PlantMoment) -> Message {
    let [_, _, tail @ ..] = plant.dtu_serial.bytes();
    let [a, b, c, d] = tail;
    let serial = number([0x10, 0xC0, a, b, c, d]);
    // The meter counts in steps of ten.
    let power = (CONSUMPTION - i64::from(plant.pv_power().steps()) / 10) / 10;
    let exported = i64::try_from(plant.total().get()).unwrap_or(i64::MAX) * 7 / 10 / 10;
    let imported = CONSUMPTION / 2 * (plant.time.as_second() - METER_START).max(0) / 3600 / 10;
    // From tens of watts and hundredths of a volt to hundredths of an ampere.
    let current = (power / 3).abs() * 10 * 100 * 100 / METER_VOLTAGE;
    let meter = Message::default().int(1, METER_KIND).int(2, serial).int(3, power);
    let meter = phases(meter, 4, power / 3, power - power / 3 * 2).int(7, factor(power));
    let meter = counters(meter, 8, exported);
    let meter = counters(meter, 12, imported);
    let meter = phases(meter.int(16, METER_FAULT_CODE), 17, METER_VOLTAGE, METER_VOLTAGE);
    phases(phases(meter, 20, current, current), 23, factor(power), factor(power))
}

/// Three fields from `first` on: two with `value`, and the last one.
fn phases(meter: Message, first: u64, value: i64, last: i64) -> Message {
    meter.int(first, value).int(first + 1, value).int(first + 2, last)
}

/// A counter from field `first` on: the sum, then each phase. None of them ever falls.
fn counters(meter: Message, first: u64, all: i64) -> Message {
    let meter = meter.int(first, all).int(first + 1, all / 3);
    meter.int(first + 2, (all + 1) / 3).int(first + 3, (all + 2) / 3)
}

const fn factor(power: i64) -> i64 {
    if power < 0 { -1000 } else { 1000 }
}

/// Commands of frames for the cloud.
const CLOUD_HEARTBEAT: u16 = 0x2202;
const CLOUD_WARNINGS: u16 = 0x220B;
/// An inverter is offline.
const OFFLINE: i64 = 130;

/// A heartbeat to the cloud. Real ones have a negative number in an unknown field.
pub(super) fn unsolicited_heartbeat(sequence: u16, dtu: &str, time: i64) -> Vec<u8> {
    let message = Message::default()
        .int(1, 3600)
        .int(2, time)
        .int(3, 78)
        .bytes(4, dtu.as_bytes())
        .int(6, -254);
    encode(CLOUD_HEARTBEAT, sequence, &message.into_bytes(), &[])
}

/// A list of one warning for the cloud.
pub(super) fn unsolicited_warnings(sequence: u16, dtu: &str, time: i64) -> Vec<u8> {
    let warning = Message::default().int(2, OFFLINE).int(3, 1).int(4, time);
    let message =
        Message::default().bytes(1, dtu.as_bytes()).int(2, time).int(3, 1).message(6, &warning);
    encode(CLOUD_WARNINGS, sequence, &message.into_bytes(), &[])
}

/// A serial number as this protocol sends it.
fn number(serial: [u8; 6]) -> i64 {
    serial.iter().fold(0, |number, byte| number << 8 | i64::from(*byte))
}
