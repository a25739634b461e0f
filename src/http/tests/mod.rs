//! The module as a whole: responses, and limits on clients.

mod connections;
mod fixture;

mod index_page;
mod metrics;

mod registrations;
mod responses;

mod shutdown;
