//! The kinds of values in the configuration. Each checks itself and says what it expects.

use std::borrow::Cow;
use std::marker::PhantomData;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use jiff::tz::{TimeZone, db};
use secrecy::SecretString;
use thiserror::Error;

use super::section::{Kind, quoted};
use super::{log, websocket_url};
use crate::sanitize::{is_unsafe, is_visible};

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const DAY: u64 = 24 * 60 * MINUTE;

/// From one poll to the next.
pub(crate) type Interval = Between<{ 5 * SECOND }, DAY>;
/// How long one request to a DTU may take.
pub(crate) type RequestTimeout = Between<10, { 5 * MINUTE }>;
/// A pause between requests.
pub(crate) type Pause = Between<0, MINUTE>;
/// How long a connection attempt may take.
pub(crate) type ConnectTimeout = Between<100, MINUTE>;
/// Time between two pings.
pub(crate) type Heartbeat = Between<100, { 60 * MINUTE }>;
/// How long an HTTP client may take.
pub(crate) type ClientTimeout = Between<100, { 5 * MINUTE }>;
/// A TCP port.
pub(crate) type Port = Number<u16, 1, 65_535>;

/// A duration from `LEAST` to `MOST` milliseconds.
pub(crate) struct Between<const LEAST: u64, const MOST: u64>;

impl<const LEAST: u64, const MOST: u64> Kind for Between<LEAST, MOST> {
    type Value = Duration;

    fn expected() -> Cow<'static, str> {
        let [least, most] = [LEAST, MOST].map(|limit| duration_text(Duration::from_millis(limit)));
        format!("a duration like \"500ms\", \"10s\" or \"5m\" from {least} to {most}").into()
    }

    fn parse(text: &str) -> Result<Duration, String> {
        let allowed = Duration::from_millis(LEAST)..=Duration::from_millis(MOST);
        match parse_duration(text) {
            Some(duration) if allowed.contains(&duration) => Ok(duration),
            Some(_) => Err(Self::not(&format!("{} is out of range", quoted(text)))),
            None => Err(Self::not(&format!("{} is not a duration", quoted(text)))),
        }
    }

    fn show(value: &Duration) -> String {
        format!("{:?}", duration_text(*value))
    }
}

/// The duration that `text` writes down: a number and a unit.
fn parse_duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(digits)?;
    let number: u64 = number.parse().ok()?;
    let milliseconds = match unit.trim_start() {
        "ms" => Some(number),
        "s" => number.checked_mul(SECOND),
        "m" | "min" => number.checked_mul(MINUTE),
        "h" => number.checked_mul(60 * MINUTE),
        "d" => number.checked_mul(DAY),
        _ => None,
    }?;
    Some(Duration::from_millis(milliseconds))
}

/// A duration in the largest unit that needs no fraction.
pub(crate) fn duration_text(duration: Duration) -> String {
    let milliseconds = duration.as_millis();
    let units = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)];
    match units.iter().find(|(_, unit)| milliseconds.is_multiple_of(*unit)) {
        Some(_) if milliseconds == 0 => "0s".to_owned(),
        Some((name, unit)) => format!("{}{name}", milliseconds / unit),
        None => format!("{milliseconds}ms"),
    }
}

/// A whole number from `LEAST` to `MOST`.
pub(crate) struct Number<T, const LEAST: i64, const MOST: i64>(PhantomData<T>);

impl<T, const LEAST: i64, const MOST: i64> Kind for Number<T, LEAST, MOST>
where
    T: TryFrom<i64> + ToString,
{
    type Value = T;

    fn expected() -> Cow<'static, str> {
        format!("a whole number from {LEAST} to {MOST}").into()
    }

    /// The environment knows only text.
    fn parse(text: &str) -> Result<T, String> {
        match text.parse() {
            Ok(number) => Self::parse_number(number),
            Err(_) => Err(Self::not(&format!("{} is a text", quoted(text)))),
        }
    }

    fn parse_number(number: i64) -> Result<T, String> {
        let value = (LEAST..=MOST).contains(&number).then(|| T::try_from(number).ok()).flatten();
        value.ok_or_else(|| Self::not(&format!("{number} is out of range")))
    }

    fn show(value: &T) -> String {
        value.to_string()
    }
}

