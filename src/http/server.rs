//! Listens, accepts connections, serves them, and stops in order.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use thiserror::Error;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::yield_now;
use tokio::time::{Instant, sleep, timeout};
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use super::connections::{Connection, Connections};
use super::service::Service;
use super::{Api, Sources};
use crate::config::HttpConfig;
use crate::net::error::listen_problem;
use crate::problem::Problem;

/// How many clients may wait in the kernel. With the usual 128 a crowd fills it, and whoever comes
/// then tries again after a second.
const BACKLOG: u32 = 1_024;
/// After the system ran out of something: long enough not to spin, short enough not to be noticed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Between two warnings about it.
const WARN_EVERY: Duration = Duration::from_secs(60);
/// On shutdown, for requests that have begun.
const SHUTDOWN_TIME: Duration = Duration::from_secs(1);
/// On shutdown, for responses that are on their way.
const FLUSH_TIME: Duration = Duration::from_millis(100);
/// For a client for whom there is no room.
const BUSY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\n\
    content-type: application/json\r\nretry-after: 1\r\nconnection: close\r\n\r\n\
    {\"error\":\"too many connections are open (http.max_connections); try again in a moment\"}";

/// The API cannot listen.
#[derive(Debug, Error)]
#[error("{problem}")]
pub struct ListenError {
    /// What to report; the system's error is in its cause.
    pub problem: Problem,
}

/// Listens at `address`, also right after another process listened there.
pub fn listen(address: SocketAddr) -> Result<TcpListener, ListenError> {
    bind(address)
        .map_err(|error| ListenError { problem: listen_problem(address, "http.listen", &error) })
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves the API over `sources` to the clients of `listener` until `stop`.
///
/// Returns once the port is free and all connections are closed: idle ones at once, the others
/// after their response, within about a second.
pub async fn serve(
    listener: TcpListener,
    sources: Sources,
    config: HttpConfig,
    stop: CancellationToken,
) {
    let api = Arc::new(Api::new(sources, &config, stop.clone()));
    let following = api.stream.clone().run(api.snapshot.clone(), api.targets.clone());
    let tasks = TaskTracker::new();
    let metrics = api.metrics.clone();
    let mut connections = Connections::new(config.max_connections, metrics.clone());
    let http = http(&config);
    let service = Service::new(api, config, tasks.clone());
    let server = Arc::new(Server { service, http, stop: stop.clone() });
    let accepting = async {
        let mut warned = None;
        loop {
            let (stream, client) = accept(&listener, &connections, &mut warned).await;
            if let Some(connection) = connections.admit().await {
                let server = Arc::clone(&server);
                drop(tasks.spawn(server.serve_connection(stream, client.ip(), connection)));
            } else {
                metrics.http_connection_refused();
                // It fits into the buffer of a new socket.
                drop(stream.try_write(BUSY));
            }
        }
    };
    stop.run_until_cancelled(async { tokio::join!(following, accepting) }).await;
    drop(listener);
    tasks.close();
    if timeout(SHUTDOWN_TIME.saturating_add(FLUSH_TIME), tasks.wait()).await.is_err() {
        debug!("{} HTTP tasks did not stop in time", tasks.len());
    }
}

async fn accept(
    listener: &TcpListener,
    connections: &Connections,
    warned: &mut Option<Instant>,
) -> (TcpStream, SocketAddr) {
    loop {
        let error = match listener.accept().await {
            Ok((stream, client)) => {
                // Responses are written whole: to wait for more of them would only delay them.
                drop(stream.set_nodelay(true));
                return (stream, client);
            }
            Err(error) => error,
        };
        if is_only_about_the_client(&error) {
            continue;
        }
        if warned.is_none_or(|warned| warned.elapsed() >= WARN_EVERY) {
            warn!("no connections can be accepted at the moment: {error}");
            *warned = Some(Instant::now());
        }
        connections.evict();
        sleep(ACCEPT_PAUSE).await;
    }
}

/// Whether the client went away before it was accepted; any other error is about this system.
fn is_only_about_the_client(error: &io::Error) -> bool {
    [
        io::ErrorKind::ConnectionAborted,
        io::ErrorKind::ConnectionReset,
        io::ErrorKind::ConnectionRefused,
        io::ErrorKind::Interrupted,
    ]
    .contains(&error.kind())
}

fn http(config: &HttpConfig) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(config.header_timeout)
        .max_buf_size(config.max_header_bytes)
        .max_headers(config.max_headers)
        // A client may close its own half after its request, and still wait for the response.
        .half_close(true);
    builder
}

#[derive(Debug)]
struct Server {
    service: Service,
    http: http1::Builder,
    stop: CancellationToken,
}

impl Server {
    async fn serve_connection(
        self: Arc<Self>,
        stream: TcpStream,
        client: IpAddr,
        connection: Arc<Connection>,
    ) {
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(self.service.config.write_timeout));
        let service = service_fn(async |request: Request<Incoming>| {
            // Other connections come first, or one that pipelines requests would hold them up.
            yield_now().await;
            Ok::<_, Infallible>(self.service.respond(request, client, &connection).await)
        });
        let served = self.http.serve_connection(TokioIo::new(Box::pin(stream)), service);
        let served = served.with_upgrades();
        tokio::pin!(served);
        let ended = tokio::select! {
            biased;
            ended = served.as_mut() => ended,
            () = connection.evicted() => return,
            () = self.stop.cancelled() => {
                served.as_mut().graceful_shutdown();
                let time = if connection.is_in_request() { SHUTDOWN_TIME } else { FLUSH_TIME };
                timeout(time, served).await.unwrap_or(Ok(()))
            }
        };
        if let Err(error) = ended {
            let hint = if error.is_parse() { "; is it HTTP, and without TLS?" } else { "" };
            debug!("connection of {} ended: {error}{hint}", client.to_canonical());
        }
    }
}
