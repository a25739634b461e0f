//! Faults between the bridge and a target as tables: each with the cause that the log must name, on
//! real sockets, against the real binary.

mod attempts;
mod certificates;
pub(crate) mod faulty;
mod hostile;
mod journal;
mod matrix;
mod network;
mod registration_access;
mod rows;
pub(crate) mod step;
