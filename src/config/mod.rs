//! The configuration as one struct: a section of the file each, with defaults and checks.

mod addon;
mod describe;
pub mod dtu;
mod files;
pub mod host;
pub mod load;
pub mod log;
pub mod mqtt;
mod section;
mod syntax;
mod types;
mod validate;
mod warnings;
pub mod websocket_url;
mod zone;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;
use secrecy::SecretString;

pub use self::addon::{Supervisor, SupervisorBroker};
pub use self::describe::{PrivateNames, describe};
pub use self::dtu::{DtuConfig, Protocol, RecordsPerRead};
pub use self::log::{LogConfig, LogFormat};
pub use self::mqtt::MqttConfig;
pub use self::section::Key;
use self::section::{Kind as _, List, Setting, section};
use self::types::{
    Address, Age, AllowEntry, Bool, BrokerHost, ClientTimeout, ConnectTimeout, FilePath, Heartbeat,
    HostName, Interval, Login, Name, Network, Number, Port, Size, Token, WebOrigin, WsUrl,
    ZoneName,
};
pub use self::types::{check_name, parse_duration};

section! {
    /// Everything that a user can set.
    pub struct Config {
        /// IANA name of your time zone. "Today" starts at midnight here. Without it, the variable `TZ`
        /// counts.
        timezone: String as ZoneName = "UTC".to_owned(),
        /// Folder for everything that must survive a restart: energy counters, last values,
        /// registered targets. The container image sets it to `/data`.
        state_dir: PathBuf as FilePath = PathBuf::from("data"),
        /// How often DTUs are polled.
        poll: PollConfig as PollConfig = PollConfig::default(),
        /// The DTUs.
        dtus("dtu"): Vec<DtuConfig> as Vec<DtuConfig> = Vec::new(),
        /// The WebSocket endpoints that receive updates.
        targets("target"): Vec<TargetConfig> as Vec<TargetConfig> = Vec::new(),
        /// The MQTT broker; `None` without such a section.
        mqtt: Option<MqttConfig> as Option<MqttConfig> = None,
        /// The HTTP server.
        http: HttpConfig as HttpConfig = HttpConfig::default(),
        /// The announcement of the bridge in the local network.
        mdns: MdnsConfig as MdnsConfig = MdnsConfig::default(),
        /// The history.
        history: HistoryConfig as HistoryConfig = HistoryConfig::default(),
        /// The log.
        log: LogConfig as LogConfig = LogConfig::default(),
    }
}

section! {
    /// How often DTUs are polled.
    pub struct PollConfig {
        /// From the start of one poll to the start of the next. Several DTU models become
        /// unreliable when they are polled more often than every 30 seconds.
        interval: Duration as Interval = Duration::from_secs(60),
    }
}

section! {
    /// One WebSocket endpoint that receives updates.
    pub struct TargetConfig {
        /// Your name for the target in the log and the API. Unique.
        name: String as Name = String::new(),
        /// `ws://` or `wss://`. Never logged beyond host and port.
        url: SecretString as WsUrl = SecretString::default(),
        /// Added to the URL as `?token=...`.
        token: Option<SecretString> as Option<Token> = None,
        /// A file that holds the token.
        token_file: Option<PathBuf> as Option<FilePath> = None,
        /// Limit for name look-up, TCP, TLS and WebSocket upgrade together.
        connect_timeout: Duration as ConnectTimeout = Duration::from_secs(10),
        /// Time between two pings. A target that is silent for two of them is reconnected.
        heartbeat: Duration as Heartbeat = Duration::from_secs(30),
        /// A larger message from the target closes the connection.
        max_message_bytes: usize as Number<usize, 1_024, 67_108_864> = 1 << 20,
        /// An extra root certificate (PEM) for `wss://`.
        ca_file: Option<PathBuf> as Option<FilePath> = None,
    }
}

