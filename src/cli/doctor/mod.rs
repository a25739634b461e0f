//! `doctor`: tests the bridge, every DTU, every target and the MQTT broker step by step, and says what is wrong and
//! what to try. It looks and does not touch: while a bridge runs, what that bridge does well is
//! taken from its own words.

mod broker;
mod daemon;
mod dtu;
mod house;
mod patients;
mod report;
mod target;
mod text;
mod words;

use std::process::ExitCode;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesOrdered;

use self::daemon::AtPort;
use self::dtu::Means;
use self::report::{Kind, Step, Subject};
use super::{Global, exit, run};
use crate::app::{Memory, listen_address_file};
use crate::clock::WallClock;
use crate::config::LogFormat;
use crate::config::load::{ConfigError, Loaded, file_exists};
use crate::mqtt::Source;
use crate::tasks::Tasks;
use crate::telemetry::logging;

/// Options of `doctor`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Print JSON: a list of subjects with their steps
    #[arg(long)]
    json: bool,
    /// Ask each DTU and connect to each target even where the running bridge does so with success
    #[arg(long)]
    force: bool,
}

/// Looks at everything; 0 if all is well, 1 if something is wrong, 2 for a bad configuration.
pub(super) async fn doctor(global: &Global, arguments: Arguments) -> ExitCode {
    let scene = match scene(global).await {
        Ok(found) => found,
        Err(error) => return bad_configuration(&error, arguments.json),
    };
    let level = global.log_level.as_deref().unwrap_or("error");
    if let Err(error) = logging::init_stderr(level, LogFormat::Text) {
        return exit::failed(&error.into());
    }
    let tasks = Tasks::new();
    let subjects = look(&scene, &arguments, &tasks).await;
    tasks.shut_down(Duration::from_secs(1)).await;
    if arguments.json {
        print_json(&subjects);
    } else {
        exit::print(&text::verdict(&subjects));
    }
    exit::status(subjects.iter().all(|subject| subject.wrong().next().is_none()))
}

/// What is looked at.
struct Scene {
    loaded: Loaded,
    at_port: AtPort,
    /// Where the bridge of this configuration keeps its state.
    memory: Memory,
}

/// The configuration, and who is at its port. Without a file, only `demo` can be running.
async fn scene(global: &Global) -> Result<Scene, ConfigError> {
    let loaded = run::loaded(global);
    if let (Err(error), None, false) = (&loaded, &global.config, file_exists()) {
        let loaded = run::loaded_demo()?;
        let at_port = at_port_of(&loaded).await;
        return match at_port {
            AtPort::Bridge(_) => Ok(Scene { loaded, at_port, memory: Memory::Forgotten }),
            AtPort::Nobody | AtPort::Stranger(_) | AtPort::Silent => Err(error.clone()),
        };
    }
    let loaded = loaded?;
    let at_port = at_port_of(&loaded).await;
    Ok(Scene { loaded, at_port, memory: Memory::Kept })
}

/// Who is where the configuration has the bridge listen; or the bridge of its state directory, if
/// that listens elsewhere: the file may have been changed, or leave the port to the system.
async fn at_port_of(loaded: &Loaded) -> AtPort {
    let (http, state_dir) = (&loaded.config.http, &loaded.config.state_dir);
    let at_port = daemon::ask(http.listen, http.token.as_ref()).await;
    let left = listen_address_file::read(state_dir).filter(|left| *left != http.listen);
    let (AtPort::Nobody | AtPort::Stranger(_) | AtPort::Silent, Some(left)) = (&at_port, left)
    else {
        return at_port;
    };
    match daemon::ask(left, http.token.as_ref()).await {
        bridge @ AtPort::Bridge(_) => bridge,
        AtPort::Nobody | AtPort::Stranger(_) | AtPort::Silent => at_port,
    }
}

/// Everything, all at the same time; people see each subject as soon as it is done.
async fn look(scene: &Scene, arguments: &Arguments, tasks: &Tasks) -> Vec<Subject> {
    let Scene { loaded, at_port, memory } = scene;
    let clock = WallClock::system();
    let daemon = match at_port {
        AtPort::Bridge(daemon) => Some(&**daemon),
        AtPort::Nobody | AtPort::Stranger(_) | AtPort::Silent => None,
    };
    let config = &loaded.config;
    let means = Means {
        daemon,
        force: arguments.force,
        interval: config.poll.interval,
        clock: clock.clone(),
        zone: loaded.zone.clone(),
        tasks,
    };
    let (patients, of_all) = patients::gather(config, at_port, arguments.force);
    let mut looking: FuturesOrdered<BoxFuture<'_, Subject>> = FuturesOrdered::new();
    looking.push_back(Box::pin(async {
        let mut house = house::look(loaded, at_port, *memory, clock.now());
        house.steps.extend(of_all);
        house
    }));
    for dtu in &config.dtus {
        looking.push_back(Box::pin(dtu::look(dtu, &means)));
    }
    for patient in &patients {
        looking.push_back(Box::pin(target::look(patient)));
    }
    if let Some(mqtt) = &config.mqtt {
        looking.push_back(Box::pin(broker::look(mqtt, Source::Owner)));
    } else if let Some(offered) = &loaded.offered {
        looking.push_back(Box::pin(broker::look_up(offered)));
    }
    let mut subjects = Vec::new();
    while let Some(subject) = looking.next().await {
        if !arguments.json {
            exit::print(&text::subject(&subject));
        }
        subjects.push(subject);
    }
    subjects
}

fn bad_configuration(error: &ConfigError, json: bool) -> ExitCode {
    if json {
        let cure = "correct the file or the variable; `hoymiles-bridge check` looks at it again";
        let steps = vec![Step::wrong("configuration", error.to_string(), cure)];
        print_json(&[Subject { subject: "bridge".to_owned(), kind: Kind::Bridge, steps }]);
    }
    exit::bad_configuration(error)
}

fn print_json(subjects: &[Subject]) {
    // Strings, numbers and booleans cannot fail to become JSON.
    let json = serde_json::to_string_pretty(subjects).unwrap_or_default();
    exit::print_json(&json);
}
