//! `doctor`: tests the bridge, every DTU, every target and the MQTT broker step by step.
//!
//! It changes nothing. What a running bridge is connected to is not tested again, since a DTU serves
//! one client at a time.

mod bridge;
mod broker;
mod dtu;
mod host;
mod report;
mod target;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesOrdered;

use self::report::{Kind, Step, Subject};
use super::bridge_client::{self, PortOwner, RunningBridge};
use super::{Global, exit};
use crate::app::Storage;
use crate::clock::WallClock;
use crate::config::LogFormat;
use crate::config::load::{ConfigError, Loaded};
use crate::mqtt::Source;
use crate::plant::serial::InverterSerial;
use crate::problem::Problem;
use crate::snapshot::state::SharedInverters;
use crate::tasks::Tasks;
use crate::telemetry::logging;

/// Why something that the running bridge does is not tested.
const CONNECTED: &str = "skipped: the running bridge is already connected (use --force)";

/// Options of `doctor`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Print JSON: a list of subjects with their steps
    #[arg(long)]
    json: bool,
    /// Test each DTU and target even if the running bridge is already connected to it
    #[arg(long)]
    force: bool,
}

/// What all tests need.
#[derive(Debug)]
struct Context {
    loaded: Loaded,
    /// Whether the bridge of this configuration stores its state.
    storage: Storage,
    owner: PortOwner,
    force: bool,
    clock: WallClock,
    tasks: Tasks,
}

impl Context {
    async fn new(global: &Global, force: bool) -> Result<Self, ConfigError> {
        let (loaded, storage, owner) = bridge_client::find(global).await?;
        Ok(Self::with(loaded, storage, owner, force))
    }

    fn with(loaded: Loaded, storage: Storage, owner: PortOwner, force: bool) -> Self {
        let (clock, tasks) = (WallClock::system(), Tasks::new());
        Self { loaded, storage, owner, force, clock, tasks }
    }

    /// The bridge, if it is running.
    fn bridge(&self) -> Option<&RunningBridge> {
        match &self.owner {
            PortOwner::Bridge(bridge) => Some(bridge),
            PortOwner::Nobody | PortOwner::Other(_) | PortOwner::Silent => None,
        }
    }
}

/// Tests everything; 0 if all is well, 1 if something is wrong, 2 for a bad configuration.
pub(super) async fn doctor(global: &Global, arguments: Arguments) -> ExitCode {
    let context = match Context::new(global, arguments.force).await {
        Ok(context) => context,
        Err(error) => return bad_configuration(&error, arguments.json),
    };
    let level = global.log_level.as_deref().unwrap_or("error");
    if let Err(error) = logging::init_stderr(level, LogFormat::Text) {
        return exit::failed(&error.into());
    }
    let subjects = test_all(&context, arguments.json).await;
    context.tasks.shut_down(Duration::from_secs(1)).await;
    let printed = subjects.and_then(|subjects| {
        if arguments.json {
            print_json(&subjects)?;
        } else {
            exit::print(&report::summary(&subjects))?;
        }
        Ok(subjects.iter().all(|one| one.steps.iter().all(|step| !step.has_failed())))
    });
    printed.map_or_else(|code| code, exit::status)
}

/// All tests at the same time. Each subject is printed as soon as it and those before it are done.
async fn test_all(context: &Context, is_json: bool) -> Result<Vec<Subject>, ExitCode> {
    let config = &context.loaded.config;
    let (targets, about_targets) = target::collect(context);
    // DTUs with the inverters that they list.
    let mut tests: FuturesOrdered<BoxFuture<'_, (Subject, Vec<InverterSerial>)>> =
        FuturesOrdered::new();
    tests.push_back(Box::pin(async {
        let mut bridge = bridge::test(context);
        bridge.steps.extend(about_targets);
        (bridge, Vec::new())
    }));
    for dtu in &config.dtus {
        tests.push_back(Box::pin(dtu::test(dtu, context)));
    }
    for target in &targets {
        tests.push_back(Box::pin(async { (target::test(target).await, Vec::new()) }));
    }
    if let Some(mqtt) = &config.mqtt {
        let test = broker::test(mqtt, Source::Owner);
        tests.push_back(Box::pin(async { (test.await, Vec::new()) }));
    } else if let Some(broker) = &context.loaded.supervisor_broker {
        let test = broker::test_of_supervisor(broker);
        tests.push_back(Box::pin(async { (test.await, Vec::new()) }));
    }
    let mut subjects = Vec::new();
    let mut owners: BTreeMap<InverterSerial, Arc<str>> = BTreeMap::new();
    while let Some((mut subject, listed)) = tests.next().await {
        let mut shared = SharedInverters::default();
        for serial in listed {
            match owners.entry(serial) {
                Entry::Occupied(owner) => shared.add(Arc::clone(owner.get()), serial),
                Entry::Vacant(nobody) => drop(nobody.insert(Arc::from(subject.subject.as_str()))),
            }
        }
        if !shared.is_empty() {
            subject.steps.push(dtu::shared(shared));
        }
        if !is_json {
            exit::print(&report::text(&subject))?;
        }
        subjects.push(subject);
    }
    Ok(subjects)
}

fn bad_configuration(error: &ConfigError, is_json: bool) -> ExitCode {
    if is_json {
        let problem = Problem::new(
            "configuration",
            error.to_string(),
            "correct the file or the variable, then run `hoymiles-bridge check`",
        );
        let steps = vec![Step::failed("configuration", problem)];
        let subject = Subject { subject: "bridge".to_owned(), kind: Kind::Bridge, steps };
        if let Err(code) = print_json(&[subject]) {
            return code;
        }
    }
    exit::bad_configuration(error)
}

fn print_json(subjects: &[Subject]) -> Result<(), ExitCode> {
    // Strings, numbers and booleans cannot fail to become JSON.
    let json = serde_json::to_string_pretty(subjects).unwrap_or_default();
    exit::print_json(&json)
}