section! {
    /// The HTTP server.
    pub struct HttpConfig {
        /// Address and port. `[::]:8080` listens on IPv6 as well, `127.0.0.1:8080` on this machine only.
        listen: SocketAddr as Address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 8080)),
        /// If set, the dashboard, `/api` and `/metrics` need it: programs send the header
        /// `Authorization: Bearer <token>`, browsers show a login form.
        token: Option<SecretString> as Option<Token> = None,
        /// A file that holds the token.
        token_file: Option<PathBuf> as Option<FilePath> = None,
        /// Web pages of other origins that may read, such as `"https://panel.example"`; `"*"` means all.
        allowed_origins: Vec<String> as List<WebOrigin> = Vec::new(),
        /// Reverse proxies whose forwarded headers count: the client's address, and the name and path
        /// under which it sees the bridge.
        trusted_proxies: Vec<IpNet> as List<Network> = Vec::new(),
        /// Names under which browsers may open the bridge without a token, besides IP addresses and
        /// names of home networks.
        hosts: Vec<String> as List<HostName> = Vec::new(),
        /// Maximum number of clients that follow the live stream.
        max_stream_clients: usize as Number<usize, 1, 65_535> = 1_000,
        /// Maximum number of open connections.
        max_connections: usize as Number<usize, 1, 65_535> = 256,
        /// Limit for receiving a request's header.
        header_timeout: Duration as ClientTimeout = Duration::from_secs(10),
        /// Largest header of a request, in bytes.
        max_header_bytes: usize as Number<usize, 8_192, 1_048_576> = 64 << 10,
        /// Largest number of header lines of a request.
        max_headers: usize as Number<usize, 16, 1_000> = 100,
        /// Limit for receiving a request's body.
        body_timeout: Duration as ClientTimeout = Duration::from_secs(10),
        /// A client that reads nothing of its response for this long is disconnected.
        write_timeout: Duration as ClientTimeout = Duration::from_secs(30),
        /// Who may register targets.
        registration: RegistrationConfig as RegistrationConfig = RegistrationConfig::default(),
    }
}

section! {
    /// Who may register targets.
    pub struct RegistrationConfig {
        /// Whether `POST /api/websocket/register` is available. Home Assistant needs it.
        enabled: bool as Bool = true,
        /// Where registered targets may be: "private" (every address of a home network), "any",
        /// networks, IP addresses, host names.
        allow: Vec<String> as List<AllowEntry> = vec!["private".to_owned()],
        /// Maximum number of registered targets.
        max_targets: usize as Number<usize, 1, 1_000> = 16,
        /// An extra root certificate (PEM) for registered targets at `wss://`.
        ca_file: Option<PathBuf> as Option<FilePath> = None,
    }
}

section! {
    /// The announcement of the bridge in the local network (mDNS), which Home Assistant discovers.
    pub struct MdnsConfig {
        /// Whether to announce it. By default yes, except in a container with a network of its own,
        /// which announcements do not leave. Never if `http.listen` is a loopback address.
        enabled: Option<bool> as Option<Bool> = None,
    }
}

section! {
    /// The history: what every port did, in `history.db` in `state_dir`.
    pub struct HistoryConfig {
        /// Whether to record it.
        enabled: bool as Bool = true,
        /// How long every minute is kept.
        minutes: Duration as Age = Duration::from_secs(90 * 86_400),
        /// How long every five minutes are kept. Hours and days are kept for ever.
        five_minutes: Duration as Age = Duration::from_secs(10 * 365 * 86_400),
        /// How large the file may be with all that SQLite keeps beside it. When it is full, the oldest
        /// minutes go first, then the oldest five minutes.
        max_bytes: u64 as Size = 1 << 30,
    }
}

/// Checks the name of a time zone.
pub fn check_timezone(text: &str) -> Result<String, String> {
    ZoneName::parse(text)
}

/// Checks the host of an MQTT broker.
pub fn check_broker_host(text: &str) -> Result<String, String> {
    BrokerHost::parse(text)
}

/// Checks a user name at an MQTT broker.
pub fn check_login(text: &str) -> Result<String, String> {
    Login::parse(text)
}

/// Checks a TCP port.
pub fn check_port(text: &str) -> Result<u16, String> {
    Port::parse(text)
}

/// The time zone of this process or this machine, by its name.
pub fn usual_timezone() -> String {
    zone::usual(&std::env::var(zone::VARIABLE).unwrap_or_default(), Path::new("/etc"))
}

impl Config {
    /// Every key there is, in the order of the example file.
    pub fn keys() -> Vec<Key> {
        let mut keys = Vec::new();
        Self::list(Key::default(), &mut keys);
        keys
    }
}

#[cfg(test)]
mod tests;
