//! From a method and a path to a route. Pure; the only place that decides on 404 and 405.

use std::borrow::Cow;

use hyper::Method;

/// What a request is about. Each path has one method, besides HEAD for GET.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Route<'path> {
    Index,
    Health,
    Ready,
    Stats,
    Metrics,
    Plant,
    Inverters,
    Inverter { serial: &'path str },
    InverterPorts { serial: &'path str },
    Ports,
    Meters,
    CurrentProduction,
    Targets,
    Register,
    Target { name: Cow<'path, str> },
}

/// Every route, in the order in which a person wants to read them.
pub(super) const ROUTES: [Route<'static>; 15] = [
    Route::Index,
    Route::Health,
    Route::Ready,
    Route::Stats,
    Route::Metrics,
    Route::Plant,
    Route::Inverters,
    Route::Inverter { serial: "" },
    Route::InverterPorts { serial: "" },
    Route::Ports,
    Route::Meters,
    Route::CurrentProduction,
    Route::Targets,
    Route::Register,
    Route::Target { name: Cow::Borrowed("") },
];

/// Why a request has no route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Misroute<'path> {
    /// 404.
    NoSuchPath,
    /// 405, or the answer to a browser that asks whether it may read.
    WrongMethod(Route<'path>),
}

/// The route of a request.
pub(super) fn route<'path>(
    method: &Method,
    path: &'path str,
) -> Result<Route<'path>, Misroute<'path>> {
    let route = at(path).ok_or(Misroute::NoSuchPath)?;
    let asked = if *method == Method::HEAD { &Method::GET } else { method };
    if *asked == route.method() { Ok(route) } else { Err(Misroute::WrongMethod(route)) }
}

/// Whether the path belongs to the part that a token protects, whether or not it exists.
pub(super) fn is_api(path: &str) -> bool {
    path.strip_prefix("/api").is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn at(path: &str) -> Option<Route<'_>> {
    Some(match path {
        "/" => Route::Index,
        "/health" => Route::Health,
        "/ready" => Route::Ready,
        "/stats" => Route::Stats,
        "/metrics" => Route::Metrics,
        "/api/plant" => Route::Plant,
        "/api/inverters" => Route::Inverters,
        "/api/ports" => Route::Ports,
        "/api/meters" => Route::Meters,
        "/api/production/current" => Route::CurrentProduction,
        "/api/targets" => Route::Targets,
        "/api/websocket/register" => Route::Register,
        _ => return below(path),
    })
}

fn below(path: &str) -> Option<Route<'_>> {
    if let Some(rest) = path.strip_prefix("/api/inverters/") {
        let (serial, what) = rest.split_once('/').map_or((rest, None), |(a, b)| (a, Some(b)));
        return match what {
            _ if serial.is_empty() => None,
            None => Some(Route::Inverter { serial }),
            Some("ports") => Some(Route::InverterPorts { serial }),
            Some(_) => None,
        };
    }
    // A name may contain a slash, then it comes encoded.
    let name = path.strip_prefix("/api/targets/")?;
    let is_one = !name.is_empty() && !name.contains('/');
    is_one.then(|| Route::Target {
        name: percent_encoding::percent_decode_str(name).decode_utf8_lossy(),
    })
}

impl Route<'_> {
    /// The path with its variable parts as names: what metrics and messages call the route.
    pub(super) const fn pattern(&self) -> &'static str {
        match self {
            Self::Index => "/",
            Self::Health => "/health",
            Self::Ready => "/ready",
            Self::Stats => "/stats",
            Self::Metrics => "/metrics",
            Self::Plant => "/api/plant",
            Self::Inverters => "/api/inverters",
            Self::Inverter { .. } => "/api/inverters/{serial}",
            Self::InverterPorts { .. } => "/api/inverters/{serial}/ports",
            Self::Ports => "/api/ports",
            Self::Meters => "/api/meters",
            Self::CurrentProduction => "/api/production/current",
            Self::Targets => "/api/targets",
            Self::Register => "/api/websocket/register",
            Self::Target { .. } => "/api/targets/{name}",
        }
    }

    /// What the route is for, for the list at `/`.
    pub(super) const fn purpose(&self) -> &'static str {
        match self {
            Self::Index => "this list",
            Self::Health => "whether the bridge does its job, DTU by DTU; 503 if it does not",
            Self::Ready => "the same as OK or 503, for a container or a load balancer",
            Self::Stats => "how much the bridge holds",
            Self::Metrics => "figures for Prometheus",
            Self::Plant => "the sums of the whole plant",
            Self::Inverters => "all inverters with their ports",
            Self::Inverter { .. } => "one inverter",
            Self::InverterPorts { .. } => "the ports of one inverter",
            Self::Ports => "all ports",
            Self::Meters => "all energy meters",
            Self::CurrentProduction => "the production of each port, today and in total",
            Self::Targets => "the WebSocket targets and how each fares",
            Self::Register => {
                "registers a WebSocket target: {\"websocket_url\": ..., \"name\": ...}"
            }
            Self::Target { .. } => "forgets a registered target",
        }
    }

    /// The one method, besides HEAD.
    pub(super) const fn method(&self) -> Method {
        match self {
            Self::Index
            | Self::Health
            | Self::Ready
            | Self::Stats
            | Self::Metrics
            | Self::Plant
            | Self::Inverters
            | Self::Inverter { .. }
            | Self::InverterPorts { .. }
            | Self::Ports
            | Self::Meters
            | Self::CurrentProduction
            | Self::Targets => Method::GET,
            Self::Register => Method::POST,
            Self::Target { .. } => Method::DELETE,
        }
    }

    /// The `Allow` header.
    pub(super) fn allow(&self) -> &'static str {
        match self.method() {
            Method::GET => "GET, HEAD",
            Method::POST => "POST",
            _ => "DELETE",
        }
    }
}

