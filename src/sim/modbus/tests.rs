//! Requests, records and faults of the simulated DTU-Pro, byte by byte.

use std::time::Duration;

use jiff::Timestamp;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::time::Instant;

use super::*;
use crate::clock::WallClock;
use crate::plant::units::{Celsius, Hertz, Volts, WattHours, Watts};
use crate::sim::faults::PlannedFault;
use crate::sim::plant::{PlantShape, SimulatedPlant};
use crate::sim::server::{ConnectionEnd, serve_connection};

const NOON: &str = "2026-08-22T12:00:00Z";

/// Two inverters of two ports and one of one, at `time`.
fn dtu(time: &str, faults: &[&str]) -> Simulation {
    let (inverters, ports_per_inverter, total_ports) = (3, 2, Some(5));
    let shape = PlantShape { inverters, ports_per_inverter, total_ports, ..PlantShape::default() };
    let time: Timestamp = time.parse().unwrap();
    let simulation = Simulation::new(SimulatedPlant::new(&shape), WallClock::from_fn(move || time));
    for fault in faults {
        simulation.faults().set(fault.parse::<PlannedFault>().unwrap());
    }
    simulation
}

fn request(address: u16, count: u16) -> Vec<u8> {
    let [address, count] = [address.to_be_bytes(), count.to_be_bytes()];
    [&[0, 7, 0, 0, 0, 6, 1, 3], &address[..], &count].concat()
}

/// What follows the unit identifier in the reply to a read.
fn reply(dtu: &Simulation, address: u16, count: u16) -> Vec<u8> {
    let faults = dtu.faults().active();
    let reply = Modbus.reply(&request(address, count), dtu, &faults);
    let (header, body) = reply.split_at(7);
    let length = u8::try_from(body.len() + 1).unwrap();
    assert_eq!(header, [0, 7, 0, 0, 0, length, 1]);
    body.to_vec()
}

fn data(dtu: &Simulation, address: u16, count: u16) -> Vec<u8> {
    let body = reply(dtu, address, count);
    assert_eq!(body[..2], [3, u8::try_from(2 * count).unwrap()]);
    body[2..].to_vec()
}

fn port_record(dtu: &Simulation, index: u16) -> Vec<u8> {
    data(dtu, 0x1000 + 40 * index, 20)
}

#[test]
fn lists_ports_and_then_null_records() {
    let dtu = dtu(NOON, &[]);
    let truth = dtu.truth();
    for ((inverter, port), index) in truth.ports().zip(0..) {
        let bytes = port_record(&dtu, index);
        assert_eq!(bytes, record(DATA_TYPE, inverter, port));
    }
    assert_eq!(port_record(&dtu, 5), null_record(DATA_TYPE));
    assert_eq!(port_record(&dtu, 99), null_record(DATA_TYPE));
}

#[test]
fn reads_several_records_and_parts_of_them() {
    let dtu = dtu(NOON, &[]);
    let six: Vec<u8> = (0..6).flat_map(|index| port_record(&dtu, index)).collect();
    assert_eq!(data(&dtu, 0x1000, 120), six);
    assert_eq!(data(&dtu, 0x1000 + 41, 64), six[41..169]);
    assert_eq!(data(&dtu, 0x2000, 3), dtu.plant().dtu_serial().bytes());
}

#[test]
fn answers_other_requests_with_an_exception() {
    let dtu = dtu(NOON, &[]);
    for (address, count) in
        [(0x0fff, 1), (0x1000, 0), (0x1000, 126), (0x1ff0, 20), (0x2000, 4), (0xc000, 1)]
    {
        assert_eq!(reply(&dtu, address, count), [0x83, 1], "{address:#x}, {count}");
    }
    let mut input_registers = request(0x1000, 20);
    input_registers[7] = 4;
    let faults = dtu.faults().active();
    assert_eq!(Modbus.reply(&input_registers, &dtu, &faults)[7..], [0x84, 1]);
}

