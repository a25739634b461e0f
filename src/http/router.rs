//! The table of routes: a new one is a row here and a handler.

use std::borrow::Cow;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use hyper::{Method, StatusCode};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use super::connections::Connection;
use super::request::Context;
use super::respond::{self, Response};
use super::stream::{self, events, websocket};
use super::{dashboard, diagnostics, history, metrics, plant, session, targets};

#[derive(Debug)]
pub(super) struct Route {
    /// HEAD is answered where GET is.
    pub(super) method: Method,
    /// One segment may be a parameter in braces. Metrics and messages use this as the route's name.
    pub(super) path: &'static str,
    /// For the list at `/`.
    pub(super) purpose: &'static str,
    pub(super) guard: Guard,
    pub(super) handler: Handler,
}

/// Who may use a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Guard {
    Everybody,
    /// Who shows the token, if one is configured.
    Token,
    /// The handler decides.
    Handler,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Handler {
    Immediate(fn(&Context) -> Response),
    Waiting(for<'a> fn(&'a Context) -> BoxFuture<'a, Response>),
    /// Goes on after its response, over the same connection.
    Stream(fn(&mut Context, &Arc<Connection>) -> Response),
}

/// In the order in which a person wants to read them.
static ROUTES: [Route; 28] = [
    open("/", "this list; the dashboard for browsers", index),
    open("/assets/{name}", "the files of the dashboard", dashboard::asset),
    open(
        "/health",
        "whether the bridge works, DTU by DTU; status 503 if it does not",
        plant::health,
    ),
    open("/ready", "the same as OK or 503, for containers and load balancers", plant::ready),
    open("/stats", "size of the database, and counts", plant::stats),
    get("/metrics", "metrics for Prometheus", metrics::page),
    get("/api/plant", "the totals of the whole plant", plant::whole),
    get("/api/plant/day", "the power of the present day, every five minutes", plant::day),
    get("/api/inverters", "all inverters with their ports", plant::inverters),
    get("/api/inverters/{serial}", "one inverter", plant::inverter),
    get("/api/inverters/{serial}/ports", "the ports of one inverter", plant::inverter_ports),
    get("/api/ports", "all ports", plant::ports),
    get("/api/meters", "all energy meters", plant::meters),
    get(
        "/api/production/current",
        "the production of each port, today and in total",
        plant::current_production,
    ),
    waiting("/api/history", "the course of power and other values", |context| {
        Box::pin(history::points(context))
    }),
    waiting("/api/history.csv", "the same as a table", |context| {
        Box::pin(history::points_table(context))
    }),
    waiting("/api/energy", "what was produced by hour, day, month or year", |context| {
        Box::pin(history::energy(context))
    }),
    waiting("/api/energy.csv", "the same as a table", |context| {
        Box::pin(history::energy_table(context))
    }),
    get("/api/targets", "the WebSocket targets and their state", targets::list),
    Route {
        method: Method::GET,
        path: "/api/ws",
        purpose: "the live stream over a WebSocket",
        guard: Guard::Handler,
        handler: Handler::Stream(websocket::upgrade),
    },
    Route {
        method: Method::GET,
        path: "/api/events",
        purpose: "the live stream as server-sent events",
        guard: Guard::Handler,
        handler: Handler::Stream(events::stream),
    },
    get("/api/log", "the newest lines of the log", diagnostics::log),
    get("/api/diagnostics", "a report without secrets, to attach to an issue", diagnostics::bundle),
    get("/api/stream", "who follows the live stream", stream::clients),
    Route {
        method: Method::POST,
        path: "/api/session",
        purpose: r#"begins a browser session: {"token": ...}"#,
        guard: Guard::Handler,
        handler: Handler::Immediate(session::begin),
    },
    Route {
        method: Method::DELETE,
        path: "/api/session",
        purpose: "ends the browser session and its streams",
        guard: Guard::Handler,
        handler: Handler::Immediate(session::end),
    },
    Route {
        method: Method::POST,
        path: "/api/websocket/register",
        purpose: r#"registers a WebSocket target: {"websocket_url": ..., "name": ...}"#,
        guard: Guard::Token,
        handler: Handler::Waiting(|context| Box::pin(targets::register(context))),
    },
    Route {
        method: Method::DELETE,
        path: "/api/targets/{name}",
        purpose: "removes a registered target",
        guard: Guard::Token,
        handler: Handler::Waiting(|context| Box::pin(targets::forget(context))),
    },
];

const fn get(
    path: &'static str,
    purpose: &'static str,
    handler: fn(&Context) -> Response,
) -> Route {
    let handler = Handler::Immediate(handler);
    Route { method: Method::GET, path, purpose, guard: Guard::Token, handler }
}

const fn waiting(
    path: &'static str,
    purpose: &'static str,
    handler: for<'a> fn(&'a Context) -> BoxFuture<'a, Response>,
) -> Route {
    let handler = Handler::Waiting(handler);
    Route { method: Method::GET, path, purpose, guard: Guard::Token, handler }
}

const fn open(
    path: &'static str,
    purpose: &'static str,
    handler: fn(&Context) -> Response,
) -> Route {
    let handler = Handler::Immediate(handler);
    Route { method: Method::GET, path, purpose, guard: Guard::Everybody, handler }
}

