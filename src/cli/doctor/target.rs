//! Targets: which there are, and one connection to each, step by step.

use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::Instant;

use super::report::{BRIDGE, Kind, Step, Subject, count};
use super::{CONNECTED, Context};
use crate::cli::bridge_client::PortOwner;
use crate::config::{Config, TargetConfig};
use crate::net::dial::Observer;
use crate::problem::Problem;
use crate::push::connect::{Socket, attempt, reach, upgrade};
use crate::push::failure::Failure;
use crate::push::session::Session;
use crate::store::{StoredTarget, stored_targets};
use crate::targets::TargetStatus;
use crate::targets::endpoint::Endpoint;
use crate::targets::target::Settings;

const MAYBE_CONNECTED: &str = "skipped: the running bridge may already be connected (use --force)";
const TOKEN_UNKNOWN: &str = "skipped: only the running bridge knows its token";
const OTHER_USER: &str = "run doctor as the user that runs the bridge, or make that user the \
                          owner of the folder and everything in it (`chown -R`)";

/// One target, and what is known of it.
#[derive(Debug)]
pub(super) struct TargetToTest {
    name: String,
    endpoint: Endpoint,
    settings: Settings,
    /// What the running bridge reports of it.
    report: Option<TargetStatus>,
    /// Why its WebSocket is not opened.
    skip: Option<&'static str>,
}

/// All targets, and a step if there are none or they cannot be listed.
///
/// A running bridge reports those that registered; else they are in its database.
pub(super) fn collect(context: &Context) -> (Vec<TargetToTest>, Option<Step>) {
    let config = &context.loaded.config;
    let no_reports: &[TargetStatus] = &[];
    let (reports, stored, problem) = match context.bridge().map(|bridge| &bridge.targets) {
        Some(Ok(reports)) => (reports.as_slice(), Vec::new(), None),
        Some(Err(error)) => (no_reports, Vec::new(), Some(error.problem("its targets"))),
        None => match stored(&config.state_dir) {
            Ok(stored) => (no_reports, stored, None),
            Err(problem) => (no_reports, Vec::new(), Some(problem)),
        },
    };
    let mut targets = configured(config, reports, &stored);
    for target in &mut targets {
        target.skip = match &target.report {
            _ if context.force => None,
            Some(report) if report.state == "connected" => Some(CONNECTED),
            None if problem.is_some() && matches!(context.owner, PortOwner::Bridge(_)) => {
                Some(MAYBE_CONNECTED)
            }
            Some(_) | None => None,
        };
    }
    let registered = Settings::of_registered(&config.http.registration);
    for report in reports.iter().filter(|report| report.source == "registered") {
        // Its path and token are hidden, but host and port suffice to reach it.
        let Ok(endpoint) = Endpoint::parse(&report.url) else { continue };
        let skip = if report.state == "connected" { CONNECTED } else { TOKEN_UNKNOWN };
        targets.push(TargetToTest {
            name: report.name.clone(),
            endpoint,
            settings: registered.clone(),
            report: Some(report.clone()),
            skip: Some(skip),
        });
    }
    for StoredTarget { name, url, is_configured, .. } in stored {
        let Ok(endpoint) = Endpoint::parse(url.expose_secret()) else { continue };
        if is_configured && targets.iter().any(|target| target.name == name) {
            continue;
        }
        if targets.iter().all(|target| target.endpoint.key() != endpoint.key()) {
            let settings = registered.clone();
            targets.push(TargetToTest { name, endpoint, settings, report: None, skip: None });
        }
    }
    let step = match problem {
        Some(problem) => Some(Step::failed("targets", problem)),
        None => targets.is_empty().then(|| {
            Step::skipped("targets", "there are none, neither configured nor registered").note(
                "Home Assistant registers when its entry is set up: reload the entry; if that does \
                 not help, check on its machine that http://<bridge>:<port>/ready opens",
            )
        }),
    };
    (targets, step)
}

