//! The one table of what the bridge shows of a plant: each entity's key, name, unit and classes, and
//! how its value is read from the plant's state.
//!
//! MQTT, `/metrics` and docs/entities.md are made from it. `entities.json`, beside this file, is the
//! same table for the Home Assistant integration, whose own is tested against it.

mod tables;
#[cfg(test)]
mod tests;
mod value;

use jiff::Timestamp;

pub use self::tables::of;
pub use self::value::{LONGEST_TEXT, Value};
use crate::snapshot::Snapshot;
use crate::snapshot::state::{DtuState, InverterState, MeterState, PortState};

/// All entities, subject by subject, in the order in which a person wants to read them.
pub fn all() -> impl Iterator<Item = &'static Entity> {
    Subject::ALL.into_iter().flat_map(of)
}

/// What an entity belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The bridge and the plant as a whole.
    Bridge,
    /// One DTU.
    Dtu,
    /// One inverter.
    Inverter,
    /// One PV input; shown as a part of its inverter.
    Port,
    /// One energy meter.
    Meter,
}

impl Subject {
    /// From the whole to its parts.
    pub const ALL: [Self; 5] = [Self::Bridge, Self::Dtu, Self::Inverter, Self::Port, Self::Meter];

    /// As documents name it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bridge => "bridge",
            Self::Dtu => "dtu",
            Self::Inverter => "inverter",
            Self::Port => "port",
            Self::Meter => "meter",
        }
    }

    /// Where the object that all its sources point into stands in the `data` of an update.
    pub const fn object(self) -> &'static str {
        match self {
            Self::Bridge => "data",
            Self::Dtu => "data.health.dtus{}",
            Self::Inverter => "data.inverters[]",
            Self::Port => "data.inverters[].ports[]",
            Self::Meter => "data.meters[]",
        }
    }

    /// Where in that object the local midnight stands since which "today" counts.
    pub const fn midnight(self) -> &'static str {
        match self {
            Self::Bridge => "/plant/today_since",
            Self::Dtu | Self::Inverter | Self::Port | Self::Meter => "/today_since",
        }
    }
}

