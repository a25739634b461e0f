//! The module as a whole: responses, and what clients may do to the server.

mod connections;
mod fixture;

mod index_page;
mod metrics;

mod registrations;
mod responses;

mod shutdown;