impl Misroute<'_> {
    /// What metrics call it: a stranger's path must not become a label.
    pub(super) const fn pattern(&self) -> &'static str {
        match self {
            Self::NoSuchPath => "none",
            Self::WrongMethod(route) => route.pattern(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(method: &Method, path: &str, expected: &Result<Route<'_>, Misroute<'_>>) {
        assert_eq!(&route(method, path), expected, "{method} {path}");
    }

    #[test]
    fn every_path_of_the_contract_has_its_route() {
        let get = &Method::GET;
        check(get, "/", &Ok(Route::Index));
        check(get, "/health", &Ok(Route::Health));
        check(get, "/ready", &Ok(Route::Ready));
        check(get, "/stats", &Ok(Route::Stats));
        check(get, "/metrics", &Ok(Route::Metrics));
        check(get, "/api/plant", &Ok(Route::Plant));
        check(get, "/api/inverters", &Ok(Route::Inverters));
        check(get, "/api/inverters/1161a0", &Ok(Route::Inverter { serial: "1161a0" }));
        check(get, "/api/inverters/1161a0/ports", &Ok(Route::InverterPorts { serial: "1161a0" }));
        check(get, "/api/ports", &Ok(Route::Ports));
        check(get, "/api/meters", &Ok(Route::Meters));
        check(get, "/api/production/current", &Ok(Route::CurrentProduction));
        check(get, "/api/targets", &Ok(Route::Targets));
        check(&Method::POST, "/api/websocket/register", &Ok(Route::Register));
        check(&Method::DELETE, "/api/targets/House", &Ok(Route::Target { name: "House".into() }));
        check(&Method::HEAD, "/api/inverters", &Ok(Route::Inverters));
    }

    #[test]
    fn the_name_of_a_target_is_decoded() {
        for (path, name) in [
            ("/api/targets/Home%20Assistant", "Home Assistant"),
            ("/api/targets/a%2Fb", "a/b"),
            ("/api/targets/K%C3%BCche", "Küche"),
            ("/api/targets/100%", "100%"),
            ("/api/targets/a+b", "a+b"),
        ] {
            check(&Method::DELETE, path, &Ok(Route::Target { name: name.into() }));
        }
    }

    #[test]
    fn other_paths_do_not_exist() {
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
            check(&Method::GET, path, &Err(Misroute::NoSuchPath));
            check(&Method::DELETE, path, &Err(Misroute::NoSuchPath));
        }
    }

    #[test]
    fn a_known_path_refuses_other_methods_and_names_its_own() {
        for route_there in ROUTES {
            let path = route_there.pattern();
            for method in [Method::PUT, Method::PATCH, Method::TRACE, Method::OPTIONS] {
                let Err(Misroute::WrongMethod(known)) = route(&method, path) else {
                    panic!("{method} {path}");
                };
                assert_eq!(known.pattern(), path);
                assert!(known.allow().starts_with(known.method().as_str()), "{path}");
            }
        }
        check(
            &Method::HEAD,
            "/api/websocket/register",
            &Err(Misroute::WrongMethod(Route::Register)),
        );
        check(&Method::POST, "/api/inverters", &Err(Misroute::WrongMethod(Route::Inverters)));
    }

    #[test]
    fn the_part_behind_the_token_ends_at_a_slash() {
        for (path, expected) in
            [("/api", true), ("/api/x", true), ("/apis", false), ("/health", false), ("", false)]
        {
            assert_eq!(is_api(path), expected, "{path}");
        }
    }
}
