//! What clients do to a server, over real sockets.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::http::fake::{GUARD, Server, limits};
use crate::http::{Limits, listen};

const SHORT: Duration = Duration::from_millis(50);
const REGISTER: &str = concat!(
    "POST /api/websocket/register HTTP/1.1\r\n",
    "Host: test\r\nContent-Type: application/json\r\n"
);

fn server(max_connections: usize) -> Server {
    Server::start(Limits { max_connections, ..limits() })
}

#[tokio::test]
async fn a_connection_serves_one_request_after_the_other() {
    let server = server(4);
    let mut client = server.client().await;
    let whole = client.get("/api/inverters").await;
    client.say("HEAD /api/inverters HTTP/1.1\r\nHost: test\r\n\r\n").await;
    let head = client.head().await;
    assert!(head.contains(&format!("content-length: {}\r\n", whole.body.len())), "{head}");
    assert_eq!(client.get("/ready").await.body, "OK", "HEAD has no body");
    assert_eq!(client.get("/nothing").await.status, 404);
    client.say("POST /ready HTTP/1.1\r\nHost: test\r\nContent-Length: 3\r\n\r\nabc").await;
    assert_eq!(client.reply().await.status, 405);
    assert_eq!(client.get("/ready").await.status, 200);
}

#[tokio::test]
async fn a_client_that_closes_its_half_still_gets_its_answer() {
    let server = server(4);
    let mut client = server.client().await;
    client.say(&format!("{REGISTER}Content-Length: 2\r\n\r\n{{}}")).await;
    client.close_half().await;
    assert!(client.closed().await.starts_with("HTTP/1.1 400 "));
}

#[tokio::test]
async fn who_is_slow_to_say_what_he_wants_is_cut_off() {
    let server = Server::start(Limits { header_timeout: SHORT, ..limits() });
    let silent = server.client().await;
    let mut slow = server.client().await;
    slow.say("GET /ready HTTP/1.1\r\nX-Slow: ").await;
    let mut idle = server.client().await;
    assert_eq!(idle.get("/ready").await.status, 200);
    for client in [silent, slow, idle] {
        assert_eq!(client.closed().await, "");
    }
}

