//! Reads DTUs. Each protocol is a folder of its own; all of them end in a [`DtuReading`].

pub mod dial;
pub mod error;
mod limits;
pub mod modbus;
pub mod protobuf;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::tz::TimeZone;

pub use self::error::DtuError;
use self::modbus::ModbusDtu;
use self::protobuf::{ProtobufDtu, Settings};
use crate::clock::WallClock;
use crate::config::{DtuConfig, Protocol};
use crate::plant::reading::DtuReading;

/// A DTU that can be polled. It keeps its connection between polls if its protocol does, and
/// reconnects by itself.
pub trait Dtu: Send {
    /// Reads all inverters once, with the time limits and retries of the configuration.
    fn poll(&mut self) -> impl Future<Output = Result<DtuReading, PollError>> + Send;

    /// How long the last poll paused between requests to spare the DTU; the rest is the time that
    /// the DTU took.
    fn pauses(&self) -> Duration {
        Duration::ZERO
    }

    /// Closes its connection and forgets what it said of itself: another DTU has answered.
    fn forget(&mut self) {}

    /// Counts its replies, also while a poll runs.
    fn replies(&self) -> Replies {
        Replies::default()
    }
}

/// How many good replies a DTU has given: a poll may take minutes. Cheap to clone; all clones share
/// it.
#[derive(Clone, Debug, Default)]
pub struct Replies(Arc<AtomicU64>);

impl Replies {
    /// One more.
    pub fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// How many so far.
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl<D: Dtu> Dtu for &mut D {
    async fn poll(&mut self) -> Result<DtuReading, PollError> {
        (**self).poll().await
    }

    fn pauses(&self) -> Duration {
        (**self).pauses()
    }

    fn forget(&mut self) {
        (**self).forget();
    }

    fn replies(&self) -> Replies {
        (**self).replies()
    }
}

/// A poll that was not completed.
#[derive(Debug)]
pub struct PollError {
    /// Why.
    pub error: DtuError,
    /// What had been read before; all of it is valid.
    pub partial: DtuReading,
}

impl PollError {
    /// Whether nothing answered at all.
    pub fn is_silence(&self) -> bool {
        self.partial.inverters.is_empty() && self.error.is_silence()
    }
}

impl From<DtuError> for PollError {
    fn from(error: DtuError) -> Self {
        Self { error, partial: DtuReading::default() }
    }
}

/// A DTU of the configured protocol.
pub enum AnyDtu {
    /// Modbus-TCP.
    Modbus(Box<ModbusDtu>),
    /// The DTU's own protocol.
    Protobuf(Box<ProtobufDtu>),
}

impl AnyDtu {
    /// The DTU of `config`. A simulated one already has its address.
    pub fn new(config: &DtuConfig, clock: WallClock, zone: TimeZone) -> Self {
        match config.protocol {
            Protocol::Modbus | Protocol::Simulated => {
                Self::Modbus(Box::new(ModbusDtu::new(config)))
            }
            Protocol::Protobuf => Self::Protobuf(Box::new(ProtobufDtu::new(config, clock, zone))),
        }
    }

    /// The same device with another configuration. Pauses that it still needs are kept.
    #[must_use]
    pub fn reconfigured(self, config: &DtuConfig, zone: TimeZone) -> Self {
        match self {
            Self::Modbus(dtu) => Self::Modbus(Box::new(dtu.reconfigured(config))),
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

    fn forget(&mut self) {
        match self {
            Self::Modbus(dtu) => dtu.forget(),
            Self::Protobuf(dtu) => dtu.forget(),
        }
    }

    fn replies(&self) -> Replies {
        match self {
            Self::Modbus(dtu) => dtu.replies(),
            Self::Protobuf(dtu) => dtu.replies(),
        }
    }
}
