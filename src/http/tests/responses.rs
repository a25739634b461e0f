//! Each request of the API and its response, with no header that is not listed here.

use std::io::Read as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use flate2::read::GzDecoder;
use http_body_util::Full;
use hyper::Request;
use serde_json::{Value, json};
use tracing_subscriber::layer::SubscriberExt as _;

use super::fixture::{
    api, api_over, api_with, api_with_token, dtu, noon, respond, respond_bytes, snapshot,
};
use crate::config::HttpConfig;
use crate::http::Api;
use crate::plant::day_curve::DayCurve;
use crate::plant::units::Watts;
use crate::snapshot::state::DtuStatus;
use crate::snapshot::{Contents, Snapshot};

/// The headers that a response may have, and when: any other is an accident.
const ALLOWED: [(&str, Rule); 11] = [
    ("content-type", |_, status| status != 204),
    ("cache-control", |_, _| true),
    ("access-control-allow-origin", |method, status| {
        ["GET", "HEAD"].contains(&method) || is_preflight(method, status)
    }),
    ("etag", |_, status| [200, 304].contains(&status)),
    ("vary", |_, _| true),
    ("content-disposition", |_, status| status == 200),
    ("access-control-allow-methods", is_preflight),
    ("access-control-allow-headers", is_preflight),
    ("access-control-max-age", is_preflight),
    ("allow", |_, status| status == 405),
    ("www-authenticate", |_, status| status == 401),
];

/// Whether this is the response to a browser's preflight request.
fn is_preflight(method: &str, status: u16) -> bool {
    method == "OPTIONS" && status == 204
}

/// Whether a header may be in the response to this method, with this status.
type Rule = fn(&str, u16) -> bool;

pub(super) struct Answer {
    pub(super) status: u16,
    headers: hyper::HeaderMap,
    pub(super) text: String,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }
}

pub(super) async fn ask_with(
    api: &Arc<Api>,
    method: &str,
    path: &str,
    header: (&str, &str),
) -> Answer {
    let request = Request::builder().method(method).uri(path).header("host", "bridge");
    let request = request.header(header.0, header.1).body(Full::<Bytes>::default()).unwrap();
    let (head, text) = respond(api, request).await;
    let answer = Answer { status: head.status.as_u16(), headers: head.headers, text };
    for name in answer.headers.keys() {
        let rule = ALLOWED.iter().find(|(allowed, _)| *allowed == name.as_str());
        let is_allowed = rule.is_some_and(|(_, may)| may(method, answer.status));
        assert!(is_allowed, "{method} {path}: {name} with {}", answer.status);
    }
    if answer.status >= 400 && path != "/health" {
        assert!(answer.json()["error"].is_string(), "{method} {path}: {}", answer.text);
    }
    answer
}

async fn ask(api: &Arc<Api>, method: &str, path: &str) -> Answer {
    ask_with(api, method, path, ("x-nothing", "")).await
}

async fn check(method: &str, path: &str, status: u16, expected: Value) {
    let answer = ask(&api(), method, path).await;
    assert_eq!(answer.status, status, "{method} {path}: {}", answer.text);
    assert_eq!(answer.header("content-type"), "application/json", "{method} {path}");
    assert_eq!(answer.json(), expected, "{method} {path}");
}

#[tokio::test]
async fn serves_the_plant_as_json() {
    let api = api();
    let inverters = ask(&api, "GET", "/api/inverters?token=x").await;
    let all = inverters.json();
    assert_eq!(inverters.status, 200);
    assert_eq!(all[0]["serial_number"], "1161a0000001");
    assert_eq!(all[0]["grid_voltage"], 233.4);
    check("GET", "/api/inverters/1161A0000001", 200, all[0].clone()).await;
    check("GET", "/api/inverters/1161a0000002", 200, all[1].clone()).await;
    check("GET", "/api/inverters/1161A0000001/ports", 200, all[0]["ports"].clone()).await;
    let ports = json!([all[0]["ports"][0], all[0]["ports"][1], all[1]["ports"][0]]);
    check("GET", "/api/ports", 200, ports).await;
    check("GET", "/api/meters", 200, json!([])).await;
    check("GET", "/api/targets", 200, json!([])).await;
    let production = |serial, port, today: Option<u64>, total: Option<u64>| {
        json!({"serial_number": serial, "port_number": port,
            "today_production": today, "total_production": total})
    };
    let productions = json!([
        production("1161a0000001", 1, Some(936), Some(456_172)),
        production("1161a0000001", 2, None, None),
        production("1161a0000002", 1, Some(936), Some(456_172)),
    ]);
    check("GET", "/api/production/current", 200, productions).await;
}

