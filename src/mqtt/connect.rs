//! Opens the connection to the broker, over TLS if so configured.

use tokio::io::{AsyncRead, AsyncWrite};

use crate::config::MqttConfig;
use crate::net;
use crate::net::dial::Attempt;
use crate::net::error::ConnectError;
use crate::net::tls::TlsFiles;

/// An open connection.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Stream for T {}

/// Connects to the broker.
pub(super) async fn connect(
    config: &MqttConfig,
    attempt: &Attempt,
) -> Result<net::dial::Stream, ConnectError> {
    let client = config.client_cert.clone().zip(config.client_key.clone());
    let files = TlsFiles { ca_file: config.ca_file.clone(), client };
    let stream = attempt.tcp().await?;
    attempt.secure(stream, config.tls.then_some(&files), &mut ()).await
}
