//! What a frame is for, as the two bytes in its header tell it.

use std::fmt;

/// What a frame is for. `A3xx` goes to the DTU and is answered by `A2xx`; `22xx` and `23xx` are the
/// same messages between DTU and cloud.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Command(pub u16);

impl Command {
    /// Asks for versions, inverters and encryption.
    pub const APP_INFO: Self = Self(0xA301);
    /// A sign of life to the DTU.
    pub const HEARTBEAT: Self = Self(0xA302);
    /// Does something: the bridge only switches the performance mode on.
    pub const COMMAND: Self = Self(0xA305);
    /// Asks for one packet of the present values.
    pub const REAL_DATA: Self = Self(0xA311);
    /// The DTU's own heartbeat to the cloud, which it also sends to a local client, unasked.
    pub const CLOUD_HEARTBEAT: Self = Self(0x2202);

    /// The command of the answer to this request.
    #[must_use]
    pub const fn reply(self) -> Self {
        Self(self.0.wrapping_sub(0x0100))
    }

    /// How a frame of this command travels where the DTU encrypts.
    pub const fn secrecy(self) -> Secrecy {
        match self.0 {
            0xA301 | 0xA201 | 0xA302 => Secrecy::Clear,
            0xA202 => Secrecy::Unknown,
            command if matches!(command >> 8, 0x22) || self.is_extended() => Secrecy::Unknown,
            _ => Secrecy::Encrypted,
        }
    }

    /// Whether frames of this command have the long header of the hybrid inverters' gateways.
    pub const fn is_extended(self) -> bool {
        matches!(self.0 >> 8, 0xDA | 0xDB | 0xC2 | 0xC3)
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04X}", self.0)
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// How a frame travels where the DTU encrypts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secrecy {
    /// Always in clear text.
    Clear,
    /// Encrypted, with an authentication tag behind it.
    Encrypted,
    /// Nobody has seen it: both are accepted.
    Unknown,
}
