//! Another program on the bridge's port, and a bridge with another token.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::doctor_in;
use crate::support::bridge::{Bridge, Home, command};
use crate::support::plant::Plant;
use crate::support::target::Target;

/// The bytes that the other program received, and how many it sent.
#[derive(Clone, Debug, Default)]
struct Talk {
    received: String,
    sent: usize,
}

/// Answers each request with a head and then `{` without end.
struct EndlessAnswer {
    address: SocketAddr,
    talk: Arc<Mutex<Talk>>,
    _stop: DropGuard,
}

impl EndlessAnswer {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let talk = Arc::<Mutex<Talk>>::default();
        let stop = CancellationToken::new();
        let serving = {
            let talk = Arc::clone(&talk);
            stop.clone().run_until_cancelled_owned(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    answer_without_end(stream, &talk).await;
                }
            })
        };
        #[expect(clippy::disallowed_methods, reason = "ends with its guard")]
        drop(tokio::spawn(serving));
        Self { address, talk, _stop: stop.drop_guard() }
    }
}

/// Answers until the client disconnects.
async fn answer_without_end(mut stream: TcpStream, talk: &Mutex<Talk>) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
            return;
        }
    }
    talk.lock().unwrap().received += &String::from_utf8_lossy(&request);
    let mut next: Vec<u8> = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".into();
    let chunk = [&b"1000\r\n"[..], &[b'{'; 0x1000], b"\r\n"].concat();
    while stream.write_all(&next).await.is_ok() {
        talk.lock().unwrap().sent += next.len();
        next.clone_from(&chunk);
    }
}

#[tokio::test]
async fn another_program_gets_no_token_and_its_answer_is_bounded() {
    let other = EndlessAnswer::start().await;
    let home = Home::new("[[dtu]]\nname = \"DTU\"\nprotocol = \"simulated\"\n");
    let listen = other.address.to_string();
    let environment = [("HOYMILES__HTTP__LISTEN", &*listen), ("HOYMILES__HTTP__TOKEN", "hush")];
    let found = doctor_in(&environment, &home, &[]).await;
    let text = found.text("bridge", "port");
    assert!(text.contains("another program") && text.contains("HTTP 200"), "{text}");
    let Talk { received, sent } = other.talk.lock().unwrap().clone();
    assert!(received.starts_with("GET /health ") && !received.contains("hush"), "{received}");
    // Includes what the buffers of both sockets hold.
    assert!(sent < 32 << 20, "{sent} bytes were read");
}

#[tokio::test]
async fn without_its_token_the_bridge_reports_no_targets() {
    let plant = Plant::start(&["--inverters", "2", "--fault", "refuse-second-client"]).await;
    let target = Target::start("secret").await;
    let home = Home::new(&format!(
        "{}[[target]]\nname = \"HA\"\nurl = \"{}\"\n",
        plant.dtu("DTU"),
        target.url("secret")
    ));
    let mut run = command(&["run", "--config", home.config().to_str().unwrap()]);
    run.env("HOYMILES__HTTP__TOKEN", "right");
    let bridge = Bridge::start(run).await;
    bridge.logged("✓ Successfully sent update to HA").await;
    let listen = bridge.api.trim_start_matches("http://").to_owned();
    let environment =
        |token| [("HOYMILES__HTTP__LISTEN", &*listen), ("HOYMILES__HTTP__TOKEN", token)];

    let found = doctor_in(&environment("other"), &home, &[]).await;
    assert!(found.text("bridge", "targets").contains("HTTP 401"), "{:#?}", found.subjects);
    assert_eq!(found.step("bridge", "targets")["label"], "wrong_token");
    let marks = ["bridge+", "protocol+", "serial+", "inverters+", "age+"];
    assert_eq!(found.marks("DTU"), marks, "{:#?}", found.subject("DTU"));
    assert_eq!(found.marks("HA"), ["name+", "tcp+", "upgrade?"]);
    assert!(found.text("HA", "upgrade").contains("may already be connected"));
    assert_eq!(
        target.received("one", |_| true).await.paths.len(),
        1,
        "there was no second connection"
    );

    let found = doctor_in(&environment("right"), &home, &[]).await;
    assert!(found.marks("DTU").contains(&"inverters+".to_owned()), "{:#?}", found.subjects);
    assert_eq!(found.code, 0, "{:#?}", found.subjects);
    bridge.stop().await;
    target.stop().await;
    plant.stop().await;
}