/// The state of one subject, from which the values of its entities are read.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the names are those of the subjects")]
pub enum State<'a> {
    Bridge(&'a Snapshot),
    Dtu(&'a DtuState),
    Inverter(&'a InverterState),
    Port(&'a PortState),
    Meter(&'a MeterState),
}

impl State<'_> {
    /// Whose state it is.
    pub const fn subject(&self) -> Subject {
        match self {
            Self::Bridge(_) => Subject::Bridge,
            Self::Dtu(_) => Subject::Dtu,
            Self::Inverter(_) => Subject::Inverter,
            Self::Port(_) => Subject::Port,
            Self::Meter(_) => Subject::Meter,
        }
    }

    /// The local midnight since which its "today" counts.
    pub fn today_since(&self) -> Option<Timestamp> {
        match self {
            Self::Bridge(snapshot) => snapshot.totals().energy.today_since,
            Self::Inverter(inverter) => inverter.energy.today_since,
            Self::Port(port) => port.energy.today_since,
            Self::Dtu(_) | Self::Meter(_) => None,
        }
    }
}

/// How a value is read from the state of its subject; `None` for what is not known.
#[derive(Clone, Copy, Debug)]
enum Read {
    Bridge(fn(&Snapshot) -> Option<Value>),
    Dtu(fn(&DtuState) -> Option<Value>),
    Inverter(fn(&InverterState) -> Option<Value>),
    Port(fn(&PortState) -> Option<Value>),
    Meter(fn(&MeterState) -> Option<Value>),
}

/// One entity.
#[derive(Clone, Copy, Debug)]
pub struct Entity {
    /// What it belongs to.
    pub subject: Subject,
    /// Names it for ever, within its subject: part of unique ids and of topics' JSON.
    pub key: &'static str,
    /// Its English name, without that of its device. `{port}` stands for the port's number.
    pub name: &'static str,
    /// What it is, in a sentence.
    pub about: &'static str,
    /// What kind of value it has.
    pub kind: Kind,
    /// Whether it serves to find faults, rather than what one has a plant for.
    pub is_diagnostic: bool,
    /// Whether it is shown unless somebody hides it.
    pub is_enabled: bool,
    /// When there is such a value at all.
    pub given: Given,
    /// Its name at `/metrics`, without the prefix; one that ends with `_total` is a counter. The name
    /// carries the unit, as Prometheus recommends.
    pub metric: Option<&'static str>,
    read: Read,
    /// A JSON pointer into the subject's object, if it is not the key.
    source: Option<&'static str>,
}

/// The same key of the same subject.
impl PartialEq for Entity {
    fn eq(&self, other: &Self) -> bool {
        self.subject == other.subject && self.key == other.key
    }
}

impl Eq for Entity {}

/// What kind of value an entity has.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// A number.
    Number(Number),
    /// On or off.
    Flag {
        /// Home Assistant's device class of a binary sensor.
        device_class: &'static str,
        /// What counts as on.
        on: On,
    },
    /// One of some words.
    Choice(Choice),
    /// Free text.
    Text,
    /// An instant, RFC 3339.
    Time,
}

/// A number: its unit, classes and precision belong together.
#[derive(Clone, Copy, Debug)]
pub struct Number {
    /// As shown.
    pub unit: Option<&'static str>,
    /// Home Assistant's device class of a sensor.
    pub device_class: Option<&'static str>,
    /// What statistics may make of it.
    pub state_class: Option<StateClass>,
    /// Decimals that mean something.
    pub precision: u8,
    /// Whether it is shown in thousands of what the source counts.
    pub is_kilo: bool,
}

impl Number {
    const POWER: Self = measured("W", "power", 1);
    const VOLTAGE: Self = measured("V", "voltage", 1);
    const CURRENT: Self = measured("A", "current", 2);
    const FREQUENCY: Self = measured("Hz", "frequency", 2);
    const TEMPERATURE: Self = measured("°C", "temperature", 1);
    const REACTIVE_POWER: Self = measured("var", "reactive_power", 1);
    const POWER_FACTOR: Self = Self { unit: None, ..measured("", "power_factor", 3) };
    /// A share: no device class of Home Assistant fits.
    const PERCENT: Self = Self { device_class: None, ..measured("%", "", 0) };
    const BYTES: Self = measured("B", "data_size", 0);
    /// Energy in kWh of a source in Wh. The unit of an entity never changes: statistics would
    /// break.
    const ENERGY: Self = Self {
        state_class: Some(StateClass::TotalIncreasing),
        is_kilo: true,
        ..measured("kWh", "energy", 3)
    };
    const TODAY: Self =
        Self { state_class: Some(StateClass::TotalSinceMidnight), ..measured("Wh", "energy", 0) };
    /// Queries to a DTU. Home Assistant's component before ours gave this unit, and an entity keeps
    /// its unit.
    const QUERIES: Self = Self { unit: Some("queries"), ..Self::COUNT };
    /// Failed ones, likewise.
    const ERRORS: Self = Self { unit: Some("errors"), ..Self::COUNT };
    /// Events since some start.
    const COUNT: Self = Self { state_class: Some(StateClass::TotalIncreasing), ..Self::CODE };
    /// A number of which statistics make no sense.
    const CODE: Self =
        Self { unit: None, device_class: None, state_class: None, precision: 0, is_kilo: false };
}

const fn measured(unit: &'static str, device_class: &'static str, precision: u8) -> Number {
    Number {
        unit: Some(unit),
        device_class: Some(device_class),
        state_class: Some(StateClass::Measurement),
        precision,
        is_kilo: false,
    }
}

/// What statistics may make of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateClass {
    /// A value of the moment.
    Measurement,
    /// A counter that only grows; a fall means that the device was exchanged.
    TotalIncreasing,
    /// A counter that starts over at each local midnight. With the time of its last reset it
    /// survives a day change and a glitch, which no other class does.
    TotalSinceMidnight,
}

impl StateClass {
    /// As Home Assistant names it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Measurement => "measurement",
            Self::TotalIncreasing => "total_increasing",
            Self::TotalSinceMidnight => "total",
        }
    }
}

