//! A DTU-Pro on Modbus-TCP, byte for byte: its list of ports at 0x1000, its serial number at
//! 0x2000, and a refusal of everything else.

mod record;

mod registers;

mod wire;

use self::registers::Registers;
use self::wire::Request;
use super::conversation::{Language, NotARequest};
use super::fault::Fault;
use super::faults::ActiveFaults;
use super::simulation::Simulation;

/// The one exception that a DTU knows (technical note on Modbus V1.2).
const ILLEGAL_FUNCTION: u8 = 1;

/// The most registers of one read, by the Modbus specification.
const MOST_REGISTERS: u16 = 125;

/// A DTU-Pro's list holds no more (technical note on Modbus V1.2).
pub const MOST_PORTS: usize = 99;

/// Modbus-TCP as a DTU-Pro speaks it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Modbus;

impl Language for Modbus {
    fn request_length(&self, begun: &[u8]) -> Result<Option<usize>, NotARequest> {
        wire::request_length(begun)
    }

    fn reply(&self, request: &[u8], simulation: &Simulation, faults: &ActiveFaults) -> Vec<u8> {
        let request = Request::from(request);
        let refused = faults
            .value(|fault| if let Fault::Exception(code) = fault { Some(code) } else { None });
        if let Some(code) = refused {
            return request.refusal(code);
        }
        let Some(data) = read(&request, simulation, faults) else {
            return request.refusal(ILLEGAL_FUNCTION);
        };
        let stated =
            faults.value(
                |fault| if let Fault::WrongByteCount(count) = fault { Some(count) } else { None },
            );
        request.reply(&data, stated)
    }
}

/// The bytes that the request asks for; `None` if a DTU has no such registers.
fn read(request: &Request, simulation: &Simulation, faults: &ActiveFaults) -> Option<Vec<u8>> {
    let (address, count) = request.read_registers()?;
    if !(1..=MOST_REGISTERS).contains(&count) {
        return None;
    }
    let registers = Registers { belief: simulation.belief(faults), faults };
    registers.read(address, 2 * usize::from(count))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio::time::Instant;

    use super::*;
    use crate::clock::WallClock;
    use crate::sim::conversation::{Ending, converse};
    use crate::sim::plant::{PlantShape, SimulatedPlant};

    const NOON: &str = "2026-08-22T12:00:00Z";

    /// Two inverters of two ports and one of one, at `time`.
    fn dtu(time: &str, faults: &[&str]) -> Simulation {
        let (inverters, ports_per_inverter, total_ports) = (3, 2, Some(5));
        let shape =
            PlantShape { inverters, ports_per_inverter, total_ports, ..PlantShape::default() };
        let time: Timestamp = time.parse().unwrap();
        let simulation =
            Simulation::new(SimulatedPlant::new(&shape), WallClock::from_fn(move || time));
        for fault in faults {
            simulation.faults().set(fault.parse::<crate::sim::fault::PlannedFault>().unwrap());
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
    fn ports_stand_one_behind_the_other_and_end_with_an_empty_record() {
        let dtu = dtu(NOON, &[]);
        let truth = dtu.truth();
        for ((inverter, port), index) in truth.ports().zip(0..) {
            let bytes = port_record(&dtu, index);
            assert_eq!(bytes, record::of_port(record::DATA_TYPE, inverter, port));
        }
        assert_eq!(port_record(&dtu, 5), record::of_nothing(record::DATA_TYPE));
        assert_eq!(port_record(&dtu, 99), record::of_nothing(record::DATA_TYPE));
    }

    #[test]
    fn several_records_and_parts_of_them_can_be_read_at_once() {
        let dtu = dtu(NOON, &[]);
        let six: Vec<u8> = (0..6).flat_map(|index| port_record(&dtu, index)).collect();
        assert_eq!(data(&dtu, 0x1000, 120), six);
        assert_eq!(data(&dtu, 0x1000 + 41, 64), six[41..169]);
        assert_eq!(data(&dtu, 0x2000, 3), dtu.plant().dtu_serial().bytes());
    }

    #[test]
    fn what_a_dtu_does_not_have_is_refused() {
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
    fn a_list_holds_99_ports() {
        let shape = PlantShape { inverters: 30, ..PlantShape::default() };
        let clock = WallClock::from_fn(|| NOON.parse().unwrap());
        let dtu = Simulation::new(SimulatedPlant::new(&shape), clock);
        assert_eq!(port_record(&dtu, 98)[1], 0x11);
        assert_eq!(port_record(&dtu, 99), record::of_nothing(record::DATA_TYPE));
    }

    #[test]
    fn faults_of_the_protocol_show_in_the_bytes() {
        let whole = reply(&dtu(NOON, &[]), 0x1000, 20);
        let wrong = reply(&dtu(NOON, &["wrong-byte-count"]), 0x1000, 20);
        assert_eq!((wrong[1], &wrong[2..]), (255, &whole[2..]));
        let long = reply(&dtu(NOON, &["long-null-record"]), 0x1000 + 5 * 40, 20);
        assert_eq!(long[1], 80);
        assert_eq!(long[2..42], record::of_nothing(record::DATA_TYPE));
        assert_eq!(long[42..], [0; 40]);
        assert_eq!(reply(&dtu(NOON, &["long-null-record"]), 0x1000, 20), whole);
        let empty = dtu(NOON, &["empty-list"]);
        assert_eq!(port_record(&empty, 0), record::of_nothing(record::DATA_TYPE));
        assert_eq!(reply(&dtu(NOON, &["not-mapped"]), 0x1000, 20), [3, 0]);
        assert_eq!(reply(&dtu(NOON, &["exception=4"]), 0x1000, 20), [0x83, 4]);
    }

    #[test]
    fn open_dtu_counts_registers() {
        let (dtu, open_dtu) = (dtu(NOON, &[]), dtu(NOON, &["word-addressed"]));
        let second = data(&open_dtu, 0x1000 + 20, 20);
        assert_eq!(second[0], 0x3c);
        assert_eq!(second[1..], port_record(&dtu, 1)[1..]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_takes_as_long_as_the_latency_says() {
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
        let (elapsed, ending) = tokio::join!(asking, converse(&mut server, &Modbus, &dtu));
        assert_eq!((elapsed, ending), (Duration::from_millis(900), Ending::Close));
        assert_eq!(dtu.observed().counts().replies, 6);
    }
}
