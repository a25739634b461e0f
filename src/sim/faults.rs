//! What a simulated DTU can do wrong, by name, and which faults are active. Each has been seen on a
//! real DTU, or is what a bad network makes of a good one.

use std::mem::discriminant;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::clock::WallClock;
use crate::config::Protocol;

/// One way to misbehave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "`FAULTS` says what each does")]
pub enum Fault {
    WrongByteCount(u8),
    LongNullRecord,
    EmptyList,
    NotMapped,
    Exception(u8),
    SilentRecord(u16),
    RefusedRecord(u16),
    ExceptionAtEnd(u8),
    ForeignDevice,
    Silence,
    Lossy(u8),
    Close,
    CloseMidFrame,
    CloseAfterAnswer,
    Reset,
    HalfAnswer(Duration),
    LateAnswer,
    Slow(Duration),
    OneByteAtATime(Duration),
    RefuseSecondClient,
    Garbage,
    ZeroQuarterHours(Duration),
    Night,
    NightTotalsKept,
    OnlyInverters(usize),
    WordAddressed,
    MiScale,
    EnergyReset,
    TotalDip(u64),
    HalfThePorts,
    PanelPowered,
    BadCrc,
    WrongLength(u16),
    WrongCommand,
    OldReply,
    Unsolicited,
    SeveralFrames,
    BigReply,
    ZeroBytes,
    NewKey,
    PlainText,
    ClockAtZero,
}

/// A row of [`FAULTS`].
#[derive(Clone, Copy, Debug)]
pub struct FaultHelp {
    /// The name on the command line.
    pub name: &'static str,
    /// The fault with its default value.
    pub fault: Fault,
    /// What the value behind `=` is; empty if the fault takes none.
    pub value: &'static str,
    /// What the DTU then does.
    pub effect: &'static str,
}

const fn row(
    name: &'static str,
    fault: Fault,
    value: &'static str,
    effect: &'static str,
) -> FaultHelp {
    FaultHelp { name, fault, value, effect }
}

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Every fault.
#[rustfmt::skip]
pub const FAULTS: &[FaultHelp] = &[
    row("wrong-byte-count", Fault::WrongByteCount(255), "BYTE", "Modbus: replies state a wrong length of their data"),
    row("long-null-record", Fault::LongNullRecord, "", "Modbus: the end of the list has 80 bytes"),
    row("empty-list", Fault::EmptyList, "", "no inverter in the list"),
    row("not-mapped", Fault::NotMapped, "", "Modbus: replies without data, as before the list is built"),
    row("exception", Fault::Exception(1), "CODE", "Modbus: every request is answered with an exception"),
    row("silent-record", Fault::SilentRecord(2), "NUMBER", "Modbus: requests for this record of the list, counted from 1, are never answered"),
    row("refused-record", Fault::RefusedRecord(2), "NUMBER", "Modbus: requests for this record are answered with exception 1"),
    row("exception-at-end", Fault::ExceptionAtEnd(2), "CODE", "Modbus: an exception behind the last record, instead of the end of the list"),
    row("foreign-device", Fault::ForeignDevice, "", "Modbus: another device with registers of its own"),
    row("silence", Fault::Silence, "", "requests are read and never answered"),
    row("lossy", Fault::Lossy(90), "PERCENT", "this share of the requests is never answered"),
    row("close", Fault::Close, "", "connections are closed as soon as they are accepted"),
    row("close-mid-frame", Fault::CloseMidFrame, "", "the connection closes in the middle of each reply"),
    row("close-after-answer", Fault::CloseAfterAnswer, "", "the connection closes after each reply"),
    row("reset", Fault::Reset, "", "the connection is reset when a request comes"),
    row("half-answer", Fault::HalfAnswer(millis(500)), "MS", "the second half of each reply is delayed"),
    row("late-answer", Fault::LateAnswer, "", "each request is answered with the reply to the previous one"),
    row("slow", Fault::Slow(millis(1000)), "MS", "replies are delayed"),
    row("one-byte-at-a-time", Fault::OneByteAtATime(millis(1)), "MS", "replies arrive byte by byte, with this pause"),
    row("refuse-second-client", Fault::RefuseSecondClient, "", "one client at a time, others are closed"),
    row("garbage", Fault::Garbage, "", "random bytes instead of the protocol"),
    row("zero-quarter-hours", Fault::ZeroQuarterHours(millis(60_000)), "SECONDS", "all inverters but one read zero at each quarter of an hour"),
    row("night", Fault::Night, "", "inverters sleep, all counters read zero"),
    row("night-totals-kept", Fault::NightTotalsKept, "", "inverters sleep, today's counters read zero"),
    row("only-inverters", Fault::OnlyInverters(1), "COUNT", "the list ends after this many inverters"),
    row("word-addressed", Fault::WordAddressed, "", "Modbus: addresses count registers, as with OpenDTU"),
    row("mi-scale", Fault::MiScale, "", "inverters of the MI series: current in steps of 0.1 A"),
    row("energy-reset", Fault::EnergyReset, "", "counters start again from 0, as after an exchange"),
    row("total-dip", Fault::TotalDip(400_000), "WH", "lifetime counters read less"),
    row("half-the-ports", Fault::HalfThePorts, "", "every second port is missing from the list"),
    row("panel-powered", Fault::PanelPowered, "", "the DTU is off while all inverters sleep"),
    row("bad-crc", Fault::BadCrc, "", "protobuf: replies with a wrong checksum"),
    row("wrong-length", Fault::WrongLength(u16::MAX), "BYTES", "protobuf: replies state a wrong length"),
    row("wrong-command", Fault::WrongCommand, "", "protobuf: replies carry another command"),
    row("old-reply", Fault::OldReply, "", "protobuf: each reply comes after the previous one"),
    row("unsolicited", Fault::Unsolicited, "", "protobuf: unsolicited frames before each reply"),
    row("several-frames", Fault::SeveralFrames, "", "protobuf: unsolicited frames after each reply, in one segment"),
    row("big-reply", Fault::BigReply, "", "protobuf: replies of 8 KiB"),
    row("zero-bytes", Fault::ZeroBytes, "", "protobuf: ten zero bytes instead of each reply"),
    row("new-key", Fault::NewKey, "", "protobuf: the DTU restarts with another key, then and at its end"),
    row("plain-text", Fault::PlainText, "", "protobuf: no encryption any more, as after a downgrade"),
    row("clock-at-zero", Fault::ClockAtZero, "", "protobuf: the DTU's clock starts at 0"),
];

