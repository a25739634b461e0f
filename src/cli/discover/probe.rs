//! Finds out what listens at a DTU's port, with requests that every DTU gets anyway.

use std::time::Duration;

use jiff::tz::TimeZone;
use tokio::time::timeout;

use crate::clock::WallClock;
use crate::config::{DtuConfig, Protocol};
use crate::dtu::dial::{Dial as _, OpenConnection};
use crate::dtu::modbus::ModbusDtu;
use crate::dtu::protobuf::{ProtobufDtu, Settings};
use crate::dtu::{Dtu as _, DtuError, PollError};
use crate::plant::model;
use crate::plant::reading::DtuReading;
use crate::plant::serial::DtuSerial;

/// The protocols of DTUs; the first one that answers is used.
pub(in crate::cli) const PROTOCOLS: [Protocol; 2] = [Protocol::Modbus, Protocol::Protobuf];
/// For a connection within a home; time enough for a lost packet to be sent again.
pub(super) const CONNECT_LIMIT: Duration = Duration::from_millis(1_500);
/// For the list of ports. Most DTUs need less than five seconds for it.
const POLL_LIMIT: Duration = Duration::from_secs(8);

/// What a DTU is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::cli) struct Identity {
    pub(super) serial: Option<DtuSerial>,
    pub(super) firmware: Option<String>,
    /// `None` if it has not listed all of them in time.
    pub(super) inverters: Option<usize>,
}

impl Identity {
    pub(super) fn model(&self) -> Option<&'static str> {
        self.serial.and_then(model::dtu_name)
    }

    fn of(reading: &DtuReading) -> Self {
        Self {
            serial: reading.dtu_serial,
            firmware: reading.dtu_firmware.clone(),
            inverters: Some(reading.inverters.len()),
        }
    }
}

/// What listens at a port.
#[derive(Debug)]
pub(in crate::cli) enum Probe {
    /// No connection: why.
    Closed(DtuError),
    Dtu(Identity),
    /// Something else, or a DTU that does not answer: why.
    NoDtu(DtuError),
}

/// The DTU with the defaults of its protocol, but without retries.
pub(in crate::cli) fn candidate(protocol: Protocol, host: &str) -> DtuConfig {
    DtuConfig { retries: 0, ..DtuConfig::new("DTU", protocol, host) }
}

/// Probes the port of that protocol over one connection.
pub(in crate::cli) async fn probe(dtu: &DtuConfig) -> Probe {
    let mut dialer = match dtu.protocol {
        Protocol::Modbus | Protocol::Simulated => ModbusDtu::dialer(dtu),
        Protocol::Protobuf => ProtobufDtu::dialer(dtu),
    };
    let stream = match dialer.dial(CONNECT_LIMIT).await {
        Ok(stream) => stream,
        Err(error) => return Probe::Closed(error),
    };
    let connection = OpenConnection::new(stream, dialer);
    let outcome = match dtu.protocol {
        Protocol::Modbus | Protocol::Simulated => list(dtu, connection).await,
        Protocol::Protobuf => app_info(dtu, connection).await,
    };
    outcome.map_or_else(Probe::NoDtu, Probe::Dtu)
}

/// One record, and if that is a DTU's, one poll: only the list of ports says how many inverters
/// there are.
async fn list(dtu: &DtuConfig, connection: OpenConnection) -> Result<Identity, DtuError> {
    let mut modbus = ModbusDtu::with_dialer(dtu, connection);
    match modbus.identify().await {
        Ok(()) => {}
        Err(DtuError::NotMapped) => return Ok(Identity::default()),
        Err(error) => return Err(error),
    }
    match timeout(POLL_LIMIT, modbus.poll()).await {
        Ok(Ok(reading)) => Ok(Identity::of(&reading)),
        Ok(Err(PollError { error: error @ DtuError::WordAddressed, .. })) => Err(error),
        Ok(Err(PollError { partial, .. })) => {
            Ok(Identity { inverters: None, ..Identity::of(&partial) })
        }
        Err(_) => Ok(Identity::default()),
    }
}

/// One request for app info, which lists the inverters too.
async fn app_info(dtu: &DtuConfig, connection: OpenConnection) -> Result<Identity, DtuError> {
    let settings = Settings::of(dtu, TimeZone::system());
    let info =
        ProtobufDtu::with_dialer(connection, settings, WallClock::system()).identify().await?;
    Ok(Identity { serial: info.serial, firmware: info.firmware, inverters: info.inverter_count })
}
