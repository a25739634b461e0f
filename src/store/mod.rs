//! What survives a restart: registered targets, energy counters, the last snapshot.
