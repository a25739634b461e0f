//! One target: what the running bridge says of it, and how far a connection comes.

mod base;
mod probe;
mod stages;
mod told;

use super::report::{Kind, Subject};
use crate::targets::TargetStatus;
use crate::targets::endpoint::Endpoint;
use crate::targets::target::Settings;

/// One target and all that is known of it.
#[derive(Debug)]
pub(super) struct Patient {
    pub(super) name: String,
    pub(super) endpoint: Endpoint,
    pub(super) settings: Settings,
    pub(super) is_registered: bool,
    /// What the running bridge says of it.
    pub(super) told: Option<TargetStatus>,
    /// How far to go.
    pub(super) depth: Depth,
}

/// How far a test goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Depth {
    /// To the token.
    Token,
    /// Up to HTTP, for this reason.
    Http(&'static str),
}

/// Looks at one target.
pub(super) async fn look(patient: &Patient) -> Subject {
    let mut steps = Vec::new();
    if let Some(told) = &patient.told {
        steps.push(told::step(told));
    }
    steps.extend(probe::probe(patient).await);
    // The target may quote what it was asked, and what is printed here is shown to others.
    for step in &mut steps {
        step.detail = patient.endpoint.redacted(&step.detail);
        for cure in &mut step.cure {
            *cure = patient.endpoint.redacted(cure);
        }
    }
    Subject { subject: patient.name.clone(), kind: Kind::Target, steps }
}
