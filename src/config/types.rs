//! The kinds of values in the configuration. Each checks itself and says what it expects.

use std::borrow::Cow;
use std::fmt::Debug;
use std::marker::PhantomData;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::host::{self, HostError, Wrong, wrong_ipv4};
use super::section::{Form, Kind, quoted};
use super::{log, websocket_url, zone};
use crate::sanitize::{is_unsafe, is_visible};

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const DAY: u64 = 24 * 60 * MINUTE;

pub(crate) type Interval = Between<{ 5 * SECOND }, DAY>;
pub(crate) type RequestTimeout = Between<10, { 5 * MINUTE }>;
pub(crate) type Pause = Between<0, MINUTE>;
pub(crate) type ConnectTimeout = Between<100, MINUTE>;
pub(crate) type Heartbeat = Between<100, { 60 * MINUTE }>;
pub(crate) type ClientTimeout = Between<100, { 5 * MINUTE }>;
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
pub fn parse_duration(text: &str) -> Option<Duration> {
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

/// How long something is kept: from two days to 100 years.
pub(crate) struct Age;

const YEAR: u64 = 365 * DAY;

impl Kind for Age {
    type Value = Duration;

    fn expected() -> Cow<'static, str> {
        "a time like \"90d\" or \"10y\" from 2d to 100y".into()
    }

    fn parse(text: &str) -> Result<Duration, String> {
        let years = text.strip_suffix('y').and_then(|years| years.trim_end().parse::<u64>().ok());
        let years = years.and_then(|years| years.checked_mul(YEAR)).map(Duration::from_millis);
        match years.or_else(|| parse_duration(text)) {
            Some(age) if (2 * DAY..=100 * YEAR).contains(&milliseconds(age)) => Ok(age),
            Some(_) => Err(Self::not(&format!("{} is out of range", quoted(text)))),
            None => Err(Self::not(&format!("{} is not a time", quoted(text)))),
        }
    }

    fn show(value: &Duration) -> String {
        let milliseconds = milliseconds(*value);
        if milliseconds > 0 && milliseconds.is_multiple_of(YEAR) {
            return format!("\"{}y\"", milliseconds / YEAR);
        }
        format!("{:?}", duration_text(*value))
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A number of bytes, 16 MiB at least.
pub(crate) struct Size;

const UNITS: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
const LEAST_SIZE: u64 = 16 << 20;

impl Kind for Size {
    type Value = u64;

    fn expected() -> Cow<'static, str> {
        "a size like \"500MiB\" or \"1GiB\", 16MiB at least".into()
    }

    fn parse(text: &str) -> Result<u64, String> {
        let unit = UNITS.iter().find_map(|(unit, bytes)| Some((text.strip_suffix(unit)?, *bytes)));
        let (number, bytes) = unit.unwrap_or((text, 1));
        let size = number.trim_end().parse::<u64>().ok().and_then(|size| size.checked_mul(bytes));
        match size {
            Some(size) if size >= LEAST_SIZE => Ok(size),
            Some(_) => Err(Self::not(&format!("{} is out of range", quoted(text)))),
            None => Err(Self::not(&format!("{} is not a size", quoted(text)))),
        }
    }

    fn parse_number(number: i64) -> Result<u64, String> {
        let size = u64::try_from(number).ok().filter(|size| *size >= LEAST_SIZE);
        size.ok_or_else(|| Self::not(&format!("{number} is out of range")))
    }

    fn show(value: &u64) -> String {
        let unit = UNITS.iter().find(|(_, bytes)| value.is_multiple_of(*bytes));
        unit.map_or_else(
            || value.to_string(),
            |(unit, bytes)| format!("\"{}{unit}\"", value / bytes),
        )
    }
}

/// A whole number from `LEAST` to `MOST`.
pub(crate) struct Number<T, const LEAST: i64, const MOST: i64>(PhantomData<T>);

impl<T, const LEAST: i64, const MOST: i64> Kind for Number<T, LEAST, MOST>
where
    T: TryFrom<i64> + Debug,
{
    type Value = T;
    const FORM: Form = Form::Number;

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
}

/// `true` or `false`.
pub(crate) struct Bool;

impl Kind for Bool {
    type Value = bool;
    const FORM: Form = Form::Boolean;

    fn expected() -> Cow<'static, str> {
        "true or false".into()
    }

    /// The environment knows only text.
    fn parse(text: &str) -> Result<bool, String> {
        let value = text.to_ascii_lowercase().parse();
        value.map_err(|_| Self::not(&format!("{} is a text", quoted(text))))
    }

    fn parse_bool(value: bool) -> Result<bool, String> {
        Ok(value)
    }
}

