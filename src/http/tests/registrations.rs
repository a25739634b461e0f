//! Bodies of a registration: too large, too slow, cut short, malformed.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::Request;
use hyper::body::{Body, Frame};

use crate::http::answer;
use crate::http::fake::{Client, Server, api, limits};

/// What a registration with this body is answered.
async fn status<B: Body<Data = Bytes> + Unpin>(mut body: B) -> (u16, String) {
    let request = Request::post("/api/websocket/register").body(()).unwrap();
    let (request, ()) = request.into_parts();
    let peer = "192.168.1.23".parse().unwrap();
    let response = answer::answer(&api(), &limits(), &request, &mut body, peer).await;
    let status = response.status().as_u16();
    let text = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(text.to_vec()).unwrap())
}

fn chunks(count: usize) -> impl Body<Data = Bytes> + Unpin {
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
    let (code, text) = status(Full::new(Bytes::from_static(b"{\"name\": 5}"))).await;
    assert_eq!(code, 400);
    assert!(text.contains("name: invalid type"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let body = StreamBody::new(stream::pending::<Result<Frame<Bytes>, Infallible>>());
    let began = tokio::time::Instant::now();
    assert_eq!(status(body).await.0, 408);
    assert_eq!(began.elapsed(), Duration::from_secs(10));
}

async fn post(client: &mut Client, headers: &str) {
    let path = "/api/websocket/register";
    client.say(&format!("POST {path} HTTP/1.1\r\nHost: test\r\n{headers}\r\n\r\n")).await;
}

#[tokio::test]
async fn a_body_announced_too_large_is_refused_unread() {
    let server = Server::start(limits()).await;
    let mut client = server.client().await;
    post(&mut client, "Content-Length: 5000000000").await;
    assert_eq!(client.reply().await.status, 413);
}

#[tokio::test]
async fn a_client_that_sends_too_much_still_hears_why() {
    let server = Server::start(limits()).await;
    for announced in ["Content-Length: 500000", "Transfer-Encoding: chunked"] {
        let mut client = server.client().await;
        post(&mut client, announced).await;
        let body = " ".repeat(500_000);
        let is_chunked = announced.starts_with('T');
        client.say(&if is_chunked { format!("7a120\r\n{body}\r\n0\r\n\r\n") } else { body }).await;
        assert_eq!(client.reply().await.status, 413, "{announced}");
        assert_eq!(client.get("/ready").await.status, 200, "{announced}: the connection is kept");
    }
}

#[tokio::test]
async fn a_client_that_asks_before_it_sends_is_told_not_to() {
    let server = Server::start(limits()).await;
    let mut client = server.client().await;
    post(&mut client, "Content-Length: 500000\r\nExpect: 100-continue").await;
    assert_eq!(client.reply().await.status, 413);
    client.closed().await;
}
