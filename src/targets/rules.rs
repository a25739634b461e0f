//! Who may register.

use std::sync::Arc;

use super::allow::Allow;
use crate::config::RegistrationConfig;

/// What `[http.registration]` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rules {
    pub(super) is_open: bool,
    pub(super) max_registered: usize,
    pub(super) allow: Arc<Allow>,
}

impl Rules {
    pub(super) fn of(config: &RegistrationConfig) -> Self {
        let RegistrationConfig { enabled, allow, max_targets } = config;
        Self {
            is_open: *enabled,
            max_registered: *max_targets,
            allow: Arc::new(Allow::parse(allow)),
        }
    }
}
