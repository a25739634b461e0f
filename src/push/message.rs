//! What a target says to us, as far as it matters.

use serde_json::Value;

/// The one message of the bridge that is no update: the first after the upgrade.
pub(super) const PING: &str = r#"{"type":"ping"}"#;
/// A refusal is quoted up to this length.
const LONGEST_WORDS: usize = 200;

/// What a text message means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Incoming {
    /// It accepted us.
    Connected,
    /// It refused us, in these words.
    Refused(String),
    /// Anything else.
    Other,
}

impl Incoming {
    /// Reads a message; one that is no JSON object is as good as any other.
    pub(super) fn read(text: &str) -> Self {
        let Ok(Value::Object(message)) = serde_json::from_str::<Value>(text) else {
            return Self::Other;
        };
        if let Some(error) = message.get("error").filter(|error| !error.is_null()) {
            let words = error.as_str().map_or_else(|| error.to_string(), str::to_owned);
            return Self::Refused(quoted(&words));
        }
        match message.get("type").and_then(Value::as_str) {
            Some("connected") => Self::Connected,
            Some(_) | None => Self::Other,
        }
    }
}

/// The beginning of what a stranger said, fit for a log line.
pub(super) fn quoted(words: &str) -> String {
    let printable = words.chars().map(|char| if char.is_control() { ' ' } else { char });
    let mut quoted: String = printable.take(LONGEST_WORDS).collect();
    if words.chars().nth(LONGEST_WORDS).is_some() {
        quoted.push_str("...");
    }
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_understood_and_strange_ones_do_no_harm() {
        let refused = |words: &str| Incoming::Refused(words.to_owned());
        for (text, expected) in [
            (r#"{"type": "connected", "status": "ready"}"#, Incoming::Connected),
            (
                r#"{"error": "Invalid authentication token"}"#,
                refused("Invalid authentication token"),
            ),
            (r#"{"error": {"code": 7}}"#, refused(r#"{"code":7}"#)),
            (r#"{"error": "two\nlines"}"#, refused("two lines")),
            (r#"{"type": "connected", "error": null}"#, Incoming::Connected),
            (r#"{"type": "pong"}"#, Incoming::Other),
            (r#"{"type": 7}"#, Incoming::Other),
            ("[]", Incoming::Other),
            ("hello", Incoming::Other),
            ("", Incoming::Other),
        ] {
            assert_eq!(Incoming::read(text), expected, "{text}");
        }
        assert_eq!(quoted(&"x".repeat(1_000)).len(), LONGEST_WORDS + 3);
    }
}
