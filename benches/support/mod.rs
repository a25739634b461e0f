//! A large plant and its targets, for benchmarks of the whole way between them.

pub(crate) mod plant;

pub(crate) mod target;