#[tokio::test]
async fn lists_are_empty_before_the_first_reading() {
    let api = api_over(snapshot(Vec::new(), vec![dtu(DtuStatus::Unknown, None)]));
    for path in ["/api/inverters", "/api/ports", "/api/production/current", "/api/meters"] {
        assert_eq!(ask(&api, "GET", path).await.text, "[]", "{path}");
    }
}

#[tokio::test]
async fn health_and_ready_agree() {
    tokio::time::pause();
    let long_ago = noon() - jiff::SignedDuration::from_hours(1);
    for (dtu, status) in [
        (dtu(DtuStatus::Online, Some(noon())), 200),
        (dtu(DtuStatus::Asleep, Some(long_ago)), 200),
        (dtu(DtuStatus::Error, Some(noon())), 200),
        (dtu(DtuStatus::Error, Some(long_ago)), 503),
        (dtu(DtuStatus::Unknown, None), 503),
    ] {
        let api = api_over(snapshot(Vec::new(), vec![dtu]));
        tokio::time::advance(Duration::from_secs(60)).await;
        let health = ask(&api, "GET", "/health").await;
        assert_eq!(health.status, status);
        assert_eq!(health.json()["healthy"], status == 200);
        assert_eq!(health.json()["uptime_seconds"], 60);
        assert_eq!(health.json()["version"], env!("CARGO_PKG_VERSION"));
        let ready = ask(&api, "GET", "/ready").await;
        assert_eq!(ready.status, status);
        assert!(status != 200 || ready.text == "OK", "{}", ready.text);
    }
}

#[tokio::test]
async fn unknown_paths_and_inverters_get_404_with_a_hint() {
    for (path, hint) in [
        ("/api/nothing", "/api/inverters"),
        ("/api/inverters/1161a0000009", "/api/inverters lists"),
        ("/api/inverters/sun", "twelve digits"),
        ("/api/inverters/1161a0000009/ports", "/api/inverters lists"),
    ] {
        let answer = ask(&api(), "GET", path).await;
        assert_eq!(answer.status, 404, "{path}");
        assert!(answer.text.contains(hint), "{path}: {}", answer.text);
    }
}

#[tokio::test]
async fn a_target_can_be_removed_once() {
    let api = api();
    api.targets.register("ws://10.0.0.2:8123/ws?token=secret", "Home Assistant").await.unwrap();
    let listed = ask(&api, "GET", "/api/targets").await;
    assert_eq!(listed.json()[0]["name"], "Home Assistant");
    assert_eq!(listed.json()[0]["source"], "registered");
    assert!(!listed.text.contains("secret"), "{}", listed.text);
    let metrics = ask(&api, "GET", "/metrics").await.text;
    let line = r#"hoymiles_target_connected{target="Home Assistant"} 0"#;
    assert!(metrics.contains(line) && !metrics.contains("secret"), "{metrics}");

    let forgotten = ask(&api, "DELETE", "/api/targets/Home%20Assistant").await;
    assert_eq!((forgotten.status, forgotten.text.as_str()), (204, ""));
    assert_eq!(ask(&api, "DELETE", "/api/targets/Home%20Assistant").await.status, 404);
    assert_eq!(ask(&api, "GET", "/api/targets").await.text, "[]");
}

#[tokio::test]
async fn the_plant_is_the_sum_of_its_inverters() {
    let plant = ask(&api(), "GET", "/api/plant").await.json();
    assert_eq!(
        plant,
        serde_json::json!({"pv_power": 412.6, "active_power": null, "today_production": 1_872,
            "today_since": null, "total_production": 912_344, "lifetime_sum": 912_344})
    );
}

