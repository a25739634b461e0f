//! The table of faults: what the target does, and what the bridge must report.

mod http;
mod network;
mod session;
mod tls;

use super::certificates::Shows;
use super::step::Step;

/// One fault.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// Names the fault, and the target in the configuration.
    pub(crate) name: String,
    /// The certificate before the fault is repaired; `None` for `ws://`.
    pub(crate) tls: Option<Shows>,
    /// Whether the target uses TLS before the fault is repaired.
    pub(crate) speaks_tls: bool,
    /// Whether the target listens before the fault is repaired.
    pub(crate) listens: bool,
    /// How many connections have the fault; later ones, and all after the repair, do not.
    pub(crate) connections: usize,
    pub(crate) script: &'static [Step],
    /// Further lines of its section.
    pub(crate) settings: &'static str,
    pub(crate) ends: Ends,
    /// The label of the cause, as in metrics and the API.
    pub(crate) label: &'static str,
    /// The text of the cause; `{address}` stands for the target's.
    pub(crate) cause: String,
    /// Seconds until the next attempt.
    pub(crate) waits: u64,
}

/// How the first attempt ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ends {
    /// With `Connection failed`.
    Fails,
    /// With `Connected`, and later with `Disconnected`.
    Breaks,
    /// With `Connected`, and stays so.
    Well,
}

impl Row {
    fn new(
        name: impl Into<String>,
        ends: Ends,
        script: &'static [Step],
        label: &'static str,
        cause: impl Into<String>,
    ) -> Self {
        Self {
            name: name.into(),
            tls: None,
            speaks_tls: true,
            listens: true,
            connections: usize::MAX,
            script,
            settings: "",
            ends,
            label,
            cause: cause.into(),
            waits: 1,
        }
    }

    fn fails(
        name: impl Into<String>,
        script: &'static [Step],
        label: &'static str,
        cause: impl Into<String>,
    ) -> Self {
        Self::new(name, Ends::Fails, script, label, cause)
    }

    fn breaks(
        name: impl Into<String>,
        script: &'static [Step],
        label: &'static str,
        cause: impl Into<String>,
    ) -> Self {
        Self::new(name, Ends::Breaks, script, label, cause)
    }

    fn well(name: &str, script: &'static [Step]) -> Self {
        Self { connections: 1, ..Self::new(name, Ends::Well, script, "", "") }
    }

    fn showing(self, shows: Shows) -> Self {
        Self { tls: Some(shows), ..self }
    }

    fn waiting(self, waits: u64) -> Self {
        Self { waits, ..self }
    }
}

/// The whole table.
pub(crate) fn all() -> Vec<Row> {
    [network::rows(), tls::rows(), http::rows(), session::rows()].concat()
}
