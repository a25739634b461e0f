//! Whether a DTU that does not answer has the port of its other protocol open: the two are easily mixed up.

use std::time::Duration;

use crate::config::{DtuConfig, Protocol};
use crate::dtu::dial::{Dial as _, TcpDialer};

/// That is a hint, not worth a long wait.
const PEEK: Duration = Duration::from_secs(1);

/// The protocol that was not configured, and where a DTU speaks it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Other {
    pub(super) protocol: Protocol,
    pub(super) port: u16,
}

impl Other {
    /// Beside that protocol; a simulated DTU has no other.
    pub(super) fn beside(protocol: Protocol) -> Option<Self> {
        let protocol = match protocol {
            Protocol::Modbus => Protocol::Protobuf,
            Protocol::Protobuf => Protocol::Modbus,
            Protocol::Simulated => return None,
        };
        Some(Self { protocol, port: DtuConfig::new("", protocol, "").port() })
    }

    /// What to try if that port is open: it is connected to once, and left at once.
    pub(super) async fn hint(self, config: &DtuConfig) -> Option<String> {
        let Self { protocol, port } = self;
        let mut dialer = TcpDialer::new(config.host.clone(), port, "");
        let is_open = dialer.dial(PEEK).await.is_ok();
        is_open.then(|| {
            let found = if port == config.port() {
                format!("{port} is the port of the other protocol")
            } else {
                format!("its port {port} is open")
            };
            format!("{found}: set protocol = \"{protocol}\" (and no other port)")
        })
    }
}