/// The targets of the configuration. A newer token may have been registered for one.
fn configured(
    config: &Config,
    reports: &[TargetStatus],
    stored: &[StoredTarget],
) -> Vec<TargetToTest> {
    let parse = |url: &SecretString| Endpoint::parse(url.expose_secret()).ok();
    let to_test = |target: &TargetConfig| {
        let configured = parse(&target.url)?;
        let newer = stored.iter().find(|stored| stored.key == configured.key());
        let endpoint = match (newer.and_then(|stored| parse(&stored.url)), &target.token) {
            (Some(newer), _) => newer,
            (None, Some(token)) => configured.with_token(token),
            (None, None) => configured,
        };
        Some(TargetToTest {
            name: target.name.clone(),
            endpoint,
            settings: Settings::of(target),
            report: reports.iter().find(|report| report.name == target.name).cloned(),
            skip: None,
        })
    };
    config.targets.iter().filter_map(to_test).collect()
}

/// The registered targets in the database of a bridge that does not run.
fn stored(state_dir: &Path) -> Result<Vec<StoredTarget>, Problem> {
    let problem = |problem: Problem| Problem {
        cause: format!("the registered targets cannot be read: {}", problem.cause),
        ..problem
    };
    // In a folder that may not be entered, the store sees no file.
    if let Some(error) = denied(&state_dir.join(".")) {
        let cause = format!("{}: {error}", state_dir.display());
        return Err(problem(Problem::new("permission_denied", cause, OTHER_USER)));
    }
    stored_targets(state_dir).map_err(|error| {
        let files = fs::read_dir(state_dir).into_iter().flatten().flatten();
        let is_denied = files.map(|file| file.path()).any(|path| denied(&path).is_some());
        if is_denied {
            problem(Problem { remedy: Some(OTHER_USER.into()), ..error })
        } else {
            problem(error)
        }
    })
}

/// The error if this user may not read the file or enter the folder.
fn denied(path: &Path) -> Option<io::Error> {
    let read = path
        .metadata()
        .and_then(|meta| if meta.is_file() { File::open(path).map(drop) } else { Ok(()) });
    read.err().filter(|error| error.kind() == io::ErrorKind::PermissionDenied)
}

/// Tests one target.
pub(super) async fn test(target: &TargetToTest) -> Subject {
    let mut steps: Vec<Step> = target.report.iter().map(reported).collect();
    steps.extend(connect(target).await);
    // The target may quote its URL, and people show this text to others.
    let redacted = |step: Step| step.map(|text| target.endpoint.redacted(text));
    let steps = steps.into_iter().map(redacted).collect();
    Subject { subject: target.name.clone(), kind: Kind::Target, steps }
}

/// What the running bridge reports of its connection.
fn reported(report: &TargetStatus) -> Step {
    if report.state == "connected" {
        let since = report.connected_since.as_deref().unwrap_or("just now");
        let last = report.last_sent.as_deref().unwrap_or("never");
        let sent = report.updates_sent;
        let detail = format!("connected since {since}; {sent} updates sent, the last {last}");
        return Step::passed(BRIDGE, detail);
    }
    let Some(error) = &report.last_error else {
        return Step::skipped(BRIDGE, "the running bridge is connecting for the first time");
    };
    let attempts = count(usize::try_from(report.attempts).unwrap_or(usize::MAX), "attempt");
    Step::failed_as(
        BRIDGE,
        report.last_error_cause.clone().unwrap_or("unknown".into()),
        format!("{} after {attempts}: {error}", report.state),
        report.last_error_remedy.clone(),
    )
}

/// Connects once, up to the step that fails.
async fn connect(target: &TargetToTest) -> Vec<Step> {
    let mut stages = Stages::new(target.endpoint.is_tls());
    match open(target, &mut stages).await {
        Ok(Some(socket)) => greet(socket, &mut stages).await,
        Ok(None) => {}
        Err(failure) => stages.failed(&failure),
    }
    stages.steps
}

