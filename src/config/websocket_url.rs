//! The URL of a target, from the configuration file or a registration, by the same rules.
//!
//! The `url` crate corrects much silently, as browsers do. What it would correct is refused here:
//! the user meant something else.

use thiserror::Error;
use url::{Host, Url};

use crate::sanitize::is_unsafe;

/// No target has a longer one.
const LONGEST_URL: usize = 2_048;
/// Of a host name and of each of its labels in DNS (RFC 1035).
const LONGEST_HOST: usize = 253;
const LONGEST_LABEL: usize = 63;

/// Why a text is not the URL of a target, and what to write instead. The messages are also logged,
/// so they quote nothing of the URL.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum UrlError {
    /// Not a URL.
    #[error("not a valid URL: {0}; expected ws://HOST:PORT/PATH")]
    Malformed(String),
    /// That of a web page.
    #[error(
        "the URL begins with {0}:// but targets use ws:// or wss://; expected {instead}://",
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
        "the URL has a user name or password (or an @ in their place); remove them and put a token \
         into the query instead"
    )]
    UserInfo,
    /// A control character or a space.
    #[error("the URL contains a space or a control character; expected ws://HOST:PORT/PATH")]
    ControlCharacter,
    /// A character of no width, or one that reverses the order of others.
    #[error(
        "the URL contains an invisible character, U+{:04X}; type it instead of pasting it",
        u32::from(*.0)
    )]
    Invisible(char),
    /// No host.
    #[error("the URL has no host; expected ws://HOST:PORT/PATH")]
    NoHost,
    /// `ws://host:/`.
    #[error("the URL has a colon after its host but no port; expected ws://HOST:PORT/PATH")]
    NoPort,
    /// `ha..local`.
    #[error(
        "the URL's host name has two dots in a row or begins with one; expected ws://HOST:PORT/PATH"
    )]
    EmptyLabel,
    /// A name that does not fit into DNS.
    #[error(
        "the URL's host name is too long: at most {LONGEST_HOST} characters, and {LONGEST_LABEL} \
         between two dots; expected the name or IP address of the target's machine"
    )]
    LongHost,
    /// `[fe80::1]`.
    #[error(
        "the URL's address is link-local (fe80::...), which cannot be reached without the name of a \
         network interface; use the machine's name, its IPv4 address or its other IPv6 address"
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

/// Reads the URL of a target. Nothing of it but host and port appears in an error.
pub fn parse(text: &str) -> Result<Url, UrlError> {
    if text.chars().any(|char| char.is_control() || char.is_whitespace()) {
        return Err(UrlError::ControlCharacter);
    }
    if let Some(invisible) = text.chars().find(|&letter| is_unsafe(letter)) {
        return Err(UrlError::Invisible(invisible));
    }
    written(text)?;
    let mut url = Url::parse(text).map_err(|error| UrlError::Malformed(error.to_string()))?;
    host(&url)?;
    if url.port() == Some(0) {
        return Err(UrlError::Malformed("port 0 is not allowed".to_owned()));
    }
    url.set_fragment(None);
    if url.as_str().len() > LONGEST_URL { Err(UrlError::TooLong) } else { Ok(url) }
}

/// Checks scheme, host and port as they were written.
fn written(text: &str) -> Result<(), UrlError> {
    let (scheme, rest) = text.split_once(':').unwrap_or_default();
    match scheme.to_ascii_lowercase().as_str() {
        "ws" | "wss" => {}
        "http" => return Err(UrlError::Scheme("http")),
        "https" => return Err(UrlError::Scheme("https")),
        // Before the first colon there may be a user name.
        _ => return Err(UrlError::OtherScheme),
    }
    let before_query = rest.split(['?', '#']).next().unwrap_or_default();
    if before_query.contains('\\') {
        return Err(UrlError::Backslash);
    }
    let after = before_query.strip_prefix("//").ok_or(UrlError::NoSlashes)?;
    let (authority, path) = after.split_once('/').unwrap_or((after, ""));
    if authority.contains('@') {
        return Err(UrlError::UserInfo);
    }
    let is_scheme = ["ws:", "wss:", "http:", "https:"]
        .iter()
        .any(|scheme| scheme.eq_ignore_ascii_case(authority));
    if is_scheme && path.starts_with('/') {
        return Err(UrlError::TwoSchemes);
    }
    if authority.is_empty() || authority.starts_with(':') {
        return Err(UrlError::NoHost);
    }
    if authority.ends_with(':') {
        return Err(UrlError::NoPort);
    }
    // Only link-local addresses have a zone.
    if authority.starts_with('[') && authority.contains('%') {
        return Err(UrlError::LinkLocal);
    }
    Ok(())
}

/// Checks the host as it will be looked up.
fn host(url: &Url) -> Result<(), UrlError> {
    match url.host() {
        Some(Host::Domain(name)) => domain(name.strip_suffix('.').unwrap_or(name)),
        // It means a different machine on each network interface.
        Some(Host::Ipv6(address)) if address.is_unicast_link_local() => Err(UrlError::LinkLocal),
        Some(Host::Ipv4(_) | Host::Ipv6(_)) => Ok(()),
        None => Err(UrlError::NoHost),
    }
}

