//! Clients that misuse the API while others are still answered in time.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hoymiles_bridge::cli::process;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::sync::Semaphore;
use tokio::time::{Instant, interval};

use crate::support::bridge::{Bridge, Home};
use crate::support::{client, print, within_guard};

/// More than `http.max_connections`.
const CROWD: u32 = 300;
/// What the daemon's memory may grow by, in KiB: 256 connections, each with a header.
const GROWTH: u64 = 48 * 1_024;
/// For a response to another client, on a machine that is busy with the crowd, too.
const IN_TIME: Duration = Duration::from_secs(2);
/// Requests of other clients while a crowd is connected.
const OTHERS: usize = 30;
/// For opening idle connections.
const ENOUGH: Duration = Duration::from_secs(8);
const REGISTER: &str = "POST /api/websocket/register HTTP/1.1\r\nHost: bridge\r\n\
                        Content-Type: application/json\r\n";

/// What each client of a crowd does.
#[derive(Clone, Copy, Debug)]
enum Abuse {
    /// Sends the beginning of a request, then a byte now and then.
    Drip(&'static str),
    /// Sends requests without end, and reads the responses or does not.
    Pipeline { reads: bool },
    /// Sends a header that does not end.
    EndlessHeader,
    /// Sends bytes that are not a request.
    Garbage,
}

const ABUSES: [Abuse; 6] = [
    Abuse::Drip("GET /ready HTTP/1.1\r\nX-Slow: "),
    Abuse::Drip(
        "POST /api/websocket/register HTTP/1.1\r\nHost: bridge\r\n\
         Content-Type: application/json\r\nContent-Length: 60000\r\n\r\n",
    ),
    Abuse::Pipeline { reads: true },
    Abuse::Pipeline { reads: false },
    Abuse::EndlessHeader,
    Abuse::Garbage,
];

async fn bridge() -> (Home, Bridge, SocketAddr) {
    let home = Home::new("[[dtu]]\nname = \"DTU\"\nprotocol = \"simulated\"\n");
    let bridge = home.run().await;
    bridge.inverters_when(|all| all.as_array().is_some_and(|all| !all.is_empty())).await;
    let address = bridge.api.trim_start_matches("http://").parse().unwrap();
    (home, bridge, address)
}

#[tokio::test]
async fn abusive_clients_do_not_delay_others() {
    let (_home, bridge, address) = bridge().await;
    let before = memory(&bridge, "VmRSS");
    for abuse in ABUSES {
        // On a thread of its own, so that it does not slow down the test's other clients.
        let crowd = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let come = Arc::new(Semaphore::new(0));
        for number in 0..CROWD {
            let come = Arc::clone(&come);
            drop(crowd.spawn(async move {
                // Clients that are disconnected come back.
                loop {
                    abuse_api(abuse, address, number, &come).await;
                    tokio::task::yield_now().await;
                }
            }));
        }
        drop(within_guard("crowd", come.acquire_many(CROWD)).await.unwrap());
        others_are_answered(&bridge, &format!("{abuse:?}")).await;
        crowd.shutdown_background();
    }
    let peak = memory(&bridge, "VmHWM");
    assert!(peak <= before + GROWTH, "{before} KiB have become {peak} KiB");
    let (status, _) = bridge.stop().await;
    assert_eq!(status.code(), Some(0));
}

#[tokio::test]
async fn thousands_of_idle_connections_do_not_lock_others_out() {
    let (_home, bridge, address) = bridge().await;
    let before = memory(&bridge, "VmRSS");
    // The other tests of this process need file descriptors, too.
    let allowed = usize::try_from(process::raise_file_limit().unwrap_or(u64::MAX)).unwrap();
    let most = allowed.saturating_sub(1_000).min(10_000);
    let (mut crowd, began) = (Vec::new(), Instant::now());
    // A slow machine cannot open ten thousand within the time of a test.
    while crowd.len() < most && (crowd.len() < 2_000 || began.elapsed() < ENOUGH) {
        let connected = within_guard("idle connection", TcpStream::connect(address)).await;
        crowd.push(connected.unwrap());
    }
    if crowd.len() < 10_000 {
        let count = crowd.len();
        print(&format!("{count} idle connections, of at most {most} by the limit of open files"));
    }
    others_are_answered(&bridge, "idle").await;
    let peak = memory(&bridge, "VmHWM");
    assert!(peak <= before + GROWTH, "{before} KiB have become {peak} KiB");
    let (_, page) = bridge.get("/metrics").await;
    let open = page
        .as_str()
        .unwrap()
        .lines()
        .find(|line| line.strip_prefix("hoymiles_http_connections ").is_some());
    let open: usize = open.unwrap().rsplit(' ').next().unwrap().parse().unwrap();
    assert!(open <= 256, "{open} connections are open");
    drop(crowd);
    bridge.stop().await;
}

#[tokio::test]
async fn malformed_and_ambiguous_requests_are_refused() {
    let (_home, bridge, address) = bridge().await;
    for (request, expected) in [
        (
            format!("{REGISTER}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
            400,
        ),
        (
            format!("{REGISTER}Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n"),
            400,
        ),
        (format!("{REGISTER}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{{}}"), 400),
        (format!("{REGISTER}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"), 400),
        (format!("{REGISTER}Host: bridge\r\nContent-Length: 2\r\n\r\n{{}}"), 400),
        (format!("{REGISTER}Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{{}}"), 415),
        ("GET /ready HTTP/1.1\r\n\r\n".to_owned(), 400),
        (format!("{REGISTER}Content-Length: 2, 3\r\n\r\n{{}}"), 400),
        (format!("{REGISTER}Content-Length: -2\r\n\r\n{{}}"), 400),
        (format!("{REGISTER}Content-Length: 0x2\r\n\r\n{{}}"), 400),
        (format!("{REGISTER}Content-Length: 99999999999999999999\r\n\r\n{{}}"), 400),
        (format!("{REGISTER}Transfer-Encoding: chunked, gzip\r\n\r\n{{}}"), 400),
        (format!("{REGISTER}Transfer-Encoding: chunked\r\n\r\nzz\r\n"), 400),
        (format!("{REGISTER}Content-Length: 65537\r\n\r\n"), 413),
        ("GET /ready\r\nHTTP/1.1\r\n\r\n".to_owned(), 400),
        ("GET /ready HTTP/9.9\r\n\r\n".to_owned(), 400),
        ("GET /re\0ady HTTP/1.1\r\n\r\n".to_owned(), 400),
        ("GET /ready HTTP/1.1\r\nName : value\r\n\r\n".to_owned(), 400),
        ("\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}".to_owned(), 400),
        (format!("GET /ready HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(1_000)), 431),
    ] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let shown: String =
            request.chars().rev().take(60).collect::<Vec<_>>().iter().rev().collect();
        let mut head = [0; 12];
        let read = stream.read_exact(&mut head);
        within_guard(&format!("answer to {shown:?}"), read).await.unwrap();
        let head = String::from_utf8_lossy(&head).into_owned();
        assert_eq!(head, format!("HTTP/1.1 {expected}"), "{shown:?}");
    }
    bridge.stop().await;
}

/// Others, each over a connection of its own, get their response in time.
async fn others_are_answered(bridge: &Bridge, meanwhile: &str) {
    let client = client();
    for _ in 0..OTHERS {
        let asked = Instant::now();
        let answered = client.get(format!("{}/ready", bridge.api)).header("connection", "close");
        let answered = within_guard(meanwhile, answered.send()).await;
        let status = answered.map(|response| response.status().as_u16());
        assert!(matches!(status, Ok(200)), "{meanwhile}: {status:?}");
        let took = asked.elapsed();
        assert!(took < IN_TIME, "{meanwhile}: an answer took {took:?}");
    }
}

/// Misuses one connection until the bridge closes it.
async fn abuse_api(abuse: Abuse, address: SocketAddr, number: u32, come: &Semaphore) {
    let Ok(mut stream) = TcpStream::connect(address).await else { return };
    come.add_permits(1);
    match abuse {
        Abuse::Drip(beginning) => {
            let mut ticks = interval(Duration::from_millis(100));
            let mut written = stream.write_all(beginning.as_bytes()).await;
            while written.is_ok() {
                ticks.tick().await;
                written = stream.write_all(b"x").await;
            }
        }
        Abuse::Pipeline { reads } => {
            let requests = "GET /api/inverters HTTP/1.1\r\nHost: bridge\r\n\r\n".repeat(64);
            let (mut reader, mut writer) = stream.split();
            let writing = async { while writer.write_all(requests.as_bytes()).await.is_ok() {} };
            if reads {
                let mut sink = tokio::io::sink();
                tokio::join!(writing, async {
                    drop(tokio::io::copy(&mut reader, &mut sink).await);
                });
            } else {
                writing.await;
            }
        }
        Abuse::EndlessHeader => {
            let header = format!("X-{number}: {}\r\n", "x".repeat(4_000));
            let mut written = stream.write_all(b"GET /ready HTTP/1.1\r\n").await;
            while written.is_ok() {
                written = stream.write_all(header.as_bytes()).await;
            }
        }
        Abuse::Garbage => {
            let mut state = number;
            let garbage: Vec<u8> = (0..1_000)
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    state.to_be_bytes()[0]
                })
                .collect();
            drop(stream.write_all(&garbage).await);
            let mut answer = Vec::new();
            drop(stream.read_to_end(&mut answer).await);
        }
    }
}

/// The daemon's memory as the kernel reports it, in KiB.
fn memory(bridge: &Bridge, what: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", bridge.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with(what)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