#[test]
fn lists_at_most_99_ports() {
    let shape = PlantShape { inverters: 30, ..PlantShape::default() };
    let clock = WallClock::from_fn(|| NOON.parse().unwrap());
    let dtu = Simulation::new(SimulatedPlant::new(&shape), clock);
    assert_eq!(port_record(&dtu, 98)[1], 0x11);
    assert_eq!(port_record(&dtu, 99), null_record(DATA_TYPE));
}

#[test]
fn protocol_faults_show_in_the_bytes() {
    let whole = reply(&dtu(NOON, &[]), 0x1000, 20);
    let wrong = reply(&dtu(NOON, &["wrong-byte-count"]), 0x1000, 20);
    assert_eq!((wrong[1], &wrong[2..]), (255, &whole[2..]));
    let long = reply(&dtu(NOON, &["long-null-record"]), 0x1000 + 5 * 40, 20);
    assert_eq!(long[1], 80);
    assert_eq!(long[2..42], null_record(DATA_TYPE));
    assert_eq!(long[42..], [0; 40]);
    assert_eq!(reply(&dtu(NOON, &["long-null-record"]), 0x1000, 20), whole);
    let empty = dtu(NOON, &["empty-list"]);
    assert_eq!(port_record(&empty, 0), null_record(DATA_TYPE));
    assert_eq!(reply(&dtu(NOON, &["not-mapped"]), 0x1000, 20), [3, 0]);
    assert_eq!(reply(&dtu(NOON, &["exception=4"]), 0x1000, 20), [0x83, 4]);
}

#[test]
fn open_dtu_addresses_count_registers() {
    let (dtu, open_dtu) = (dtu(NOON, &[]), dtu(NOON, &["word-addressed"]));
    let second = data(&open_dtu, 0x1000 + 20, 20);
    assert_eq!(second[0], 0x3c);
    assert_eq!(second[1..], port_record(&dtu, 1)[1..]);
}

#[tokio::test(start_paused = true)]
async fn answers_after_the_latency() {
    let dtu = dtu(NOON, &[]).with_latency(Duration::from_millis(150));
    let (mut client, mut server) = duplex(256);
    let asking = async {
        let begun = Instant::now();
        for index in 0..6 {
            client.write_all(&request(0x1000 + 40 * index, 20)).await.unwrap();
            client.read_exact(&mut [0; 49]).await.unwrap();
        }
        drop::<DuplexStream>(client);
        begun.elapsed()
    };
    let (elapsed, ending) = tokio::join!(asking, serve_connection(&mut server, &Modbus, &dtu));
    assert_eq!((elapsed, ending), (Duration::from_millis(900), ConnectionEnd::Close));
    assert_eq!(dtu.stats().counts().replies, 6);
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text.chars().filter_map(|digit| digit.to_digit(16)).collect();
    digits.chunks(2).map(|pair| u8::try_from(pair[0] << 4 | pair[1]).unwrap()).collect()
}

fn inverter(serial: &str, grid: (i32, i32), temperature: i32, alarms: u16) -> InverterMoment {
    InverterMoment {
        serial: serial.parse().unwrap(),
        awake: true,
        alarm_code: 0,
        alarm_count: alarms,
        grid_voltage: Volts::from_tenths(grid.0),
        grid_frequency: Hertz::from_hundredths(grid.1),
        temperature: Celsius::from_tenths(temperature),
        ports: Vec::new(),
    }
}

fn port(number: u8, measured: (i32, i32, i32), today: u64, total: u64) -> PortMoment {
    PortMoment {
        number,
        pv_voltage: Volts::from_tenths(measured.0),
        pv_current: Amperes::from_hundredths(measured.1),
        pv_power: Watts::from_tenths(measured.2),
        today: WattHours::new(today),
        total: WattHours::new(total),
    }
}

#[track_caller]
fn check_record(inverter: &InverterMoment, port: &PortMoment, bytes: &str) {
    assert_eq!(record(DATA_TYPE, inverter, port), hex(bytes));
}

