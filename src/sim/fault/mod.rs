//! What a simulated DTU can do wrong, by name. Each of these has been seen on a real one, or is
//! what a bad network makes of a good one.

pub mod parse;

use std::time::Duration;

/// One way to misbehave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The reply states this many bytes, whatever follows. (Modbus)
    WrongByteCount(u8),
    /// The record that ends the list is followed by as many zeros again. (Modbus)
    LongNullRecord,
    /// No inverter in the list.
    EmptyList,
    /// A reply without data: the DTU has not built its list yet. (Modbus)
    NotMapped,
    /// A refusal with this code. (Modbus)
    Exception(u8),
    /// Requests are taken and never answered.
    Silence,
    /// Connections are accepted and closed at once, open ones at their next request.
    Close,
    /// The connection is closed in the middle of each reply.
    CloseMidFrame,
    /// The connection is reset when a request comes.
    Reset,
    /// The second half of each reply comes that much later.
    HalfAnswer(Duration),
    /// Each reply is kept back until the next request of its connection, and sent as its answer.
    LateAnswer,
    /// Replies come that much later.
    Slow(Duration),
    /// Replies come in pieces of one byte, that far apart.
    OneByteAtATime(Duration),
    /// While one client is connected, others are closed at once.
    RefuseSecondClient,
    /// Bytes that are not the protocol.
    Garbage,
    /// For so long in each quarter of an hour, all inverters but one read zero.
    ZeroQuarterHours(Duration),
    /// Inverters sleep at any hour, and their counters read zero.
    Night,
    /// Inverters sleep at any hour: the day's counters read zero, the lifetime's stay.
    NightTotalsKept,
    /// Only the first so many inverters are in the list.
    OnlyInverters(usize),
    /// Addresses count registers instead of bytes, as `OpenDTU` emulates it. (Modbus)
    WordAddressed,
    /// Inverters of the MI series: other serial numbers, and a current in steps of 0.1 A.
    MiScale,
    /// All inverters are exchanged: counters start again from 0.
    EnergyReset,
    /// Lifetime counters read so many watt hours less.
    TotalDip(u64),
    /// Every second port is not in the list.
    HalfThePorts,
    /// The DTU lives off its panels: while all inverters sleep, connections are closed at once.
    PanelPowered,
    /// The checksum of each reply is wrong. (Protobuf)
    BadCrc,
    /// The header of each reply states this length. (Protobuf)
    WrongLength(u16),
    /// Each reply bears the command of another. (Protobuf)
    WrongCommand,
    /// Each reply is preceded by the one before it. (Protobuf)
    OldReply,
    /// Each reply is preceded by frames that nobody asked for. (Protobuf)
    Unsolicited,
    /// Each reply is followed, in the same segment, by frames that nobody asked for. (Protobuf)
    SeveralFrames,
    /// Replies of 8 KiB. (Protobuf)
    BigReply,
    /// Ten zero bytes instead of each reply. (Protobuf)
    ZeroBytes,
    /// The DTU has started anew when this begins and ends, each time with another key. (Protobuf)
    NewKey,
    /// The DTU does not encrypt any more, as after a downgrade. (Protobuf)
    PlainText,
    /// The DTU's clock counts from 0, as before it is synchronised. (Protobuf)
    ClockAtZero,
}

/// A fault and when it shows, as on the command line: `name[=value][@from..to]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedFault {
    /// What goes wrong.
    pub fault: Fault,
    /// How long after it was planned it begins.
    pub from: Duration,
    /// How long after it was planned it ends; `None` lasts until it is cleared.
    pub to: Option<Duration>,
}

/// What one fault is called and does, for `--help`.
#[derive(Clone, Copy, Debug)]
pub struct FaultHelp {
    /// As it is written.
    pub name: &'static str,
    /// What stands behind its `=`, with the value when nothing does; empty if it takes none.
    pub value: &'static str,
    /// What it does.
    pub effect: &'static str,
}

const fn help(name: &'static str, value: &'static str, effect: &'static str) -> FaultHelp {
    FaultHelp { name, value, effect }
}

/// The only language in which a fault shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// Modbus-TCP.
    Modbus,
    /// The DTU's own protocol.
    Protobuf,
}

