//! A plant, an API over it, a server and a client.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::Request;
use hyper::body::Body;
use hyper::http::response::Parts;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::super::connections::Connections;
use super::super::service::Service;
use super::super::{About, Api, Sources, listen, serve};
use crate::clock::WallClock;
use crate::config::{HttpConfig, Protocol, RegistrationConfig};
use crate::plant::reading::{InverterValues, PortReading};
use crate::plant::serial::InverterSerial;
use crate::plant::units::{Amperes, Hertz, Volts, WattHours, Watts};
use crate::snapshot::json::shared;
use crate::snapshot::state::{DtuState, DtuStatus, Energy, InverterState, PortState, Stats};
use crate::snapshot::{self, Contents, Snapshot, SnapshotReader, SnapshotWriter};
use crate::store::Store;
use crate::targets::Directory;
use crate::targets::broker::BrokerStatus;
use crate::tasks::Tasks;
use crate::telemetry::metrics::Metrics;

/// Longer than any step of a passing test.
pub(in crate::http) const GUARD: Duration = Duration::from_secs(5);

/// Noon of a day in June.
pub(in crate::http) fn noon() -> Timestamp {
    "2026-06-01T12:00:00Z".parse().unwrap()
}

pub(in crate::http) fn dtu(status: DtuStatus, last_success: Option<Timestamp>) -> DtuState {
    DtuState {
        status,
        last_success,
        query_count: 1,
        ..DtuState::unknown("House", Protocol::Modbus, Duration::from_secs(300))
    }
}

/// Inverter `1161a000000N`, of whose ports the first has values.
pub(in crate::http) fn inverter(number: u8, ports: u8) -> InverterState {
    let port = |number| {
        let unknown = PortState::unknown(number, noon());
        if number > 1 {
            return unknown;
        }
        PortState {
            reading: PortReading {
                pv_voltage: Some(Volts::from_tenths(341)),
                pv_current: Some(Amperes::from_hundredths(605)),
                pv_power: Some(Watts::from_tenths(2063)),
                ..unknown.reading
            },
            energy: Energy {
                today: Some(WattHours::new(936)),
                today_since: None,
                total: Some(WattHours::new(456_172)),
            },
            ..unknown
        }
    };
    let serial = InverterSerial::from_bytes([0x11, 0x61, 0xa0, 0, 0, number]);
    InverterState {
        values: InverterValues {
            link_status: Some(1),
            operating_status: Some(3),
            alarm_code: Some(0),
            grid_voltage: Some(Volts::from_tenths(2334)),
            grid_frequency: Some(Hertz::from_hundredths(4998)),
            ..InverterValues::default()
        },
        ports: (1..=ports).map(|number| (number, port(number))).collect(),
        ..InverterState::new(serial, Arc::from("House"), noon())
    }
    .with_sum_of_ports()
}

pub(in crate::http) fn snapshot(inverters: Vec<InverterState>, dtus: Vec<DtuState>) -> Snapshot {
    Snapshot::new(Contents {
        energy: Energy::sum(inverters.iter().map(|inverter| inverter.energy)),
        stats: Stats { inverters_count: 2, ..Stats::default() },
        inverters: shared(inverters),
        dtus: dtus.into_iter().map(Arc::new).collect(),
        ..Contents::empty(noon())
    })
}

/// An API over two inverters, one minute after the last answer of their DTU.
pub(super) fn api() -> Arc<Api> {
    api_over(two_inverters())
}

pub(super) fn api_over(snapshot: Snapshot) -> Arc<Api> {
    api_with(snapshot, &HttpConfig::default())
}

pub(super) fn api_with(snapshot: Snapshot, config: &HttpConfig) -> Arc<Api> {
    let (_writer, reader) = snapshot::channel(snapshot);
    Arc::new(Api::new(sources(reader), config, CancellationToken::new()))
}

/// One minute after noon.
pub(in crate::http) fn sources(snapshot: SnapshotReader) -> Sources {
    Sources {
        snapshot,
        targets: directory(&RegistrationConfig::default()),
        clock: WallClock::from_fn(|| noon() + Duration::from_secs(60)),
        zone: TimeZone::UTC,
        metrics: Metrics::new(),
        history: crate::history::History::off(),
        broker: BrokerStatus::new(WallClock::system()),
        about: About::new(WallClock::system()),
        ingress_proxy: None,
    }
}

fn two_inverters() -> Snapshot {
    let dtus = vec![dtu(DtuStatus::Online, Some(noon()))];
    snapshot(vec![inverter(1, 2), inverter(2, 1)], dtus)
}

/// The API with this token.
pub(super) fn api_with_token(token: &str) -> Arc<Api> {
    let config = HttpConfig { token: Some(token.into()), ..HttpConfig::default() };
    api_with(two_inverters(), &config)
}

