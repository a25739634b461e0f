//! The URL of a target, from the configuration file or a registration, by the same rules.
//!
//! The `url` crate corrects much silently, as browsers do. What it would correct is refused here:
//! the user meant something else.

use std::borrow::Cow;

use thiserror::Error;
use url::{Host, Url};

use super::host::{Wrong, wrong_ipv4};
use crate::sanitize::is_unsafe;

const LONGEST_URL: usize = 2_048;
/// Of a host name and of each of its labels in DNS (RFC 1035).
const LONGEST_HOST: usize = 253;
const LONGEST_LABEL: usize = 63;

const NO_HOST: &str = "the URL has no host; expected ws://HOST:PORT/PATH";
const LINK_LOCAL: &str = "the URL's address is link-local (fe80::...), which cannot be reached without \
                          the name of a network interface; use the machine's name, its IPv4 address \
                          or its other IPv6 address";

/// Why a text is not the URL of a target, and what to write instead. The messages are also logged,
/// so they quote nothing of the URL.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct UrlError(Cow<'static, str>);

/// Reads the URL of a target.
pub fn parse(text: &str) -> Result<Url, UrlError> {
    let refused = |wrong: &'static str| UrlError(wrong.into());
    if let Some(invisible) = text.chars().find(|&letter| !letter.is_control() && is_unsafe(letter))
    {
        return Err(UrlError(
            format!(
                "the URL contains an invisible character, U+{:04X}; type it instead of pasting it",
                u32::from(invisible)
            )
            .into(),
        ));
    }
    let host = check_text(text).map_err(refused)?;
    // The library reads `192.168.178.041` as `192.168.178.33`.
    if let Some(Wrong { cause, right }) = wrong_ipv4(host) {
        let remedy = right.unwrap_or_else(|| "expected ws://HOST:PORT/PATH".to_owned());
        return Err(UrlError(format!("the URL's host {cause}; {remedy}").into()));
    }
    let malformed = |wrong: &str| {
        UrlError(format!("not a valid URL: {wrong}; expected ws://HOST:PORT/PATH").into())
    };
    let mut url = Url::parse(text).map_err(|error| malformed(&error.to_string()))?;
    check_host(&url).map_err(refused)?;
    if url.port() == Some(0) {
        return Err(malformed("port 0 is not allowed"));
    }
    url.set_fragment(None);
    if url.as_str().len() > LONGEST_URL {
        return Err(refused("the URL is too long; expected at most 2048 characters"));
    }
    Ok(url)
}

/// Checks scheme, host and port as they were written. Returns the host.
fn check_text(text: &str) -> Result<&str, &'static str> {
    if text.chars().any(|char| char.is_control() || char.is_whitespace()) {
        return Err(
            "the URL contains a space or a control character; expected ws://HOST:PORT/PATH",
        );
    }
    let (scheme, rest) = text.split_once(':').unwrap_or_default();
    match scheme.to_ascii_lowercase().as_str() {
        "ws" | "wss" => {}
        "http" => {
            return Err(
                "the URL begins with http:// but targets use ws:// or wss://; expected ws://",
            );
        }
        "https" => {
            return Err(
                "the URL begins with https:// but targets use ws:// or wss://; expected wss://",
            );
        }
        // Before the first colon there may be a user name.
        _ => {
            return Err(
                "the URL does not begin with ws:// or wss://; expected ws://HOST:PORT/PATH",
            );
        }
    }
    let before_query = rest.split(['?', '#']).next().unwrap_or_default();
    if before_query.contains('\\') {
        return Err("the URL has a backslash; expected slashes as in ws://HOST:PORT/PATH");
    }
    let after = before_query
        .strip_prefix("//")
        .ok_or("the URL has no // after its scheme; expected ws://HOST:PORT/PATH")?;
    let (authority, path) = after.split_once('/').unwrap_or((after, ""));
    if authority.contains('@') {
        return Err(
            "the URL has a user name or password (or an @ in their place); remove them and \
                    put a token into the query instead",
        );
    }
    let is_scheme = ["ws:", "wss:", "http:", "https:"]
        .iter()
        .any(|scheme| scheme.eq_ignore_ascii_case(authority));
    // Home Assistant makes such a URL of an internal URL that it does not accept.
    if is_scheme && path.starts_with('/') {
        return Err(
            "the URL has two schemes; set Home Assistant's internal URL (Settings, System, \
                    Network) to its address, as http://192.168.1.23:8123",
        );
    }
    if authority.is_empty() || authority.starts_with(':') {
        return Err(NO_HOST);
    }
    if authority.ends_with(':') {
        return Err("the URL has a colon after its host but no port; expected ws://HOST:PORT/PATH");
    }
    // Only link-local addresses have a zone.
    if authority.starts_with('[') && authority.contains('%') {
        return Err(LINK_LOCAL);
    }
    Ok(authority.rsplit_once(':').map_or(authority, |(host, _)| host))
}

