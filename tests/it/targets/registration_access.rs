//! Registration: who may register what, and what a web page may do.

use reqwest::Method;
use serde_json::json;

use crate::support::bridge::{Bridge, Home};
use crate::support::client;

const REGISTER: &str = "/api/websocket/register";
const DTU: &str = "[[dtu]]\nname = \"DTU\"\nprotocol = \"simulated\"\n";

/// Sends a request with these headers: status of the response, and whether web pages may read it.
async fn ask(
    bridge: &Bridge,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> (u16, bool) {
    let mut request = client().request(method, format!("{}{path}", bridge.api));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = request.body(body.to_owned()).send().await.unwrap();
    let is_open = answer.headers().contains_key("access-control-allow-origin");
    (answer.status().as_u16(), is_open)
}

fn body(url: &str) -> String {
    json!({"websocket_url": url, "name": "Target"}).to_string()
}

#[tokio::test]
async fn addresses_are_refused_in_every_notation_but_the_usual_ones() {
    let bridge = Home::new(DTU).run().await;
    for (url, expected) in [
        // Loopback, as a number, in octal, in hexadecimal, cut short, and as IPv6. Forms that
        // programs read in different ways are refused, whatever address they mean.
        ("ws://127.0.0.1:9/a", 200),
        ("ws://2130706433:9/b", 400),
        ("ws://0177.0.0.1:9/c", 400),
        ("ws://0x7f.1:9/d", 400),
        ("ws://[::1]:9/e", 200),
        ("ws://[::ffff:127.0.0.1]:9/f", 200),
        // 8.8.8.8 in the same ways is not private.
        ("ws://8.8.8.8/", 403),
        ("ws://134744072/", 400),
        ("ws://010.8.8.8/", 400),
        ("ws://0x8.0x8.0x8.0x8/", 400),
        ("ws://8.526344/", 400),
        ("ws://[::ffff:8.8.8.8]/", 403),
        ("ws://[::ffff:808:808]/", 403),
        ("ws://[64:ff9b::8.8.8.8]/", 403),
        ("ws://８.8.8.8/", 403),
        // Cloud providers serve credentials at link-local addresses.
        ("ws://169.254.169.254/", 403),
        ("ws://2852039166/", 400),
        ("ws://0xa9fea9fe/", 400),
        ("ws://0251.0376.0251.0376/", 400),
        ("ws://[::ffff:169.254.169.254]/", 403),
        ("ws://[::ffff:a9fe:a9fe]/", 403),
        ("ws://169.254.10.1/", 403),
        // Missing hosts, wildcard and multicast addresses are refused.
        ("ws://0.0.0.0/", 403),
        ("ws://0/", 400),
        ("ws://[::]/", 403),
        ("ws://255.255.255.255/", 403),
        ("ws://224.0.0.1/", 403),
        // Not a URL of a target.
        ("http://127.0.0.1/", 400),
        ("file:///etc/passwd", 400),
        ("ws://user@127.0.0.1/", 400),
        ("ws://:password@127.0.0.1/", 400),
        ("ws://127.0.0.1/\r\nHost: evil", 400),
        ("ws://127.0.0.1/\u{0}", 400),
        ("ws://127.0.0.1 /", 400),
        ("ws://127.0.0.1:0/", 400),
        ("ws://127.0.0.1:65536/", 400),
        ("ws://256.0.0.1/", 400),
        ("ws://[::1/", 400),
        ("ws://[fe80::1]:9/", 400),
        ("ws://", 400),
        ("", 400),
    ] {
        let (status, answer) =
            bridge.post(REGISTER, &json!({"websocket_url": url, "name": "Target"})).await;
        assert_eq!(status, expected, "{url:?} was answered {answer}");
    }
    let (_, targets) = bridge.get("/api/targets").await;
    assert_eq!(targets.as_array().unwrap().len(), 3, "refused targets are not listed: {targets}");
    bridge.stop().await;
}

#[tokio::test]
async fn a_web_page_of_another_origin_may_only_read() {
    let bridge = Home::new(DTU).run().await;
    let host = bridge.api.trim_start_matches("http://").to_owned();
    let json = ("content-type", "application/json");
    let good = body("ws://127.0.0.1:9/ws?token=s3cret");
    let own = format!("http://{host}");
    // What browsers send without a preflight request, and for pages of other origins.
    for (headers, expected) in [
        (vec![], 415),
        (vec![json, ("content-type", "text/plain")], 415),
        (vec![json], 200),
        (vec![("content-type", "text/plain")], 415),
        (vec![("content-type", "text/plain;application/json")], 415),
        (vec![("content-type", "application/x-www-form-urlencoded")], 415),
        (vec![("content-type", "multipart/form-data")], 415),
        (vec![json, ("origin", "http://evil.example")], 403),
        (vec![json, ("origin", "null")], 403),
        (vec![json, ("origin", "http://127.0.0.1")], 403),
        (vec![json, ("origin", "http://evil.example"), ("host", "evil.example")], 421),
        (vec![json, ("origin", &own)], 200),
        (vec![json, ("origin", &own), ("origin", "http://evil.example")], 403),
        (vec![("content-type", "application/json; charset=utf-8")], 200),
    ] {
        let answer = ask(&bridge, Method::POST, REGISTER, &headers, &good).await;
        assert_eq!(answer, (expected, false), "POST with {headers:?}");
    }
    let evil = ("origin", "http://evil.example");
    let target = "/api/targets/Target";
    assert_eq!(ask(&bridge, Method::DELETE, target, &[evil], "").await, (403, false));
    assert_eq!(ask(&bridge, Method::GET, "/api/targets", &[evil], "").await, (200, false));
    // A preflight request gets no permission.
    for path in [REGISTER, target] {
        let asks = [evil, ("access-control-request-method", "POST")];
        let (_, is_open) = ask(&bridge, Method::OPTIONS, path, &asks, "").await;
        assert!(!is_open, "{path}");
    }
    assert_eq!(ask(&bridge, Method::DELETE, target, &[], "").await, (204, false));
    bridge.stop().await;
}

#[tokio::test]
async fn with_a_token_only_requests_that_carry_it_are_allowed() {
    let home = Home::new("");
    home.configure(DTU);
    let text = std::fs::read_to_string(home.config()).unwrap();
    let text = text.replace("[http]\n", "[http]\ntoken = \"s3cret\"\n");
    std::fs::write(home.config(), text).unwrap();
    let bridge = home.run().await;
    let json = ("content-type", "application/json");
    let good = body("ws://127.0.0.1:9/ws");
    for (authorization, expected) in [
        (None, 401),
        (Some(""), 401),
        (Some("s3cret"), 401),
        (Some("Bearer s3cre"), 401),
        (Some("Bearer s3cret2"), 401),
        (Some("Basic s3cret"), 401),
        (Some("Bearer s3cret"), 200),
    ] {
        let mut headers = vec![json];
        headers.extend(authorization.map(|value| ("authorization", value)));
        let (status, _) = ask(&bridge, Method::POST, REGISTER, &headers, &good).await;
        assert_eq!(status, expected, "POST with {authorization:?}");
        let (status, _) = ask(&bridge, Method::GET, "/api/targets", &headers, "").await;
        assert_eq!(status, expected, "GET with {authorization:?}");
    }
    // A token does not allow pages of another origin.
    let headers = [json, ("authorization", "Bearer s3cret"), ("origin", "http://evil.example")];
    assert_eq!(ask(&bridge, Method::POST, REGISTER, &headers, &good).await.0, 403);
    let (_, log) = bridge.stop().await;
    assert!(log.iter().all(|line| !line.contains("s3cret")));
}
