//! A DTU with its own protocol, byte for byte: what it is, its present values packet by packet, and
//! the one command that the bridge may send. In clear text, or encrypted as newer programs do it.

mod alternating;

mod app_info;

mod cipher;

mod frame;

mod memory;

mod message;

mod meter;

mod real_data;

mod unasked;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use self::cipher::Cipher;
use self::frame::Frame;
use self::memory::Memory;
use self::message::{Message, int_of};
use self::real_data::Values;
use super::conversation::{Language, NotARequest};
use super::fault::Fault;
use super::faults::{ActiveFaults, Faults};
use super::simulation::Simulation;

/// "Read all inverters all the time."
const PERFORMANCE_MODE: u64 = 33;

/// What some DTUs answer to a request that they cannot decrypt.
const ZEROS: [u8; 10] = [0; 10];

/// How long a reply is at least that is bigger than any seen.
const BIG: usize = 8192;

/// Which kind of DTU it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// Whether it encrypts.
    pub encrypts: bool,
    /// Whether it has an energy meter.
    pub has_meter: bool,
    /// How old its values get before it reads them anew.
    pub refresh: Duration,
    /// How many inverters, ports and meters one packet holds.
    pub blocks_per_packet: usize,
}

impl Default for Kind {
    fn default() -> Self {
        let refresh = Duration::from_secs(30);
        Self { encrypts: false, has_meter: false, refresh, blocks_per_packet: 10 }
    }
}

/// The DTU's own protocol, with what one DTU remembers.
#[derive(Debug)]
pub struct Protobuf {
    kind: Kind,
    faults: Faults,
    memory: Mutex<Memory>,
}

impl Protobuf {
    /// A DTU of that kind in front of `simulation`, switched on just now.
    pub fn new(kind: Kind, simulation: &Simulation) -> Self {
        let started = simulation.now().as_nanosecond();
        let seed = u64::try_from(started.rem_euclid(1 << 63)).unwrap_or_default();
        let memory = Mutex::new(Memory::new(seed));
        Self { kind, faults: simulation.faults().clone(), memory }
    }

    fn encrypts(&self, faults: &ActiveFaults) -> bool {
        self.kind.encrypts && !faults.has(Fault::PlainText)
    }

    /// A panic of another thread leaves the memory whole, for it is changed in single steps.
    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer to one message; `None` to those that this DTU does not know.
    fn answer(
        &self,
        (command, message): (u16, &[u8]),
        memory: &mut Memory,
        simulation: &Simulation,
        faults: &ActiveFaults,
    ) -> Option<Message> {
        let now = simulation.now();
        let time = dtu_time(now, faults);
        let dtu_serial = simulation.plant().dtu_serial().to_string();
        match command {
            frame::APP_INFO => {
                let enc_rand = self.encrypts(faults).then(|| memory.enc_rand());
                let packet = app_info::Packet {
                    nth: usize::try_from(int_of(message, 3)?).ok()?,
                    inverters: self.kind.blocks_per_packet.max(1),
                };
                app_info::of(&simulation.belief(faults), packet, time, enc_rand)
            }
            frame::HEARTBEAT => {
                let signal = Message::default().int(1, 3600).int(2, time).int(3, 78);
                Some(signal.bytes(4, dtu_serial.as_bytes()))
            }
            frame::COMMAND if int_of(message, 2)? == PERFORMANCE_MODE => {
                memory.read_all_the_time();
                Some(Message::default().bytes(1, dtu_serial.as_bytes()).int(3, 33).int(6, time))
            }
            frame::REAL_DATA => {
                let nth = usize::try_from(int_of(message, 2)?).ok()?;
                let values_of = match nth {
                    0 => memory.asked_for_values(now, self.kind.refresh),
                    _ => memory.values_of(now),
                };
                let truth = simulation.plant().at(values_of);
                let values = Values {
                    belief: &simulation.belief_of(truth.clone(), faults),
                    time: dtu_time(values_of, faults),
                    metered: self.kind.has_meter.then_some(&truth),
                    blocks_per_packet: self.kind.blocks_per_packet.max(1),
                };
                let packet = values.packet(nth)?;
                let is_big = faults.has(Fault::BigReply);
                Some(if is_big { real_data::padded(packet, BIG) } else { packet })
            }
            _ => None,
        }
    }
}

