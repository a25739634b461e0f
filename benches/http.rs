//! Cost of a response compared with the minimum of any server: `/api/inverters` of a large
//! plant against a bare hyper server that returns the same bytes, in turns, in one run.

use std::convert::Infallible;
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use hoymiles_bridge::clock::WallClock;
use hoymiles_bridge::config::{HttpConfig, RegistrationConfig};
use hoymiles_bridge::http::{About, Sources, serve};
use hoymiles_bridge::plant::reading::{InverterValues, PortReading};
use hoymiles_bridge::plant::serial::InverterSerial;
use hoymiles_bridge::plant::units::{Amperes, Celsius, Hertz, Volts, WattHours, Watts};
use hoymiles_bridge::snapshot::json::shared;
use hoymiles_bridge::snapshot::state::{Energy, InverterState, PortState};
use hoymiles_bridge::snapshot::{self, Contents, Snapshot};
use hoymiles_bridge::store::Store;
use hoymiles_bridge::targets::Directory;
use hoymiles_bridge::targets::broker::BrokerStatus;
use hoymiles_bridge::tasks::Tasks;
use hoymiles_bridge::telemetry::metrics::Metrics;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::net::TcpListener;
use tokio::time::Instant;

/// The least share of the bare server's rate.
const LEAST_SHARE: f64 = 0.7;
const CLIENTS: usize = 4;

/// How much is measured: a full benchmark, or only a check that it runs.
struct Effort {
    rounds: usize,
    round: Duration,
}

fn main() -> anyhow::Result<()> {
    // `cargo bench` passes it; otherwise only check that this runs.
    let is_bench = std::env::args().any(|argument| argument == "--bench");
    let effort = if is_bench {
        Effort { rounds: 9, round: Duration::from_millis(400) }
    } else {
        Effort { rounds: 3, round: Duration::from_millis(50) }
    };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let tasks = Tasks::new();
    let snapshot = plant();
    let body = snapshot.inverters_json();
    let (bare, ours) = runtime.block_on(async {
        anyhow::Ok((bare(&tasks, body.clone()).await?, ours(&tasks, snapshot).await?))
    })?;

    let mut shares = Vec::new();
    for round in 0..=effort.rounds {
        // The second may find the processor slower, or faster.
        let first = if round % 2 == 0 { bare } else { ours };
        let second = if round % 2 == 0 { ours } else { bare };
        let first = rate(first, body.len(), effort.round)?;
        let second = rate(second, body.len(), effort.round)?;
        let (bare, ours) = if round % 2 == 0 { (first, second) } else { (second, first) };
        // The first round warms up.
        if round > 0 {
            shares.push((ours / bare, ours, bare));
        }
    }
    shares.sort_by(|a, b| a.0.total_cmp(&b.0));
    let &(share, ours, bare) =
        shares.get(shares.len() / 2).ok_or_else(|| anyhow::anyhow!("nothing was measured"))?;
    writeln!(
        io::stdout(),
        "/api/inverters, 100 inverters x 4 ports, {} bytes, {CLIENTS} clients: \
         {ours:.0} requests/s, bare hyper {bare:.0}: {:.0} % (at least {:.0} %)",
        body.len(),
        share * 100.0,
        LEAST_SHARE * 100.0,
    )?;
    anyhow::ensure!(!is_bench || share >= LEAST_SHARE, "slower than that");
    runtime.block_on(tasks.shut_down(Duration::from_secs(2)));
    Ok(())
}

/// A bare hyper server.
async fn bare(tasks: &Tasks, body: Bytes) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    let each = tasks.clone();
    tasks.spawn_short(async move {
        while let Ok((stream, _)) = listener.accept().await {
            drop(stream.set_nodelay(true));
            let body = body.clone();
            let service = service_fn(move |_: Request<hyper::body::Incoming>| {
                let mut response = Response::new(Full::new(body.clone()));
                let json = HeaderValue::from_static("application/json");
                response.headers_mut().insert(CONTENT_TYPE, json);
                async move { Ok::<_, Infallible>(response) }
            });
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            each.spawn_short(async move { drop(connection.await) });
        }
    });
    Ok(address)
}

