//! How the bridge is, and what it can be asked.

use hyper::StatusCode;
use serde_json::{Value, json};

use super::Api;
use super::respond::{self, Response};
use super::router::{ROUTES, Route};
use crate::snapshot::health::{Health, is_healthy};

/// `GET /` for programs: the list of routes. Browsers get the page in `front`.
pub(super) fn index() -> Response {
    let routes: Vec<Value> = ROUTES.iter().map(description).collect();
    let body = json!({
        "name": env!("CARGO_PKG_NAME"),
        "version": env!("CARGO_PKG_VERSION"),
        "routes": routes,
    });
    respond::object(StatusCode::OK, &body)
}

fn description(route: &Route<'_>) -> Value {
    json!({
        "method": route.method().as_str(),
        "path": route.pattern(),
        "purpose": route.purpose(),
    })
}

/// `GET /health`.
pub(super) fn health(api: &Api) -> Response {
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
pub(super) fn ready(api: &Api) -> Response {
    if is_healthy(api.snapshot.latest().dtus(), api.clock.now()) {
        respond::text("OK")
    } else {
        let message = "no DTU has answered within its limit; /health says more";
        respond::problem(StatusCode::SERVICE_UNAVAILABLE, message)
    }
}

/// `GET /stats`.
pub(super) fn stats(api: &Api) -> Response {
    respond::object(StatusCode::OK, api.snapshot.latest().stats())
}