/// Checks the host as it will be looked up. Names of containers have underscores, and some names
/// have one label only.
fn check_host(url: &Url) -> Result<(), &'static str> {
    let name = match url.host() {
        Some(Host::Domain(name)) => name.strip_suffix('.').unwrap_or(name),
        // It means a different machine on each network interface.
        Some(Host::Ipv6(address)) if address.is_unicast_link_local() => return Err(LINK_LOCAL),
        Some(Host::Ipv4(_) | Host::Ipv6(_)) => return Ok(()),
        None => return Err(NO_HOST),
    };
    if name.is_empty() {
        return Err(NO_HOST);
    }
    if name.split('.').any(str::is_empty) {
        return Err("the URL's host name has two dots in a row or begins with one; expected \
                    ws://HOST:PORT/PATH");
    }
    if name.len() > LONGEST_HOST || name.split('.').any(|label| label.len() > LONGEST_LABEL) {
        return Err("the URL's host name is too long; expected at most 253 characters, and 63 \
                    between two dots");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_refused(url: &str, expected: &str) {
        let message = parse(url).unwrap_err().to_string();
        assert!(message.contains(expected), "no {expected:?} for {url}: {message}");
    }

    #[test]
    fn refuses_other_urls_with_a_reason() {
        for (url, expected) in [
            ("http://127.0.0.1/ws", "begins with http://"),
            ("HTTPS://127.0.0.1/ws", "expected wss://"),
            ("127.0.0.1", "does not begin with ws://"),
            ("", "does not begin with ws://"),
            ("ha.local:8123/ws", "does not begin with ws://"),
            ("ws://user:s3cret@127.0.0.1/ws", "user name or password"),
            ("ws://127.0.0.1/w s", "space or a control"),
            ("ws://127.0.0.1/\n", "space or a control"),
            ("ws://ha\u{200b}.local/", "U+200B"),
            ("ws://ha/\u{202e}sw", "U+202E"),
            ("ws://ws://homeassistant.local:8123/ws", "two schemes"),
            ("ws://http://homeassistant.local:8123/ws", "two schemes"),
            // What the library would correct silently.
            ("ws://@host", "user name or password"),
            ("ws://:@host", "user name or password"),
            ("ws://@", "user name or password"),
            ("ws:///host", "has no host"),
            ("ws:////host/ws", "has no host"),
            ("ws://", "has no host"),
            ("ws://?token=x", "has no host"),
            ("ws://:8123/", "has no host"),
            ("ws://./", "has no host"),
            ("wss:host/a", "has no //"),
            ("ws:/host/a", "has no //"),
            (r"ws:\\host", "backslash"),
            (r"ws:/\host", "backslash"),
            (r"ws://host\ws", "backslash"),
            ("ws://host:/ws", "no port"),
            ("ws://ha..local/", "two dots in a row"),
            ("ws://.local/", "two dots in a row"),
            ("ws://host../", "two dots in a row"),
            // What can never be reached.
            ("ws://[fe80::1]/", "link-local"),
            ("ws://[fe80::1%25eth0]:8123/", "link-local"),
            ("ws://[febf::1]:8123/", "link-local"),
        ] {
            check_refused(url, expected);
        }
        for (url, expected) in [
            ("ws://192.168.178.041:8123/", "host has leading zeros; write 192.168.178.41"),
            (
                "ws://192.168.1.19l/",
                "host has a letter in the place of a digit; write 192.168.1.191",
            ),
            ("ws://1.2.3.256/", "host is not an IPv4 address: each of its numbers is at most 255;"),
            ("ws://192.168.1/ws", "host is not an IPv4 address: it needs four numbers"),
            ("ws://0x7f000001/", "host is not an IPv4 address: it has a hexadecimal number"),
        ] {
            check_refused(url, expected);
        }
        for url in ["ws://host:99999/", "ws://host:0/", "ws://[::1/"] {
            check_refused(url, "not a valid URL");
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
            check_refused(&format!("ws://{long}/"), "host name is too long");
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
            check_refused(&format!("ws://h/{long}"), "URL is too long");
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
