//! The body of a registration through the real HTTP server, and the URL of a target.

use std::cell::RefCell;
use std::net::IpAddr;

use hoymiles_bridge::clock::WallClock;
use hoymiles_bridge::config::HttpConfig;
use hoymiles_bridge::config::RegistrationConfig;
use hoymiles_bridge::http::{self, About, Sources};
use hoymiles_bridge::poller::plant::PlantState;
use hoymiles_bridge::poller::publish::SnapshotPublisher;
use hoymiles_bridge::store::Store;
use hoymiles_bridge::targets::Directory;
use hoymiles_bridge::targets::allow::Allow;
use hoymiles_bridge::targets::broker::BrokerStatus;
use hoymiles_bridge::targets::endpoint::Endpoint;
use hoymiles_bridge::tasks::Tasks;
use hoymiles_bridge::telemetry::metrics::Metrics;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};

/// Runs this fuzz target once.
pub fn run(data: &[u8]) {
    let (text, body) = match data.split_first() {
        Some((kind, rest)) if kind % 2 == 0 => (String::from_utf8_lossy(rest).into_owned(), rest),
        Some((_, rest)) => (String::new(), rest),
        None => return,
    };
    if !text.is_empty() {
        return url(&text);
    }
    let status = SERVER.with_borrow_mut(|server| server.post(body));
    assert!([400, 403].contains(&status), "{status} to {:?}", String::from_utf8_lossy(body));
}

/// A URL and, on its second line, text that may quote it.
fn url(text: &str) {
    let (url, quote) = text.split_once('\n').unwrap_or((text, ""));
    let endpoint = match Endpoint::parse(url) {
        Ok(endpoint) => endpoint,
        Err(error) => return drop(error.to_string()),
    };
    for shown in [endpoint.place(), endpoint.shown(), endpoint.key(), endpoint.authority()] {
        assert!(!shown.chars().any(char::is_control), "{shown:?}");
        assert!(Endpoint::parse(&endpoint.key()).is_ok(), "what is stored can be read: {shown:?}");
    }
    assert_ne!(endpoint.port(), 0);
    drop(endpoint.redacted(quote));
    if let Ok(address) = endpoint.host().parse::<IpAddr>() {
        let private = Allow::parse(&["private".to_owned()]);
        let is_allowed = private.check(&endpoint.host(), &[address]).is_ok();
        let is_public = match address.to_canonical() {
            IpAddr::V4(address) => {
                !(address.is_private() || address.is_loopback() || address.is_link_local())
                    && address.octets()[0] != 100
            }
            IpAddr::V6(address) => address.segments()[0] & 0xe000 == 0x2000,
        };
        assert!(!(is_allowed && is_public), "{address} is not private");
    }
}

thread_local! {
    static SERVER: RefCell<Server> = RefCell::new(Server::start());
}

/// The HTTP server on loopback. Registration is off, because it would resolve names; all else works
/// as usual.
struct Server {
    runtime: Runtime,
    address: std::net::SocketAddr,
    client: Option<TcpStream>,
    _tasks: Tasks,
}

impl Server {
    fn start() -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let tasks = Tasks::new();
        let address = runtime.block_on(async {
            let listener = http::listen("127.0.0.1:0".parse().unwrap()).unwrap();
            let address = listener.local_addr().unwrap();
            let closed = RegistrationConfig { enabled: false, ..RegistrationConfig::default() };
            let config = HttpConfig { registration: closed, ..HttpConfig::default() };
            let clock = WallClock::from_fn(|| Timestamp::UNIX_EPOCH);
            let store = Store::in_memory();
            let plant = PlantState::new(TimeZone::UTC, Vec::new(), [], []);
            let (_, snapshot) = SnapshotPublisher::new(plant, store.clone(), Timestamp::UNIX_EPOCH);
            let targets =
                Directory::new(&[], Vec::new(), &config.registration, store, clock.clone());
            let sources = Sources {
                snapshot,
                targets: targets.unwrap(),
                clock,
                zone: TimeZone::UTC,
                metrics: Metrics::new(),
                history: hoymiles_bridge::history::History::off(),
                broker: BrokerStatus::new(WallClock::system()),
                about: About::new(WallClock::system()),
                ingress_proxy: None,
            };
            tasks.spawn_short(http::serve(listener, sources, config, tasks.stop()));
            address
        });
        Self { runtime, address, client: None, _tasks: tasks }
    }

    fn post(&mut self, body: &[u8]) -> u16 {
        let head = format!(
            "POST /api/websocket/register HTTP/1.1\r\nhost: bridge\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let (address, client) = (self.address, &mut self.client);
        self.runtime.block_on(async {
            let stream = match client {
                Some(stream) => stream,
                None => client.insert(TcpStream::connect(address).await.unwrap()),
            };
            stream.write_all(&[head.as_bytes(), body].concat()).await.unwrap();
            let mut answer = Vec::new();
            while !answer.ends_with(b"}") {
                let count = stream.read_buf(&mut answer).await.unwrap();
                assert_ne!(count, 0, "the connection is kept");
            }
            let answer = String::from_utf8(answer).unwrap();
            assert!(answer.contains("\r\n\r\n{\"error\":"), "{answer}");
            answer.get(9..12).unwrap().parse().unwrap()
        })
    }
}