async fn ours(tasks: &Tasks, first: Snapshot) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    let (_writer, snapshot) = snapshot::channel(first);
    let sources = Sources {
        snapshot,
        targets: directory()?,
        clock: WallClock::system(),
        zone: TimeZone::UTC,
        metrics: Metrics::new(),
        history: hoymiles_bridge::history::History::off(),
        broker: BrokerStatus::new(WallClock::system()),
        about: About::new(WallClock::system()),
        ingress_proxy: None,
    };
    tasks.spawn_short(serve(listener, sources, HttpConfig::default(), tasks.stop()));
    Ok(address)
}

fn directory() -> io::Result<Directory> {
    let (registration, store) = (RegistrationConfig::default(), Store::in_memory());
    let targets = Directory::new(&[], Vec::new(), &registration, store, WallClock::system());
    targets.map_err(io::Error::other)
}

/// Requests per second of all clients together.
fn rate(address: SocketAddr, length: usize, round: Duration) -> anyhow::Result<f64> {
    let began = Instant::now();
    let clients: Vec<_> =
        (0..CLIENTS).map(|_| thread::spawn(move || client(address, length, round))).collect();
    let mut requests = 0_u32;
    for client in clients {
        requests += client.join().map_err(|_| anyhow::anyhow!("a client failed"))??;
    }
    Ok(f64::from(requests) / began.elapsed().as_secs_f64())
}

/// Sends requests on one connection until `round` is over, and counts the answers.
fn client(address: SocketAddr, length: usize, round: Duration) -> io::Result<u32> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; 256 * 1024];
    let began = Instant::now();
    let mut answers = 0;
    while began.elapsed() < round {
        stream.write_all(b"GET /api/inverters HTTP/1.1\r\nHost: bench\r\n\r\n")?;
        answer(&mut stream, &mut buffer, length)?;
        answers += 1;
    }
    Ok(answers)
}

/// Reads one answer whose body has `length` bytes.
fn answer(stream: &mut TcpStream, buffer: &mut [u8], length: usize) -> io::Result<()> {
    let mut read = stream.read(buffer)?;
    let start = buffer.get(..read).unwrap_or_default();
    let head = start.windows(4).position(|four| four == b"\r\n\r\n");
    let head = head.ok_or_else(|| io::Error::other("an answer without a head"))?;
    while read < head + 4 + length {
        match stream.read(buffer)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => read += count,
        }
    }
    Ok(())
}

/// 100 inverters of 4 ports with all the values that Modbus gives.
fn plant() -> Snapshot {
    let now = Timestamp::UNIX_EPOCH;
    let port = |number| PortState {
        timestamp: now,
        reading: PortReading {
            number,
            pv_voltage: Some(Volts::from_tenths(341)),
            pv_current: Some(Amperes::from_hundredths(605)),
            pv_power: Some(Watts::from_tenths(2063)),
            today: Some(WattHours::new(936)),
            total: Some(WattHours::new(456_172)),
        },
        energy: Energy {
            today: Some(WattHours::new(936)),
            today_since: Some(now),
            total: Some(WattHours::new(456_172)),
        },
    };
    let inverter = |number| {
        let serial = InverterSerial::from_bytes([0x11, 0x61, 0xa0, 0, 0, number]);
        InverterState {
            values: InverterValues {
                link_status: Some(1),
                operating_status: Some(3),
                alarm_code: Some(0),
                alarm_count: Some(4),
                grid_voltage: Some(Volts::from_tenths(2334)),
                grid_frequency: Some(Hertz::from_hundredths(4998)),
                temperature: Some(Celsius::from_tenths(315)),
                ..InverterValues::default()
            },
            ports: (1..=4).map(|number| (number, port(number))).collect(),
            ..InverterState::new(serial, Arc::from("House"), now)
        }
        .with_sum_of_ports()
    };
    Snapshot::new(Contents { inverters: shared((0..100).map(inverter)), ..Contents::empty(now) })
}