/// `true` or `false`.
pub(crate) struct Bool;

impl Kind for Bool {
    type Value = bool;

    fn expected() -> Cow<'static, str> {
        "true or false".into()
    }

    /// The environment knows only text.
    fn parse(text: &str) -> Result<bool, String> {
        text.to_ascii_lowercase()
            .parse()
            .map_err(|_| Self::not(&format!("{} is a text", quoted(text))))
    }

    fn parse_bool(value: bool) -> Result<bool, String> {
        Ok(value)
    }

    fn show(value: &bool) -> String {
        value.to_string()
    }
}

/// An address and port to listen on.
pub(crate) struct Address;

impl Kind for Address {
    type Value = SocketAddr;

    fn expected() -> Cow<'static, str> {
        "an IP address and a port like \"0.0.0.0:8080\" or \"[::]:8080\"".into()
    }

    fn parse(text: &str) -> Result<SocketAddr, String> {
        let wrong = || Self::not(&format!("{} is not an IP address with a port", quoted(text)));
        text.parse().map_err(|_| wrong())
    }

    fn show(value: &SocketAddr) -> String {
        format!("{:?}", value.to_string())
    }
}

/// A file or folder.
pub(crate) struct FilePath;

impl Kind for FilePath {
    type Value = PathBuf;

    fn expected() -> Cow<'static, str> {
        "a path in quotes".into()
    }

    fn parse(text: &str) -> Result<PathBuf, String> {
        Ok(text.into())
    }

    fn show(value: &PathBuf) -> String {
        format!("{:?}", value.display().to_string())
    }
}

/// Declares kinds of secrets: texts that no message shows.
macro_rules! secrets {
    ($( $(#[$about:meta])* $kind:ident, $is_required:literal, $expected:literal, $check:expr; )*) => {$(
        $(#[$about])*
        pub(crate) struct $kind;

        impl Kind for $kind {
            type Value = SecretString;
            const IS_REQUIRED: bool = $is_required;
            const IS_SECRET: bool = true;

            fn expected() -> Cow<'static, str> {
                $expected.into()
            }

            fn parse(text: &str) -> Result<SecretString, String> {
                $check(text).map(|()| text.into())
            }

            fn show(_: &SecretString) -> String {
                String::new()
            }
        }
    )*};
}

secrets! {
    /// A password: any text.
    Password, false, "a text in quotes", |_| Ok(());
    /// A token, which must fit into a URL and an HTTP header.
    Token, false, "a text in quotes", check_token;
    /// The URL of a target, which may carry a token.
    WsUrl, true, "a URL like \"ws://192.168.1.23:8123/path\"", check_url;
}

/// Neither a URL nor a header carries a token with blanks.
pub(crate) fn check_token(token: &str) -> Result<(), String> {
    if token.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err(
            "the token has a blank, line break or control character; expected one word".to_owned()
        );
    }
    Ok(())
}

fn check_url(url: &str) -> Result<(), String> {
    websocket_url::parse(url).map_err(|wrong| wrong.to_string())?;
    if url.contains('#') {
        return Err("has a fragment (#...); expected none".to_owned());
    }
    Ok(())
}