#[derive(Debug)]
pub(super) enum Unroutable {
    NotFound,
    MethodNotAllowed { path: &'static str, allowed: Vec<Method> },
}

/// The route of a request, and its decoded parameter (empty if the path has none).
pub(super) fn find<'path>(
    method: &Method,
    path: &'path str,
) -> Result<(&'static Route, Cow<'path, str>), Unroutable> {
    let effective = if method == Method::HEAD { &Method::GET } else { method };
    let mut others: Vec<&Route> = Vec::new();
    for route in &ROUTES {
        match parameter(route.path, path) {
            Some(parameter) if route.method == effective => {
                return Ok((route, percent_decode_str(parameter).decode_utf8_lossy()));
            }
            Some(_) => others.push(route),
            None => {}
        }
    }
    let Some(first) = others.first() else { return Err(Unroutable::NotFound) };
    let allowed = others.iter().map(|route| route.method.clone()).collect();
    Err(Unroutable::MethodNotAllowed { path: first.path, allowed })
}

/// Whether the path belongs to the part that the token protects, existing or not.
pub(super) fn is_api(path: &str) -> bool {
    path.strip_prefix("/api").is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Who may see that a path does not exist, or what it accepts.
pub(super) fn guard(path: &str) -> Guard {
    if is_api(path) { Guard::Token } else { Guard::Everybody }
}

/// The parameter in `path`, if it matches the route's `pattern`; empty if the pattern has none.
fn parameter<'path>(pattern: &str, path: &'path str) -> Option<&'path str> {
    if pattern == path {
        return Some("");
    }
    let (prefix, rest) = pattern.split_once('{')?;
    let (_, suffix) = rest.split_once('}')?;
    let parameter = path.strip_prefix(prefix)?.strip_suffix(suffix)?;
    (!parameter.is_empty() && !parameter.contains('/')).then_some(parameter)
}

/// `GET /`: the dashboard for browsers, the list of routes for programs.
fn index(context: &Context) -> Response {
    if dashboard::is_wanted(&context.head.headers) {
        return dashboard::page(context);
    }
    let routes: Vec<Value> = ROUTES
        .iter()
        .map(|Route { method, path, purpose, .. }| {
            json!({ "method": method.as_str(), "path": path, "purpose": purpose })
        })
        .collect();
    let body = json!({
        "name": env!("CARGO_PKG_NAME"),
        "version": env!("CARGO_PKG_VERSION"),
        "routes": routes,
    });
    respond::object(StatusCode::OK, &body)
}

impl Unroutable {
    /// What metrics call it: the path of a client must not become a label.
    pub(super) const fn label(&self) -> &'static str {
        match self {
            Self::NotFound => "none",
            Self::MethodNotAllowed { path, .. } => path,
        }
    }

    pub(super) fn response(&self) -> Response {
        match self {
            Self::NotFound => {
                let known: Vec<&str> = ROUTES.iter().map(|route| route.path).collect();
                let message = format!("no such path; known paths: {}", known.join(", "));
                respond::problem(StatusCode::NOT_FOUND, &message)
            }
            Self::MethodNotAllowed { path, allowed } => {
                respond::method_not_allowed(path, &allow(allowed))
            }
        }
    }
}

fn allow(methods: &[Method]) -> String {
    let names = methods.iter().map(|method| match *method {
        Method::GET => "GET, HEAD",
        ref other => other.as_str(),
    });
    names.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(method: &Method, path: &str, expected: &str, parameter: &str) {
        let (route, found) = find(method, path).unwrap_or_else(|_| panic!("{method} {path}"));
        assert_eq!((route.path, &*found), (expected, parameter), "{method} {path}");
    }

    #[test]
    fn finds_every_route_of_the_table() {
        for route in &ROUTES {
            let path = route.path.replace(['{', '}'], "");
            let (found, _) = find(&route.method, &path).unwrap();
            assert_eq!(found.path, route.path);
        }
        check(&Method::HEAD, "/api/inverters", "/api/inverters", "");
        let get = &Method::GET;
        check(get, "/api/inverters/1161a0", "/api/inverters/{serial}", "1161a0");
        check(get, "/api/inverters/1161a0/ports", "/api/inverters/{serial}/ports", "1161a0");
    }

    #[test]
    fn decodes_the_name_of_a_target() {
        for (encoded, name) in [
            ("Home%20Assistant", "Home Assistant"),
            ("a%2Fb", "a/b"),
            ("K%C3%BCche", "Küche"),
            ("100%", "100%"),
            ("a+b", "a+b"),
        ] {
            let path = format!("/api/targets/{encoded}");
            check(&Method::DELETE, &path, "/api/targets/{name}", name);
        }
    }

    #[test]
    fn rejects_unknown_paths() {
        for path in [
            "",
            "*",
            "//",
            "/api",
            "/api/",
            "/Health",
            "/health/",
            "/api/inverters/",
            "/api/inverters//ports",
            "/api/inverters/1/ports/1",
            "/api/inverters/1/port",
            "/api/targets/",
            "/api/targets/a/b",
            "/api/websocket",
        ] {
            for method in [Method::GET, Method::DELETE] {
                assert!(matches!(find(&method, path), Err(Unroutable::NotFound)), "{path}");
            }
        }
    }

    #[test]
    fn names_the_allowed_methods_of_a_known_path() {
        for (method, path, allowed) in [
            (Method::POST, "/api/inverters", "GET, HEAD"),
            (Method::OPTIONS, "/health", "GET, HEAD"),
            (Method::HEAD, "/api/websocket/register", "POST"),
            (Method::GET, "/api/targets/House", "DELETE"),
        ] {
            let Err(Unroutable::MethodNotAllowed { allowed: found, .. }) = find(&method, path)
            else {
                panic!("{method} {path}");
            };
            assert_eq!(allow(&found), allowed, "{method} {path}");
        }
    }

    #[test]
    fn the_protected_part_ends_at_a_slash() {
        for (path, expected) in
            [("/api", true), ("/api/x", true), ("/apis", false), ("/health", false), ("", false)]
        {
            assert_eq!(is_api(path), expected, "{path}");
        }
    }
}
