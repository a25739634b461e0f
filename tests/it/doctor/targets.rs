//! Healthy and broken targets.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{ALONE, Findings, doctor};
use crate::support::bridge::Home;
use crate::support::target::Target;

/// Answers each request with the same bytes and disconnects.
pub(super) struct Stub {
    pub(super) address: SocketAddr,
    _stop: DropGuard,
}

impl Stub {
    pub(super) async fn start(answer: &'static [u8]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let serving = stop.clone().run_until_cancelled_owned(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
                        break;
                    }
                }
                drop(stream.write_all(answer).await);
            }
        });
        #[expect(clippy::disallowed_methods, reason = "ends with its guard")]
        drop(tokio::spawn(serving));
        Self { address, _stop: stop.drop_guard() }
    }
}

/// Findings of `doctor` for a target with that URL.
async fn at(url: &str, limit: &str) -> Findings {
    let home = Home::new(&format!(
        "[[dtu]]\nname = \"DTU\"\nprotocol = \"simulated\"\n\
         [[target]]\nname = \"HA\"\nurl = \"{url}\"\nconnect_timeout = \"{limit}\"\n"
    ));
    doctor(&home, ALONE, &[]).await
}

#[tokio::test]
async fn tests_a_healthy_target_up_to_its_token_and_sends_nothing() {
    let target = Target::start("secret").await;
    let found = at(&target.url("secret"), "10s").await;
    let expected = ["name+", "tcp+", "http+", "upgrade+", "message+", "token+"];
    assert_eq!(found.marks("HA"), expected, "{:#?}", found.subjects);
    assert_eq!(found.code, 0, "{:#?}", found.subjects);
    assert!(!format!("{:?}", found.subjects).contains("secret"), "the token is not shown");
    let received = target.received("close", |received| !received.close_codes.is_empty()).await;
    assert_eq!(received.close_codes, [1000]);
    assert!(received.updates().is_empty());
    target.stop().await;
}

#[tokio::test]
async fn hides_the_url_that_a_target_quotes() {
    let answers: [&[u8]; 2] = [
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/hook/PATH?token=TOKEN\r\n\r\n",
        b"HTTP/1.1 500 /hook/PATH?token=TOKEN\r\nServer: /hook/PATH?token=TOKEN\r\n\r\n",
    ];
    for answer in answers {
        let stub = Stub::start(answer).await;
        let found = at(&format!("ws://{}/hook/PATH?token=TOKEN", stub.address), "3s").await;
        let shown = format!("{:?}", found.subjects);
        assert!(shown.contains("HTTP"), "{shown}");
        assert!(!shown.contains("PATH") && !shown.contains("TOKEN"), "{shown}");
    }
}

#[tokio::test]
async fn each_fault_of_a_target_fails_its_step_with_cause_and_remedy() {
    let target = Target::start("secret").await;
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = gone.local_addr().unwrap();
    drop(gone);
    let banned = Stub::start(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n").await;
    let unloaded = Stub::start(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").await;
    let garbage = Stub::start(b"220 mail.example ESMTP\r\n").await;
    let plain_tls = format!("wss://{}/ws", target.address);
    for (url, marks, text) in [
        (format!("ws://{closed}/ws"), &["name+", "tcp-"][..], "refused"),
        ("ws://no-such-host.invalid/ws".to_owned(), &["name-"], "use an IP address"),
        (
            target.url("old"),
            &["name+", "tcp+", "http+", "upgrade+", "message+", "token-"],
            "Invalid authentication token",
        ),
        (plain_tls, &["name+", "tcp+", "tls-"], "ws:// instead of wss://"),
        (
            format!("ws://{}/ws", banned.address),
            &["name+", "tcp+", "http+", "upgrade-"],
            "ip_bans.yaml",
        ),
        (
            format!("ws://{}/ws", unloaded.address),
            &["name+", "tcp+", "http+", "upgrade-"],
            "add the Hoymiles bridge integration",
        ),
        (format!("ws://{}/ws", garbage.address), &["name+", "tcp+", "http-"], "not HTTP"),
    ] {
        let found = at(&url, "10s").await;
        assert_eq!(found.marks("HA"), marks, "{url}: {:#?}", found.subject("HA"));
        let failed = marks.last().unwrap().trim_end_matches('-');
        assert!(found.text("HA", failed).contains(text), "{url}: {}", found.text("HA", failed));
        assert_eq!(found.code, 1, "{url}");
    }
    target.stop().await;
}

#[tokio::test]
async fn gives_up_on_a_target_that_never_answers() {
    // The kernel completes connections that no program accepts.
    let mute = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let found = at(&format!("ws://{}/ws", mute.local_addr().unwrap()), "500ms").await;
    assert_eq!(found.marks("HA"), ["name+", "tcp+", "http-"]);
    assert!(found.text("HA", "http").contains("500ms"), "{}", found.text("HA", "http"));
    let millis: u64 = found.subject("HA")["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| step["millis"].as_u64().unwrap())
        .sum();
    assert!((450..20_000).contains(&millis), "{millis} ms");
}
