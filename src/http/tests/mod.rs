//! The module as a whole: responses, and limits on clients.

mod connections;
pub(super) mod fixture;

mod index_page;
mod metrics;

mod registrations;
mod responses;

mod shutdown;