/// One of a few words.
pub(crate) trait Word: Copy + Debug + 'static {
    const ALL: &'static [Self];
    const IS_REQUIRED: bool = false;

    fn word(self) -> &'static str;
}

impl<W: Word> Kind for W {
    type Value = Self;
    const IS_REQUIRED: bool = W::IS_REQUIRED;

    fn expected() -> Cow<'static, str> {
        let mut words: Vec<String> = W::ALL.iter().map(|word| W::show(word)).collect();
        let last = words.pop().unwrap_or_default();
        format!("{} or {last}", words.join(", ")).into()
    }

    fn parse(text: &str) -> Result<Self, String> {
        let value = W::ALL.iter().copied().find(|value| value.word() == text);
        value.ok_or_else(|| {
            let hint = did_you_mean(text, W::ALL.iter().map(|value| value.word()));
            Self::not(&format!("{} is unknown{hint}", quoted(text)))
        })
    }

    fn show(value: &Self) -> String {
        format!("{:?}", value.word())
    }
}

/// Declares kinds of texts: their type, what is expected, and how they are read; the error follows
/// the quoted text.
macro_rules! texts {
    ($( $kind:ident: $value:ty, $expected:expr, $parse:expr $(, $show:expr)?; )*) => {$(
        pub(crate) struct $kind;

        impl Kind for $kind {
            type Value = $value;

            fn expected() -> Cow<'static, str> {
                $expected.into()
            }

            fn parse(text: &str) -> Result<$value, String> {
                $parse(text).map_err(|wrong| Self::not(&format!("{} {wrong}", quoted(text))))
            }

            $( fn show(value: &$value) -> String {
                $show(value)
            } )?
        }
    )*};
}

texts! {
    FilePath: PathBuf, "a path in quotes", |text: &str| Ok::<_, &str>(text.into());
    ZoneName: String, "an IANA time zone like \"Europe/Berlin\" or \"UTC\"",
        |text| unless(text, zone::wrong_zone(text));
    Serial: String, "12 digits 0-9, a-f as printed on the inverter",
        |text| unless(text, (!is_serial(text)).then_some("is not a serial number"));
    DtuSerialNumber: String, "12 digits 0-9, A-F as printed on the DTU", |text: &str| {
        let serial = text.to_ascii_uppercase();
        if is_serial(text) { Ok(serial) } else { Err("is not a serial number") }
    };
    AllowEntry: String,
        "\"private\", \"any\", a network like \"192.168.1.0/24\", an IP address or a host name",
        |text| unless(text, wrong_allow_entry(text));
    WebOrigin: String, "\"*\" or an origin like \"https://panel.example\"", web_origin;
    Network: IpNet, "an IP address or a network like \"172.30.32.0/23\"",
        |text: &str| network(text).ok_or("is neither an IP address nor a network"),
        |value: &IpNet| format!("{:?}", value.to_string());
    HostName: String, "a host name like \"solar.example\", without a port",
        |text| unless(text, (!is_host_name(text)).then_some("is not a host name"));
    Topic: String, "a topic like \"home/roof\"", |text| unless(text, wrong_topic(text));
    Login: String, "a short text in quotes", |text| unless(text, is_unfit(text).then_some(UNFIT));
    Level: String, log::EXPECTED_LEVEL,
        |text| unless(text, log::parse_level(text).is_none().then_some("is not a level"));
}

/// Declares kinds of addresses: their type, what is expected, how they are read and shown. Their
/// errors name the right form where there is one.
macro_rules! addresses {
    ($( $kind:ident: $value:ty, $expected:expr, $parse:expr, $show:expr; )*) => {$(
        pub(crate) struct $kind;

        impl Kind for $kind {
            type Value = $value;

            fn expected() -> Cow<'static, str> {
                $expected.into()
            }

            fn parse(text: &str) -> Result<$value, String> {
                $parse(text).map_err(|error: HostError| error.to_string())
            }

            fn show(value: &$value) -> String {
                format!("{:?}", $show(value))
            }
        }
    )*};
}

addresses! {
    Address: SocketAddr, host::LISTEN_ADDRESS, host::parse_listen_address, SocketAddr::to_string;
    Host: String, host::DTU_HOST, host::check_dtu_host, String::as_str;
    BrokerHost: String, BROKER_HOST, |text| host::check(text, BROKER_HOST), String::as_str;
}

const BROKER_HOST: &str = "the broker's name or IP address like \"192.168.1.23\"";

fn unless<E>(text: &str, wrong: Option<E>) -> Result<String, E> {
    wrong.map_or_else(|| Ok(text.to_owned()), Err)
}