/// Every fault.
pub const FAULTS: [FaultHelp; 36] = [
    help("wrong-byte-count", "BYTE (255)", "Modbus: replies state a wrong length of their data"),
    help("long-null-record", "", "Modbus: the end of the list comes with 80 bytes"),
    help("empty-list", "", "no inverter in the list"),
    help("not-mapped", "", "Modbus: replies without data, as before the list is built"),
    help("exception", "CODE (1)", "Modbus: every request is refused"),
    help("silence", "", "requests are taken and never answered"),
    help("close", "", "connections are closed as soon as they are accepted"),
    help("close-mid-frame", "", "the connection closes in the middle of each reply"),
    help("reset", "", "the connection is reset when a request comes"),
    help("half-answer", "MS (500)", "the second half of each reply comes later"),
    help("late-answer", "", "each request is answered with the reply to the one before"),
    help("slow", "MS (1000)", "replies come later"),
    help("one-byte-at-a-time", "MS (1)", "replies come byte by byte"),
    help("refuse-second-client", "", "one client at a time, others are closed"),
    help("garbage", "", "bytes that are not the protocol"),
    help("zero-quarter-hours", "SECONDS (60)", "all inverters but one read zero"),
    help("night", "", "inverters sleep, all counters read zero"),
    help("night-totals-kept", "", "inverters sleep, lifetime counters stay"),
    help("only-inverters", "COUNT (1)", "the list ends after so many inverters"),
    help("word-addressed", "", "Modbus: addresses count registers, as OpenDTU has it"),
    help("mi-scale", "", "inverters of the MI series: current in steps of 0.1 A"),
    help("energy-reset", "", "counters start again from 0, as after an exchange"),
    help("total-dip", "WH (400000)", "lifetime counters read less"),
    help("half-the-ports", "", "every second port is not in the list"),
    help("panel-powered", "", "nobody answers while all inverters sleep"),
    help("bad-crc", "", "protobuf: replies with a wrong checksum"),
    help("wrong-length", "BYTES (65535)", "protobuf: replies state a wrong length"),
    help("wrong-command", "", "protobuf: replies bear another command"),
    help("old-reply", "", "protobuf: the last reply comes once more before each"),
    help("unsolicited", "", "protobuf: unasked frames before each reply"),
    help("several-frames", "", "protobuf: unasked frames behind each reply, in one segment"),
    help("big-reply", "", "protobuf: replies of 8 KiB"),
    help("zero-bytes", "", "protobuf: ten zero bytes instead of each reply"),
    help("new-key", "", "protobuf: the DTU restarts with another key, then and at its end"),
    help("plain-text", "", "protobuf: no encryption any more, as after a downgrade"),
    help("clock-at-zero", "", "protobuf: the DTU's clock counts from 0"),
];

impl Fault {
    /// As it is written, without its value.
    pub const fn name(self) -> &'static str {
        match self {
            Self::WrongByteCount(_) => "wrong-byte-count",
            Self::LongNullRecord => "long-null-record",
            Self::EmptyList => "empty-list",
            Self::NotMapped => "not-mapped",
            Self::Exception(_) => "exception",
            Self::Silence => "silence",
            Self::Close => "close",
            Self::CloseMidFrame => "close-mid-frame",
            Self::Reset => "reset",
            Self::HalfAnswer(_) => "half-answer",
            Self::LateAnswer => "late-answer",
            Self::Slow(_) => "slow",
            Self::OneByteAtATime(_) => "one-byte-at-a-time",
            Self::RefuseSecondClient => "refuse-second-client",
            Self::Garbage => "garbage",
            Self::ZeroQuarterHours(_) => "zero-quarter-hours",
            Self::Night => "night",
            Self::NightTotalsKept => "night-totals-kept",
            Self::OnlyInverters(_) => "only-inverters",
            Self::WordAddressed => "word-addressed",
            Self::MiScale => "mi-scale",
            Self::EnergyReset => "energy-reset",
            Self::TotalDip(_) => "total-dip",
            Self::HalfThePorts => "half-the-ports",
            Self::PanelPowered => "panel-powered",
            Self::BadCrc => "bad-crc",
            Self::WrongLength(_) => "wrong-length",
            Self::WrongCommand => "wrong-command",
            Self::OldReply => "old-reply",
            Self::Unsolicited => "unsolicited",
            Self::SeveralFrames => "several-frames",
            Self::BigReply => "big-reply",
            Self::ZeroBytes => "zero-bytes",
            Self::NewKey => "new-key",
            Self::PlainText => "plain-text",
            Self::ClockAtZero => "clock-at-zero",
        }
    }
}

impl FaultHelp {
    /// The only language in which it shows, as its effect says; `None`: in both.
    pub fn wire(&self) -> Option<Wire> {
        match self.effect.split_once(':') {
            Some(("Modbus", _)) => Some(Wire::Modbus),
            Some(("protobuf", _)) => Some(Wire::Protobuf),
            _ => None,
        }
    }
}

impl From<Fault> for PlannedFault {
    fn from(fault: Fault) -> Self {
        Self { fault, from: Duration::ZERO, to: None }
    }
}
