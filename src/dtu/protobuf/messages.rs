//! The messages of the protocol, generated from `proto/hoymiles.proto`, where units, sources and
//! doubts stand.
//!
//! The names are those of others: what ends in `Res` travels to the DTU, what ends in `Req` comes
//! from it.

include!(concat!(env!("OUT_DIR"), "/hoymiles.rs"));
