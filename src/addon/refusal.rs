//! Why the Supervisor tells no broker, and what to do about it.

use std::time::Duration;

/// Why there is no broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It knows of none, in its own words.
    NoBroker(String),
    /// It does not tell us: an HTTP status.
    NotAllowed(u16),
    /// It answers with another HTTP status.
    Status(u16),
    /// Its answer has another form.
    Garbage,
    /// It does not answer within this time.
    TimedOut(Duration),
    /// There is no connection.
    Unreachable {
        /// Where it was looked for.
        url: String,
        /// What the operating system says.
        detail: String,
    },
}

impl Refusal {
    /// What happened.
    pub fn cause(&self) -> String {
        match self {
            Self::NoBroker(words) => format!("the Supervisor knows of none ({words})"),
            Self::NotAllowed(status) => {
                format!("the Supervisor does not tell it to the bridge (HTTP {status})")
            }
            Self::Status(status) => format!("the Supervisor answers HTTP {status}"),
            Self::Garbage => "the Supervisor's answer names no broker".to_owned(),
            Self::TimedOut(limit) => format!("the Supervisor did not answer within {limit:?}"),
            Self::Unreachable { url, detail } => {
                format!("the Supervisor is not reached at {url} ({detail})")
            }
        }
    }

    /// What to do about it.
    pub const fn cure(&self) -> &'static str {
        match self {
            Self::NoBroker(_) => {
                "install and start the add-on \"Mosquitto broker\", or give `mqtt.host` in the options"
            }
            Self::NotAllowed(_) => {
                "install the add-on anew, so that it may ask for MQTT, or give `mqtt.host` in the \
                 options"
            }
            Self::Status(_) | Self::Garbage => {
                "look at the Supervisor's log, or give `mqtt.host` in the options"
            }
            Self::TimedOut(_) => {
                "restart the add-on, then the Supervisor, or give `mqtt.host` in the options"
            }
            Self::Unreachable { .. } => {
                "let Home Assistant start the bridge as its add-on, or give `mqtt.host` in the options"
            }
        }
    }
}