/// A directory without targets that takes registrations under these rules.
pub(in crate::http) fn directory(registration: &RegistrationConfig) -> Directory {
    let store = Store::in_memory();
    Directory::new(&[], Vec::new(), registration, store, WallClock::from_fn(noon)).unwrap()
}

/// What `api` answers to a request, without a network.
pub(super) async fn respond<B>(api: &Arc<Api>, request: Request<B>) -> (Parts, String)
where
    B: Body<Data = Bytes> + Unpin + Send + 'static,
{
    let (head, bytes) = respond_bytes(api, request).await;
    (head, String::from_utf8(bytes.to_vec()).unwrap())
}

pub(super) async fn respond_bytes<B>(api: &Arc<Api>, request: Request<B>) -> (Parts, Bytes)
where
    B: Body<Data = Bytes> + Unpin + Send + 'static,
{
    let service = Service::new(Arc::clone(api), HttpConfig::default(), TaskTracker::new());
    let client = "192.168.1.23".parse().unwrap();
    let connection = Connections::new(1, Metrics::new()).admit().await.unwrap();
    let response = service.respond(request, client, &connection).await;
    let (head, body) = response.into_parts();
    (head, body.collect().await.unwrap().to_bytes())
}

/// A server on a port of its own.
pub(in crate::http) struct Server {
    pub(in crate::http) address: SocketAddr,
    pub(in crate::http) snapshots: SnapshotWriter,
    stop: CancellationToken,
    tasks: Tasks,
}

impl Server {
    pub(in crate::http) fn start(config: HttpConfig) -> Self {
        let listener = listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let address = listener.local_addr().unwrap();
        let tasks = Tasks::new();
        let stop = tasks.stop();
        let (snapshots, reader) = snapshot::channel(two_inverters());
        tasks.spawn_short(serve(listener, sources(reader), config, stop.clone()));
        Self { address, snapshots, stop, tasks }
    }

    pub(in crate::http) async fn client(&self) -> Client {
        let stream = TcpStream::connect(self.address).await.unwrap();
        Client { stream, unread: Vec::new() }
    }

    /// Starts the shutdown.
    pub(in crate::http) fn stop(&self) {
        self.stop.cancel();
    }

    /// Whether the server ends within `limit`, its port free.
    pub(super) async fn ends_within(self, limit: Duration) -> bool {
        let has_ended = self.tasks.shut_down(limit).await;
        has_ended && TcpListener::bind(self.address).await.is_ok()
    }
}

/// A client that sends exactly the bytes of the test.
pub(in crate::http) struct Client {
    stream: TcpStream,
    unread: Vec<u8>,
}

/// What the server answered.
#[derive(Debug)]
pub(in crate::http) struct Reply {
    pub(in crate::http) status: u16,
    pub(in crate::http) body: String,
}

impl Client {
    pub(in crate::http) async fn send(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    /// Sends it as far as the server reads.
    pub(super) async fn try_to_send(&mut self, text: &str) {
        drop(self.stream.write_all(text.as_bytes()).await);
    }

    /// Closes the sending half.
    pub(super) async fn close_half(&mut self) {
        self.stream.shutdown().await.unwrap();
    }

    pub(in crate::http) async fn get(&mut self, path: &str) -> Reply {
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n")).await;
        self.reply().await
    }

    /// The next reply, with the body that its header announces.
    pub(super) async fn reply(&mut self) -> Reply {
        let head = self.head().await;
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.map_or(0, |length| length.parse().unwrap());
        while self.unread.len() < length {
            assert!(self.more().await, "closed in the middle of a body");
        }
        let body = self.unread.drain(..length).collect();
        let status = head.get(9..12).unwrap().parse().unwrap();
        Reply { status, body: String::from_utf8(body).unwrap() }
    }

    /// The head of the next reply, in lower case.
    pub(in crate::http) async fn head(&mut self) -> String {
        loop {
            let end = self.unread.windows(4).position(|four| four == b"\r\n\r\n");
            if let Some(end) = end {
                let head: Vec<u8> = self.unread.drain(..end + 4).collect();
                return String::from_utf8(head).unwrap().to_lowercase();
            }
            assert!(self.more().await, "closed without a reply");
        }
    }

    /// Waits until the server closes the connection, and returns what it sent before.
    pub(in crate::http) async fn closed(mut self) -> String {
        while self.more().await {}
        String::from_utf8(self.unread).unwrap()
    }

    async fn more(&mut self) -> bool {
        let read = timeout(GUARD, self.stream.read_buf(&mut self.unread)).await;
        read.unwrap().is_ok_and(|count| count > 0)
    }
}
