//! How a DTU is asked. Each protocol is a folder of its own; all of them end in a
//! [`DtuReading`].

pub mod error;

pub mod dial;

mod first_poll;

mod plausible;

mod stranger;

pub mod modbus;

pub mod protobuf;

pub mod any;

use std::future::Future;
use std::time::Duration;

pub use self::error::DtuError;
use crate::plant::reading::DtuReading;

/// A DTU that can be asked for everything it knows. It keeps its connection between polls, if its
/// protocol does, and dials again by itself.
pub trait Dtu: Send {
    /// Asks once, with the time limits and retries of the configuration.
    fn poll(&mut self) -> impl Future<Output = Result<DtuReading, PollError>> + Send;

    /// How much of the last poll's time the bridge spent in pauses, to spare the DTU: who wonders how
    /// fast the DTU is wants to know the rest.
    fn pauses(&self) -> Duration {
        Duration::ZERO
    }
}

/// Who asks need not own it.
impl<D: Dtu> Dtu for &mut D {
    async fn poll(&mut self) -> Result<DtuReading, PollError> {
        (**self).poll().await
    }

    fn pauses(&self) -> Duration {
        (**self).pauses()
    }
}

/// A poll that did not reach its end.
#[derive(Debug)]
pub struct PollError {
    /// Why.
    pub error: DtuError,
    /// What had been read before; nothing of it is doubtful.
    pub partial: DtuReading,
}

impl PollError {
    /// Whether nobody answered at all.
    pub fn is_silence(&self) -> bool {
        self.partial.inverters.is_empty() && self.error.is_silence()
    }
}

impl From<DtuError> for PollError {
    fn from(error: DtuError) -> Self {
        Self { error, partial: DtuReading::default() }
    }
}