impl FaultHelp {
    /// The only protocol that shows the fault; `None`: both do.
    pub fn protocol(&self) -> Option<Protocol> {
        match self.effect.split_once(':') {
            Some(("Modbus", _)) => Some(Protocol::Modbus),
            Some(("protobuf", _)) => Some(Protocol::Protobuf),
            _ => None,
        }
    }
}

impl Fault {
    /// Its row in [`FAULTS`], where every fault is.
    pub fn help(self) -> Option<&'static FaultHelp> {
        FAULTS.iter().find(|row| discriminant(&row.fault) == discriminant(&self))
    }

    /// The name on the command line, without a value.
    pub fn name(self) -> &'static str {
        self.help().map_or("", |row| row.name)
    }

    /// The same fault with another value; `None` if it takes no such value.
    #[expect(clippy::wildcard_enum_match_arm, reason = "most faults take no value")]
    fn with_value(self, text: &str) -> Option<Self> {
        fn number<T: FromStr>(text: &str) -> Option<T> {
            text.parse().ok()
        }
        match self {
            Self::WrongByteCount(_) => number(text).map(Self::WrongByteCount),
            Self::Exception(_) => number(text).map(Self::Exception),
            Self::SilentRecord(_) => number(text).map(Self::SilentRecord),
            Self::RefusedRecord(_) => number(text).map(Self::RefusedRecord),
            Self::ExceptionAtEnd(_) => number(text).map(Self::ExceptionAtEnd),
            Self::Lossy(_) => number(text).filter(|percent| *percent <= 100).map(Self::Lossy),
            Self::HalfAnswer(_) => number(text).map(millis).map(Self::HalfAnswer),
            Self::Slow(_) => number(text).map(millis).map(Self::Slow),
            Self::OneByteAtATime(_) => number(text).map(millis).map(Self::OneByteAtATime),
            Self::ZeroQuarterHours(_) => {
                number(text).map(Duration::from_secs).map(Self::ZeroQuarterHours)
            }
            Self::OnlyInverters(_) => number(text).map(Self::OnlyInverters),
            Self::TotalDip(_) => number(text).map(Self::TotalDip),
            Self::WrongLength(_) => number(text).map(Self::WrongLength),
            _ => None,
        }
    }
}

