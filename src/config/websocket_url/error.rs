//! Why a URL is none of a target.

use thiserror::Error;

use super::{LONGEST_HOST, LONGEST_LABEL, LONGEST_URL};

/// Why a URL is none of a target, and what to write instead. The texts are for the one who wrote it
/// and for the log: they quote nothing of the URL.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum UrlError {
    /// Not a URL.
    #[error("the URL cannot be read: {0}; expected ws://HOST:PORT/PATH")]
    Malformed(String),
    /// That of a web page.
    #[error(
        "the URL begins with {0}:// but a target listens at ws:// or wss://; expected {instead}://",
        instead = if *.0 == "https" { "wss" } else { "ws" }
    )]
    Scheme(&'static str),
    /// Another scheme, or none.
    #[error("the URL does not begin with ws:// or wss://; expected ws://HOST:PORT/PATH")]
    OtherScheme,
    /// `ws:host` or `ws:/host`.
    #[error("the URL has no // after its scheme; expected ws://HOST:PORT/PATH")]
    NoSlashes,
    /// As in the paths of Windows.
    #[error("the URL has a backslash; expected slashes as in ws://HOST:PORT/PATH")]
    Backslash,
    /// `user:password@`, or an `@` that is left of it.
    #[error(
        "the URL carries a user name or password, or an @ where they would be; leave them out, a \
         token goes into the query instead"
    )]
    UserInfo,
    /// A control character or a space.
    #[error("the URL contains a space or a control character; expected ws://HOST:PORT/PATH")]
    ControlCharacter,
    /// A character of no width, or one that turns the order of others.
    #[error(
        "the URL contains a character that cannot be seen, U+{:04X}; type it anew instead of \
         pasting it",
        u32::from(*.0)
    )]
    Invisible(char),
    /// No host.
    #[error("the URL names no host; expected ws://HOST:PORT/PATH")]
    NoHost,
    /// `ws://host:/`.
    #[error("the URL has a colon after its host and no port; expected ws://HOST:PORT/PATH")]
    NoPort,
    /// `ha..local`.
    #[error(
        "the URL's host name has two dots in a row or begins with one; expected ws://HOST:PORT/PATH"
    )]
    EmptyLabel,
    /// A name that the DNS cannot have.
    #[error(
        "the URL's host name is too long: at most {LONGEST_HOST} characters, and {LONGEST_LABEL} \
         between two dots; expected the name or IP address of the target's machine"
    )]
    LongHost,
    /// `[fe80::1]`.
    #[error(
        "the URL's address is link-local (fe80::...), which cannot be reached without the name of a \
         network card; use the machine's name, its IPv4 address or its other IPv6 address"
    )]
    LinkLocal,
    /// `ws://ws://...`: what Home Assistant makes of an internal URL that it does not accept.
    #[error(
        "the URL has two schemes; set Home Assistant's internal URL \
         (Settings, System, Network) to its address, as http://192.168.1.23:8123"
    )]
    TwoSchemes,
    /// Too long.
    #[error("the URL is longer than {LONGEST_URL} characters; expected ws://HOST:PORT/PATH")]
    TooLong,
}
