//! Slow, idle and abusive clients, over real sockets.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

use super::fixture::{Client, GUARD, Server};
use crate::config::HttpConfig;
use crate::http::listen;
use crate::http::request_log::MOST;
use crate::telemetry::captured::CapturedLog;

const SHORT: Duration = Duration::from_millis(50);
const REGISTER: &str = concat!(
    "POST /api/websocket/register HTTP/1.1\r\n",
    "Host: test\r\nContent-Type: application/json\r\n"
);

fn server(max_connections: usize) -> Server {
    Server::start(HttpConfig { max_connections, ..HttpConfig::default() })
}

#[tokio::test]
async fn a_connection_serves_one_request_after_the_other() {
    let server = server(4);
    let mut client = server.client().await;
    let whole = client.get("/api/inverters").await;
    client.send("HEAD /api/inverters HTTP/1.1\r\nHost: test\r\n\r\n").await;
    let head = client.head().await;
    assert!(head.contains(&format!("content-length: {}\r\n", whole.body.len())), "{head}");
    assert_eq!(client.get("/ready").await.body, "OK", "HEAD has no body");
    assert_eq!(client.get("/nothing").await.status, 404);
    client.send("POST /ready HTTP/1.1\r\nHost: test\r\nContent-Length: 3\r\n\r\nabc").await;
    assert_eq!(client.reply().await.status, 405);
    assert_eq!(client.get("/ready").await.status, 200);
}

#[tokio::test]
async fn a_half_closed_client_still_gets_its_response() {
    let server = server(4);
    let mut client = server.client().await;
    client.send(&format!("{REGISTER}Content-Length: 2\r\n\r\n{{}}")).await;
    client.close_half().await;
    assert!(client.closed().await.starts_with("HTTP/1.1 400 "));
}

#[tokio::test]
async fn slow_headers_and_idle_connections_time_out() {
    let server = Server::start(HttpConfig { header_timeout: SHORT, ..HttpConfig::default() });
    let silent = server.client().await;
    let mut slow = server.client().await;
    slow.send("GET /ready HTTP/1.1\r\nX-Slow: ").await;
    let mut idle = server.client().await;
    assert_eq!(idle.get("/ready").await.status, 200);
    for client in [silent, slow, idle] {
        assert_eq!(client.closed().await, "");
    }
}

#[tokio::test]
async fn idle_connections_are_evicted_for_new_ones() {
    let server = Server::start(HttpConfig { max_connections: 2, ..HttpConfig::default() });
    let mut first = server.client().await;
    assert_eq!(first.get("/ready").await.status, 200);
    let mut others = Vec::new();
    for _ in 0..10 {
        let mut client = server.client().await;
        assert_eq!(client.get("/ready").await.status, 200);
        others.push(client);
    }
    assert_eq!(first.closed().await, "");
}

#[tokio::test]
async fn a_client_that_withholds_its_body_is_evicted() {
    let server = Server::start(HttpConfig { max_connections: 1, ..HttpConfig::default() });
    let mut slow = server.client().await;
    slow.send(&format!("{REGISTER}Content-Length: 2\r\nExpect: 100-continue\r\n\r\n")).await;
    assert!(slow.head().await.starts_with("http/1.1 100 "), "its body is waited for");
    let mut other_client = server.client().await;
    assert_eq!(other_client.get("/ready").await.status, 200);
    assert_eq!(slow.closed().await, "");
}

#[tokio::test]
async fn a_client_that_pipelines_without_end_is_evicted() {
    let server = Server::start(HttpConfig { max_connections: 1, ..HttpConfig::default() });
    let mut eager = server.client().await;
    assert_eq!(eager.get("/ready").await.status, 200);
    eager.send(&"GET /ready HTTP/1.1\r\nHost: test\r\n\r\n".repeat(20)).await;
    let mut other_client = server.client().await;
    assert_eq!(other_client.get("/ready").await.status, 200);
}