/// A fault and when it is active, as on the command line: `name[=value][@from..to]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedFault {
    /// The fault.
    pub fault: Fault,
    /// When it begins, from when it is planned.
    pub from: Duration,
    /// When it ends, from when it is planned; `None`: when it is cleared.
    pub to: Option<Duration>,
}

impl From<Fault> for PlannedFault {
    fn from(fault: Fault) -> Self {
        Self { fault, from: Duration::ZERO, to: None }
    }
}

impl FromStr for PlannedFault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (fault, span) = match text.split_once('@') {
            Some((fault, span)) => (fault, Some(span)),
            None => (text, None),
        };
        let (name, value) = match fault.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (fault, None),
        };
        let row = FAULTS.iter().find(|row| row.name == name);
        let row = row.ok_or_else(|| {
            let names: Vec<_> = FAULTS.iter().map(|row| row.name).collect();
            format!("no fault is called `{name}`; there are: {}", names.join(", "))
        })?;
        let fault = match value {
            None => row.fault,
            Some(given) => row.fault.with_value(given).ok_or_else(|| {
                let expected = if row.value.is_empty() { "no value" } else { row.value };
                format!("`{name}` takes {expected}, not `{given}`")
            })?,
        };
        let Some(span) = span else { return Ok(fault.into()) };
        let invalid = || {
            format!(
                "`{span}` is not a time span: expected FROM..TO in seconds, either of which may be \
                 missing"
            )
        };
        let (from, to) = span.split_once("..").ok_or_else(invalid)?;
        let seconds = |text: &str| match text {
            "" => Ok(None),
            text => text.parse().map(|seconds| Some(Duration::from_secs(seconds))),
        };
        let from = seconds(from).map_err(|_| invalid())?.unwrap_or_default();
        let to = seconds(to).map_err(|_| invalid())?;
        if to.is_some_and(|to| to <= from) {
            return Err(invalid());
        }
        Ok(Self { fault, from, to })
    }
}

/// The faults of one simulation. Cheap to clone; all clones share the same faults.
#[derive(Clone, Debug)]
pub struct Faults {
    clock: WallClock,
    planned: Arc<Mutex<Vec<Planned>>>,
}

#[derive(Clone, Copy, Debug)]
struct Planned {
    fault: Fault,
    begins: Timestamp,
    ends: Option<Timestamp>,
}

impl Faults {
    /// No fault yet. Planned ones follow `clock`.
    pub fn new(clock: WallClock) -> Self {
        Self { clock, planned: Arc::default() }
    }

    /// Adds a fault, from now on or at the time of a [`PlannedFault`], in place of one of the same
    /// name.
    pub fn set(&self, fault: impl Into<PlannedFault>) {
        let PlannedFault { fault, from, to } = fault.into();
        let now = self.clock.now();
        let after = |span: Duration| {
            let span = SignedDuration::try_from(span).unwrap_or(SignedDuration::MAX);
            now.saturating_add(span).unwrap_or(Timestamp::MAX)
        };
        let (begins, ends) = (after(from), to.map(after));
        self.clear(fault);
        self.lock().push(Planned { fault, begins, ends });
    }

    /// Removes the fault of that name, whatever its value.
    pub fn clear(&self, fault: Fault) {
        self.lock().retain(|other| discriminant(&other.fault) != discriminant(&fault));
    }

    /// Removes all faults.
    pub fn clear_all(&self) {
        self.lock().clear();
    }

    /// The faults that are active now.
    pub fn active(&self) -> ActiveFaults {
        let now = self.clock.now();
        let is_active = |planned: &&Planned| {
            planned.begins <= now && planned.ends.is_none_or(|ends| now < ends)
        };
        let planned = self.lock();
        let active = planned.iter().filter(is_active);
        ActiveFaults(active.map(|planned| (planned.fault, planned.begins)).collect())
    }

