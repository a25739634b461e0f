//! Reads a fault as it is written on the command line.

use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;

use super::{FAULTS, Fault, PlannedFault};

/// The text is not a fault.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum InvalidFault {
    /// No fault of that name.
    #[error("no fault is called `{0}`; there are: {names}", names = names())]
    Name(String),
    /// The value does not fit the fault.
    #[error("`{0}` takes {1}, not `{2}`")]
    Value(String, &'static str, String),
    /// What stands behind the `@` is not a time span.
    #[error("`{0}` is not a time span: FROM..TO in seconds expected, either end may be missing")]
    Span(String),
}

const BYTE: &str = "a number from 0 to 255";
const MILLISECONDS: &str = "milliseconds";
const SECONDS: &str = "seconds";
const COUNT: &str = "a whole number";
const LENGTH: &str = "a number from 0 to 65535";
const NOTHING: &str = "no value";

fn names() -> String {
    FAULTS.map(|fault| fault.name).join(", ")
}

impl Fault {
    fn parse(name: &str, value: Option<&str>) -> Result<Self, InvalidFault> {
        let value = Value { name, text: value };
        let millis = |usual| value.number(MILLISECONDS, usual).map(Duration::from_millis);
        let fault = match name {
            "wrong-byte-count" => return value.number(BYTE, 255).map(Self::WrongByteCount),
            "exception" => return value.number(BYTE, 1).map(Self::Exception),
            "half-answer" => return millis(500).map(Self::HalfAnswer),
            "slow" => return millis(1000).map(Self::Slow),
            "one-byte-at-a-time" => return millis(1).map(Self::OneByteAtATime),
            "zero-quarter-hours" => {
                let length = value.number(SECONDS, 60).map(Duration::from_secs);
                return length.map(Self::ZeroQuarterHours);
            }
            "only-inverters" => return value.number(COUNT, 1).map(Self::OnlyInverters),
            "total-dip" => return value.number(COUNT, 400_000).map(Self::TotalDip),
            "wrong-length" => return value.number(LENGTH, u16::MAX).map(Self::WrongLength),
            "long-null-record" => Self::LongNullRecord,
            "empty-list" => Self::EmptyList,
            "not-mapped" => Self::NotMapped,
            "silence" => Self::Silence,
            "close" => Self::Close,
            "close-mid-frame" => Self::CloseMidFrame,
            "reset" => Self::Reset,
            "late-answer" => Self::LateAnswer,
            "refuse-second-client" => Self::RefuseSecondClient,
            "garbage" => Self::Garbage,
            "night" => Self::Night,
            "night-totals-kept" => Self::NightTotalsKept,
            "word-addressed" => Self::WordAddressed,
            "mi-scale" => Self::MiScale,
            "energy-reset" => Self::EnergyReset,
            "half-the-ports" => Self::HalfThePorts,
            "panel-powered" => Self::PanelPowered,
            "bad-crc" => Self::BadCrc,
            "wrong-command" => Self::WrongCommand,
            "old-reply" => Self::OldReply,
            "unsolicited" => Self::Unsolicited,
            "several-frames" => Self::SeveralFrames,
            "big-reply" => Self::BigReply,
            "zero-bytes" => Self::ZeroBytes,
            "new-key" => Self::NewKey,
            "plain-text" => Self::PlainText,
            "clock-at-zero" => Self::ClockAtZero,
            _ => return Err(InvalidFault::Name(name.to_owned())),
        };
        value.none().map(|()| fault)
    }
}

/// What stands behind the `=`, if anything does.
struct Value<'a> {
    name: &'a str,
    text: Option<&'a str>,
}

impl Value<'_> {
    fn number<T: FromStr>(&self, what: &'static str, usual: T) -> Result<T, InvalidFault> {
        let Some(text) = self.text else { return Ok(usual) };
        text.parse().map_err(|_| InvalidFault::Value(self.name.into(), what, text.into()))
    }

    fn none(&self) -> Result<(), InvalidFault> {
        let Some(text) = self.text else { return Ok(()) };
        Err(InvalidFault::Value(self.name.into(), NOTHING, text.into()))
    }
}

impl FromStr for PlannedFault {
    type Err = InvalidFault;

    fn from_str(text: &str) -> Result<Self, InvalidFault> {
        let (fault, span) = match text.split_once('@') {
            Some((fault, span)) => (fault, Some(span)),
            None => (text, None),
        };
        let fault = match fault.split_once('=') {
            Some((name, value)) => Fault::parse(name, Some(value))?,
            None => Fault::parse(fault, None)?,
        };
        let Some(span) = span else { return Ok(fault.into()) };
        let invalid = || InvalidFault::Span(span.to_owned());
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

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, fault: Fault, from: u64, to: Option<u64>) {
        let (from, to) = (Duration::from_secs(from), to.map(Duration::from_secs));
        assert_eq!(text.parse(), Ok(PlannedFault { fault, from, to }), "{text}");
    }

    #[test]
    fn a_fault_has_a_name_a_value_and_a_time_span() {
        check("silence", Fault::Silence, 0, None);
        check("slow", Fault::Slow(Duration::from_secs(1)), 0, None);
        check("slow=250", Fault::Slow(Duration::from_millis(250)), 0, None);
        check("exception=4@30..90", Fault::Exception(4), 30, Some(90));
        check("night@..5", Fault::Night, 0, Some(5));
        check("close@5..", Fault::Close, 5, None);
    }

    #[test]
    fn every_fault_in_the_help_is_one() {
        for help in FAULTS {
            let planned: PlannedFault = help.name.parse().unwrap();
            assert_eq!(planned.fault.name(), help.name);
            let with_value = format!("{}=7", help.name).parse::<PlannedFault>();
            assert_eq!(with_value.is_ok(), !help.value.is_empty(), "{}", help.name);
        }
    }

    #[track_caller]
    fn check_refused(text: &str, says: &str) {
        let error = text.parse::<PlannedFault>().unwrap_err().to_string();
        assert!(error.contains(says), "{text}: {error}");
    }

    #[test]
    fn other_texts_are_refused_with_what_was_expected() {
        check_refused("sloth", "no fault is called `sloth`; there are: wrong-byte-count, ");
        check_refused("slow=fast", "`slow` takes milliseconds, not `fast`");
        check_refused("exception=256", "`exception` takes a number from 0 to 255, not `256`");
        check_refused("night=1", "`night` takes no value, not `1`");
        check_refused("night@5", "`5` is not a time span");
        check_refused("night@9..9", "`9..9` is not a time span");
    }
}
