//! What every outgoing connection needs: dialling within a time limit, TLS, failures in words,
//! bounded answers, and the reconnect loop.

pub mod dial;

pub mod error;

pub mod http;

pub mod reconnect;

pub mod tls;