/// Declares kinds of secrets: texts that no message shows.
macro_rules! secrets {
    ($( $kind:ident, $is_required:literal, $expected:literal, $check:expr, $show:expr; )*) => {$(
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

            fn show(secret: &SecretString) -> String {
                $show(secret)
            }
        }
    )*};
}

secrets! {
    Password, false, "a text in quotes", |_| Ok(()), hidden;
    Token, false, "a text in quotes", check_token, hidden;
    WsUrl, true, "a URL like \"ws://192.168.1.23:8123/path\"", check_url, url_without_secrets;
}

fn hidden(_: &SecretString) -> String {
    "\"(hidden)\"".to_owned()
}

/// Path and query may hold a token.
fn url_without_secrets(url: &SecretString) -> String {
    let origin = Url::parse(url.expose_secret().trim()).ok().and_then(|url| {
        Some(format!("{}://{}:{}", url.scheme(), url.host_str()?, url.port_or_known_default()?))
    });
    format!("{:?}", origin.unwrap_or_default())
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

fn is_serial(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// `private` and `any` look like host names too.
fn wrong_allow_entry(entry: &str) -> Option<String> {
    let (address, prefix) = entry.split_once('/').unwrap_or((entry, ""));
    if let Some(Wrong { cause, right }) = wrong_ipv4(address) {
        let slash = if prefix.is_empty() { "" } else { "/" };
        let right = right.map(|right| format!("; {right}{slash}{prefix}")).unwrap_or_default();
        return Some(format!("{cause}{right}"));
    }
    let is_known = entry.parse::<IpNet>().is_ok() || entry.parse::<IpAddr>().is_ok();
    (!is_known && !is_host_name(entry)).then(|| "is unknown".to_owned())
}

fn is_host_name(entry: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    entry.len() <= 253 && entry.trim_end_matches('.').split('.').all(is_label)
}

/// As browsers write it: without a path, and without the port that belongs to the scheme.
fn web_origin(text: &str) -> Result<String, &'static str> {
    if text == "*" {
        return Ok(text.to_owned());
    }
    let url = Url::parse(text).map_err(|_| "is not an origin")?;
    if !["http", "https"].contains(&url.scheme()) {
        return Err("begins with neither http:// nor https://");
    }
    if !["", "/"].contains(&url.path()) || url.query().is_some() || url.fragment().is_some() {
        return Err("has a path");
    }
    Ok(url.origin().ascii_serialization())
}

fn network(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| Some(IpNet::from(text.parse::<IpAddr>().ok()?)))
}

fn wrong_topic(topic: &str) -> Option<&'static str> {
    if topic.contains(char::is_whitespace) {
        Some("has a blank")
    } else if topic.split('/').any(str::is_empty) {
        Some("has an empty level")
    } else if topic.contains(['+', '#', '$']) {
        Some("has one of the characters + # $, which MQTT reserves")
    } else {
        is_unfit(topic).then_some(UNFIT)
    }
}

const UNFIT: &str = "is too long or has control characters";

/// MQTT allows far longer names; nobody means one.
fn is_unfit(text: &str) -> bool {
    text.len() > 200 || text.chars().any(char::is_control)
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
        check_name(name).map(|()| name.to_owned())
    }
}

/// Whether `name` can name a DTU or target. The error follows the name's key.
pub fn check_name(name: &str) -> Result<(), String> {
    let wrong = if name.chars().any(char::is_control) {
        "has a line break or control character; expected plain text"
    } else if let Some(invisible) = name.chars().find(|&letter| is_unsafe(letter)) {
        // Two names that look the same could be mistaken for each other.
        return Err(format!(
            "has an invisible character, U+{:04X}; expected visible letters: type the name instead \
             of pasting it",
            u32::from(invisible)
        ));
    } else if !name.chars().any(is_visible) {
        "is blank; expected visible letters or digits"
    } else if name.chars().count() > 64 {
        "is too long; expected at most 64 characters"
    } else {
        return Ok(());
    };
    Err(wrong.to_owned())
}

fn did_you_mean<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    let hint = |meant| format!(" (did you mean {meant:?}?)");
    nearest(word, candidates).map(hint).unwrap_or_default()
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
            ("two\nlines", "control character"),
            ("\u{1b}[31mred", "control character"),
            ("Home\u{200b}Assistant", "U+200B"),
            ("\u{202e}tnatsissA", "U+202E"),
            ("\u{feff}Home", "U+FEFF"),
            ("\u{3164}", "U+3164"),
            ("\u{a0}\u{3000} ", "is blank"),
            ("", "is blank"),
            (&"ü".repeat(65), "is too long"),
        ] {
            let message = check_name(name).unwrap_err();
            assert!(message.contains(expected), "{name:?}: {message}");
        }
    }
}
