//! Energy that can be trusted: what a port has produced, whatever its counters do.
