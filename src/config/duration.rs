//! Durations as people write them: `500ms`, `10s`, `5m`.

use std::time::Duration;

use serde::{Deserialize, Deserializer, de};

/// Reads a duration of the form `500ms`, `10s`, `5m`, `2h` or `1d`.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse(&text).ok_or_else(|| de::Error::invalid_value(de::Unexpected::Str(&text), &EXPECTED))
}

/// As [`deserialize`], for a key that may be left out.
pub fn deserialize_option<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Duration>, D::Error> {
    deserialize(deserializer).map(Some)
}

/// What a duration looks like, for messages.
pub(super) const EXPECTED: &str = "a duration like \"500ms\", \"10s\" or \"5m\"";

/// The duration that `text` writes down.
pub(super) fn parse(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(digits)?;
    let number: u64 = number.parse().ok()?;
    let milliseconds = match unit.trim_start() {
        "ms" => Some(number),
        "s" => number.checked_mul(1_000),
        "m" | "min" => number.checked_mul(60_000),
        "h" => number.checked_mul(3_600_000),
        "d" => number.checked_mul(86_400_000),
        _ => None,
    }?;
    Some(Duration::from_millis(milliseconds))
}

/// Writes a duration in the largest unit that needs no fraction, as people would in the file.
pub(super) fn text(duration: Duration) -> String {
    let milliseconds = duration.as_millis();
    let units = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)];
    let fits = |(_, unit): &&(&str, u128)| milliseconds > 0 && milliseconds.is_multiple_of(*unit);
    match units.iter().find(fits) {
        Some((name, unit)) => format!("{}{name}", milliseconds / unit),
        None => format!("{milliseconds}ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_they_are_read() {
        for written in ["0ms", "500ms", "1500ms", "10s", "90s", "5m", "2h", "1d"] {
            assert_eq!(text(parse(written).unwrap()), written);
        }
    }

    #[test]
    fn durations_are_a_number_and_a_unit() {
        assert_eq!(parse("500ms"), Some(Duration::from_millis(500)));
        assert_eq!(parse("10s"), Some(Duration::from_secs(10)));
        assert_eq!(parse("5m"), Some(Duration::from_secs(300)));
        for text in ["", "10", "s", "-1s", "1.5s", "1 week", "99999999999999999999s"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
