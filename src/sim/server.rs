//! Serves one simulated DTU over TCP, in either protocol: accepts clients, reads requests while it
//! answers, and applies the faults of the line.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Simulation;
use super::faults::{ActiveFaults, Fault, fault_value};
use super::random;
use super::stats::OutstandingRequest;

/// More than a test needs, and few enough to survive a runaway client.
const MAX_CLIENTS: usize = 64;
/// More unanswered requests than any reasonable client sends; the next ones wait unread.
const MAX_OUTSTANDING: usize = 32;

/// A protocol that DTUs speak.
pub trait WireProtocol: Send + Sync + 'static {
    /// The length of the request that starts with these bytes; `None` if they are too few to tell.
    fn request_length(&self, received: &[u8]) -> Result<Option<usize>, NotARequest>;

    /// The complete reply to a complete request; empty if there is none. Faults of the line are
    /// applied afterwards.
    fn reply(&self, request: &[u8], simulation: &Simulation, faults: &ActiveFaults) -> Vec<u8>;
}

/// The client speaks another protocol; the connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a request of this protocol")]
pub struct NotARequest;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ConnectionEnd {
    Close,
    Reset,
}

/// Serves `simulation` until `stop`; returns when the last connection is closed.
pub async fn serve(
    listener: TcpListener,
    protocol: impl WireProtocol,
    simulation: Simulation,
    stop: CancellationToken,
) {
    let protocol = Arc::new(protocol);
    let clients = TaskTracker::new();
    while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
        let client = match accepted {
            Ok((client, _)) => client,
            Err(error) => {
                tracing::debug!("cannot accept a client: {error}");
                // Such as too many open files.
                sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        if refuses_client(&simulation, clients.len()) {
            simulation.stats().refused();
            continue;
        }
        let (protocol, simulation) = (Arc::clone(&protocol), simulation.clone());
        let stop = stop.clone();
        drop(clients.spawn(async move {
            let serving = serve_client(client, &*protocol, &simulation);
            stop.run_until_cancelled(serving).await;
        }));
    }
    drop(listener);
    clients.close();
    clients.wait().await;
}

fn refuses_client(simulation: &Simulation, clients: usize) -> bool {
    let faults = simulation.faults().active();
    faults.has(Fault::Close)
        || simulation.is_without_power(&faults)
        || (faults.has(Fault::RefuseSecondClient) && clients > 0)
        || clients >= MAX_CLIENTS
}

async fn serve_client(
    mut client: TcpStream,
    protocol: &impl WireProtocol,
    simulation: &Simulation,
) {
    // Delays are for the faults to decide.
    if let Err(error) = client.set_nodelay(true) {
        tracing::debug!("a client left before it was served: {error}");
        return;
    }
    match serve_connection(&mut client, protocol, simulation).await {
        ConnectionEnd::Close => {}
        ConnectionEnd::Reset => {
            if let Err(error) = client.set_zero_linger() {
                tracing::debug!("cannot reset a connection: {error}");
            }
        }
    }
}

/// Answers one client's requests in their order. It reads while it answers, so that it notices a
/// client that asks again too early, or leaves.
pub(super) async fn serve_connection(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    protocol: &impl WireProtocol,
    simulation: &Simulation,
) -> ConnectionEnd {
    let _open = simulation.stats().connection_opened();
    let (reader, writer) = tokio::io::split(stream);
    let (queue, requests) = mpsc::channel(MAX_OUTSTANDING);
    tokio::select! {
        biased;
        end = answer_requests(writer, requests, protocol, simulation) => end,
        () = read_requests(reader, queue, protocol, simulation) => ConnectionEnd::Close,
    }
}

type Request = (Bytes, OutstandingRequest);

/// Ends when the client leaves or sends something else than requests.
async fn read_requests(
    mut stream: impl AsyncRead + Unpin,
    queue: mpsc::Sender<Request>,
    protocol: &impl WireProtocol,
    simulation: &Simulation,
) {
    let mut received = BytesMut::new();
    loop {
        let length = match protocol.request_length(&received) {
            Ok(Some(length)) if (1..=received.len()).contains(&length) => length,
            Ok(_) => match stream.read_buf(&mut received).await {
                Ok(0) | Err(_) => return,
                Ok(_) => continue,
            },
            Err(NotARequest) => return,
        };
        let request = received.split_to(length).freeze();
        if queue.send((request, simulation.stats().request_received())).await.is_err() {
            return;
        }
    }
}

async fn answer_requests(
    mut stream: impl AsyncWrite + Unpin,
    mut requests: mpsc::Receiver<Request>,
    protocol: &impl WireProtocol,
    simulation: &Simulation,
) -> ConnectionEnd {
    let mut held_back = None;
    while let Some((request, outstanding)) = requests.recv().await {
        let faults = simulation.faults().active();
        if faults.has(Fault::Silence) || is_lost(&faults, outstanding.number()) {
            continue;
        }
        if faults.has(Fault::Close) || simulation.is_without_power(&faults) {
            return ConnectionEnd::Close;
        }
        if faults.has(Fault::Reset) {
            return ConnectionEnd::Reset;
        }
        let slow = fault_value!(faults, Slow).unwrap_or_default();
        pause(simulation.latency().saturating_add(slow)).await;
        let mut reply = protocol.reply(&request, simulation, &faults);
        if reply.is_empty() {
            continue;
        }
        if faults.has(Fault::LateAnswer) {
            match held_back.replace(reply) {
                Some(late) => reply = late,
                None => continue,
            }
        }
        let sent = send_reply(&mut stream, reply, &faults, outstanding).await;
        if sent.is_err() || faults.has(Fault::CloseAfterAnswer) {
            return ConnectionEnd::Close;
        }
    }
    ConnectionEnd::Close
}

/// Whether that request, counted over all clients, gets lost.
fn is_lost(faults: &ActiveFaults, number: u64) -> bool {
    const SEED: u64 = 9;
    fault_value!(faults, Lossy).is_some_and(|percent| random(SEED, number) % 100 < percent.into())
}

/// A sleep of no length would still wait for the timer's next tick.
async fn pause(length: Duration) {
    if !length.is_zero() {
        sleep(length).await;
    }
}

/// Fails if the connection is to be closed.
async fn send_reply(
    stream: &mut (impl AsyncWrite + Unpin),
    mut reply: Vec<u8>,
    faults: &ActiveFaults,
    outstanding: OutstandingRequest,
) -> io::Result<()> {
    let half = reply.len() / 2;
    let mut sent = 0;
    if faults.has(Fault::CloseMidFrame) {
        send(stream, reply.get(..half)).await?;
        return Err(io::ErrorKind::ConnectionAborted.into());
    }
    if faults.has(Fault::Garbage) {
        reply = garbage(outstanding.number(), reply.len());
    } else if let Some(delay) = fault_value!(faults, HalfAnswer) {
        send(stream, reply.get(..half)).await?;
        pause(delay).await;
        sent = half;
    } else if let Some(delay) = fault_value!(faults, OneByteAtATime) {
        while sent + 1 < reply.len() {
            send(stream, reply.get(sent..=sent)).await?;
            pause(delay).await;
            sent += 1;
        }
    }
    // Before the last piece, for once it is out the client may be quicker than we are.
    outstanding.answered();
    send(stream, reply.get(sent..)).await
}

async fn send(stream: &mut (impl AsyncWrite + Unpin), bytes: Option<&[u8]>) -> io::Result<()> {
    stream.write_all(bytes.unwrap_or_default()).await?;
    stream.flush().await
}

fn garbage(seed: u64, length: usize) -> Vec<u8> {
    (0..).flat_map(|word| random(seed, word).to_be_bytes()).take(length).collect()
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::net::SocketAddr;

    use jiff::Timestamp;
    use tokio::io::duplex;
    use tokio::time::{Instant, timeout};

    use super::*;
    use crate::clock::WallClock;
    use crate::sim::faults::Faults;
    use crate::sim::plant::{PlantShape, SimulatedPlant};
    use crate::sim::stats::ClientStats;

    const GUARD: Duration = Duration::from_secs(5);

    /// Requests of four bytes, each answered with itself; a `!` is not a request.
    struct Echo;

    impl WireProtocol for Echo {
        fn request_length(&self, received: &[u8]) -> Result<Option<usize>, NotARequest> {
            if received.contains(&b'!') { Err(NotARequest) } else { Ok(Some(4)) }
        }

        fn reply(&self, request: &[u8], _: &Simulation, _: &ActiveFaults) -> Vec<u8> {
            request.to_vec()
        }
    }

    struct Served {
        simulation: Simulation,
        address: SocketAddr,
        stop: CancellationToken,
        server: TaskTracker,
    }

    async fn served(faults: &[Fault]) -> Served {
        let clock = WallClock::from_fn(|| Timestamp::UNIX_EPOCH);
        let simulation = Simulation::new(SimulatedPlant::new(&PlantShape::default()), clock);
        for fault in faults {
            simulation.faults().set(*fault);
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, server) = (CancellationToken::new(), TaskTracker::new());
        drop(server.spawn(serve(listener, Echo, simulation.clone(), stop.clone())));
        Served { simulation, address, stop, server }
    }

    impl Served {
        async fn dial(&self) -> TcpStream {
            TcpStream::connect(self.address).await.unwrap()
        }
    }

    async fn answer(client: &mut TcpStream) -> Result<String, ErrorKind> {
        let mut answer = [0; 4];
        let read = timeout(GUARD, client.read_exact(&mut answer)).await.unwrap();
        read.map(|_| String::from_utf8_lossy(&answer).into_owned()).map_err(|error| error.kind())
    }

    async fn ask(client: &mut TcpStream, request: &str) -> Result<String, ErrorKind> {
        client.write_all(request.as_bytes()).await.map_err(|error| error.kind())?;
        answer(client).await
    }

    #[tokio::test]
    async fn answers_requests_in_order_however_they_are_split() {
        let dtu = served(&[]).await;
        let mut client = dtu.dial().await;
        assert_eq!(ask(&mut client, "abcdef").await, Ok("abcd".into()));
        assert_eq!(ask(&mut client, "ghijkl").await, Ok("efgh".into()));
        assert_eq!(answer(&mut client).await, Ok("ijkl".into()));
        assert_eq!(ask(&mut client, "!").await, Err(ErrorKind::UnexpectedEof));
    }

    #[track_caller]
    fn check_lost(got: &Result<String, ErrorKind>, kinds: &[ErrorKind]) {
        assert!(kinds.contains(got.as_ref().unwrap_err()), "{got:?}");
    }

    #[tokio::test]
    async fn line_faults_show_and_can_be_cleared() {
        use ErrorKind::{ConnectionReset, UnexpectedEof};
        let cases: [(Fault, &[ErrorKind]); 3] = [
            (Fault::Close, &[UnexpectedEof, ConnectionReset]),
            (Fault::CloseMidFrame, &[UnexpectedEof]),
            (Fault::Reset, &[ConnectionReset]),
        ];
        for (fault, kinds) in cases {
            let dtu = served(&[fault]).await;
            check_lost(&ask(&mut dtu.dial().await, "abcd").await, kinds);
            dtu.simulation.faults().clear_all();
            let mut client = dtu.dial().await;
            assert_eq!(ask(&mut client, "abcd").await, Ok("abcd".into()), "{fault:?}");
            dtu.simulation.faults().set(fault);
            check_lost(&ask(&mut client, "abcd").await, kinds);
        }
    }

    #[tokio::test]
    async fn a_late_answer_belongs_to_the_previous_request() {
        let dtu = served(&[Fault::LateAnswer]).await;
        let mut client = dtu.dial().await;
        client.write_all(b"old.").await.unwrap();
        assert_eq!(ask(&mut client, "new.").await, Ok("old.".into()));
        let mut other = dtu.dial().await;
        other.write_all(b"one.").await.unwrap();
        assert_eq!(ask(&mut other, "two.").await, Ok("one.".into()));
    }

    #[tokio::test]
    async fn does_not_answer_while_silent() {
        let dtu = served(&[Fault::Silence]).await;
        let mut client = dtu.dial().await;
        client.write_all(b"lost").await.unwrap();
        dtu.simulation.stats().wait_until(|c| c.requests == 1 && c.outstanding == 0).await;
        dtu.simulation.faults().clear(Fault::Silence);
        assert_eq!(ask(&mut client, "next").await, Ok("next".into()));
    }

    #[tokio::test]
    async fn refuses_a_second_client_while_the_first_is_connected() {
        let dtu = served(&[Fault::RefuseSecondClient]).await;
        let mut first = dtu.dial().await;
        assert_eq!(ask(&mut first, "1st.").await, Ok("1st.".into()));
        assert_eq!(answer(&mut dtu.dial().await).await, Err(ErrorKind::UnexpectedEof));
        assert_eq!(ask(&mut first, "1st.").await, Ok("1st.".into()));
        drop(first);
        let counts = dtu.simulation.stats().wait_until(|counts| counts.open == 0).await;
        assert_eq!((counts.refused, counts.max_open), (1, 1));
    }

    #[tokio::test]
    async fn counts_what_clients_do() {
        let dtu = served(&[]).await;
        let (mut first, mut second) = (dtu.dial().await, dtu.dial().await);
        ask(&mut first, "1st.").await.unwrap();
        ask(&mut second, "2nd.").await.unwrap();
        let counts = dtu.simulation.stats().counts();
        assert_eq!((counts.requests, counts.connections, counts.max_open), (2, 2, 2));
        assert_eq!(counts.max_outstanding, 1);
        assert!(counts.shortest_pause.is_some());
        dtu.simulation.faults().set(Fault::Slow(Duration::from_secs(3600)));
        first.write_all(b"1st.1st.").await.unwrap();
        let counts = dtu.simulation.stats().wait_until(|c| c.outstanding == 2).await;
        assert_eq!(counts.max_outstanding, 2);
        drop(first);
        dtu.simulation.stats().wait_until(|c| c.outstanding == 0 && c.open == 1).await;
    }

    #[tokio::test]
    async fn stops_in_the_middle_of_an_answer_and_frees_its_port() {
        let dtu = served(&[Fault::Slow(Duration::from_secs(3600))]).await;
        let mut client = dtu.dial().await;
        client.write_all(b"wait").await.unwrap();
        dtu.simulation.stats().wait_until(|counts| counts.outstanding == 1).await;
        dtu.stop.cancel();
        dtu.server.close();
        timeout(GUARD, dtu.server.wait()).await.unwrap();
        assert!(TcpStream::connect(dtu.address).await.is_err());
        assert_eq!(dtu.simulation.stats().counts().open, 0);
    }

    /// What a client receives under `fault`, how long it takes, and whether the connection stays.
    async fn sent_under(fault: Fault) -> (Vec<u8>, Duration, bool) {
        let faults = Faults::new(WallClock::from_fn(|| Timestamp::UNIX_EPOCH));
        faults.set(fault);
        let (mut client, mut server) = duplex(64);
        let begun = Instant::now();
        let (reply, request) = (b"ten bytes!".to_vec(), ClientStats::default().request_received());
        let sent = send_reply(&mut server, reply, &faults.active(), request).await.is_ok();
        let elapsed = begun.elapsed();
        drop(server);
        let mut bytes = Vec::new();
        client.read_to_end(&mut bytes).await.unwrap();
        (bytes, elapsed, sent)
    }

    #[tokio::test(start_paused = true)]
    async fn replies_are_delayed_or_cut_by_faults() {
        let (millis, whole) = (Duration::from_millis, b"ten bytes!".to_vec());
        let cases = [
            (Fault::Night, whole.clone(), 0, true),
            (Fault::CloseMidFrame, b"ten b".to_vec(), 0, false),
            (Fault::HalfAnswer(millis(500)), whole.clone(), 500, true),
            (Fault::OneByteAtATime(millis(30)), whole, 270, true),
        ];
        for (fault, bytes, elapsed, sent) in cases {
            assert_eq!(sent_under(fault).await, (bytes, millis(elapsed), sent), "{fault:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn garbage_is_as_long_as_the_reply() {
        let (bytes, _, sent) = sent_under(Fault::Garbage).await;
        assert_eq!((bytes.len(), sent), (10, true));
        assert_ne!(bytes, b"ten bytes!");
        assert_ne!(garbage(1, 10), garbage(2, 10));
    }
}