impl Language for Protobuf {
    fn request_length(&self, begun: &[u8]) -> Result<Option<usize>, NotARequest> {
        frame::length(begun, self.encrypts(&self.faults.active()))
    }

    fn reply(&self, request: &[u8], simulation: &Simulation, faults: &ActiveFaults) -> Vec<u8> {
        let Some(request) = Frame::read(request) else { return Vec::new() };
        if faults.has(Fault::ZeroBytes) {
            return ZEROS.to_vec();
        }
        let mut memory = self.memory();
        memory.notice_new_key(faults.since(Fault::NewKey));
        let cipher = self.encrypts(faults).then(|| Cipher::new(memory.enc_rand())).flatten();
        let cipher = cipher.filter(|_| !frame::is_clear(request.command));
        let message = match &cipher {
            Some(cipher) => cipher.opened(&request),
            None => Some(request.payload.to_vec()),
        };
        let Some(message) = message else { return ZEROS.to_vec() };
        let asked = (request.command, message.as_slice());
        let Some(answer) = self.answer(asked, &mut memory, simulation, faults) else {
            return Vec::new();
        };
        let slip = u16::from(faults.has(Fault::WrongCommand));
        let command = request.command.wrapping_sub(frame::ANSWER).wrapping_add(slip);
        let (payload, tag) = match &cipher {
            Some(cipher) => {
                cipher.sealed(command, request.sequence, answer.into_bytes()).unwrap_or_default()
            }
            None => (answer.into_bytes(), Vec::new()),
        };
        let reply = frame::written(command, request.sequence, &payload, &tag);
        spoilt(reply, &mut memory, simulation, faults)
    }
}

/// The reply as it goes out under these faults.
fn spoilt(
    mut reply: Vec<u8>,
    memory: &mut Memory,
    simulation: &Simulation,
    faults: &ActiveFaults,
) -> Vec<u8> {
    let good = reply.clone();
    let mut set = |at: usize, bytes: [u8; 2]| {
        if let Some(place) = reply.get_mut(at..at + 2) {
            place.copy_from_slice(&bytes);
        }
    };
    if faults.has(Fault::BadCrc) {
        let [_, _, _, _, _, _, high, low, ..] = good.as_slice() else { return good };
        set(6, [!high, *low]);
    }
    let stated = faults
        .value(|fault| if let Fault::WrongLength(length) = fault { Some(length) } else { None });
    if let Some(length) = stated {
        set(8, length.to_be_bytes());
    }
    if faults.has(Fault::OldReply) {
        reply.splice(..0, memory.last_reply.iter().copied());
    }
    memory.last_reply = good;
    let (dtu, time) =
        (simulation.plant().dtu_serial().to_string(), dtu_time(simulation.now(), faults));
    let mut heartbeat = || unasked::heartbeat(memory.next_unasked(), &dtu, time);
    if faults.has(Fault::Unsolicited) {
        let warnings = unasked::warnings(1, &dtu, time);
        reply.splice(..0, [heartbeat(), warnings, heartbeat()].concat());
    }
    if faults.has(Fault::SeveralFrames) {
        reply.extend([heartbeat(), unasked::warnings(2, &dtu, time)].concat());
    }
    reply
}

/// The DTU's own clock, in Unix seconds.
fn dtu_time(now: Timestamp, faults: &ActiveFaults) -> i64 {
    let zero = faults.since(Fault::ClockAtZero).unwrap_or(Timestamp::UNIX_EPOCH);
    now.duration_since(zero).as_secs().max(0)
}

/// A serial number as the integer that this protocol sends.
fn number(serial: [u8; 6]) -> i64 {
    serial.iter().fold(0, |number, byte| number << 8 | i64::from(*byte))
}

#[cfg(test)]
mod tests;