/// Declares kinds of texts: what is expected, and a check that says what is wrong.
macro_rules! texts {
    ($( $(#[$about:meta])* $kind:ident, $expected:literal, $check:expr; )*) => {$(
        $(#[$about])*
        pub(crate) struct $kind;

        impl Kind for $kind {
            type Value = String;

            fn expected() -> Cow<'static, str> {
                $expected.into()
            }

            fn parse(text: &str) -> Result<String, String> {
                let wrong: Option<String> = $check(text);
                wrong.map_or_else(|| Ok(text.to_owned()), |wrong| Err(Self::not(&wrong)))
            }

            fn show(value: &String) -> String {
                format!("{value:?}")
            }
        }
    )*};
}

texts! {
    /// An IANA time zone.
    ZoneName, "an IANA time zone like \"Europe/Berlin\" or \"UTC\"", wrong_zone;
    /// Where a DTU is.
    Host, "the DTU's IP address or host name", wrong_host;
    /// Where an MQTT broker is.
    BrokerHost, "the broker's name or IP address like \"192.168.1.23\"", wrong_broker;
    /// An inverter's serial number.
    Serial, "12 digits 0-9, a-f as printed on the inverter", wrong_serial;
    /// Whom to let register.
    AllowEntry,
        "\"private\", \"any\", a network like \"192.168.1.0/24\", an IP address or a host name",
        wrong_entry;
    /// An MQTT topic.
    Topic, "a topic like \"home/roof\"", wrong_topic;
    /// A login or client id at an MQTT broker.
    Login, "a short text in quotes", |text| is_unfit(text).then(|| unfit().to_owned());
    /// A log level.
    Level, "error, warn, info, debug, trace or a filter like \"info,hoymiles_bridge::push=debug\"",
        |text| log::parse_level(text).err();
}

fn wrong_zone(name: &str) -> Option<String> {
    if TimeZone::get(name).is_ok() {
        return None;
    }
    let known: Vec<String> = db().available().map(|name| name.to_string()).collect();
    let hint = nearest(name, known.iter().map(String::as_str));
    let hint = hint.map(|meant| format!(" (did you mean {meant:?}?)")).unwrap_or_default();
    Some(format!("{} is not a known time zone{hint}", quoted(name)))
}

fn wrong_host(host: &str) -> Option<String> {
    let address = host.split('%').next().unwrap_or_default();
    let wrong = if address.parse::<Ipv6Addr>().is_ok() {
        return None;
    } else if host.contains("://") || host.contains('/') {
        "looks like a URL"
    } else if host.starts_with('[') {
        "has brackets"
    } else if host.contains(':') {
        "has a port, which belongs under the key `port`"
    } else if host.contains(|c: char| c.is_whitespace() || c.is_control()) {
        "has blanks"
    } else {
        return None;
    };
    Some(format!("{} {wrong}", quoted(host)))
}

fn wrong_broker(host: &str) -> Option<String> {
    let wrong = if host.contains("://") {
        "is a URL (for TLS set `tls = true`)"
    } else if host.contains(':') && host.parse::<IpAddr>().is_err() {
        "has a port, which belongs under the key `port`"
    } else if host.contains(['/', '@']) || host.chars().any(char::is_whitespace) {
        "is not a host"
    } else {
        return None;
    };
    Some(format!("{} {wrong}", quoted(host)))
}

fn wrong_serial(serial: &str) -> Option<String> {
    let is_serial = serial.len() == 12 && serial.bytes().all(|byte| byte.is_ascii_hexdigit());
    (!is_serial).then(|| format!("{} is not a serial number", quoted(serial)))
}

/// `private` and `any` look like host names too.
fn wrong_entry(entry: &str) -> Option<String> {
    let is_address = entry.parse::<IpNet>().is_ok() || entry.parse::<IpAddr>().is_ok();
    (!is_address && !is_host_name(entry)).then(|| format!("{} is unknown", quoted(entry)))
}

/// Digits and dots alone are a mistyped address.
fn is_host_name(entry: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    entry.len() <= 253
        && entry.trim_end_matches('.').split('.').all(is_label)
        && entry.contains(|c: char| c.is_ascii_alphabetic())
}

fn wrong_topic(topic: &str) -> Option<String> {
    let wrong = if topic.contains(char::is_whitespace) {
        "has a blank"
    } else if topic.split('/').any(str::is_empty) {
        "has an empty level"
    } else if topic.contains(['+', '#', '$']) {
        "has one of the characters + # $, which MQTT reserves"
    } else if is_unfit(topic) {
        unfit()
    } else {
        return None;
    };
    Some(format!("{} {wrong}", quoted(topic)))
}

/// MQTT allows far longer names; nobody means one.
fn is_unfit(text: &str) -> bool {
    text.len() > 200 || text.chars().any(char::is_control)
}

const fn unfit() -> &'static str {
    "is too long or has control characters"
}

/// The name of a DTU or target: it appears in log lines, API paths and metrics labels.
pub(crate) struct Name;

impl Kind for Name {
    type Value = String;
    const IS_REQUIRED: bool = true;