async fn open(target: &TargetToTest, stages: &mut Stages) -> Result<Option<Socket>, Failure> {
    let TargetToTest { name, endpoint, settings, .. } = target;
    let attempt = attempt(endpoint, settings);
    let stream = reach(endpoint, settings, &attempt, stages).await?;
    if let Some(why) = target.skip {
        stages.steps.push(Step::skipped("upgrade", why));
        return Ok(None);
    }
    let socket = upgrade(name, endpoint, settings, &attempt, stream).await?;
    stages.passed("http", "HTTP 101".to_owned(), "upgrade");
    stages.passed("upgrade", "it speaks WebSocket".to_owned(), "message");
    Ok(Some(socket))
}

/// Waits for the first message, with which the target accepts or refuses the token.
async fn greet(socket: Socket, stages: &mut Stages) {
    match Session::accept(socket).await {
        Ok(mut session) => {
            let message =
                if session.is_welcomed() { "\"connected\"" } else { "none within a second" };
            stages.passed("message", message.to_owned(), "token");
            stages.passed("token", "accepted".to_owned(), "");
            session.close(1000.into(), "").await;
        }
        Err(failure @ Failure::TokenRefused(_)) => {
            stages.passed("message", "it answers".to_owned(), "token");
            stages.failed(&failure);
        }
        Err(failure) => stages.failed(&failure),
    }
}

/// The steps of one attempt so far.
#[derive(Debug)]
struct Stages {
    steps: Vec<Step>,
    is_tls: bool,
    /// The step that is under way, and since when.
    current: &'static str,
    since: Instant,
}

impl Stages {
    fn new(is_tls: bool) -> Self {
        Self { steps: Vec::new(), is_tls, current: "name", since: Instant::now() }
    }

    fn passed(&mut self, step: &'static str, detail: String, next: &'static str) {
        self.steps.push(Step::passed(step, detail).took(self.since.elapsed()));
        self.current = next;
        self.since = Instant::now();
    }

    fn failed(&mut self, failure: &Failure) {
        if let Failure::Http { status, .. } | Failure::WantsTls { status } = failure {
            self.passed("http", format!("HTTP {status}"), "upgrade");
        }
        let step = Step::failed(self.current, failure.problem());
        self.steps.push(step.took(self.since.elapsed()));
    }
}

impl Observer for Stages {
    fn resolved(&mut self, addresses: &[SocketAddr], _took: Duration) {
        let addresses: Vec<_> = addresses.iter().map(|one| one.ip().to_string()).collect();
        self.passed("name", addresses.join(", "), "tcp");
    }

    fn connected(&mut self, peer: SocketAddr, _took: Duration) {
        let next = if self.is_tls { "tls" } else { "http" };
        self.passed("tcp", format!("{peer} accepts connections"), next);
    }

    fn secured(&mut self, _took: Duration) {
        self.passed("tls", "the certificate is trusted".to_owned(), "http");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_what_the_running_bridge_reports() {
        let report = |state: &str, last_error: Option<&str>| TargetStatus {
            state: state.to_owned().into(),
            attempts: 3,
            updates_sent: 7,
            last_error: last_error.map(str::to_owned),
            last_error_cause: last_error.map(|_| "refused".into()),
            last_error_remedy: last_error.map(|_| "check the port".into()),
            ..TargetStatus::default()
        };
        let connected = reported(&report("connected", Some("old news")));
        assert!(connected.has_passed() && connected.detail().contains("7 updates sent"));
        let first = reported(&report("connecting", None));
        assert!(!first.has_passed() && !first.has_failed(), "{first:?}");
        let waiting = reported(&report("waiting", Some("connection refused")));
        let cause = "waiting after 3 attempts: connection refused";
        let problem = Problem::new("refused", cause, "check the port");
        assert_eq!(waiting, Step::failed(BRIDGE, problem));
    }
}
