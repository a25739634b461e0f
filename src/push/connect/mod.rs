//! Opens a WebSocket stage by stage, within one limit for all of them together, so that a failure
//! tells how far the attempt came.

pub mod progress;

mod resolve;

mod tcp;

pub mod tls;

mod trail;

mod upgrade;

use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use self::progress::{Passed, Progress};
use self::tls::Tls;
use self::trail::Trail;
pub use self::upgrade::shown_place;
use super::failure::{Failure, Stage};
use super::outlet::Outlet;
use crate::targets::endpoint::Endpoint;
use crate::targets::target::Settings;

/// What is below a WebSocket.
pub type Line = MaybeTlsStream<TcpStream>;

/// An open WebSocket.
pub type Socket = WebSocketStream<Outlet<Line>>;

/// Opens a WebSocket to `endpoint` within `connect_timeout`.
pub async fn connect(
    endpoint: &Endpoint,
    settings: &Settings,
    tls: &Tls,
) -> Result<Socket, Failure> {
    connect_telling(endpoint, settings, tls, &mut ()).await
}

/// As [`connect`], and tells `progress` of each stage that it passes.
pub async fn connect_telling(
    endpoint: &Endpoint,
    settings: &Settings,
    tls: &Tls,
    progress: &mut impl Progress,
) -> Result<Socket, Failure> {
    let limit = Limit { until: Instant::now() + settings.connect_timeout, settings };
    let mut trail = Trail::from(endpoint);
    loop {
        match open(trail.end(), &limit, tls, progress).await {
            Ok(socket) => return Ok(socket),
            Err(Refusal::Failed(failure)) => return Err(trail.told(failure)),
            Err(Refusal::Redirected { to, failure }) => match trail.end().redirected(&to) {
                Some(place) => {
                    let shown = place.place();
                    trail.go_on(place)?;
                    progress.passed(Passed::Redirected(&shown), Duration::ZERO);
                }
                None => return Err(trail.told(failure)),
            },
        }
    }
}

/// How one try to open ended without success.
enum Refusal {
    Failed(Failure),
    /// The place it points to may be followed; the failure is for when it is not.
    Redirected {
        to: String,
        failure: Failure,
    },
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// The first stages only: name, TCP, and TLS where it is spoken. For who has no token to go on with.
pub async fn reach(
    endpoint: &Endpoint,
    settings: &Settings,
    tls: &Tls,
    progress: &mut impl Progress,
) -> Result<(), Failure> {
    let limit = Limit { until: Instant::now() + settings.connect_timeout, settings };
    open_stream(endpoint, &limit, tls, progress).await.map(drop)
}

async fn open(
    endpoint: &Endpoint,
    limit: &Limit<'_>,
    tls: &Tls,
    progress: &mut impl Progress,
) -> Result<Socket, Refusal> {
    let stream = open_stream(endpoint, limit, tls, progress).await?;
    let began = Instant::now();
    match timeout_at(
        limit.until,
        upgrade::upgrade(endpoint, stream, limit.settings.max_message_bytes),
    )
    .await
    {
        Ok(Ok(socket)) => {
            progress.passed(Passed::Upgrade, began.elapsed());
            Ok(socket)
        }
        Ok(Err(refusal)) => Err(refusal),
        Err(_) => Err(limit.timed_out(Stage::Upgrade, &endpoint.authority()).into()),
    }
}

async fn open_stream(
    endpoint: &Endpoint,
    limit: &Limit<'_>,
    tls: &Tls,
    progress: &mut impl Progress,
) -> Result<Line, Failure> {
    let place = endpoint.authority();
    let began = Instant::now();
    let addresses = limit.hold(Stage::Name, &place, resolve::addresses(endpoint)).await?;
    progress.passed(Passed::Name(&addresses), began.elapsed());
    if let Some(allow) = &limit.settings.allow {
        let checked: Vec<_> = addresses.iter().map(std::net::SocketAddr::ip).collect();
        allow.check(&endpoint.host(), &checked).map_err(Failure::Forbidden)?;
    }
    let began = Instant::now();
    let stream = limit.hold(Stage::Tcp, &place, tcp::open(&addresses, limit.until)).await?;
    if let Ok(peer) = stream.peer_addr() {
        progress.passed(Passed::Tcp(peer), began.elapsed());
    }
    if !endpoint.is_tls() {
        return Ok(MaybeTlsStream::Plain(stream));
    }
    let (began, host) = (Instant::now(), endpoint.host());
    let handshake = tls.handshake(&host, limit.settings.ca_file.as_deref(), stream);
    let stream = limit.hold(Stage::Tls, &place, handshake).await?;
    progress.passed(Passed::Tls, began.elapsed());
    Ok(MaybeTlsStream::Rustls(stream))
}

/// The time until which all stages together must be done.
struct Limit<'a> {
    until: Instant,
    settings: &'a Settings,
}

impl Limit<'_> {
    async fn hold<T>(
        &self,
        stage: Stage,
        place: &str,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        match timeout_at(self.until, work).await {
            Ok(outcome) => outcome,
            Err(_) => Err(self.timed_out(stage, place)),
        }
    }

    fn timed_out(&self, stage: Stage, place: &str) -> Failure {
        let limit = self.settings.connect_timeout;
        Failure::TimedOut { stage, limit, place: place.to_owned() }
    }
}
