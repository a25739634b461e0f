//! A large plant and its targets, for benchmarks from one end to the other.

pub(crate) mod plant;

pub(crate) mod target;