#[tokio::test]
async fn idle_clients_make_room_for_new_ones() {
    let server =
        Server::start(Limits { max_connections: 2, stall_time: Duration::ZERO, ..limits() });
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
async fn a_newcomer_is_refused_while_all_are_being_answered() {
    let server = server(1);
    let mut busy = server.client().await;
    busy.say(&format!("{REGISTER}Content-Length: 2\r\nExpect: 100-continue\r\n\r\n")).await;
    assert!(busy.head().await.starts_with("http/1.1 100 "), "its body is waited for");

    let mut newcomer = server.client().await;
    let refused = newcomer.get("/ready").await;
    assert_eq!(refused.status, 503);
    assert!(refused.head.contains("retry-after: 1\r\n"), "{}", refused.head);
    assert!(refused.head.contains("access-control-allow-origin: *\r\n"), "{}", refused.head);
    assert!(refused.body.contains("http.max_connections"), "{}", refused.body);
    assert_eq!(newcomer.closed().await, "");

    busy.say("{}").await;
    assert_eq!(busy.reply().await.status, 400);
    let page = busy.get("/metrics").await.body;
    assert!(page.contains("\nhoymiles_http_connections_refused_total 1\n"), "{page}");
    assert!(page.contains("\nhoymiles_http_connections 1\n"), "{page}");
}

#[tokio::test]
async fn who_keeps_a_body_back_makes_room_for_a_newcomer() {
    let server =
        Server::start(Limits { max_connections: 1, stall_time: Duration::ZERO, ..limits() });
    let mut slow = server.client().await;
    slow.say(&format!("{REGISTER}Content-Length: 2\r\nExpect: 100-continue\r\n\r\n")).await;
    assert!(slow.head().await.starts_with("http/1.1 100 "), "its body is waited for");
    let mut newcomer = server.client().await;
    assert_eq!(newcomer.get("/ready").await.status, 200);
    assert_eq!(slow.closed().await, "");
}

#[tokio::test]
async fn who_asks_without_end_makes_room_after_an_answer() {
    let server =
        Server::start(Limits { max_connections: 1, stall_time: Duration::ZERO, ..limits() });
    let mut eager = server.client().await;
    assert_eq!(eager.get("/ready").await.status, 200);
    eager.say(&"GET /ready HTTP/1.1\r\nHost: test\r\n\r\n".repeat(20)).await;
    let mut newcomer = server.client().await;
    assert_eq!(newcomer.get("/ready").await.status, 200);
}

#[tokio::test]
async fn who_asks_many_things_at_once_waits_for_others_in_between() {
    let server = server(4);
    let (mut eager, mut other) = (server.client().await, server.client().await);
    assert_eq!(eager.get("/stats").await.status, 200);
    assert_eq!(other.get("/stats").await.status, 200);
    eager.say(&"GET /ready HTTP/1.1\r\nHost: test\r\n\r\n".repeat(50)).await;
    let page = other.get("/metrics").await.body;
    let before = r#"hoymiles_http_requests_total{route="/ready",method="GET",status="200"} "#;
    let answered = page.lines().find_map(|line| line.strip_prefix(before)).unwrap_or("0");
    assert!(answered.parse::<u32>().unwrap() <= 3, "{answered} came before");
}

#[tokio::test]
async fn a_crowd_that_comes_at_once_finds_the_door() {
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
    client.say("GET /ready HTTP/1.1\r\nX-Long: ").await;
    client.try_to_say(&"x".repeat(100_000)).await;
    assert!(client.closed().await.starts_with("HTTP/1.1 431 "));
}

#[tokio::test]
async fn who_says_more_than_is_allowed_is_told_how_much_that_is() {
    let server = Server::start(Limits { headers: 20, header_bytes: 8_192, ..limits() });
    for (count, size, status) in [(18, 10, 200), (21, 10, 431), (2, 3_000, 200), (4, 3_000, 431)] {
        let mut client = server.client().await;
        let header = format!("X: {}\r\n", "y".repeat(size)).repeat(count);
        client.try_to_say(&format!("GET /ready HTTP/1.1\r\nHost: test\r\n{header}\r\n")).await;
        let reply = client.reply().await;
        assert_eq!(reply.status, status, "{count} of {size} bytes");
        if status == 431 {
            let words =
                ["20 headers (http.max_headers)", "8192 bytes of them (http.max_header_bytes)"];
            assert!(words.iter().all(|words| reply.body.contains(words)), "{}", reply.body);
        }
    }
}

#[tokio::test]
async fn what_can_be_read_in_two_ways_is_refused_and_nothing_after_it_read() {
    let server = server(4);
    let (chunked, length) = ("Transfer-Encoding: chunked\r\n", "Content-Length: 2\r\n");
    let second = "GET /ready HTTP/1.1\r\nHost: test\r\n\r\n";
    for (headers, status) in [
        (format!("Host: test\r\n{chunked}{length}"), 400),
        (format!("Host: test\r\n{length}{chunked}"), 400),
        ("Host: test\r\nTransfer-Encoding: gzip, chunked\r\n".to_owned(), 400),
        (format!("Host: test\r\nHost: other\r\n{length}"), 400),
        (length.to_owned(), 400),
        (format!("Host: test\r\nContent-Encoding: gzip\r\n{length}"), 415),
    ] {
        for first in ["", second] {
            let mut client = server.client().await;
            let body = if headers.contains("hunked") { "0\r\n\r\n" } else { "{}" };
            let request = format!("POST /ready HTTP/1.1\r\n{headers}\r\n{body}{second}");
            client.say(first).await;
            if !first.is_empty() {
                assert_eq!(client.reply().await.status, 200);
            }
            client.say(&request).await;
            let reply = client.reply().await;
            assert_eq!(reply.status, status, "{headers:?}: {reply:?}");
            assert!(reply.head.contains("connection: close\r\n"), "{}", reply.head);
            assert_eq!(client.closed().await, "", "{headers:?}");
        }
    }
}

#[tokio::test]
async fn what_is_no_request_is_answered_in_words() {
    let server = server(4);
    for (request, status, why) in [
        (format!("{REGISTER}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{{}}"), 400, "length"),
        ("GET /re\0ady HTTP/1.1\r\n\r\n".to_owned(), 400, "percent-encoded"),
        ("\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}".to_owned(), 400, "https://"),
        (format!("GET /ready HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(300)), 431, "headers"),
        (format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(65_535)), 414, "path"),
    ] {
        let mut client = server.client().await;
        // On a connection that is kept, too.
        assert_eq!(client.get("/ready").await.status, 200);
        client.try_to_say(&request).await;
        let reply = client.reply().await;
        assert_eq!(reply.status, status, "{why}: {reply:?}");
        assert!(reply.head.contains("content-type: application/json\r\n"), "{}", reply.head);
        let body: serde_json::Value = serde_json::from_str(&reply.body).unwrap();
        assert!(body["error"].as_str().unwrap().contains(why), "{body}");
        assert_eq!(client.closed().await, "", "{why}");
    }
}
