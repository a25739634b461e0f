//! Shutdown, over real sockets.

use std::time::Duration;

use tokio::time::Instant;

use super::fixture::{Client, Server};
use crate::config::HttpConfig;

const AT_ONCE: Duration = Duration::from_millis(500);
const REGISTER: &str = concat!(
    "POST /api/websocket/register HTTP/1.1\r\n",
    "Host: test\r\nContent-Type: application/json\r\n"
);

/// A client whose registration has begun and is not complete.
async fn registering(server: &Server) -> Client {
    let mut client = server.client().await;
    client.send(&format!("{REGISTER}Content-Length: 2\r\nExpect: 100-continue\r\n\r\n")).await;
    assert!(client.head().await.starts_with("http/1.1 100 "));
    client
}

#[tokio::test]
async fn idle_connections_do_not_delay_shutdown() {
    let server = Server::start(HttpConfig::default());
    let _silent = server.client().await;
    let mut slow = server.client().await;
    slow.send("GET /ready HTTP/1.1\r\nX-Slow: ").await;
    let mut idle = server.client().await;
    assert_eq!(idle.get("/ready").await.status, 200);
    assert!(server.ends_within(AT_ONCE).await);
    assert_eq!(idle.closed().await, "");
}

#[tokio::test]
async fn answers_requests_that_have_begun() {
    let server = Server::start(HttpConfig::default());
    let mut client = registering(&server).await;
    server.stop();
    client.send("{}").await;
    let reply = client.reply().await;
    assert_eq!(reply.status, 400);
    assert_eq!(client.closed().await, "");
    assert!(server.ends_within(AT_ONCE).await);
}

#[tokio::test]
async fn does_not_wait_for_requests_that_never_end() {
    let server = Server::start(HttpConfig::default());
    let client = registering(&server).await;
    let began = Instant::now();
    assert!(server.ends_within(Duration::from_millis(1_500)).await);
    assert!(began.elapsed() > AT_ONCE, "it was waited for");
    assert_eq!(client.closed().await, "");
}