/// Names of containers have underscores, and some names have one label only.
fn domain(name: &str) -> Result<(), UrlError> {
    if name.is_empty() {
        return Err(UrlError::NoHost);
    }
    if name.split('.').any(str::is_empty) {
        return Err(UrlError::EmptyLabel);
    }
    if name.len() > LONGEST_HOST || name.split('.').any(|label| label.len() > LONGEST_LABEL) {
        return Err(UrlError::LongHost);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_other_urls_with_a_reason() {
        for (url, expected) in [
            ("http://127.0.0.1/ws", UrlError::Scheme("http")),
            ("HTTPS://127.0.0.1/ws", UrlError::Scheme("https")),
            ("127.0.0.1", UrlError::OtherScheme),
            ("", UrlError::OtherScheme),
            ("ha.local:8123/ws", UrlError::OtherScheme),
            ("ws://user:s3cret@127.0.0.1/ws", UrlError::UserInfo),
            ("ws://127.0.0.1/w s", UrlError::ControlCharacter),
            ("ws://127.0.0.1/\n", UrlError::ControlCharacter),
            ("ws://ha\u{200b}.local/", UrlError::Invisible('\u{200b}')),
            ("ws://ha/\u{202e}sw", UrlError::Invisible('\u{202e}')),
            ("ws://ws://homeassistant.local:8123/ws", UrlError::TwoSchemes),
            ("ws://http://homeassistant.local:8123/ws", UrlError::TwoSchemes),
            // What the library would correct silently.
            ("ws://@host", UrlError::UserInfo),
            ("ws://:@host", UrlError::UserInfo),
            ("ws://@", UrlError::UserInfo),
            ("ws:///host", UrlError::NoHost),
            ("ws:////host/ws", UrlError::NoHost),
            ("ws://", UrlError::NoHost),
            ("ws://?token=x", UrlError::NoHost),
            ("ws://:8123/", UrlError::NoHost),
            ("ws://./", UrlError::NoHost),
            ("wss:host/a", UrlError::NoSlashes),
            ("ws:/host/a", UrlError::NoSlashes),
            (r"ws:\\host", UrlError::Backslash),
            (r"ws:/\host", UrlError::Backslash),
            (r"ws://host\ws", UrlError::Backslash),
            ("ws://host:/ws", UrlError::NoPort),
            ("ws://ha..local/", UrlError::EmptyLabel),
            ("ws://.local/", UrlError::EmptyLabel),
            ("ws://host../", UrlError::EmptyLabel),
            // What can never be reached.
            ("ws://[fe80::1]/", UrlError::LinkLocal),
            ("ws://[fe80::1%25eth0]:8123/", UrlError::LinkLocal),
            ("ws://[febf::1]:8123/", UrlError::LinkLocal),
        ] {
            assert_eq!(parse(url), Err(expected), "{url}");
        }
        for url in ["ws://host:99999/", "ws://host:0/", "ws://[::1/", "ws://1.2.3.256/"] {
            assert!(matches!(parse(url), Err(UrlError::Malformed(_))), "{url}");
        }
    }

    #[test]
    fn host_names_fit_into_dns() {
        let label = |length| "x".repeat(length);
        let host = |last| [label(63), label(63), label(63), label(last)].join(".");
        for good in [label(63), host(61), host(61) + "."] {
            assert!(parse(&format!("ws://{good}/")).is_ok(), "{good}");
        }
        // An umlaut takes more room in DNS.
        for long in [label(64), format!("a.{}.de", label(64)), host(62), "ü".repeat(60)] {
            assert_eq!(parse(&format!("ws://{long}/")), Err(UrlError::LongHost), "{long}");
        }
    }

    #[test]
    fn accepts_urls_as_people_have_them() {
        for (url, read) in [
            ("ws://home_assistant:8123/api/ws", "ws://home_assistant:8123/api/ws"),
            ("ws://_ha/", "ws://_ha/"),
            ("ws://homeassistant", "ws://homeassistant/"),
            ("ws://homeassistant.local.:8123/ws", "ws://homeassistant.local.:8123/ws"),
            ("WS://HomeAssistant.Local:8123/Ws", "ws://homeassistant.local:8123/Ws"),
            ("wss://küche.example/ws", "wss://xn--kche-0ra.example/ws"),
            ("wss://xn--kche-0ra.example/ws", "wss://xn--kche-0ra.example/ws"),
            ("wss://ha.example:443?token=a@b", "wss://ha.example/?token=a@b"),
            ("ws://ha/a@b//c:", "ws://ha/a@b//c:"),
            (r"ws://ha/?path=C:\x", r"ws://ha/?path=C:\x"),
            ("ws://ws/", "ws://ws/"),
            ("ws://ha--1.lan/", "ws://ha--1.lan/"),
            ("ws://[fd00::1]:8123/", "ws://[fd00::1]:8123/"),
            ("ws://[::1]/", "ws://[::1]/"),
            ("ws://169.254.7.8/", "ws://169.254.7.8/"),
        ] {
            let parsed = parse(url).unwrap_or_else(|error| panic!("{url}: {error}"));
            assert_eq!(parsed.as_str(), read);
            // It is stored as it is sent, and read again.
            assert_eq!(parse(parsed.as_str()), Ok(parsed));
        }
        for long in ["x".repeat(3_000), "\u{e9}".repeat(500)] {
            assert_eq!(parse(&format!("ws://h/{long}")), Err(UrlError::TooLong), "{long}");
        }
    }

    #[test]
    fn no_error_quotes_a_secret() {
        for url in [
            "s3cret:s3cret@ha:8123/?token=s3cret",
            "ws://s3cret:s3cret@ha/?token=s3cret",
            "http://s3cret@ha/s3cret?token=s3cret",
            "ws://ha:s3cret/?s3cret",
            "ws://[s3cret]/",
            "ws://ws://s3cret/?token=s3cret",
            "ws://ha/?token=s3cret s3cret",
            r"ws:\\s3cret",
            "ws:s3cret",
            "s3cret",
        ] {
            let message = parse(url).unwrap_err().to_string();
            assert!(!message.contains("s3cret"), "{url}: {message}");
            assert!(message.contains("; "), "the remedy follows: {message}");
        }
    }
}
