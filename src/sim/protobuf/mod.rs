//! A DTU with its own protocol: app info, its present values packet by packet, the heartbeat, and the
//! one command that the bridge may send. In plain text, or encrypted as by newer firmware.

mod frame;
mod message;
mod replies;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use self::frame::{Cipher, Frame};
use self::message::{Message, int_of};
use self::replies::RealData;
use super::Simulation;
use super::faults::{ActiveFaults, Fault, Faults, fault_value};
use super::random;
use super::server::{NotARequest, WireProtocol};

/// The action "read all inverters continuously".
const PERFORMANCE_MODE: u64 = 33;
/// What some DTUs answer to a request that they cannot decrypt.
const ZEROS: [u8; 10] = [0; 10];
/// The least length of a reply under `Fault::BigReply`; more than any seen.
const BIG: usize = 8192;

/// What kind of DTU is simulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProtobufOptions {
    /// Whether it encrypts.
    pub encrypts: bool,
    /// Whether it has an energy meter.
    pub has_meter: bool,
    /// How often it reads its inverters.
    pub refresh: Duration,
    /// Inverters, ports and meters in one packet.
    pub blocks_per_packet: usize,
}

impl Default for ProtobufOptions {
    fn default() -> Self {
        let refresh = Duration::from_secs(30);
        Self { encrypts: false, has_meter: false, refresh, blocks_per_packet: 10 }
    }
}

/// The DTU's own protocol, with the state of one DTU.
#[derive(Debug)]
pub struct Protobuf {
    options: ProtobufOptions,
    faults: Faults,
    state: Mutex<DtuState>,
}

impl Protobuf {
    /// A DTU in front of `simulation` that has just been switched on.
    pub fn new(options: ProtobufOptions, simulation: &Simulation) -> Self {
        let started = simulation.now().as_nanosecond();
        let seed = u64::try_from(started.rem_euclid(1 << 63)).unwrap_or_default();
        let state = Mutex::new(DtuState { seed, ..DtuState::default() });
        Self { options, faults: simulation.faults().clone(), state }
    }

    fn encrypts(&self, faults: &ActiveFaults) -> bool {
        self.options.encrypts && !faults.has(Fault::PlainText)
    }

    /// A panic of another thread leaves the state whole, for it is changed in single steps.
    fn state(&self) -> MutexGuard<'_, DtuState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer to one message; `None` to those that this DTU does not know.
    fn answer(
        &self,
        (command, message): (u16, &[u8]),
        state: &mut DtuState,
        simulation: &Simulation,
        faults: &ActiveFaults,
    ) -> Option<Message> {
        let now = simulation.now();
        let time = dtu_time(now, faults);
        let dtu_serial = simulation.plant().dtu_serial().to_string();
        let blocks_per_packet = self.options.blocks_per_packet.max(1);
        match command {
            frame::APP_INFO => {
                let plant = simulation.reported(simulation.truth(), faults);
                let nth = usize::try_from(int_of(message, 3)?).ok()?;
                let enc_rand = self.encrypts(faults).then(|| state.enc_rand());
                replies::app_info(&plant, (nth, blocks_per_packet), time, enc_rand)
            }
            frame::HEARTBEAT => {
                let heartbeat = Message::default().int(1, 3600).int(2, time).int(3, 78);
                Some(heartbeat.bytes(4, dtu_serial.as_bytes()))
            }
            frame::COMMAND if int_of(message, 2)? == PERFORMANCE_MODE => {
                state.reads_continuously = true;
                Some(Message::default().bytes(1, dtu_serial.as_bytes()).int(3, 33).int(6, time))
            }
            frame::REAL_DATA => {
                let nth = usize::try_from(int_of(message, 2)?).ok()?;
                let values_of = match nth {
                    0 => state.refresh_values(now, self.options.refresh),
                    _ => state.values_of.unwrap_or(now),
                };
                let truth = simulation.plant().at(values_of);
                let values = RealData {
                    plant: &simulation.reported(truth.clone(), faults),
                    time: dtu_time(values_of, faults),
                    metered: self.options.has_meter.then_some(&truth),
                    blocks_per_packet,
                };
                let packet = values.packet(nth)?;
                let is_big = faults.has(Fault::BigReply);
                Some(if is_big { replies::padded(packet, BIG) } else { packet })
            }
            _ => None,
        }
    }
}

impl WireProtocol for Protobuf {
    fn request_length(&self, received: &[u8]) -> Result<Option<usize>, NotARequest> {
        frame::length(received, self.encrypts(&self.faults.active()))
    }

