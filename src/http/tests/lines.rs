//! What of a flood of requests is logged.

use crate::http::fake::{Client, GUARD, Server, limits};
use crate::telemetry::heard::Heard;
use crate::telemetry::quota::{BURST, PAUSE};

/// How many lines with `part` there are, and how many more were not logged by a line with `rest`.
fn counts(lines: &[String], part: &str, rest: &str) -> (usize, usize) {
    let number = |line: &String| {
        let (_, after) = line.split_once("[API Request] ").unwrap();
        after.split(' ').next().unwrap().parse::<usize>().unwrap()
    };
    let told = lines.iter().filter(|line| line.contains(part)).count();
    (told, lines.iter().filter(|line| line.contains(rest)).map(number).sum())
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
    let (heard, _listening) = Heard::listening();
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
        let (told, untold) = counts(&heard.lines(), part, rest);
        assert!((least..=most).contains(&told), "{told} lines with {part:?}, of at most {most}");
        assert_eq!(told + untold, count, "{part:?}");
    }
}