    fn expected() -> Cow<'static, str> {
        "a unique name of at most 64 visible characters".into()
    }

    fn parse(text: &str) -> Result<String, String> {
        let name = text.trim();
        check_name(name).map_err(|wrong| wrong.to_string())?;
        Ok(name.to_owned())
    }

    fn show(value: &String) -> String {
        format!("{value:?}")
    }
}

/// Longer names make log lines and metrics unreadable.
const LONGEST_NAME: usize = 64;

/// Why a text cannot be a name. Each message follows the name's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NameError {
    /// It would break log lines.
    #[error("has a line break or control character; expected plain text")]
    Control,
    /// Two names that look the same could be mistaken for each other.
    #[error(
        "has an invisible character, U+{:04X}; expected visible letters: type the name instead of \
         pasting it",
        u32::from(*.0)
    )]
    Invisible(char),
    /// Nobody could find it in a log.
    #[error("is blank; expected visible letters or digits")]
    Blank,
    /// Too long.
    #[error("is too long; expected at most {LONGEST_NAME} characters")]
    TooLong,
}

/// Whether `name` can name a DTU or target.
pub fn check_name(name: &str) -> Result<(), NameError> {
    if name.chars().any(char::is_control) {
        return Err(NameError::Control);
    }
    if let Some(invisible) = name.chars().find(|&letter| is_unsafe(letter)) {
        return Err(NameError::Invisible(invisible));
    }
    if !name.chars().any(is_visible) {
        return Err(NameError::Blank);
    }
    if name.chars().count() > LONGEST_NAME { Err(NameError::TooLong) } else { Ok(()) }
}

/// Reads one of a few words, as `protocol` and `log.format` are.
pub(crate) fn parse_word<K: Kind, const N: usize>(
    text: &str,
    words: [(&str, K::Value); N],
) -> Result<K::Value, String> {
    let meant = nearest(text, words.each_ref().map(|(word, _)| *word));
    let value = words.into_iter().find_map(|(word, value)| (word == text).then_some(value));
    value.ok_or_else(|| {
        let hint = meant.map(|meant| format!(" (did you mean {meant:?}?)")).unwrap_or_default();
        K::not(&format!("{} is unknown{hint}", quoted(text)))
    })
}

/// The candidate that somebody may have meant who wrote `word`.
pub(crate) fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let word = word.to_lowercase();
    let limit = (word.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (strsim::osa_distance(&word, &candidate.to_lowercase()), candidate))
        .filter(|&(distance, _)| distance <= limit)
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_a_number_and_a_unit() {
        for text in ["500ms", "1500ms", "10s", "90s", "5m", "2h", "1d", "0s"] {
            assert_eq!(duration_text(parse_duration(text).unwrap()), text);
        }
        assert_eq!(parse_duration("5 min"), Some(Duration::from_secs(300)));
        for text in ["", "10", "s", "-1s", "1.5s", "1 week", "99999999999999999999s"] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }

    #[test]
    fn typing_errors_are_recognised() {
        for (word, expected) in [
            ("prot", Some("port")),
            ("Host", Some("host")),
            ("hots", Some("host")),
            ("timout", Some("timeout")),
            ("time_out", Some("timeout")),
            ("password", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, ["port", "host", "timeout"]), expected, "{word}");
        }
    }

    #[test]
    fn names_are_visible_text() {
        for name in
            ["Home Assistant", "Dach Süd/Nord (2.0)", "u\u{308}ber", "☀\u{fe0f}", "屋顶", "x"]
        {
            assert_eq!(check_name(name), Ok(()), "{name}");
        }
        for (name, expected) in [
            ("two\nlines", NameError::Control),
            ("\u{1b}[31mred", NameError::Control),
            ("Home\u{200b}Assistant", NameError::Invisible('\u{200b}')),
            ("\u{202e}tnatsissA", NameError::Invisible('\u{202e}')),
            ("\u{feff}Home", NameError::Invisible('\u{feff}')),
            ("\u{3164}", NameError::Invisible('\u{3164}')),
            ("\u{a0}\u{3000} ", NameError::Blank),
            ("", NameError::Blank),
            (&"ü".repeat(65), NameError::TooLong),
        ] {
            assert_eq!(check_name(name), Err(expected), "{name:?}");
        }
        assert!(NameError::Invisible('\u{200b}').to_string().contains("U+200B"));
    }
}