    fn reply(&self, request: &[u8], simulation: &Simulation, faults: &ActiveFaults) -> Vec<u8> {
        let Some(request) = Frame::read(request) else { return Vec::new() };
        if faults.has(Fault::ZeroBytes) {
            return ZEROS.to_vec();
        }
        let mut state = self.state();
        state.restart_with_new_key(faults.since(Fault::NewKey));
        let cipher = self.encrypts(faults).then(|| Cipher::new(state.enc_rand())).flatten();
        let cipher = cipher.filter(|_| !frame::is_clear(request.command));
        let message = match &cipher {
            Some(cipher) => cipher.open(&request),
            None => Some(request.payload.to_vec()),
        };
        let Some(message) = message else { return ZEROS.to_vec() };
        let received = (request.command, message.as_slice());
        let Some(answer) = self.answer(received, &mut state, simulation, faults) else {
            return Vec::new();
        };
        let slip = u16::from(faults.has(Fault::WrongCommand));
        let command = request.command.wrapping_sub(frame::ANSWER).wrapping_add(slip);
        let (payload, tag) = match &cipher {
            Some(cipher) => {
                cipher.seal(command, request.sequence, answer.into_bytes()).unwrap_or_default()
            }
            None => (answer.into_bytes(), Vec::new()),
        };
        let reply = frame::encode(command, request.sequence, &payload, &tag);
        apply_frame_faults(reply, &mut state, simulation, faults)
    }
}

fn apply_frame_faults(
    mut reply: Vec<u8>,
    state: &mut DtuState,
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
    if let Some(length) = fault_value!(faults, WrongLength) {
        set(8, length.to_be_bytes());
    }
    if faults.has(Fault::OldReply) {
        reply.splice(..0, state.last_reply.iter().copied());
    }
    state.last_reply = good;
    let (dtu, time) =
        (simulation.plant().dtu_serial().to_string(), dtu_time(simulation.now(), faults));
    let mut heartbeat = || replies::unsolicited_heartbeat(state.next_unsolicited(), &dtu, time);
    if faults.has(Fault::Unsolicited) {
        let warnings = replies::unsolicited_warnings(1, &dtu, time);
        reply.splice(..0, [heartbeat(), warnings, heartbeat()].concat());
    }
    if faults.has(Fault::SeveralFrames) {
        reply.extend([heartbeat(), replies::unsolicited_warnings(2, &dtu, time)].concat());
    }
    reply
}

/// The DTU's own clock, in Unix seconds.
fn dtu_time(now: Timestamp, faults: &ActiveFaults) -> i64 {
    let zero = faults.since(Fault::ClockAtZero).unwrap_or(Timestamp::UNIX_EPOCH);
    now.duration_since(zero).as_secs().max(0)
}

/// What a DTU keeps from one request to the next.
#[derive(Debug, Default)]
struct DtuState {
    /// Mixed into every key: each start has its own.
    seed: u64,
    starts: u64,
    new_key_since: Option<Timestamp>,
    /// Performance mode, until the next start.
    reads_continuously: bool,
    last_request: Option<Timestamp>,
    values_of: Option<Timestamp>,
    unsolicited: u16,
    last_reply: Vec<u8>,
}

impl DtuState {
    /// Restarts when `Fault::NewKey` begins or ends: `since` is when it began.
    fn restart_with_new_key(&mut self, since: Option<Timestamp>) {
        if self.new_key_since != since {
            let starts = self.starts + 1;
            *self = Self { seed: self.seed, starts, new_key_since: since, ..Self::default() };
        }
    }

    /// The source of the key until the next start.
    fn enc_rand(&self) -> [u8; 16] {
        let half = |nth| u128::from(random(self.seed, 2 * self.starts + nth));
        (half(0) << 64 | half(1)).to_be_bytes()
    }

    /// The time of the values that it reports now. When asked again before `refresh` has passed, it
    /// reports the old values and the wait starts again, as real ones do.
    fn refresh_values(&mut self, now: Timestamp, refresh: Duration) -> Timestamp {
        let refresh = SignedDuration::try_from(refresh).unwrap_or(SignedDuration::MAX);
        let last = self.last_request.replace(now);
        let is_due = last.is_none_or(|last| now.duration_since(last) >= refresh);
        match self.values_of {
            Some(values_of) if !is_due && !self.reads_continuously => values_of,
            _ => *self.values_of.insert(now),
        }
    }

    fn next_unsolicited(&mut self) -> u16 {
        self.unsolicited = self.unsolicited.wrapping_add(1);
        self.unsolicited
    }
}

#[cfg(test)]
mod tests;
