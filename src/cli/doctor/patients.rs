//! Which targets there are: those of the configuration, and those that registered.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::Arc;

use secrecy::{ExposeSecret as _, SecretString};

use super::daemon::{AtPort, Untold};
use super::report::Step;
use super::target::{Depth, Patient};
use crate::config::{Config, TargetConfig};
use crate::store::{StoredTarget, stored_targets};
use crate::targets::TargetStatus;
use crate::targets::allow::Allow;
use crate::targets::endpoint::Endpoint;
use crate::targets::target::Settings;

const CONNECTED: &str = "the running bridge is connected; --force connects a second time";
const UNTOLD: &str =
    "the running bridge does not tell whether it is connected; --force connects all the same";
const OTHERS: &str = "they are another user's: run doctor as the user that runs the bridge, or give \
                      that user the folder and all that is in it (`chown -R`)";
const TOKEN_UNKNOWN: &str =
    "its token is known to the running bridge only, which says above how it fares";

/// The targets to look at, and what is to be said of them as a whole.
pub(super) fn gather(
    config: &Config,
    at_port: &AtPort,
    force: bool,
) -> (Vec<Patient>, Option<Step>) {
    let (told, saved, problem) = known(config, at_port);
    let is_untold = matches!(at_port, AtPort::Bridge(daemon) if daemon.targets.is_err());
    // What a running bridge is connected to is not connected to a second time.
    let unless_forced = |depth| if force { Depth::Token } else { depth };
    let mut patients: Vec<Patient> = config
        .targets
        .iter()
        .filter_map(|target| configured(target, &told, &saved))
        .map(|patient| match &patient.told {
            Some(told) if told.state == "connected" => {
                Patient { depth: unless_forced(Depth::Http(CONNECTED)), ..patient }
            }
            None if is_untold => Patient { depth: unless_forced(Depth::Http(UNTOLD)), ..patient },
            Some(_) | None => patient,
        })
        .collect();
    let allow = Arc::new(Allow::parse(&config.http.registration.allow));
    let is_new = |patients: &[Patient], endpoint: &Endpoint| {
        patients.iter().all(|patient| patient.endpoint.key() != endpoint.key())
    };
    for told in told.iter().filter(|told| told.source == "registered") {
        // The path may be hidden, but host and port are all that is needed.
        let Ok(endpoint) = Endpoint::parse(&told.url) else { continue };
        let depth = Depth::Http(if told.state == "connected" { CONNECTED } else { TOKEN_UNKNOWN });
        patients.push(registered(&told.name, endpoint, &allow, depth, Some(told.clone())));
    }
    for saved in saved {
        let Ok(endpoint) = Endpoint::parse(saved.url.expose_secret()) else { continue };
        if is_new(&patients, &endpoint) {
            patients.push(registered(&saved.name, endpoint, &allow, Depth::Token, None));
        }
    }
    let step = problem.or_else(|| patients.is_empty().then(none));
    (patients, step)
}

/// From the bridge if it runs, else from its database.
fn known(
    config: &Config,
    at_port: &AtPort,
) -> (Vec<TargetStatus>, Vec<StoredTarget>, Option<Step>) {
    if let AtPort::Bridge(daemon) = at_port {
        return match &daemon.targets {
            Ok(targets) => (targets.clone(), Vec::new(), None),
            Err(untold) => (Vec::new(), Vec::new(), Some(not_told(untold))),
        };
    }
    match at_rest(&config.state_dir) {
        Ok(saved) => (Vec::new(), saved, None),
        Err(step) => (Vec::new(), Vec::new(), Some(step)),
    }
}

fn not_told(untold: &Untold) -> Step {
    Step::wrong(
        "targets",
        format!("the running bridge does not tell its targets: {}", untold.cause()),
        untold.cure(),
    )
}

fn at_rest(state_dir: &Path) -> Result<Vec<StoredTarget>, Step> {
    let wrong = |why: String, cure: &str| {
        Step::wrong("targets", format!("the registered targets cannot be read: {why}"), cure)
    };
    // Of a closed folder the store knows only that it sees nothing there.
    if let Some(error) = closed(&state_dir.join(".")) {
        return Err(wrong(format!("{}: {error}", state_dir.display()), OTHERS));
    }
    stored_targets(state_dir).map_err(|error| {
        let files = fs::read_dir(state_dir).into_iter().flatten().flatten();
        let is_closed = files.map(|file| file.path()).any(|path| closed(&path).is_some());
        let cure = if is_closed {
            OTHERS
        } else {
            "if a bridge runs with this state_dir, http.listen is not where it listens; else see \
             the step state_dir"
        };
        wrong(error.cause, cure)
    })
}

/// Why this user may not read a file or look into a folder there, if that is so.
fn closed(path: &Path) -> Option<io::Error> {
    let is_file = path.metadata().map(|meta| meta.is_file());
    let read =
        is_file.and_then(|is_file| if is_file { File::open(path).map(drop) } else { Ok(()) });
    read.err().filter(|error| error.kind() == io::ErrorKind::PermissionDenied)
}

fn none() -> Step {
    Step::untested(
        "targets",
        "there are none: nothing has registered, and the configuration names none",
    )
    .hinting(
        "Home Assistant registers when its entry is set up: press Reload on the entry; whether it \
             reaches this bridge, http://<bridge>:<port>/ready shows when opened on its machine",
    )
}

/// `None` never happens: the configuration was checked.
fn configured(
    target: &TargetConfig,
    told: &[TargetStatus],
    saved: &[StoredTarget],
) -> Option<Patient> {
    let parse = |url: &SecretString| Endpoint::parse(url.expose_secret()).ok();
    let original = parse(&target.url)?;
    let original = match &target.token {
        Some(token) => original.with_token(token),
        None => original,
    };
    let newer = saved.iter().find(|saved| saved.key == original.key());
    let endpoint = newer.and_then(|saved| parse(&saved.url)).unwrap_or(original);
    let told = told.iter().find(|told| told.name == target.name).cloned();
    Some(Patient {
        name: target.name.clone(),
        endpoint,
        settings: Settings::of(target),
        is_registered: false,
        told,
        depth: Depth::Token,
    })
}

fn registered(
    name: &str,
    endpoint: Endpoint,
    allow: &Arc<Allow>,
    depth: Depth,
    told: Option<TargetStatus>,
) -> Patient {
    let settings = Settings::of_registered(allow);
    Patient { name: name.to_owned(), endpoint, settings, is_registered: true, told, depth }
}
