//! Why the running bridge did not tell something that it was asked.

use crate::cli::bridge_client::{BodyError, LIMIT};

/// Why something was not told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum Untold {
    /// It answered with another HTTP status than 200.
    Status(u16),
    /// It did not answer in time.
    Silent,
    /// The answer is none that can be read, for this reason.
    Unread(String),
}

impl Untold {
    /// Why a request had no answer.
    pub(super) fn asking(error: reqwest::Error) -> Self {
        if error.is_timeout() {
            Self::Silent
        } else {
            Self::Unread(error.without_url().to_string())
        }
    }

    /// Why an answer could not be read.
    pub(super) fn reading(error: BodyError) -> Self {
        match error {
            BodyError::Broken(error) => Self::asking(error),
            long @ BodyError::TooLong(_) => Self::Unread(long.to_string()),
        }
    }

    /// The rest of a sentence.
    pub(in super::super) fn cause(&self) -> String {
        match self {
            Self::Status(401) => "HTTP 401, it has another http.token".to_owned(),
            Self::Status(status) => format!("HTTP {status}"),
            Self::Silent => format!("no answer within {LIMIT:?}"),
            Self::Unread(why) => why.clone(),
        }
    }

    /// What to try.
    pub(in super::super) const fn cure(&self) -> &'static str {
        match self {
            Self::Status(401) => "is http.token the one that the bridge was started with?",
            Self::Status(_) | Self::Silent => "look at the log of the running bridge",
            Self::Unread(_) => "is the running bridge of the same version? If so, report this",
        }
    }
}
