//! Each cause in one word. Few enough to be labels of a metric, whatever a broker answers.

use super::Failure;

impl Failure {
    /// A word for metrics; what a WebSocket target can do as well has the same word there.
    pub(in crate::mqtt) fn label(&self) -> &'static str {
        match self {
            Self::Connect(error) => error.problem().label,
            Self::LoginTimedOut => "login_timeout",
            Self::HungUp => "login_hung_up",
            Self::LoginRefused { .. } => "login_refused",
            Self::NotTaken(_) => "not_taken",
            Self::NotMqtt => "not_mqtt",
            Self::Broken(_) => "broken",
            Self::Closed => "closed",
            Self::Silent => "silent",
            Self::Stopping => "stopping",
        }
    }
}
