//! Connects to a target as the bridge does, and writes down how far it comes.

use tokio::time::Instant;

use super::super::report::Step;
use super::base::{self, Base};
use super::stages::Stages;
use super::{Depth, Patient};
use crate::push::connect::tls::Tls;
use crate::push::connect::{Socket, connect_telling, reach};
use crate::push::failure::Failure;
use crate::push::session::Session;

/// All steps up to the one that fails.
pub(super) async fn probe(patient: &Patient, tls: &Tls) -> Vec<Step> {
    let Patient { endpoint, settings, depth, .. } = patient;
    let mut stages = Stages::new(endpoint.is_tls());
    let opened: Result<Option<Socket>, Failure> = match depth {
        Depth::Token => connect_telling(endpoint, settings, tls, &mut stages).await.map(Some),
        Depth::Http(_) => reach(endpoint, settings, tls, &mut stages).await.map(|()| None),
    };
    if let Err(failure) = &opened {
        stages.failed(failure);
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
        let client = tls.client_config(settings.ca_file.as_deref()).await;
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

/// Behind the last stage below HTTP, if that was passed.
fn place_of_http(steps: &[Step], is_tls: bool) -> Option<usize> {
    let last = if is_tls { "tls" } else { "tcp" };
    let at = steps.iter().position(|step| step.step == last && step.ok == Some(true))?;
    Some(at.saturating_add(1))
}

/// Whether the target wants us.
async fn greet(patient: &Patient, socket: Socket) -> Vec<Step> {
    let began = Instant::now();
    let accepted = Session::accept(socket, patient.settings.connect_timeout).await;
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
            Step::wrong("token", failure.cause(), token_cure(patient, &failure)),
        ],
        Err(failure) => {
            let cure = failure.cure().unwrap_or("look at the target's own log");
            vec![Step::wrong("message", failure.cause(), cure).taking(took)]
        }
    }
}

fn token_cure(patient: &Patient, failure: &Failure) -> String {
    if patient.is_registered {
        "Home Assistant makes a new token at each start: once the bridge runs, reload the \
         integration's entry there, and it registers the new one"
            .to_owned()
    } else {
        failure.cure().unwrap_or_default().to_owned()
    }
}
