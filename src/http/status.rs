//! Health and statistics of the bridge.

use hyper::StatusCode;

use super::request::Context;
use super::respond::{self, Response};
use crate::snapshot::health::{Health, is_healthy};

/// `GET /health`.
pub(super) fn health(context: &Context) -> Response {
    let api = &context.api;
    let snapshot = api.snapshot.latest();
    let now = api.clock.now();
    let status = if is_healthy(snapshot.dtus(), now) {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    respond::object(status, &Health::of(&snapshot, now, &api.zone))
}

/// `GET /ready`.
pub(super) fn ready(context: &Context) -> Response {
    let api = &context.api;
    if is_healthy(api.snapshot.latest().dtus(), api.clock.now()) {
        respond::text("OK")
    } else {
        let message = "no DTU has answered within its threshold; see /health";
        respond::problem(StatusCode::SERVICE_UNAVAILABLE, message)
    }
}

/// `GET /stats`.
pub(super) fn stats(context: &Context) -> Response {
    respond::object(StatusCode::OK, context.api.snapshot.latest().stats())
}
