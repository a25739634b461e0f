//! `[http]`: the HTTP server and who may register targets with it.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use super::section::{List, section};
use super::types::{Address, AllowEntry, Bool, ClientTimeout, FilePath, Number, Token};

section! {
    /// The HTTP server.
    pub struct HttpConfig {
        /// Address and port. "[::]:8080" for IPv6 as well, "127.0.0.1:8080" for this machine only.
        listen: SocketAddr as Address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 8080)),
        /// If set, `/api` needs the header `Authorization: Bearer <token>`.
        token: Option<SecretString> as Option<Token> = None,
        /// A file that holds the token.
        token_file: Option<PathBuf> as Option<FilePath> = None,
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
    }
}
