//! Bodies of a registration: too large, too slow, cut short, malformed.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http_body_util::{Full, StreamBody};
use hyper::Request;
use hyper::body::{Body, Frame};

use super::fixture::{Client, Server, api, directory, respond};
use crate::config::{HttpConfig, RegistrationConfig};
use crate::http::Api;

/// Status and body of the response to a registration with this body.
async fn status<B: Body<Data = Bytes> + Unpin + Send + 'static>(body: B) -> (u16, String) {
    status_of(&api(), body).await
}

async fn status_of<B>(api: &Arc<Api>, body: B) -> (u16, String)
where
    B: Body<Data = Bytes> + Unpin + Send + 'static,
{
    let request = Request::post("/api/websocket/register")
        .header("host", "bridge")
        .header("content-type", "application/json");
    let (head, text) = respond(api, request.body(body).unwrap()).await;
    (head.status.as_u16(), text)
}

fn chunks(count: usize) -> impl Body<Data = Bytes> + Unpin + Send {
    let chunk = || Ok::<_, Infallible>(Frame::data(Bytes::from_static(&[b' '; 1024])));
    StreamBody::new(stream::iter((0..count).map(move |_| chunk())))
}

#[tokio::test]
async fn a_body_over_64_kib_is_too_large() {
    assert_eq!(status(Full::new(Bytes::from(vec![b' '; 64 * 1024]))).await.0, 400);
    assert_eq!(status(Full::new(Bytes::from(vec![b' '; 64 * 1024 + 1]))).await.0, 413);
    assert_eq!(status(chunks(64)).await.0, 400);
    assert_eq!(status(chunks(65)).await.0, 413);
}

#[tokio::test]
async fn a_malformed_body_is_explained() {
    let (code, text) = status(Full::new(Bytes::from_static(b"{\"name\": \"x\"}"))).await;
    assert_eq!(code, 400);
    assert!(text.contains("missing field `websocket_url`"), "{text}");
}

#[tokio::test]
async fn each_refusal_has_its_status() {
    let rules = |enabled| RegistrationConfig { enabled, max_targets: 1, ..Default::default() };
    let mut api = api();
    Arc::get_mut(&mut api).unwrap().targets = directory(&rules(true));
    for (url, expected) in [
        ("http://10.0.0.2:8123/ws", 400),
        ("ws://ws://10.0.0.2:8123/ws", 400),
        ("ws://8.8.8.8/ws", 403),
        ("ws://10.0.0.2:8123/ws?token=one", 200),
        ("ws://10.0.0.2:8123/ws?token=two", 200),
        ("ws://10.0.0.3:8123/ws", 409),
    ] {
        let body = format!(r#"{{"websocket_url": "{url}", "name": "Home"}}"#);
        let (code, text) = status_of(&api, Full::new(Bytes::from(body))).await;
        assert_eq!(code, expected, "{url}: {text}");
        assert!(code != 200 || text == r#"{"status":"registered","stored":false}"#, "{text}");
    }
    Arc::get_mut(&mut api).unwrap().targets = directory(&rules(false));
    let body = br#"{"websocket_url": "ws://10.0.0.2/ws", "name": "Home"}"#;
    let (code, text) = status_of(&api, Full::new(Bytes::from_static(body))).await;
    assert_eq!(code, 403);
    assert!(text.contains("http.registration.enabled"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_arrive_gets_408() {
    let body = StreamBody::new(stream::pending::<Result<Frame<Bytes>, Infallible>>());
    let began = tokio::time::Instant::now();
    assert_eq!(status(body).await.0, 408);
    assert_eq!(began.elapsed(), Duration::from_secs(10));
}

async fn post(client: &mut Client, headers: &str) {
    let path = "/api/websocket/register";
    let json = "Content-Type: application/json";
    client
        .send(&format!("POST {path} HTTP/1.1\r\nHost: test\r\n{json}\r\n{headers}\r\n\r\n"))
        .await;
}

#[tokio::test]
async fn an_oversized_body_is_refused_unread() {
    let server = Server::start(HttpConfig::default());
    let mut client = server.client().await;
    post(&mut client, "Content-Length: 5000000000").await;
    assert_eq!(client.reply().await.status, 413);
}

#[tokio::test]
async fn a_client_that_sends_too_much_still_gets_its_response() {
    let server = Server::start(HttpConfig::default());
    for announced in ["Content-Length: 500000", "Transfer-Encoding: chunked"] {
        let mut client = server.client().await;
        post(&mut client, announced).await;
        let body = " ".repeat(500_000);
        let is_chunked = announced.starts_with('T');
        client.send(&if is_chunked { format!("7a120\r\n{body}\r\n0\r\n\r\n") } else { body }).await;
        assert_eq!(client.reply().await.status, 413, "{announced}");
        assert_eq!(client.get("/ready").await.status, 200, "{announced}: the connection is kept");
    }
}

#[tokio::test]
async fn a_client_that_expects_100_continue_is_refused_before_it_sends() {
    let server = Server::start(HttpConfig::default());
    let mut client = server.client().await;
    post(&mut client, "Content-Length: 500000\r\nExpect: 100-continue").await;
    assert_eq!(client.reply().await.status, 413);
    client.closed().await;
}
