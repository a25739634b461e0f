//! Which targets there are: those of the configuration, and those that registered.

use std::sync::Arc;

use secrecy::ExposeSecret as _;
use tracing::warn;

use super::endpoint::Endpoint;
use super::rules::Rules;
use super::target::{Origin, Settings, Target};
use crate::config::TargetConfig;
use crate::config::websocket_url::UrlError;
use crate::store::StoredTarget;

/// All targets. One that is in the configuration and has registered is one of the configuration, with
/// the token of its registration.
pub(super) fn targets(
    configured: &[TargetConfig],
    saved: Vec<StoredTarget>,
    rules: &Rules,
) -> Result<Vec<Target>, UrlError> {
    let mut targets = Vec::new();
    for config in configured {
        targets.push(configured_target(config, &saved)?);
    }
    for saved in saved {
        let is_known = targets.iter().any(|target: &Target| target.key() == saved.key);
        match Endpoint::parse(saved.url.expose_secret()) {
            Ok(_) if is_known => {}
            Ok(endpoint) => targets.push(Target::new(
                free_name(&targets, &saved.name, &endpoint),
                endpoint,
                Origin::Registered { at: saved.registered_at },
                Settings::of_registered(&rules.allow),
                saved.failing_since,
            )),
            Err(error) => {
                warn!("[WebSocket] Stored target {} is left out: {error}", saved.name);
            }
        }
    }
    Ok(targets)
}

/// A target of the configuration; with the token of a later registration, if there was one.
fn configured_target(config: &TargetConfig, saved: &[StoredTarget]) -> Result<Target, UrlError> {
    let mut original = Endpoint::parse(config.url.expose_secret())?;
    if let Some(token) = &config.token {
        original = original.with_token(token);
    }
    let replaced = saved
        .iter()
        .filter(|saved| saved.key == original.key())
        .find_map(|saved| Endpoint::parse(saved.url.expose_secret()).ok());
    let settings = Settings::of(config);
    let endpoint = replaced.unwrap_or_else(|| original.clone());
    let origin = Origin::Configured(Arc::new(original));
    Ok(Target::new(config.name.clone(), endpoint, origin, settings, None))
}

/// `name`, or with the host added if another target bears it already.
pub(super) fn free_name(targets: &[Target], name: &str, endpoint: &Endpoint) -> String {
    let is_taken = |name: &str| targets.iter().any(|target| target.name() == name);
    let with_host = format!("{name} ({})", endpoint.host());
    let with_port = format!("{name} ({})", endpoint.authority());
    let numbered = (2..).map(|number: u32| format!("{with_port} {number}"));
    [name.to_owned(), with_host, with_port.clone()]
        .into_iter()
        .chain(numbered)
        .find(|name| !is_taken(name))
        .unwrap_or(with_port)
}