#[tokio::test]
async fn the_day_is_a_point_every_five_minutes() {
    let power = Watts::from_tenths;
    let curve = DayCurve::restore(noon(), [Some(power(10)), None], Some((noon(), power(25))));
    let snapshot =
        Snapshot::new(Contents { day_curve: Arc::new(curve), ..Contents::empty(noon()) });
    let day = ask(&api_over(snapshot), "GET", "/api/plant/day").await.json();
    let from = noon().as_second();
    let peak = json!({"time": "2026-06-01T12:00:00+00:00", "value": 2.5});
    let points = json!([[from, 1.0], [from + 300, null]]);
    assert_eq!(day, json!({"from": from, "step": 300, "points": points, "peak": peak}));
    let empty = ask(&api(), "GET", "/api/plant/day").await.json();
    assert_eq!(empty, json!({"from": null, "step": 300, "points": [], "peak": null}));
}

#[tokio::test]
async fn the_log_goes_on_behind_a_line() {
    let api = api();
    let subscriber = tracing_subscriber::registry().with(api.about.log.clone());
    tracing::subscriber::with_default(subscriber, || {
        tracing::info!("one");
        tracing::warn!("two");
    });
    let log = ask(&api, "GET", "/api/log?after=1").await.json();
    assert_eq!((&log["next"], log["lines"].as_array().unwrap().len()), (&json!(2), 1));
    assert_eq!(log["lines"][0]["message"], "two");
    assert_eq!(log["lines"][0]["level"], "warn");
    assert_eq!(ask(&api, "GET", "/api/log?after=2").await.json()["next"], 2);
    assert_eq!(ask(&api, "GET", "/api/log?after=x").await.status, 400);
}

#[tokio::test]
async fn a_report_has_no_names_and_addresses() {
    let api = api();
    api.targets.register("ws://10.0.0.2:8123/ws?token=secret", "Home Assistant").await.unwrap();
    let request = Request::get("/api/diagnostics").header("host", "bridge");
    let request = request.body(Full::<Bytes>::default()).unwrap();
    let (head, body) = respond_bytes(&api, request).await;
    assert_eq!(head.headers["content-type"], "application/zip");
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(body)).unwrap();
    let mut all = String::new();
    for place in 0..archive.len() {
        archive.by_index(place).unwrap().read_to_string(&mut all).unwrap();
    }
    for hidden in ["Home Assistant", "10.0.0.2", "secret", "1161a0000001"] {
        assert!(!all.contains(hidden), "{hidden}");
    }
    assert!(all.contains("target-1") && all.contains("1161-inverter-1"), "{all}");
}

#[tokio::test]
async fn the_index_lists_every_route() {
    let index = ask(&api(), "GET", "/").await.json();
    let routes = index["routes"].as_array().unwrap();
    assert_eq!(routes[0]["path"], "/");
    assert!(routes.iter().any(|route| route["method"] == "POST"));
    assert!(ask(&api(), "GET", "/stats").await.json()["inverters_count"].is_u64());
}

#[tokio::test]
async fn a_wrong_method_gets_405_with_the_allowed_ones() {
    for (method, path, allow) in [
        ("POST", "/api/inverters", "GET, HEAD"),
        ("PUT", "/health", "GET, HEAD"),
        ("OPTIONS", "/api/inverters", "GET, HEAD"),
        ("GET", "/api/websocket/register", "POST"),
        ("OPTIONS", "/api/websocket/register", "POST"),
        ("GET", "/api/targets/House", "DELETE"),
    ] {
        let answer = ask(&api(), method, path).await;
        assert_eq!((answer.status, answer.header("allow")), (405, allow), "{method} {path}");
    }
}

#[tokio::test]
async fn pages_of_listed_origins_may_only_read() {
    let origin = "https://panel.example";
    let config = HttpConfig {
        token: Some("secret".into()),
        allowed_origins: vec![origin.to_owned()],
        ..HttpConfig::default()
    };
    let api = api_with(snapshot(Vec::new(), Vec::new()), &config);
    let preflight = |path: &'static str, origin: &'static str| {
        let api = Arc::clone(&api);
        async move {
            let request = Request::builder()
                .method("OPTIONS")
                .uri(path)
                .header("host", "bridge")
                .header("origin", origin)
                .header("access-control-request-method", "GET");
            let request = request.body(Full::<Bytes>::default()).unwrap();
            let (head, text) = respond(&api, request).await;
            Answer { status: head.status.as_u16(), headers: head.headers, text }
        }
    };
    let may_read = preflight("/api/inverters", origin).await;
    assert_eq!(may_read.status, 204);
    let allowed = may_read.header("access-control-allow-headers");
    assert_eq!(allowed, "Authorization, If-None-Match, Last-Event-ID");
    assert_eq!(may_read.header("vary"), "Origin");
    assert_eq!(preflight("/api/inverters", "https://other.example").await.status, 405);
    assert_eq!(preflight("/api/websocket/register", origin).await.status, 405);

    let read = ask_with(&api, "GET", "/health", ("origin", origin)).await;
    assert_eq!(read.header("access-control-allow-origin"), origin);
    assert_eq!(read.header("vary"), "Origin");
    let other = ask_with(&api, "GET", "/health", ("origin", "https://other.example")).await;
    assert_eq!(other.header("access-control-allow-origin"), "");
    assert_eq!(other.header("vary"), "Origin");

    let api = self::api();
    assert_eq!(ask_with(&api, "GET", "/health", ("origin", origin)).await.header("vary"), "");
    for (method, path) in [("POST", "/api/websocket/register"), ("DELETE", "/api/targets/House")] {
        let answer = ask_with(&api, method, path, ("origin", origin)).await;
        assert_eq!(answer.status, 403, "{method} {path}");
    }
}

