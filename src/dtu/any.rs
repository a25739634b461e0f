//! A DTU of whichever protocol the configuration names.

use std::time::Duration;

use jiff::tz::TimeZone;

use super::modbus::ModbusDtu;
use super::protobuf::{ProtobufDtu, Settings};
use super::{Dtu, PollError};
use crate::clock::WallClock;
use crate::config::{DtuConfig, Protocol};
use crate::plant::reading::DtuReading;

/// A DTU of whichever protocol the configuration names.
pub enum AnyDtu {
    /// Asked over Modbus-TCP.
    Modbus(Box<ModbusDtu>),
    /// Asked in its own protocol.
    Protobuf(Box<ProtobufDtu>),
}

impl AnyDtu {
    /// The DTU that `config` names. A simulated one has been given its address before.
    pub fn new(config: &DtuConfig, clock: WallClock, zone: TimeZone) -> Self {
        match config.protocol {
            Protocol::Modbus | Protocol::Simulated => {
                Self::Modbus(Box::new(ModbusDtu::new(config)))
            }
            Protocol::Protobuf => Self::Protobuf(Box::new(ProtobufDtu::new(config, clock, zone))),
        }
    }

    /// For a command that asks a DTU while a bridge may run that asks it, too.
    #[must_use]
    pub fn beside_a_bridge(self) -> Self {
        match self {
            Self::Modbus(_) => self,
            Self::Protobuf(dtu) => Self::Protobuf(Box::new(dtu.beside_a_bridge())),
        }
    }

    /// The same device by another configuration. One that wants its pauses gets them, whatever was
    /// asked before.
    #[must_use]
    pub fn reconfigured(self, config: &DtuConfig, zone: TimeZone) -> Self {
        match self {
            Self::Modbus(_) => Self::Modbus(Box::new(ModbusDtu::new(config))),
            Self::Protobuf(dtu) => {
                Self::Protobuf(Box::new(dtu.with_settings(Settings::of(config, zone))))
            }
        }
    }
}

impl Dtu for AnyDtu {
    async fn poll(&mut self) -> Result<DtuReading, PollError> {
        match self {
            Self::Modbus(dtu) => dtu.poll().await,
            Self::Protobuf(dtu) => dtu.poll().await,
        }
    }

    fn pauses(&self) -> Duration {
        match self {
            Self::Modbus(dtu) => dtu.pauses(),
            Self::Protobuf(dtu) => dtu.pauses(),
        }
    }
}
