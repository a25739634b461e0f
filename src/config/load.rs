//! Reads the configuration file and the environment.
