//! What can go wrong between the bridge and a target, as data: each fault with the cause that the
//! log must name, on real sockets, against the real binary.

mod certificates;
mod door;
mod ends;
pub(crate) mod faulty;
mod hostile;
mod journal;
mod matrix;
mod network;
mod rows;
pub(crate) mod step;
