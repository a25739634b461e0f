//! Whoever else has the bridge's port, or the bridge itself where it does not answer all that is asked.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::doctor_in;
use crate::support::bridge::{Bridge, Home, command};
use crate::support::plant::Plant;
use crate::support::target::Target;

/// What a stranger heard, and how many bytes he could say.
#[derive(Clone, Debug, Default)]
struct Talk {
    heard: String,
    said: usize,
}

/// Answers each request with a head and then `{` without end.
struct Chatterer {
    address: SocketAddr,
    talk: Arc<Mutex<Talk>>,
    _stop: DropGuard,
}

impl Chatterer {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let talk = Arc::<Mutex<Talk>>::default();
        let stop = CancellationToken::new();
        let serving = {
            let talk = Arc::clone(&talk);
            stop.clone().run_until_cancelled_owned(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    chatter(stream, &talk).await;
                }
            })
        };
        #[expect(clippy::disallowed_methods, reason = "ends with its guard")]
        drop(tokio::spawn(serving));
        Self { address, talk, _stop: stop.drop_guard() }
    }
}

/// Until the other side goes.
async fn chatter(mut stream: TcpStream, talk: &Mutex<Talk>) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
            return;
        }
    }
    talk.lock().unwrap().heard += &String::from_utf8_lossy(&request);
    let mut next: Vec<u8> = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".into();
    let chunk = [&b"1000\r\n"[..], &[b'{'; 0x1000], b"\r\n"].concat();
    while stream.write_all(&next).await.is_ok() {
        talk.lock().unwrap().said += next.len();
        next.clone_from(&chunk);
    }
}

#[tokio::test]
async fn a_stranger_is_neither_listened_to_without_end_nor_told_the_token() {
    let stranger = Chatterer::start().await;
    let home = Home::new("[[dtu]]\nname = \"DTU\"\nprotocol = \"simulated\"\n");
    let listen = stranger.address.to_string();
    let environment = [("HOYMILES__HTTP__LISTEN", &*listen), ("HOYMILES__HTTP__TOKEN", "hush")];
    let found = doctor_in(&environment, &home, &[]).await;
    let said = found.said("bridge", "port");
    assert!(said.contains("another program") && said.contains("HTTP 200"), "{said}");
    let Talk { heard, said } = stranger.talk.lock().unwrap().clone();
    assert!(heard.starts_with("GET /health ") && !heard.contains("hush"), "{heard}");
    // What the two sockets hold is in it.
    assert!(said < 32 << 20, "{said} bytes were taken");
}

#[tokio::test]
async fn what_a_bridge_with_another_token_does_not_tell_is_not_made_up() {
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
    assert!(found.said("bridge", "targets").contains("HTTP 401"), "{:#?}", found.subjects);
    let marks = ["bridge+", "protocol+", "serial+", "inverters?", "age+"];
    assert_eq!(found.marks("DTU"), marks, "{:#?}", found.subject("DTU"));
    assert!(found.said("DTU", "inverters").contains("another http.token"));
    assert_eq!(found.marks("HA"), ["name+", "tcp+", "http?", "upgrade?"]);
    assert!(found.said("HA", "upgrade").contains("does not tell"));
    assert_eq!(target.received("one", |_| true).await.paths.len(), 1, "nobody else connected");

    let found = doctor_in(&environment("right"), &home, &[]).await;
    assert!(found.marks("DTU").contains(&"inverters+".to_owned()), "{:#?}", found.subjects);
    assert_eq!(found.code, 0, "{:#?}", found.subjects);
    bridge.stop().await;
    target.stop().await;
    plant.stop().await;
}
