//! What of a flood of requests is logged.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use crate::http::fake::{Client, GUARD, Server, limits};
use crate::telemetry::quota::{BURST, PAUSE};

/// Everything that is logged at info and above.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn lines_with(&self, part: &str) -> Vec<String> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        text.lines().filter(|line| line.contains(part)).map(str::to_owned).collect()
    }

    /// How many lines with `part` there are, and how many more were not logged by a line with `rest`.
    fn counts(&self, part: &str, rest: &str) -> (usize, usize) {
        let number = |line: &String| {
            let (_, after) = line.split_once("[API Request] ").unwrap();
            after.split(' ').next().unwrap().parse::<usize>().unwrap()
        };
        (self.lines_with(part).len(), self.lines_with(rest).iter().map(number).sum())
    }
}

async fn flood(client: &mut Client, request: &str, count: usize) {
    for _ in 0..count / 100 {
        client.say(&request.repeat(100)).await;
        for _ in 0..100 {
            client.reply().await;
        }
    }
}

#[tokio::test]
async fn a_flood_of_requests_is_no_flood_of_lines() {
    let log = Log::default();
    let writer = log.clone();
    let _listening = tracing::subscriber::set_default(
        tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish(),
    );
    let began = tokio::time::Instant::now();
    let server = Server::start(limits());
    let mut client = server.client().await;
    let get = "GET /api/ports HTTP/1.1\r\nHost: test\r\n\r\n";
    flood(&mut client, get, 1_500).await;
    let refused = "POST /api/websocket/register HTTP/1.1\r\nHost: test\r\n\
                   Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
    flood(&mut client, refused, 1_000).await;
    let pauses = usize::try_from(began.elapsed().as_millis() / PAUSE.as_millis()).unwrap();
    assert!(server.ends_within(GUARD).await);

    let least = usize::try_from(BURST).unwrap();
    let most = least + pauses + 1;
    for (part, rest, count) in [
        ("GET /api/ports from 127.0.0.1", "more requests from 127.0.0.1", 1_500),
        ("Registration refused", "more POST and DELETE requests from 127.0.0.1", 1_000),
    ] {
        let (told, untold) = log.counts(part, rest);
        assert!((least..=most).contains(&told), "{told} lines with {part:?}, of at most {most}");
        assert_eq!(told + untold, count, "{part:?}");
    }
}