/// What counts as on.
#[derive(Clone, Copy, Debug)]
pub enum On {
    /// JSON's `true`.
    True,
    /// This number.
    Is(u64),
    /// Any number but 0.
    NotZero,
    /// This word.
    Word(&'static str),
}

/// One of some words.
#[derive(Clone, Copy, Debug)]
pub struct Choice {
    /// What the source says, as JSON, and the word for it.
    pub words: &'static [(&'static str, &'static str)],
    /// The word for anything else, if there can be such.
    pub other: Option<&'static str>,
}

impl Choice {
    /// Every word that can be shown.
    pub fn options(&self) -> Vec<&'static str> {
        self.words.iter().map(|&(_, word)| word).chain(self.other).collect()
    }
}

/// When there is such a value at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Given {
    /// With every DTU.
    Always,
    /// Over Modbus only.
    OverModbus,
    /// Over the DTU's own protocol only.
    OverProtobuf,
    /// Of some devices; it appears when a value does.
    OnceSeen,
}

impl Given {
    /// As documents name it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::OverModbus => "modbus",
            Self::OverProtobuf => "protobuf",
            Self::OnceSeen => "once seen",
        }
    }
}

impl Entity {
    /// A main entity, enabled, always given, whose source is its key.
    const fn new(
        read: Read,
        key: &'static str,
        name: &'static str,
        kind: Kind,
        about: &'static str,
    ) -> Self {
        let subject = match read {
            Read::Bridge(_) => Subject::Bridge,
            Read::Dtu(_) => Subject::Dtu,
            Read::Inverter(_) => Subject::Inverter,
            Read::Port(_) => Subject::Port,
            Read::Meter(_) => Subject::Meter,
        };
        Self {
            subject,
            key,
            name,
            about,
            kind,
            is_diagnostic: false,
            is_enabled: true,
            given: Given::Always,
            metric: None,
            read,
            source: None,
        }
    }

    const fn diagnostic(self) -> Self {
        Self { is_diagnostic: true, ..self }
    }

    const fn disabled(self) -> Self {
        Self { is_enabled: false, ..self }
    }

    const fn given(self, given: Given) -> Self {
        Self { given, ..self }
    }

    const fn from(self, source: &'static str) -> Self {
        Self { source: Some(source), ..self }
    }

    const fn metric(self, name: &'static str) -> Self {
        Self { metric: Some(name), ..self }
    }

    /// The JSON pointer to its value in the subject's object.
    pub fn source(&self) -> String {
        self.source.map_or_else(|| format!("/{}", self.key), str::to_owned)
    }

    /// Home Assistant's platform for it.
    pub const fn platform(&self) -> &'static str {
        match self.kind {
            Kind::Flag { .. } => "binary_sensor",
            Kind::Number(_) | Kind::Choice(_) | Kind::Text | Kind::Time => "sensor",
        }
    }

    /// Home Assistant's device class for it.
    pub const fn device_class(&self) -> Option<&'static str> {
        match self.kind {
            Kind::Number(number) => number.device_class,
            Kind::Flag { device_class, .. } => Some(device_class),
            Kind::Choice(_) => Some("enum"),
            Kind::Text => None,
            Kind::Time => Some("timestamp"),
        }
    }

    /// The number it is, if it is one.
    pub const fn number(&self) -> Option<Number> {
        match self.kind {
            Kind::Number(number) => Some(number),
            Kind::Flag { .. } | Kind::Choice(_) | Kind::Text | Kind::Time => None,
        }
    }
}
