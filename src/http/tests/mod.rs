//! The module as a whole: responses, and limits on clients.

mod connections;
pub(super) mod fixture;

mod dashboard;
mod metrics;

mod registrations;
mod responses;

mod shutdown;
