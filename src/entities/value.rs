//! The value of an entity: as it is read from the plant's state, and as Home Assistant shows it.

use std::borrow::Cow;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::{Choice, Entity, Kind, Number, On, Read, State};
use crate::plant::units::{
    Amperes, Celsius, Hertz, MeterVolts, Percent, PowerFactor, Vars, Volts, WattHours, Watts,
};
use crate::snapshot::json::time;

/// Home Assistant keeps no longer text as a state.
pub const LONGEST_TEXT: usize = 255;

/// A known value.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Value {
    Flag(bool),
    /// Codes, counts, and energies in Wh.
    Count(u64),
    Number(f64),
    Text(Cow<'static, str>),
    Time(Timestamp),
}

impl Value {
    /// As Prometheus counts it: a time in seconds since 1970; `None` for a text.
    #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53, as all of Prometheus")]
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Flag(is_set) => Some(f64::from(u8::from(*is_set))),
            Self::Count(count) => Some(*count as f64),
            Self::Number(number) => Some(*number),
            Self::Time(at) => Some(at.duration_since(Timestamp::UNIX_EPOCH).as_secs_f64()),
            Self::Text(_) => None,
        }
    }
}

/// Values of these types, by what makes a [`Value`] of them.
macro_rules! values {
    ($($type:ty => $value:expr;)*) => {
        $(impl From<$type> for Value {
            fn from(value: $type) -> Self {
                $value(value)
            }
        })*
    };
}

values! {
    bool => Self::Flag;
    u8 => |value| Self::Count(u64::from(value));
    u16 => |value| Self::Count(u64::from(value));
    u32 => |value| Self::Count(u64::from(value));
    u64 => Self::Count;
    WattHours => |value: WattHours| Self::Count(value.get());
    Amperes => |value: Amperes| Self::Number(value.as_f64());
    Celsius => |value: Celsius| Self::Number(value.as_f64());
    Hertz => |value: Hertz| Self::Number(value.as_f64());
    MeterVolts => |value: MeterVolts| Self::Number(value.as_f64());
    Percent => |value: Percent| Self::Number(value.as_f64());
    PowerFactor => |value: PowerFactor| Self::Number(value.as_f64());
    Vars => |value: Vars| Self::Number(value.as_f64());
    Volts => |value: Volts| Self::Number(value.as_f64());
    Watts => |value: Watts| Self::Number(value.as_f64());
    &'static str => |value| Self::Text(Cow::Borrowed(value));
    String => |value| Self::Text(Cow::Owned(value));
    Timestamp => Self::Time;
}

impl Entity {
    /// Its value as the API has it: codes as numbers, energies in Wh. `None` for what is not known,
    /// which is never 0, and for the state of another subject.
    pub fn value(&self, state: State<'_>) -> Option<Value> {
        match (self.read, state) {
            (Read::Bridge(read), State::Bridge(snapshot)) => read(snapshot),
            (Read::Dtu(read), State::Dtu(dtu)) => read(dtu),
            (Read::Inverter(read), State::Inverter(inverter)) => read(inverter),
            (Read::Port(read), State::Port(port)) => read(port),
            (Read::Meter(read), State::Meter(meter)) => read(meter),
            (_, _) => None,
        }
    }

    /// Its value as Home Assistant shows it: in its unit, in words, times in `zone`.
    pub fn shown(&self, state: State<'_>, zone: &TimeZone) -> Option<Value> {
        let value = self.value(state)?;
        match self.kind {
            Kind::Number(number) => Some(in_unit(number, value)),
            Kind::Flag { on, .. } => Some(if is_on(on, &value) { "on" } else { "off" }.into()),
            Kind::Choice(choice) => word(choice, &value).map(Value::from),
            Kind::Text | Kind::Time => Some(text(&value, zone).into()),
        }
    }
}

fn in_unit(number: Number, value: Value) -> Value {
    match value.as_f64() {
        Some(value) if number.is_kilo => Value::Number(value / 1000.0),
        _ => value,
    }
}

fn is_on(on: On, value: &Value) -> bool {
    match on {
        On::True => *value == Value::Flag(true),
        On::Is(number) => *value == Value::Count(number),
        On::NotZero => *value != Value::Count(0),
        On::Word(word) => *value == Value::from(word),
    }
}

fn word(choice: Choice, value: &Value) -> Option<&'static str> {
    let text = text(value, &TimeZone::UTC);
    let known = choice.words.iter().find(|(source, _)| *source == text);
    known.map(|&(_, word)| word).or(choice.other)
}

fn text(value: &Value, zone: &TimeZone) -> String {
    match value {
        Value::Flag(is_set) => is_set.to_string(),
        Value::Count(count) => count.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Text(text) => text.chars().take(LONGEST_TEXT).collect(),
        Value::Time(at) => time(*at, zone),
    }
}
