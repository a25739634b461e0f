//! What one entity is. Pure data; whoever shows it decides how.

/// Home Assistant keeps no longer text as a state.
pub const LONGEST_TEXT: usize = 255;

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
    /// A JSON pointer into the subject's object, if it is not the key.
    source: Option<&'static str>,
}

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

/// A number.
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
    pub(super) const fn new(
        subject: Subject,
        key: &'static str,
        name: &'static str,
        kind: Kind,
        about: &'static str,
    ) -> Self {
        Self {
            subject,
            key,
            name,
            about,
            kind,
            is_diagnostic: false,
            is_enabled: true,
            given: Given::Always,
            source: None,
        }
    }

    pub(super) const fn diagnostic(self) -> Self {
        Self { is_diagnostic: true, ..self }
    }

    pub(super) const fn disabled(self) -> Self {
        Self { is_enabled: false, ..self }
    }

    pub(super) const fn given(self, given: Given) -> Self {
        Self { given, ..self }
    }

    pub(super) const fn from(self, source: &'static str) -> Self {
        Self { source: Some(source), ..self }
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