#[tokio::test]
async fn an_unchanged_list_is_not_sent_again() {
    let api = api();
    for path in ["/api/inverters", "/api/ports", "/api/meters", "/api/plant"] {
        let first = ask(&api, "GET", path).await;
        let etag = first.header("etag").to_owned();
        assert!(etag.starts_with("W/\""), "{path}: {etag}");
        assert_eq!(first.header("cache-control"), "no-cache", "{path}");
        assert_eq!(first.header("vary"), "Accept-Encoding", "{path}");
        let again = ask_with(&api, "GET", path, ("if-none-match", &etag)).await;
        assert_eq!((again.status, again.text.as_str()), (304, ""), "{path}");
        assert_eq!(again.header("etag"), etag, "{path}");
        let other = ask_with(&api, "GET", path, ("if-none-match", "W/\"0\"")).await;
        assert_eq!((other.status, other.text), (200, first.text), "{path}");
    }
}

#[tokio::test]
async fn the_token_comes_before_the_tag() {
    let api = api_with_token("secret");
    let answer = ask_with(&api, "GET", "/api/inverters", ("if-none-match", "*")).await;
    assert_eq!(answer.status, 401);
}

#[tokio::test]
async fn larger_answers_are_compressed_for_clients_that_take_it() {
    let api = api();
    for path in ["/api/inverters", "/metrics", "/"] {
        let plain = ask(&api, "GET", path).await;
        assert_eq!(plain.headers.get("content-encoding"), None, "{path}");
        let request = Request::get(path).header("host", "bridge").header("accept-encoding", "gzip");
        let service = request.body(Full::<Bytes>::default()).unwrap();
        let (head, body) = respond_bytes(&api, service).await;
        assert_eq!(head.headers["content-encoding"], "gzip", "{path}");
        assert_eq!(head.headers["vary"], "Accept-Encoding", "{path}");
        assert!(body.len() < plain.text.len(), "{path}");
        let mut text = String::new();
        GzDecoder::new(&*body).read_to_string(&mut text).unwrap();
        assert!(path == "/metrics" || text == plain.text, "{path}");
    }
    let small = ask_with(&api, "GET", "/api/plant", ("accept-encoding", "gzip")).await;
    assert!(small.json()["pv_power"].is_number());
}

#[tokio::test]
async fn the_token_protects_readings_and_changes() {
    let api = api_with_token("secret");
    for (method, path) in [
        ("GET", "/api/inverters"),
        ("HEAD", "/api/inverters"),
        ("GET", "/api/targets"),
        ("GET", "/api/nothing"),
        ("GET", "/api/stream"),
        ("GET", "/metrics"),
        ("POST", "/api/websocket/register"),
        ("DELETE", "/api/targets/House"),
    ] {
        let without = ask(&api, method, path).await;
        assert_eq!(without.status, 401, "{method} {path}");
        assert!(without.header("www-authenticate").starts_with("Bearer "), "{method} {path}");
        let wrong = ask_with(&api, method, path, ("authorization", "Bearer Secret")).await;
        assert_eq!(wrong.status, 401, "{method} {path}");
        let right = ask_with(&api, method, path, ("authorization", "Bearer secret")).await;
        assert_ne!(right.status, 401, "{method} {path}");
    }
    for path in ["/", "/health", "/ready", "/stats"] {
        assert_eq!(ask(&api, "GET", path).await.status, 200, "{path}");
    }
}
