//! What clients do to a server, over real sockets.

use std::time::Duration;

use crate::http::Limits;
use crate::http::fake::{Server, limits};

const SHORT: Duration = Duration::from_millis(50);
const REGISTER: &str = concat!(
    "POST /api/websocket/register HTTP/1.1\r\n",
    "Host: test\r\nContent-Type: application/json\r\n"
);

async fn server(max_connections: usize) -> Server {
    Server::start(Limits { max_connections, ..limits() }).await
}

#[tokio::test]
async fn a_connection_serves_one_request_after_the_other() {
    let server = server(4).await;
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
    let server = server(4).await;
    let mut client = server.client().await;
    client.say(&format!("{REGISTER}Content-Length: 2\r\n\r\n{{}}")).await;
    client.close_half().await;
    assert!(client.closed().await.starts_with("HTTP/1.1 400 "));
}

#[tokio::test]
async fn who_is_slow_to_say_what_he_wants_is_cut_off() {
    let server = Server::start(Limits { header_timeout: SHORT, ..limits() }).await;
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
    let server = server(2).await;
    let mut first = server.client().await;
    assert_eq!(first.get("/ready").await.status, 200);
    let mut second = server.client().await;
    second.say("GET /ready HT").await;
    let mut others = Vec::new();
    for _ in 0..10 {
        let mut client = server.client().await;
        assert_eq!(client.get("/ready").await.status, 200);
        others.push(client);
    }
    assert_eq!(first.closed().await, "");
    assert_eq!(second.closed().await, "");
}

#[tokio::test]
async fn a_newcomer_is_refused_while_all_are_being_answered() {
    let server = server(1).await;
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
async fn a_header_without_end_is_refused() {
    let server = server(4).await;
    let mut client = server.client().await;
    client.say("GET /ready HTTP/1.1\r\nX-Long: ").await;
    client.try_to_say(&"x".repeat(100_000)).await;
    assert!(client.closed().await.starts_with("HTTP/1.1 431 "));
}