    /// A panic of another thread leaves the list whole, for it is changed in single steps.
    fn lock(&self) -> MutexGuard<'_, Vec<Planned>> {
        self.planned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The faults that are active at one moment, and since when.
#[derive(Clone, Debug, Default)]
pub struct ActiveFaults(Vec<(Fault, Timestamp)>);

impl ActiveFaults {
    /// Whether exactly this fault is active.
    pub fn has(&self, fault: Fault) -> bool {
        self.since(fault).is_some()
    }

    /// When exactly this fault began.
    pub fn since(&self, fault: Fault) -> Option<Timestamp> {
        self.0.iter().find(|(active, _)| *active == fault).map(|(_, since)| *since)
    }

    /// The active faults.
    pub fn iter(&self) -> impl Iterator<Item = Fault> {
        self.0.iter().map(|(fault, _)| *fault)
    }
}

/// The value of a fault, if it is active: `fault_value!(faults, Slow)`.
macro_rules! fault_value {
    ($faults:expr, $variant:ident) => {
        $faults.iter().find_map(|fault| match fault {
            $crate::sim::faults::Fault::$variant(value) => Some(value),
            _ => None,
        })
    };
}
pub(super) use fault_value;

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;

    #[track_caller]
    fn check(text: &str, fault: Fault, from: u64, to: Option<u64>) {
        let (from, to) = (Duration::from_secs(from), to.map(Duration::from_secs));
        assert_eq!(text.parse(), Ok(PlannedFault { fault, from, to }), "{text}");
    }

    #[test]
    fn reads_name_value_and_time_span() {
        check("silence", Fault::Silence, 0, None);
        check("slow", Fault::Slow(Duration::from_secs(1)), 0, None);
        check("slow=250", Fault::Slow(Duration::from_millis(250)), 0, None);
        check("exception=4@30..90", Fault::Exception(4), 30, Some(90));
        check("night@..5", Fault::Night, 0, Some(5));
        check("close@5..", Fault::Close, 5, None);
    }

    #[test]
    fn every_fault_of_the_table_can_be_written() {
        for row in FAULTS {
            let planned: PlannedFault = row.name.parse().unwrap();
            assert_eq!((planned.fault, planned.fault.name()), (row.fault, row.name));
            let with_value = format!("{}=7", row.name).parse::<PlannedFault>();
            assert_eq!(with_value.is_ok(), !row.value.is_empty(), "{}", row.name);
        }
    }

    #[track_caller]
    fn check_refused(text: &str, says: &str) {
        let error = text.parse::<PlannedFault>().unwrap_err();
        assert!(error.contains(says), "{text}: {error}");
    }

    #[test]
    fn refuses_other_texts_and_says_what_is_expected() {
        check_refused("sloth", "no fault is called `sloth`; there are: wrong-byte-count, ");
        check_refused("slow=fast", "`slow` takes MS, not `fast`");
        check_refused("exception=256", "`exception` takes CODE, not `256`");
        check_refused("night=1", "`night` takes no value, not `1`");
        check_refused("night@5", "`5` is not a time span");
        check_refused("night@9..9", "`9..9` is not a time span");
    }

    #[test]
    fn a_fault_is_active_in_its_span_and_until_it_is_cleared() {
        let seconds = Arc::new(AtomicI64::new(1000));
        let faults = Faults::new(WallClock::from_fn({
            let seconds = Arc::clone(&seconds);
            move || Timestamp::from_second(seconds.load(Ordering::Relaxed)).unwrap()
        }));
        faults.set("silence@10..20".parse::<PlannedFault>().unwrap());
        faults.set(Fault::Slow(Duration::from_secs(1)));
        faults.set(Fault::Slow(Duration::from_secs(2)));
        let shows = |second| {
            seconds.store(second, Ordering::Relaxed);
            let active = faults.active();
            (active.has(Fault::Silence), fault_value!(active, Slow).map(|by| by.as_secs()))
        };
        assert_eq!(shows(1000), (false, Some(2)));
        assert_eq!(shows(1010), (true, Some(2)));
        assert_eq!(faults.active().since(Fault::Silence), Timestamp::from_second(1010).ok());
        faults.clear(Fault::Slow(Duration::ZERO));
        assert_eq!(shows(1019), (true, None));
        assert_eq!(shows(1020), (false, None));
        faults.clear_all();
        assert_eq!(shows(1015), (false, None));
    }
}
