//! The page at `/`: when it is served, its content, and its escaping.

use std::sync::Arc;

use super::fixture::{api, api_over, api_with_token, dtu, inverter, noon, snapshot};
use super::responses::{Answer, ask_with};
use crate::http::Api;
use crate::problem::Problem;
use crate::snapshot::state::{DtuState, DtuStatus};

const BROWSER: (&str, &str) =
    ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8");

async fn page(api: &Arc<Api>) -> Answer {
    let page = ask_with(api, "GET", "/", BROWSER).await;
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
    page
}

#[tokio::test]
async fn a_browser_gets_a_page_and_a_program_the_list_of_routes() {
    assert!(page(&api()).await.text.starts_with("<!doctype html>"));
    for accept in ["*/*", "application/json", ""] {
        let list = ask_with(&api(), "GET", "/", ("accept", accept)).await;
        assert_eq!(list.header("content-type"), "application/json", "{accept}");
    }
    let other = ask_with(&api(), "GET", "/api/inverters", BROWSER).await;
    assert_eq!(other.header("content-type"), "application/json");
}

#[tokio::test]
async fn shows_the_plant_and_its_dtus() {
    let text = page(&api()).await.text;
    for expected in [
        "<p>412.6 W now, 1.87 kWh today, 912.34 kWh in total, from 2 inverters with 3 ports</p>",
        "<td>House</td><td>online</td><td>2026-06-01 12:00:00</td><td>–</td>",
        "<td>1161a0000001</td><td>House</td><td>206.3 W</td><td>0.93 kWh</td><td>456.17 kWh</td>",
    ] {
        assert!(text.contains(expected), "no {expected} in {text}");
    }
    let new = api_over(snapshot(Vec::new(), vec![dtu(DtuStatus::Unknown, None)]));
    let text = page(&new).await.text;
    assert!(text.contains("<p>– now, – today, – in total, from 0 inverters"), "{text}");
}

#[tokio::test]
async fn text_from_devices_cannot_become_markup() {
    let evil = DtuState {
        name: "<b>A & 'B'".into(),
        last_error: Some(Problem::without_remedy("closed", "<script src=\"//x\">")),
        last_error_time: Some(noon()),
        ..dtu(DtuStatus::Error, None)
    };
    let text = page(&api_over(snapshot(vec![inverter(1, 1)], vec![evil]))).await.text;
    assert!(text.contains("&lt;b&gt;A &amp; &#39;B&#39;"), "{text}");
    assert!(text.contains("&lt;script src=&quot;//x&quot;&gt;"), "{text}");
    assert!(!text.contains("<script") && !text.contains("<b>"), "{text}");
    assert!(text.contains("default-src 'none'"), "{text}");
}

#[tokio::test]
async fn links_work_below_any_path() {
    let links = |text: &str| -> Vec<String> {
        let parts = text.split("<a href=\"").skip(1);
        parts.map(|part| part.split('"').next().unwrap().to_owned()).collect()
    };
    let api = api();
    let all = links(&page(&api).await.text);
    assert!(all.contains(&"api/inverters".to_owned()) && all.len() > 8, "{all:?}");
    for link in &all {
        assert!(!link.starts_with('/') && !link.contains(':'), "{link} leaves the panel");
        let answer = ask_with(&api, "GET", &format!("/{link}"), BROWSER).await;
        assert_eq!(answer.status, 200, "{link}");
    }
    let closed = ask_with(&api_with_token("s3cret"), "GET", "/", BROWSER).await;
    assert_eq!(closed.status, 401, "it shows readings");
}
