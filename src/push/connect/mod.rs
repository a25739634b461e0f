//! Opens a WebSocket stage by stage, within one limit for all of them together, so that a failure
//! tells how far the attempt came.

mod resolve;

mod tcp;

pub mod tls;

mod upgrade;

use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use self::tls::Tls;
use super::failure::{Failure, Stage};
use crate::targets::endpoint::Endpoint;
use crate::targets::target::Settings;

/// A redirection is followed so often.
const MOST_REDIRECTIONS: u32 = 3;

/// An open WebSocket.
pub type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Opens a WebSocket to `endpoint` within `connect_timeout`.
pub async fn connect(
    endpoint: &Endpoint,
    settings: &Settings,
    tls: &Tls,
) -> Result<Socket, Failure> {
    let limit = Limit { until: Instant::now() + settings.connect_timeout, settings };
    let mut endpoint = endpoint.clone();
    let mut redirections = 0;
    loop {
        let failure = match open(&endpoint, &limit, tls).await {
            Ok(socket) => return Ok(socket),
            Err(Refusal::Redirected { to, failure }) => match endpoint.redirected(&to) {
                Some(place) if redirections < MOST_REDIRECTIONS => {
                    redirections += 1;
                    endpoint = place;
                    continue;
                }
                Some(_) | None => failure,
            },
            Err(Refusal::Failed(failure)) => failure,
        };
        return Err(failure);
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

async fn open(endpoint: &Endpoint, limit: &Limit<'_>, tls: &Tls) -> Result<Socket, Refusal> {
    let place = endpoint.authority();
    let addresses = limit.hold(Stage::Name, &place, resolve::addresses(endpoint)).await?;
    if let Some(allow) = &limit.settings.allow {
        let checked: Vec<_> = addresses.iter().map(std::net::SocketAddr::ip).collect();
        allow.check(&endpoint.host(), &checked).map_err(Failure::Forbidden)?;
    }
    let stream = limit.hold(Stage::Tcp, &place, tcp::open(&addresses, limit.until)).await?;
    let stream = if endpoint.is_tls() {
        let host = endpoint.host();
        let handshake = tls.handshake(&host, limit.settings.ca_file.as_deref(), stream);
        MaybeTlsStream::Rustls(limit.hold(Stage::Tls, &place, handshake).await?)
    } else {
        MaybeTlsStream::Plain(stream)
    };
    match timeout_at(limit.until, upgrade::upgrade(endpoint, stream)).await {
        Ok(upgraded) => upgraded,
        Err(_) => Err(limit.timed_out(Stage::Upgrade, &place).into()),
    }
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
