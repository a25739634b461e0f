//! From a name to an open connection, over TLS if so configured; a failure tells how far it came.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;

use super::failure::{Failure, LIMIT, Stage};
use crate::config::MqttConfig;
use crate::link::trust;

/// More addresses than this are not tried: a name server may list thousands.
const MOST_ADDRESSES: usize = 16;

/// An open connection.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Stream for T {}

/// Connects to the broker until `until`.
pub(super) async fn connect(
    config: &MqttConfig,
    until: Instant,
) -> Result<Box<dyn Stream>, Failure> {
    let addresses = hold(until, Stage::Name, addresses(config)).await?;
    let stream = hold(until, Stage::Tcp, open(&addresses, until)).await?;
    if config.tls {
        Ok(Box::new(hold(until, Stage::Tls, secure(config, stream)).await?))
    } else {
        Ok(Box::new(stream))
    }
}

async fn hold<T>(
    until: Instant,
    stage: Stage,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    timeout_at(until, work).await.unwrap_or(Err(Failure::TimedOut { stage, limit: LIMIT }))
}

async fn addresses(config: &MqttConfig) -> Result<Vec<SocketAddr>, Failure> {
    if let Ok(address) = config.host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, config.port())]);
    }
    let unknown = |error: String| {
        let preamble = "failed to lookup address information: ";
        let detail = error.strip_prefix(preamble).unwrap_or(&error).to_lowercase();
        Failure::NameUnknown { host: config.host.clone(), detail }
    };
    let found = lookup_host((config.host.as_str(), config.port())).await;
    let found = found.map_err(|error| unknown(error.to_string()))?;
    let found: Vec<_> = found.take(MOST_ADDRESSES).collect();
    if found.is_empty() { Err(unknown("it has no address".to_owned())) } else { Ok(found) }
}

/// Tries one address after the other, each with its share of the time that is left.
async fn open(addresses: &[SocketAddr], until: Instant) -> Result<TcpStream, Failure> {
    let mut last = Failure::TimedOut { stage: Stage::Tcp, limit: LIMIT };
    let mut left = u32::try_from(addresses.len()).unwrap_or(u32::MAX);
    for address in addresses {
        let share = until.saturating_duration_since(Instant::now()) / left.max(1);
        left = left.saturating_sub(1);
        match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // Small messages shall leave at once; without it they are only late.
                drop(stream.set_nodelay(true));
                return Ok(stream);
            }
            Ok(Err(error)) => last = Failure::of_tcp(*address, &error),
            Err(_) => {}
        }
    }
    Err(last)
}

async fn secure(config: &MqttConfig, stream: TcpStream) -> Result<impl Stream + use<>, Failure> {
    let name = ServerName::try_from(config.host.clone())
        .map_err(|_| Failure::Tls(format!("{} cannot be in a certificate", config.host)))?;
    let files = config.clone();
    // Read anew each time: certificates are renewed while the bridge runs.
    let read = tokio::task::spawn_blocking(move || client_config(&files)).await;
    let client = read.map_err(|error| Failure::Tls(error.to_string()))??;
    let handshake = TlsConnector::from(Arc::new(client)).connect(name, stream);
    handshake.await.map_err(|error| Failure::of_tls(&config.host, &error))
}

fn client_config(config: &MqttConfig) -> Result<ClientConfig, Failure> {
    let mut roots = trust::system_roots();
    if let Some(file) = &config.ca_file {
        trust::add_file(&mut roots, file).map_err(Failure::File)?;
    }
    let builder = ClientConfig::builder().with_root_certificates(roots);
    match (&config.client_cert, &config.client_key) {
        (Some(cert), Some(key)) => {
            let chain = trust::certificates(cert).map_err(Failure::File)?;
            let secret = trust::private_key(key).map_err(Failure::File)?;
            builder.with_client_auth_cert(chain, secret).map_err(|error| unusable(key, &error))
        }
        _ => Ok(builder.with_no_client_auth()),
    }
}

fn unusable(file: &Path, error: &dyn std::error::Error) -> Failure {
    Failure::File(format!("{}: {error}", file.display()))
}
