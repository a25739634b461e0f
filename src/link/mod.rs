//! The life of a connection that shall stay up: when to dial, how long to wait. Knows nothing of
//! solar plants or of what goes over the wire.

pub mod backoff;

pub mod state;

pub mod keep_up;

pub mod trust;
