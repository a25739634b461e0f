//! The dashboard: who gets it, what is in it, and its files.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use hyper::http::response::Parts;
use serde_json::Value;

use super::fixture::{api, api_over, api_with_token, dtu, inverter, noon, respond_bytes, snapshot};
use crate::http::Api;
use crate::problem::Problem;
use crate::snapshot::state::{DtuState, DtuStatus};

const BROWSER: (&str, &str) =
    ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8");

struct Answer {
    head: Parts,
    text: String,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.head.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

async fn get(api: &Arc<Api>, path: &str, header: (&str, &str)) -> Answer {
    let request = Request::get(path).header("host", "bridge").header(header.0, header.1);
    let request = request.body(Full::<Bytes>::default()).unwrap();
    let (head, bytes) = respond_bytes(api, request).await;
    Answer { head, text: String::from_utf8_lossy(&bytes).into_owned() }
}

async fn page(api: &Arc<Api>) -> Answer {
    let page = get(api, "/", BROWSER).await;
    assert_eq!(
        (page.head.status.as_u16(), page.header("content-type")),
        (200, "text/html; charset=utf-8")
    );
    page
}

/// What the page starts with.
fn start(page: &str) -> Value {
    let rest = page.split_once(r#"id="start">"#).unwrap().1;
    serde_json::from_str(rest.split_once("</script>").unwrap().0).unwrap()
}

/// Everything in quotes that is a path.
fn paths(text: &str) -> Vec<String> {
    let parts = text.split('"').skip(1).step_by(2);
    parts.filter(|part| part.starts_with("./") && part.contains('.')).map(str::to_owned).collect()
}

#[tokio::test]
async fn a_browser_gets_the_page_and_a_program_the_list_of_routes() {
    assert!(page(&api()).await.text.starts_with("<!doctype html>"));
    for accept in ["*/*", "application/json", ""] {
        let list = get(&api(), "/", ("accept", accept)).await;
        assert_eq!(list.header("content-type"), "application/json", "{accept}");
    }
    let other = get(&api(), "/api/inverters", BROWSER).await;
    assert_eq!(other.header("content-type"), "application/json");
}

#[tokio::test]
async fn the_page_has_the_plant_in_it() {
    let start = start(&page(&api()).await.text);
    let data = &start["update"]["data"];
    assert_eq!(data["plant"]["pv_power"], 412.6);
    assert_eq!(data["inverters"][0]["serial_number"], "1161a0000001");
    assert_eq!((&start["has_session"], &start["timezone"]), (&false.into(), &"UTC".into()));
    assert_eq!(start["targets"], serde_json::json!([]));
}

#[tokio::test]
async fn a_token_keeps_the_plant_out_of_the_page() {
    let api = api_with_token("s3cret");
    let text = page(&api).await.text;
    assert_eq!(start(&text), serde_json::json!({ "is_locked": true }));
    assert!(!text.contains("House") && !text.contains("1161a0"), "{text}");
}

#[tokio::test]
async fn text_from_devices_cannot_become_code() {
    let evil = DtuState {
        name: "</script><script>alert(1)</script>".into(),
        last_error: Some(Problem::without_remedy("closed", "<!--<script")),
        last_error_time: Some(noon()),
        ..dtu(DtuStatus::Error, None)
    };
    let page = page(&api_over(snapshot(vec![inverter(1, 1)], vec![evil]))).await;
    let begin = page.text.find(r#"id="start">"#).unwrap();
    assert_eq!(page.text[begin..].matches("</script").count(), 1);
    assert_eq!(page.text[begin..].matches("<script").count(), 0);
    let names = &start(&page.text)["update"]["data"]["health"]["dtus"];
    assert!(names.get("</script><script>alert(1)</script>").is_some(), "{names}");
    let policy = page.header("content-security-policy");
    assert!(policy.contains("script-src 'self'") && !policy.contains("unsafe"), "{policy}");
}

#[tokio::test]
async fn every_file_that_the_page_names_is_served_under_a_name_with_its_hash() {
    let api = api_with_token("s3cret");
    let page = page(&api).await;
    let mut open = paths(&page.text);
    assert!(open.len() > 15, "{open:?}");
    let mut seen = Vec::new();
    while let Some(path) = open.pop() {
        // Only files need an answer here; the page also links to requests of the API.
        let Some(name) = path.strip_prefix("./assets/") else { continue };
        if seen.contains(&path) {
            continue;
        }
        let answer = get(&api, &path[1..], ("accept", "*/*")).await;
        assert_eq!(answer.head.status, 200, "{path}");
        assert_eq!(answer.header("cache-control"), "public, max-age=31536000, immutable");
        let stem = name.rsplit_once('.').unwrap().0;
        let hash = stem.rsplit_once('-').unwrap().1;
        assert!(hash.len() == 16 && u64::from_str_radix(hash, 16).is_ok(), "{name}");
        if answer.header("content-type").contains("javascript") {
            let imports = answer.text.split("from\"").chain(answer.text.split("from \"")).skip(1);
            let names = imports.filter_map(|rest| rest.split('"').next());
            let names = names.filter(|one| one.starts_with("./"));
            open.extend(names.map(|one| one.replacen("./", "./assets/", 1)));
        }
        seen.push(path);
    }
    let has = |part: &str| seen.iter().any(|path| path.contains(part));
    assert!(has("main-") && has("lit-html-lit-html-") && has("uPlot"), "{seen:?}");
    let missing = get(&api, "/assets/main.js", ("accept", "*/*")).await;
    assert_eq!(missing.head.status, 404);
}

#[tokio::test]
async fn files_are_compressed_as_the_browser_wants() {
    let api = api();
    let page = page(&api).await;
    let all = paths(&page.text);
    let style = all.iter().find(|path| path.contains("/style-")).unwrap();
    for (wanted, encoding) in [("br, gzip", "br"), ("gzip", "gzip"), ("br;q=0", ""), ("", "")] {
        let answer = get(&api, &style[1..], ("accept-encoding", wanted)).await;
        assert_eq!(answer.header("content-encoding"), encoding, "{wanted}");
    }
}
