//! Connects to a target as the bridge does, and writes down how far it comes.

use std::borrow::Cow;

use tokio::time::Instant;

use super::super::report::Step;
use super::base::{self, Base};
use super::stages::Stages;
use super::{Depth, Patient};
use crate::net::tls::{TlsFiles, client_config};
use crate::problem::Problem;
use crate::push::connect::{Socket, attempt, reach, upgrade};
use crate::push::failure::Failure;
use crate::push::session::Session;

/// All steps up to the one that fails.
pub(super) async fn probe(patient: &Patient) -> Vec<Step> {
    let Patient { endpoint, settings, depth, .. } = patient;
    let mut stages = Stages::new(endpoint.is_tls());
    let opened = open(patient, &mut stages).await;
    if let Err(failure) = &opened {
        stages.failed(failure.problem());
    }
    let mut steps = stages.steps;
    let may_be_connected = match (&patient.told, depth) {
        (Some(told), _) => told.state == "connected",
        // Nobody tells it, which is why it goes no further.
        (None, Depth::Http(_)) => true,
        (None, Depth::Token) => false,
    };
    let is_websocket = may_be_connected || matches!(opened, Ok(Some(_)));
    if let Some(at) = place_of_http(&steps, endpoint.is_tls()) {
        // It names the same file as the attempt before, which has just been read.
        let files = TlsFiles { ca_file: settings.ca_file.clone(), client: None };
        let client = client_config(&files).await;
        if let (Ok(tls), Some(peer)) = (client, stages.peer) {
            let limit = settings.connect_timeout;
            steps.insert(at, base::ask(Base { endpoint, peer, tls, limit, is_websocket }).await);
        }
    }
    match (opened, depth) {
        (Ok(Some(socket)), _) => steps.extend(greet(patient, socket).await),
        (Ok(None), Depth::Http(why)) => steps.push(Step::untested("upgrade", *why)),
        (Ok(None), Depth::Token) | (Err(_), _) => {}
    }
    steps
}

/// Opens a WebSocket as far as the depth says.
async fn open(patient: &Patient, stages: &mut Stages) -> Result<Option<Socket>, Failure> {
    let Patient { endpoint, settings, depth, .. } = patient;
    let attempt = attempt(endpoint, settings);
    let stream = reach(endpoint, settings, &attempt, stages).await?;
    if matches!(depth, Depth::Http(_)) {
        return Ok(None);
    }
    let socket = upgrade(&patient.name, endpoint, settings, &attempt, stream).await?;
    stages.upgraded();
    Ok(Some(socket))
}

/// Behind the last stage below HTTP, if that was passed.
fn place_of_http(steps: &[Step], is_tls: bool) -> Option<usize> {
    let last = if is_tls { "tls" } else { "tcp" };
    let at = steps.iter().position(|step| step.step == last && step.ok == Some(true))?;
    Some(at.saturating_add(1))
}

/// Whether the target wants us.
async fn greet(patient: &Patient, socket: Socket) -> Vec<Step> {
    let began = Instant::now();
    let accepted = Session::accept(socket).await;
    let took = began.elapsed();
    match accepted {
        Ok(mut session) => {
            let first = if session.is_welcomed() {
                Step::fine("message", "it said \"connected\"")
            } else {
                Step::fine("message", "it said nothing against us for a second")
            };
            session.close(1000.into(), "").await;
            vec![first.taking(took), Step::fine("token", "accepted")]
        }
        Err(failure @ Failure::TokenRefused(_)) => vec![
            Step::fine("message", "it answers").taking(took),
            wrong("token", failure.problem(), token_cure(patient)),
        ],
        Err(failure) => {
            vec![wrong("message", failure.problem(), None).taking(took)]
        }
    }
}

fn wrong(step: &'static str, problem: Problem, remedy: Option<&'static str>) -> Step {
    let remedy = remedy.map(Cow::Borrowed).or(problem.remedy).unwrap_or_default();
    Step::wrong(step, problem.cause, remedy)
}

fn token_cure(patient: &Patient) -> Option<&'static str> {
    patient.is_registered.then_some(
        "Home Assistant makes a new token at each start: once the bridge runs, reload the \
         integration's entry there, and it registers the new one",
    )
}