#[tokio::test]
async fn pipelined_requests_do_not_hold_up_other_clients() {
    let server = server(4);
    let (mut eager, mut other) = (server.client().await, server.client().await);
    assert_eq!(eager.get("/stats").await.status, 200);
    assert_eq!(other.get("/stats").await.status, 200);
    eager.send(&"GET /ready HTTP/1.1\r\nHost: test\r\n\r\n".repeat(50)).await;
    let page = other.get("/metrics").await.body;
    let before = r#"hoymiles_http_requests_total{method="GET",route="/ready",status="200"} "#;
    let answered = page.lines().find_map(|line| line.strip_prefix(before)).unwrap_or("0");
    assert!(answered.parse::<u32>().unwrap() <= 3, "{answered} came before");
}

#[tokio::test]
async fn a_crowd_can_connect_at_once() {
    let nobody_accepts = listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
    let address = nobody_accepts.local_addr().unwrap();
    let mut crowd = Vec::new();
    for _ in 0..300 {
        let connected = timeout(GUARD, TcpStream::connect(address)).await;
        crowd.push(connected.expect("the kernel takes it at once").unwrap());
    }
}

#[tokio::test]
async fn a_header_without_end_is_refused() {
    let server = server(4);
    let mut client = server.client().await;
    client.send("GET /ready HTTP/1.1\r\nX-Long: ").await;
    client.try_to_send(&"x".repeat(100_000)).await;
    assert!(client.closed().await.starts_with("HTTP/1.1 431 "));
}

#[tokio::test]
async fn header_limits_are_configurable() {
    let server = Server::start(HttpConfig {
        max_headers: 20,
        max_header_bytes: 8_192,
        ..HttpConfig::default()
    });
    for (count, size, status) in [(18, 10, 200), (21, 10, 431), (2, 3_000, 200), (4, 3_000, 431)] {
        let mut client = server.client().await;
        let header = format!("X: {}\r\n", "y".repeat(size)).repeat(count);
        client.try_to_send(&format!("GET /ready HTTP/1.1\r\nHost: test\r\n{header}\r\n")).await;
        let reply = client.reply().await;
        assert_eq!(reply.status, status, "{count} of {size} bytes");
    }
}

#[tokio::test]
async fn requests_that_break_the_protocol_are_refused_and_end_the_connection() {
    let server = server(4);
    for (request, status) in [
        (format!("{REGISTER}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{{}}"), 400),
        ("GET /re\0ady HTTP/1.1\r\n\r\n".to_owned(), 400),
        ("\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}".to_owned(), 400),
        (format!("GET /ready HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(300)), 431),
        (format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(65_535)), 414),
    ] {
        let mut client = server.client().await;
        // On a kept connection, too.
        assert_eq!(client.get("/ready").await.status, 200);
        client.try_to_send(&request).await;
        assert_eq!(client.reply().await.status, status);
        assert_eq!(client.closed().await, "");
    }
}

async fn flood(client: &mut Client, request: &str, count: usize) {
    for _ in 0..count / 100 {
        client.send(&request.repeat(100)).await;
        for _ in 0..100 {
            client.reply().await;
        }
    }
}

#[tokio::test]
async fn a_flood_of_requests_does_not_fill_the_log() {
    let (captured, _listening) = CapturedLog::start();
    let server = server(4);
    let mut client = server.client().await;
    flood(&mut client, "GET /api/ports HTTP/1.1\r\nHost: test\r\n\r\n", 1_000).await;
    flood(&mut client, &format!("{REGISTER}Content-Length: 2\r\n\r\n{{}}"), 1_000).await;
    let lines = captured.lines();
    for (part, count) in [
        ("GET /api/ports from 127.0.0.1", MOST),
        ("Registration refused", MOST),
        ("More than 600 requests within a minute, the last from 127.0.0.1", 2),
    ] {
        let found = lines.iter().filter(|line| line.contains(part)).count();
        assert_eq!(found, usize::try_from(count).unwrap(), "{part}");
    }
}