/// The bytes are those which a public client is tested with, taken from a real DTU.
#[test]
fn record_equals_one_of_a_real_dtu() {
    let hm = inverter("113332416355", (2381, 5000), 43, 0);
    check_record(
        &hm,
        &port(1, (350, 2, 102), 751, 74823),
        "0c113332416355 01 015e 0002 094d 1388 0066 02ef 00012447 002b 0003 0000 0000 01 07
         000000000000",
    );
    let mi = inverter("103332416355", (2381, 5000), 43, 0);
    check_record(
        &mi,
        &port(1, (350, 29, 102), 751, 74823),
        "0c103332416355 01 015e 0002 094d 1388 0066 02ef 00012447 002b 0003 0000 0000 01 07
         000000000000",
    );
}

#[test]
fn frost_is_negative_and_lifetime_energy_takes_four_bytes() {
    check_record(
        &inverter("1164a0000002", (2306, 5001), -35, 1),
        &port(1, (389, 1104, 4295), 3911, 1_204_567),
        "0c1164a0000002 01 0185 0450 0902 1389 10c7 0f47 00126157 ffdd 0003 0000 0001 01 07
         000000000000",
    );
}

#[test]
fn sleeping_inverter_keeps_its_total() {
    let mut asleep = inverter("1164a0000002", (2306, 5001), -35, 1);
    asleep.ports = vec![port(2, (389, 1104, 4295), 0, 1_150_333)];
    asleep.fall_asleep();
    check_record(
        &asleep,
        &asleep.ports[0],
        "0c1164a0000002 02 0000 0000 0000 0000 0000 0000 00118d7d 0000 0000 0000 0001 00 07
         000000000000",
    );
}

#[test]
fn null_record_has_both_markers_and_no_serial_number() {
    let mut end = vec![0; 40];
    (end[0], end[33]) = (0x0c, 0x07);
    assert_eq!(null_record(DATA_TYPE), end);
}

#[track_caller]
fn check_length(received: &[u8], want: Result<Option<usize>, NotARequest>) {
    assert_eq!(Modbus.request_length(received), want, "{received:02x?}");
}

#[test]
fn request_length_follows_from_the_header() {
    check_length(&[], Ok(None));
    check_length(&[0, 2, 0, 0, 0], Ok(None));
    check_length(&[0, 2, 0, 0, 0, 6], Ok(Some(12)));
    check_length(&[0, 2, 0, 0, 0, 6, 1, 3, 0x10, 0, 0, 20, 9], Ok(Some(12)));
    check_length(&[0, 2, 0, 1, 0, 6], Err(NotARequest));
    check_length(&[0, 2, 0, 0, 0, 1], Err(NotARequest));
    check_length(b"GET / HTTP", Err(NotARequest));
}

#[test]
fn only_reads_of_holding_registers_are_answered() {
    let read = |frame: &[u8]| Request::from(frame).registers();
    assert_eq!(read(&[0, 2, 0, 0, 0, 6, 1, 3, 0x10, 0x28, 0, 20]), Some((0x1028, 20)));
    assert_eq!(read(&[0, 2, 0, 0, 0, 6, 1, 4, 0x10, 0x28, 0, 20]), None);
    assert_eq!(read(&[0, 2, 0, 0, 0, 5, 1, 3, 0x10, 0x28, 0]), None);
    assert_eq!(read(&[0, 2, 0, 0, 0, 2, 1, 3]), None);
}

/// The shared examples of a published client's tests, and of the technical note.
#[test]
fn replies_equal_the_published_examples() {
    let data = [0x10, 0xf8, 0xa0, 0, 0, 1];
    let serial = Request::from(&[0, 9, 0, 0, 0, 6, 1, 3, 0x20, 0, 0, 3][..]);
    let header = [0, 9, 0, 0, 0, 9, 1, 3];
    assert_eq!(serial.reply(&data, None), [&header[..], &[6], &data].concat());
    assert_eq!(serial.reply(&data, Some(255)), [&header[..], &[255], &data].concat());
    let record = Request::from(&[0, 7, 0, 0, 0, 6, 1, 3, 0x10, 0, 0, 20][..]);
    assert_eq!(record.reply(&[], None), [0, 7, 0, 0, 0, 3, 1, 3, 0]);
    assert_eq!(record.exception(1), [0, 7, 0, 0, 0, 3, 1, 0x83, 1]);
}
