//! `[[dtu]]`: one DTU to poll.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use super::section::{Kind, List, quoted, section};
use super::types::{
    Bool, DtuSerialNumber, Host, Interval, Name, Number, Pause, Port, RequestTimeout, Serial, Word,
};
use crate::plant::serial::DtuSerial;

/// The shortest interval at which a DTU on its own protocol was seen to give new values.
pub const PROTOBUF_INTERVAL: Duration = Duration::from_secs(35);

/// The pause between requests to a DTU on its own protocol: faster requests disturb the manufacturer's
/// cloud and app.
pub const PROTOBUF_REQUEST_GAP: Duration = Duration::from_secs(2);

section! {
    /// One DTU to poll.
    #[derive(PartialEq, Eq)]
    pub struct DtuConfig {
        /// Your name for the DTU in the log, the API and Home Assistant. Unique. If you have only
        /// one, call it "DTU".
        name: String as Name = String::new(),
        /// "modbus" (Modbus-TCP), "protobuf" (the DTU's own protocol) or "simulated".
        protocol: Protocol as Protocol = Protocol::Simulated,
        /// IP address or host name. Required unless simulated.
        host: String as Host = String::new(),
        /// TCP port; by default 502 for "modbus", 10081 for "protobuf".
        port: Option<u16> as Option<Port> = None,
        /// Modbus unit identifier. A few installations need the DTU's RS-485 address (101 to 254).
        /// "modbus" only.
        unit_id: u8 as Number<u8, 0, 255> = 1,
        /// Limit for one request, including connecting. Users reported DTUs that take 4 seconds: they
        /// need "8s".
        timeout: Duration as RequestTimeout = Duration::from_secs(3),
        /// Retries of one request before the poll counts as failed.
        retries: u32 as Number<u32, 0, 10> = 3,
        /// Pause after each response before the next request; by default none, "2s" for
        /// "protobuf". "100ms" to "500ms" helps a DTU that loses responses or drops off the
        /// network while it is polled.
        request_gap: Option<Duration> as Option<Pause> = None,
        /// Port records per request. 1 works with every DTU; 6 makes a poll up to six times
        /// shorter. The bridge compares the first response with a single read and returns to 1
        /// when they differ. "auto" tries 6 and remembers, until the bridge stops, which DTU
        /// supports it. "modbus" only.
        records_per_read: RecordsPerRead as RecordsPerRead = RecordsPerRead::Number(1),
        /// Make the DTU read its inverters continuously instead of every 30 seconds. "protobuf"
        /// only.
        performance_mode: bool as Bool = false,
        /// Disconnect while the DTU uploads to the manufacturer's cloud, every five minutes.
        /// "protobuf" only.
        avoid_cloud_upload: bool as Bool = false,
        /// Poll interval of this DTU; by default that of `[poll]`. A "protobuf" DTU is polled at
        /// most once every 35 seconds.
        interval: Option<Duration> as Option<Interval> = None,
        /// Serial numbers of inverters to leave out.
        exclude: Vec<String> as List<Serial> = Vec::new(),
        /// The DTU's own serial number. Another DTU at this address is refused. Without it, the bridge
        /// remembers the serial number, and refuses another DTU unless that lists one of the same
        /// inverters.
        serial: Option<String> as Option<DtuSerialNumber> = None,
    }
}

impl DtuConfig {
    /// A DTU with the defaults of its protocol.
    pub fn new(name: &str, protocol: Protocol, host: &str) -> Self {
        Self { name: name.to_owned(), protocol, host: host.to_owned(), ..Self::default() }
    }

    /// From the start of one poll to the start of the next, where `usual` is that of `[poll]`.
    ///
    /// A DTU on its own protocol reads its inverters about every 30 s. A request before that
    /// returns the old values, restarts the DTU's wait and stops its uploads to the manufacturer's cloud, so
    /// that the values freeze for everybody.
    pub fn interval_or(&self, usual: Duration) -> Duration {
        let wanted = self.interval.unwrap_or(usual);
        match self.protocol {
            Protocol::Protobuf => wanted.max(PROTOBUF_INTERVAL),
            Protocol::Modbus | Protocol::Simulated => wanted,
        }
    }

    /// The DTU's serial number, if it is given.
    pub fn dtu_serial(&self) -> Option<DtuSerial> {
        self.serial.as_ref().and_then(|serial| serial.parse().ok())
    }

    /// The port to connect to.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(match self.protocol {
            Protocol::Modbus | Protocol::Simulated => 502,
            Protocol::Protobuf => 10081,
        })
    }
}

/// How many records of ports one request reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordsPerRead {
    /// So many, from 1 to 6; one if the DTU does not support more.
    Number(u8),
    /// Six from each DTU that supports it, one from others.
    Auto,
}

impl Kind for RecordsPerRead {
    type Value = Self;

    fn expected() -> Cow<'static, str> {
        format!("{} or \"auto\"", Number::<u8, 1, 6>::expected()).into()
    }

    /// The environment and the add-on's form know only text.
    fn parse(text: &str) -> Result<Self, String> {
        match text.parse() {
            _ if text.eq_ignore_ascii_case("auto") => Ok(Self::Auto),
            Ok(number) => Self::parse_number(number),
            Err(_) => Err(Self::not(&format!("{} is neither", quoted(text)))),
        }
    }

    fn parse_number(number: i64) -> Result<Self, String> {
        let records = u8::try_from(number).ok().filter(|records| (1..=6).contains(records));
        records.map(Self::Number).ok_or_else(|| Self::not(&format!("{number} is out of range")))
    }

    fn show(value: &Self) -> String {
        match value {
            Self::Number(records) => records.to_string(),
            Self::Auto => "\"auto\"".to_owned(),
        }
    }
}

/// Which protocol a DTU speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Modbus-TCP: DTU-Pro and DTU-Pro-S on their Ethernet port.
    Modbus,
    /// The DTU's own protocol on TCP port 10081.
    Protobuf,
    /// A plant that the bridge simulates itself.
    Simulated,
}

impl Word for Protocol {
    const ALL: &'static [Self] = &[Self::Modbus, Self::Protobuf, Self::Simulated];
    const IS_REQUIRED: bool = true;

    fn word(self) -> &'static str {
        match self {
            Self::Modbus => "modbus",
            Self::Protobuf => "protobuf",
            Self::Simulated => "simulated",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
