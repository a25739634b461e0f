//! A failure as users see it: a stable label, the cause, and what to do about it.

use std::borrow::Cow;
use std::fmt;

/// One failure in three parts, which stay apart up to the log line, the API, the metrics and
/// `doctor`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// One word in `snake_case`, for metrics and scripts: `connection_refused`.
    pub label: &'static str,
    /// What happened, without a full stop: `connection refused by 192.168.1.23:8123`.
    pub cause: String,
    /// What the owner can do, as an action; `None` where there is nothing to do.
    pub remedy: Option<Cow<'static, str>>,
}

impl Problem {
    /// A failure with a remedy.
    pub fn new(
        label: &'static str,
        cause: impl Into<String>,
        remedy: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { label, cause: cause.into(), remedy: Some(remedy.into()) }
    }

    /// A failure about which nothing needs to be done.
    pub fn without_remedy(label: &'static str, cause: impl Into<String>) -> Self {
        Self { label, cause: cause.into(), remedy: None }
    }
}

/// For log lines: `cause; remedy`.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.cause)?;
        self.remedy.as_ref().map_or(Ok(()), |remedy| write!(f, "; {remedy}"))
    }
}
